"""Holding what tables state against what the record adds up to, while both go on.

A table states an amount *as of* a sequence: the last event that is in it. So it is compared with the sum of all that
the record has up to that sequence, and what comes later may still be on its way to the table. Pure.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Stated(NamedTuple):
    """What a table says, as of the last event that is in it; -1: of none."""

    seq: int
    amount: int


NOTHING = Stated(-1, 0)


class Gap(NamedTuple):
    """A table that says something else than the record, or has not come to all of it.

    `recorded` is the record's sum up to the sequence that the table names, `later` the sequences that come after.
    """

    stated: Stated
    recorded: int
    later: tuple[int, ...]

    @property
    def newest(self) -> int:
        """The last sequence that the table has not come to; -1: there is none."""
        return max(self.later, default=-1)


class Tally(Generic[Key]):
    """The record's movements by key, added as they are read; a key's sequences are those of one partition."""

    def __init__(self) -> None:
        """Begin with a record in which nothing stands."""
        self._sums: dict[Key, int] = {}
        self._later: dict[Key, list[tuple[int, int]]] = {}

    def add(self, key: Key, seq: int, amount: int, stated: Stated) -> None:
        """Take a movement that was not taken before. `stated` is what the table says, now or at any time before."""
        if amount == 0:
            return
        if seq <= stated.seq:
            self._sums[key] = self._sums.get(key, 0) + amount
        else:
            self._later.setdefault(key, []).append((seq, amount))

    def gaps(self, keys: Iterable[Key], stated: Callable[[Key], Stated]) -> Iterator[tuple[Key, Gap]]:
        """Yield the gaps at all keys that the record or `keys` have. `stated` is what the tables say now."""
        for key in {*keys, *self._sums, *self._later}:
            says = stated(key)
            later = self._later.pop(key, [])
            passed = sum(amount for seq, amount in later if seq <= says.seq)
            recorded = self._sums.get(key, 0) + passed
            if passed:
                self._sums[key] = recorded
            if left := [each for each in later if each[0] > says.seq]:
                self._later[key] = left
            if left or recorded != says.amount:
                yield key, Gap(says, recorded, tuple(seq for seq, _ in left))


def settled(gaps: Mapping[Key, Gap], before: Mapping[Key, Gap]) -> dict[Key, Gap]:
    """Return the gaps that are differences: not those that only wait for what is on its way.

    `before` has the gaps that were there before all that was on its way then had been waited for: whatever a table has
    not come to of that is missing for good.
    """
    return {
        key: gap
        for key, gap in gaps.items()
        if gap.recorded != gap.stated.amount or (key in before and min(gap.later) <= before[key].newest)
    }
