"""Exact standings of a leaderboard that is spread over shards: pages, ranks and the neighbourhood of an actor.

Every source answers for other members, and all order them alike, so counts add up and pages merge. A deep page is found
by narrowing the range in which it begins, never by reading what lies before it. With a single source all of it happens
at one instant; with several, each question is answered at its own, as the boards move on in between.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from heapq import merge
from typing import Protocol

import msgspec

from rules.economy import Tie
from tables.order_index import END, START, Place, first_with, read_place
from web.questions import (
    PAGE_MAX,
    PIVOTS_MAX,
    Ahead,
    Answer,
    Before,
    Locate,
    LocateAll,
    Page,
    Question,
    Sample,
    Splits,
    Windows,
    last,
)
from web.rank_changes import Ranked

# A range with fewer members than this is read instead of narrowed further; so is everything before a shallow page.
_READ_MAX = PAGE_MAX // 2
# Each round divides the range by about one more than this. More pivots cost time in each shard, fewer cost rounds.
_PIVOTS = 7
# Far more rounds than 2^64 members need; only a board that changes faster than it is read gets here.
_ROUNDS_MAX = 64

assert _PIVOTS <= PIVOTS_MAX


class Entry(msgspec.Struct, frozen=True):
    """One line of a leaderboard."""

    rank: int
    actor: str
    score: int


class Source(Protocol):
    """Some of the shards of one window of one board."""

    async def ask(self, question: Question) -> Answer:
        """Return the answer for these shards, at one instant."""
        ...


class Ranking:
    """One window of one board over all its sources. `size` and `expired_through` are as of the last answers."""

    def __init__(self, sources: Sequence[Source], tie: Tie) -> None:
        """Rank by the tie rule: with `first` every rank is unique, with `shared` equal scores share one."""
        self._sources = sources
        self._tie = tie
        self.size = 0
        self.expired_through = ""

    async def page(self, offset: int, limit: int) -> list[Entry]:
        """Return the members from the one at `offset` (0 for the best) on, at most `limit`."""
        if offset + limit <= _READ_MAX:
            places = _merged(await self._ask(Page(START, offset + limit)))[offset : offset + limit]
        else:
            start = await self._place_at(offset)
            places = [] if start is None else _merged(await self._ask(Page(start, limit)))[:limit]
        return await self._ranked(places, offset)

    async def around(self, actor: str, limit: int) -> tuple[int, list[Entry]]:
        """Return the offset of a page with the actor in its middle, and the page.

        Near an end of the board the actor is as near to the middle as a full page allows. The page is empty when the
        actor is not on the board.
        """
        located = [place for answer in await self._ask(Locate(actor)) for place in answer.places]
        if not located:
            return 0, []
        place = located[0]
        [ahead] = _sums(await self._ask(Ahead((place,))))
        offset = max(0, min(ahead - (limit - 1) // 2, self.size - limit))
        better = ahead - offset
        before = last(_merged(await self._ask(Before(place, better))), better) if better else []
        places = before + _merged(await self._ask(Page(place, limit - better)))[: limit - better]
        return offset, await self._ranked(places, offset)

    async def among(self, actors: Sequence[str]) -> list[Entry]:
        """Return the standing of some actors among themselves; who is not on the board is left out."""
        members = [read_place(place) for place in _merged(await self._ask(LocateAll(tuple(actors))))]
        self.size = len(members)
        return self._counted(members, 0, 1)

    async def top(self, limit: int) -> list[Ranked]:
        """Return the first members with their ranks and places, at most `limit`."""
        places = _merged(await self._ask(Page(START, limit)))[:limit]
        members = [read_place(place) for place in places]
        ranks = (entry.rank for entry in self._counted(members, 0, 1))
        return [Ranked(rank, member) for rank, member in zip(ranks, members, strict=True)]

    async def windows(self, actor: str) -> list[tuple[str, int]]:
        """Return each window that is kept in which an actor has a score, in their order, with the score."""
        found = [place.partition(b"\0") for answer in await self._ask(Windows(actor)) for place in answer.places]
        return [(window.decode(), read_place(place).score) for window, _, place in found]

    async def splits(self, after: str | None, limit: int) -> list[str]:
        """Return the window's splits that come first after one, by name."""
        answers = await self._ask(Splits(after, limit))
        return sorted({place.decode() for answer in answers for place in answer.places})[:limit]

    async def _ask(self, question: Question) -> list[Answer]:
        if len(self._sources) == 1:  # no other task runs in between when the only source is this worker's own memory
            answers = [await self._sources[0].ask(question)]
        else:
            answers = await asyncio.gather(*(source.ask(question) for source in self._sources))
        self.size = sum(answer.size for answer in answers)
        self.expired_through = max((answer.expired_through for answer in answers), default="")
        return answers

    async def _place_at(self, offset: int) -> bytes | None:
        """Return the place of the member before which `offset` others stand; None if there are not so many."""
        after, before, passed = START, END, 0
        for _ in range(_ROUNDS_MAX):
            answers = await self._ask(Sample(after, before, _PIVOTS))
            left = sum(answer.numbers[0] for answer in answers)
            if left <= _READ_MAX:
                places = _merged(await self._ask(Page(after + b"\0" if after else START, left)))
                return places[max(0, offset - passed)] if offset - passed < len(places) else None
            pivots = _spread(_merged(answers), _PIVOTS)
            ahead = _sums(await self._ask(Ahead(tuple(pivots))))
            chosen = bisect_right(ahead, offset) - 1
            if chosen >= 0:
                after, passed = pivots[chosen], ahead[chosen] + 1
                if ahead[chosen] == offset:
                    return after
            if chosen + 1 < len(pivots):
                before = pivots[chosen + 1]
        return after

    async def _ranked(self, places: Sequence[bytes], offset: int) -> list[Entry]:
        members = [read_place(place) for place in places]
        rank, shared = offset + 1, self._tie == "shared"
        if shared and members and offset:
            [better] = _sums(await self._ask(Ahead((first_with(members[0].score),))))
            rank = better + 1
        return self._counted(members, offset, rank)

    def _counted(self, members: Sequence[Place], offset: int, rank: int) -> list[Entry]:
        """Return the lines of members that follow each other, the first of them `offset` from the top, at `rank`."""
        shared, entries = self._tie == "shared", list[Entry]()
        for index, member in enumerate(members):
            if index and not (shared and member.score == members[index - 1].score):
                rank = offset + index + 1
            entries.append(Entry(rank, member.actor, member.score))
        return entries


def _merged(answers: Sequence[Answer]) -> list[bytes]:
    return list(merge(*(answer.places for answer in answers)))


def _sums(answers: Sequence[Answer]) -> list[int]:
    return [sum(column) for column in zip(*(answer.numbers for answer in answers), strict=True)]


def _spread(places: Sequence[bytes], count: int) -> list[bytes]:
    """Return at most `count` of the places, evenly spread and in order."""
    if len(places) <= count:
        return list(places)
    return [places[(len(places) * i + len(places) // 2) // count] for i in range(count)]
