"""What an event's postings mean for leaderboards: every posting to the actor in a board's currency counts."""

from collections.abc import Callable, Sequence
from typing import Final

from pipeline.events import Score
from rules.conditions import EvalContext, compile_reader
from rules.decision import Posting
from rules.economy import Economy
from rules.periods import window_of_day

SPLIT_LENGTH_MAX: Final = 256  # a split's value is a part of a key
_INTEGER_BITS_MAX: Final = 512


def split_value(value: object) -> str | None:
    """Return the name of the board that a field's value splits off; None if the event counts for no board of the split.

    Texts are names as they are, whole numbers and booleans as JSON writes them; anything else names none.
    """
    if type(value) is str:
        return value if len(value) <= SPLIT_LENGTH_MAX else None
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int and value.bit_length() <= _INTEGER_BITS_MAX:
        return str(value)
    return None


def compile_split(path: str) -> Callable[[EvalContext], str | None]:
    """Return a function that reads a split's value from the field `path`."""
    read = compile_reader(path)
    return lambda context: split_value(read(context))


def scores_of(context: EvalContext, postings: Sequence[Posting], seconds: int, economy: Economy) -> tuple[Score, ...]:
    """Return one score per board that the postings count for, in the order of the document.

    The window is the one that holds the event's time (seconds after the epoch) in the tenant's zone: a board is
    everybody's.
    """
    boards = economy.boards
    if not boards:
        return ()
    points: dict[str, int] = {}
    for posting in postings:
        points[posting.currency] = points.get(posting.currency, 0) + posting.amount
    day = economy.zone.day(seconds)
    scores = []
    for board in boards.values():
        if board.currency in points:
            split = None if board.split is None else board.split(context)
            if split is not None or board.split is None:
                window = window_of_day(board.window, day)
                scores.append(Score(board=board.id, window=window, points=points[board.currency], split=split))
    return tuple(scores)
