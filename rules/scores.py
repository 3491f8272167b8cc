"""What an event's postings mean for leaderboards: all that is earned in a board's currency counts."""

from collections.abc import Callable, Sequence
from typing import Final

from pipeline.events import Score
from rules.conditions import EvalContext, compile_reader
from rules.decision import ADJUSTED, ISSUED, Posting
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


def points_of(postings: Sequence[Posting]) -> dict[str, int]:
    """Return what postings count on leaderboards, by currency: what was issued or adjusted, less what was taken back.

    What is spent does not count: it was earned all the same.
    """
    points: dict[str, int] = {}
    for posting in postings:
        currency = posting.currency
        if posting.debit_account == ISSUED or posting.debit_account == ADJUSTED:  # noqa: PLR1714  # no tuple each time
            points[currency] = points.get(currency, 0) + posting.amount
        elif posting.credit_account in {ISSUED, ADJUSTED}:
            points[currency] = points.get(currency, 0) - posting.amount
    return points


def scores_of(context: EvalContext, postings: Sequence[Posting], seconds: int, economy: Economy) -> tuple[Score, ...]:
    """Return one score per board that the postings count for, in the order of the document.

    The window is the one that holds the event's time (seconds after the epoch) in the tenant's zone: a board is
    everybody's.
    """
    boards = economy.boards
    if not boards:
        return ()
    points = points_of(postings)
    day = economy.zone.day(seconds)
    scores = []
    for board in boards.values():
        if board.currency in points:
            split = None if board.split is None else board.split(context)
            if split is not None or board.split is None:
                window = window_of_day(board.window, day)
                scores.append(Score(board=board.id, window=window, points=points[board.currency], split=split))
    return tuple(scores)
