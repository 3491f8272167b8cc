"""Which seasons are to be closed, and from when on: a function of what was published."""

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from tables.economies import EconomyHistory, Instant, Revision


class DueSeason(NamedTuple):
    """A season that leaderboards count in, and the instant from which on it is closed."""

    season: str
    due: datetime


class _Season(msgspec.Struct, frozen=True):
    id: str
    until: Instant


class _Board(msgspec.Struct, frozen=True):
    window: str


class _Document(msgspec.Struct, frozen=True):
    """The part of an economy document that is about seasons; what is published is valid."""

    seasons: tuple[_Season, ...] = ()
    leaderboards: tuple[_Board, ...] = ()


_decode = msgspec.json.Decoder(_Document).decode


def due_seasons(history: EconomyHistory, revision: Revision, grace: timedelta) -> list[DueSeason]:
    """Return the seasons of one of a tenant's revisions: none if no leaderboard counts by season.

    A season is due `grace` after its end, but no sooner than that after the first revision that gave it this end: who
    publishes an economy for a time that is over brings the events of that time next.
    """
    document = _document(revision)
    if not any(board.window == "season" for board in document.leaderboards):
        return []
    told: dict[tuple[str, datetime], datetime] = {}
    for each in history.revisions:
        for season in _document(each).seasons:
            name = (season.id, season.until)
            told[name] = min(each.effective_at, told.get(name, each.effective_at))
    return [
        DueSeason(season.id, max(season.until, told[season.id, season.until]) + grace) for season in document.seasons
    ]


def end_of(revision: Revision, season: str) -> datetime | None:
    """Return when a season ends by a revision; None if it has no such season."""
    return next((each.until for each in _document(revision).seasons if each.id == season), None)


def _document(revision: Revision) -> _Document:
    try:
        return _decode(revision.document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Document()  # of a release that knows more than this one: it judges no event here either
