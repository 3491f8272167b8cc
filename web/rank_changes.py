"""Who entered or left the top of a leaderboard between two looks at it. Pure."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Final, Literal, NamedTuple

import msgspec

from pipeline.events import EPOCH, Event
from tables.order_index import Place
from web.questions import BoardWindow

BANDS: Final = (3, 10, 100)
TOP_MAX: Final = max(BANDS)
SOURCE: Final = "plaudit/leaderboards"
_MICROSECOND: Final = timedelta(microseconds=1)


class Ranked(NamedTuple):
    """A member of the top: its rank and place."""

    rank: int
    place: Place


class RankChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a fact `leaderboard.changed` says: the narrowest top that the actor entered, or the widest that it left.

    A rank that is left out lies beyond the top 100.
    """

    board: str
    window: str
    change: Literal["entered", "left"]
    top: int
    rank: int | None = None
    previous_rank: int | None = None
    score: int | None = None
    split: str | None = None


def rank_changes(of: BoardWindow, before: Sequence[Ranked], after: Sequence[Ranked]) -> Iterator[Event]:
    """Yield a fact for each actor who stands within another top than before, at the time of the latest score.

    A fact's id follows from the two standings: two watchers that see the same change tell of it under the same id.
    """
    old, new = ({each.place.actor: each for each in ranked} for ranked in (before, after))
    latest = max(
        (each.place.reached for each in after), default=max((each.place.reached for each in before), default=0)
    )
    for actor in [*new, *(actor for actor in old if actor not in new)]:
        change = _change(of, old.get(actor), new.get(actor))
        if change is not None:
            yield _fact(of, actor, change, latest)


def _change(of: BoardWindow, old: Ranked | None, new: Ranked | None) -> RankChange | None:
    was, now = _top(old), _top(new)
    if was == now:
        return None
    entered = now is not None and (was is None or now < was)
    top = now if entered else was
    assert top is not None
    return RankChange(
        board=of.board,
        window=of.window,
        change="entered" if entered else "left",
        top=top,
        rank=None if new is None else new.rank,
        previous_rank=None if old is None else old.rank,
        score=None if new is None else new.place.score,
        split=of.split or None,
    )


def _top(ranked: Ranked | None) -> int | None:
    return None if ranked is None else next((band for band in BANDS if ranked.rank <= band), None)


def _fact(of: BoardWindow, actor: str, change: RankChange, latest_us: int) -> Event:
    what = msgspec.json.encode((of.tenant, actor, change, latest_us))
    return Event(
        specversion="1.0",
        id=blake2b(what, digest_size=16, person=b"plaudit-rank").hexdigest(),
        source=SOURCE,
        type="leaderboard.changed",
        subject=actor,
        tenant=of.tenant,
        time=EPOCH + latest_us * _MICROSECOND,
        data=msgspec.to_builtins(change),
    )
