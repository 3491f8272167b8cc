"""Who entered or left the top of a leaderboard between two looks at it, and the facts that say so. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Final, Literal, NamedTuple

import msgspec

from pipeline.events import EPOCH, Event
from tables.boards import FACTS_SOURCE
from tables.order_index import Place
from tables.tops import RankChange, Top, TopKey

BANDS: Final = (3, 10, 100)
TOP_MAX: Final = max(BANDS)


class Ranked(NamedTuple):
    """A member of the top: its rank and place."""

    rank: int
    place: Place


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a fact `leaderboard.changed` says: the narrowest top that the actor entered, or the widest that it left.

    A rank that is left out lies beyond the top 100. `number` grows with each telling about the window.
    """

    board: str
    window: str
    change: Literal["entered", "left"]
    top: int
    number: int
    rank: int | None = None
    previous_rank: int | None = None
    score: int | None = None
    split: str | None = None


def decided(before: Top, after: Sequence[Ranked], *, final: bool) -> Top | None:
    """Return the row after a look that found `after`, with what is to be told; None if there is nothing to remember.

    After a `final` look the window is closed, and forgets its members.
    """
    changes = tuple(rank_changes(dict(before.members), after))
    if not changes and not final:
        return None
    return Top(
        version=1,
        number=before.number + 1 if changes else before.number,
        latest_us=max([before.latest_us, *(each.place.reached for each in after)]),
        members=() if final else tuple((each.place.actor, each.rank) for each in after),
        untold=changes,
        closed=final,
    )


def rank_changes(before: Mapping[str, int], after: Sequence[Ranked]) -> Iterator[RankChange]:
    """Yield each actor who stands within another top than before; `before` are ranks by actor."""
    new = {each.place.actor: each for each in after}
    for actor in [*new, *(actor for actor in before if actor not in new)]:
        old, now = before.get(actor), new.get(actor)
        was, is_ = _top(old), _top(None if now is None else now.rank)
        if was == is_:
            continue
        entered = is_ is not None and (was is None or is_ < was)
        top = is_ if entered else was
        assert top is not None
        yield RankChange(
            actor=actor,
            change="entered" if entered else "left",
            top=top,
            rank=None if now is None else now.rank,
            previous_rank=old,
            score=None if now is None else now.place.score,
        )


def facts(of: TopKey, top: Top) -> Iterator[Event]:
    """Yield what a row has to tell, at the time of the latest score.

    An id follows from the window, the number of the decision and the actor: told again, it is the same.
    """
    for each in top.untold:
        told = Told(
            board=of.board,
            window=of.window,
            change=each.change,
            top=each.top,
            number=top.number,
            rank=each.rank,
            previous_rank=each.previous_rank,
            score=each.score,
            split=of.split or None,
        )
        what = msgspec.json.encode((of, top.number, each.actor))
        yield Event(
            specversion="1.0",
            id=blake2b(what, digest_size=16, person=b"plaudit-rank").hexdigest(),
            source=FACTS_SOURCE,
            type="leaderboard.changed",
            subject=each.actor,
            tenant=of.tenant,
            time=EPOCH + timedelta(microseconds=top.latest_us),
            data=msgspec.to_builtins(told),
        )


def _top(rank: int | None) -> int | None:
    return None if rank is None else next((band for band in BANDS if rank <= band), None)
