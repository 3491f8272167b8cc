"""The order of one window of one leaderboard within a shard, in memory: rank and page in O(log n) (ADR 0007).

A member is one `bytes` object, its place: score and time packed so that byte order is board order, then the actor's
name. Best score first, then the earlier `reached`, then the smaller name (by code point, which UTF-8 keeps). That order
serves both tie rules.
"""

from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

from sortedcontainers import SortedList

from tables.boards import SCORE_MAX, SCORE_MIN

_HEAD = Struct(">QQ")
_SCORE = Struct(">Q")

# Before every place, and after every place: a place begins with at most eight bytes of 0xff.
START = b""
END = b"\xff" * 17


class Place(NamedTuple):
    """What a place says: who stands there, with which score, reached when (microseconds since the epoch)."""

    score: int
    reached: int
    actor: str


def place_of(score: int, reached: int, actor: bytes) -> bytes:
    """Return the place of an actor (its name in UTF-8). Score and time must fit 64 bits with a sign."""
    return _HEAD.pack(SCORE_MAX - score, reached - SCORE_MIN) + actor


def read_place(place: bytes) -> Place:
    """Return what a place made by `place_of` says."""
    score, reached = _HEAD.unpack_from(place)
    return Place(SCORE_MAX - score, reached + SCORE_MIN, place[_HEAD.size :].decode())


def first_with(score: int) -> bytes:
    """Return the bound before which exactly the places with a better score lie."""
    return _SCORE.pack(SCORE_MAX - score)


class OrderIndex:
    """The places of a window's members, best first. Not safe for use by two threads at a time."""

    __slots__ = ("_places",)

    def __init__(self, places: Iterable[bytes] = ()) -> None:
        """Build the index from places in any order: O(n log n), O(n) when they are sorted."""
        self._places: SortedList = SortedList(places)

    def __len__(self) -> int:
        """Return the number of members."""
        return len(self._places)

    def __contains__(self, place: bytes) -> bool:
        """Return whether a member stands at that place."""
        return place in self._places

    def move(self, old: bytes | None, new: bytes | None) -> None:
        """Move a member from its old place (None: it joins) to its new one (None: it leaves).

        Raises:
            ValueError: nobody stands at `old`.
        """
        if old is not None:
            self._places.remove(old)
        if new is not None:
            self._places.add(new)

    def ahead(self, place: bytes) -> int:
        """Return how many members stand before a place or bound, which need not be a member's."""
        return int(self._places.bisect_left(place))

    def page(self, start: bytes, limit: int) -> list[bytes]:
        """Return the first `limit` places at or after `start`."""
        first = self.ahead(start)
        return list(self._places.islice(first, first + limit))

    def page_before(self, end: bytes, limit: int) -> list[bytes]:
        """Return the last `limit` places before `end`, in order."""
        after_last = self.ahead(end)
        return list(self._places.islice(max(0, after_last - limit), after_last))

    def between(self, after: bytes, before: bytes) -> int:
        """Return how many members stand strictly between two bounds."""
        return max(0, self.ahead(before) - int(self._places.bisect_right(after)))

    def sample(self, after: bytes, before: bytes, count: int) -> list[bytes]:
        """Return `count` places strictly between two bounds, evenly spread and in order; all if there are fewer."""
        first, number = int(self._places.bisect_right(after)), self.between(after, before)
        if number <= count:
            return list(self._places.islice(first, first + number))
        return [self._places[first + (number * i + number // 2) // count] for i in range(count)]
