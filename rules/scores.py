"""What an event's postings mean for leaderboards: all that is earned in a board's currency counts."""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, Final

from pipeline.events import Score
from rules.board_windows import window_at
from rules.conditions import EvalContext, compile_reader
from rules.decision import ADJUSTED, ISSUED, Posting
from rules.economy import Economy
from rules.periods import window_of_day

SPLIT_LENGTH_MAX: Final = 256  # a split's value is a part of a key
LEAGUE_LENGTH_MAX: Final = 128
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


def scores_of(
    context: EvalContext, postings: Sequence[Posting], seconds: int, economy: Economy, counted: Container[str] = ()
) -> tuple[Score, ...]:
    """Return the scores that the postings, and boards that count the event itself, lead to; in document order.

    The window is the one that holds the event's time (seconds after the epoch) in the tenant's zone: a board is
    everybody's. An actor of a league scores on the league's own part of each board that has no split, too.
    """
    boards = economy.boards
    if not boards:
        return ()
    points = points_of(postings)
    zone = economy.zone
    day = zone.day(seconds)
    league = _league(context.attributes) if context.attributes else None
    scores = []
    for board in boards.values():
        earned = points.get(board.currency) if board.currency is not None else 1 if board.id in counted else None
        if earned is None:
            continue
        if board.window == "season":
            window = window_at("season", board.seasons, seconds, zone)
            if window is None:
                continue
        else:
            window = window_of_day(board.window, day)
        if board.split is None:
            scores.append(Score(board=board.id, window=window, points=earned, personal_best=board.personal_best))
            if league is not None:
                scores.append(Score(board=board.id, window=window, points=earned, split=league))
        elif (split := board.split(context)) is not None:
            scores.append(
                Score(board=board.id, window=window, points=earned, split=split, personal_best=board.personal_best)
            )
    return tuple(scores)


def league_split(league: str) -> str:
    """Return under which split a board without a split keeps the scores of a league."""
    return f"league={league}"


def _league(attributes: Mapping[str, Any]) -> str | None:
    league = attributes.get("league")
    return league_split(league) if isinstance(league, str) and 0 < len(league) <= LEAGUE_LENGTH_MAX else None
