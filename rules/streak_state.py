"""What is remembered of a streak: which periods were active, and how they join to runs. Periods are numbered.

Days count from 1970-01-01, weeks from the Monday before it, in the actor's own zone: consecutive periods have
consecutive numbers, whatever the clocks do. Nothing here knows what a period is worth.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

STRETCHES_MAX: Final = 32
"""Stretches that are remembered one by one; with more gaps than that, the oldest is only counted."""
FROZEN_MAX: Final = 64
"""Frozen periods that are remembered at a time."""


class Stretch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Active periods without a gap, `first` to `last`. `paid` is the greatest milestone its run was paid for."""

    first: int
    last: int
    paid: int = 0

    @property
    def length(self) -> int:
        """The number of its periods."""
        return self.last - self.first + 1


class StreakState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An actor's streak. Stretches and frozen periods ascend.

    `carried` is how many active periods of the oldest stretch's run lie before it, `through` the last period about
    which nothing more is known one by one. `longest` is the longest run ever.
    """

    stretches: tuple[Stretch, ...] = ()
    frozen: tuple[int, ...] = ()
    longest: int = 0
    carried: int = 0
    through: int | None = None


class Run(NamedTuple):
    """A run: its length in active periods, the greatest milestone paid for it, its last stretch's place."""

    length: int
    paid: int
    at: int


NONE: Final = StreakState()


def record(state: StreakState, period: int, grace: int) -> StreakState | None:
    """Return the state once `period` is active; None if it was already, or is older than what is remembered."""
    if state.through is not None and period <= state.through:
        return None
    if state.stretches and state.stretches[-1].last == period:  # as nearly always
        return None
    stretches = list(state.stretches)
    after = bisect_right(stretches, period, key=lambda each: each.first)
    before = stretches[after - 1] if after else None
    if before is not None and period <= before.last:
        return None
    first = last = period
    paid = 0
    begin = end = after
    if before is not None and before.last == period - 1:
        first, paid, begin = before.first, before.paid, after - 1
    if after < len(stretches) and stretches[after].first == period + 1:
        last, paid, end = stretches[after].last, max(paid, stretches[after].paid), after + 1
    stretches[begin:end] = [Stretch(first, last, paid)]
    frozen = tuple(each for each in state.frozen if each != period) if period in state.frozen else state.frozen
    changed = StreakState(tuple(stretches), frozen, state.longest, state.carried, state.through)
    return _bounded(changed, grace)


def freeze(state: StreakState, period: int) -> StreakState:
    """Return the state once `period`, which is not active, is covered."""
    frozen = tuple(sorted({*state.frozen, period}))[-FROZEN_MAX:]
    return msgspec.structs.replace(state, frozen=frozen)


def room(state: StreakState) -> int:
    """Return how many further periods can be covered: of a covered one no run must ever lose sight."""
    return max(FROZEN_MAX - len(state.frozen), 0)


def run_at(state: StreakState, index: int, grace: int) -> Run:
    """Return the run that the stretch at `index` belongs to."""
    stretches, low, high = state.stretches, index, index
    while low > 0 and _joined(stretches[low - 1].last, stretches[low].first, state.frozen, grace):
        low -= 1
    while high + 1 < len(stretches) and _joined(stretches[high].last, stretches[high + 1].first, state.frozen, grace):
        high += 1
    run = stretches[low : high + 1]
    length = sum(each.length for each in run) + (state.carried if low == 0 else 0)
    return Run(length, max(each.paid for each in run), high)


def index_of(state: StreakState, period: int) -> int:
    """Return the index of the stretch that holds an active period."""
    return bisect_right(state.stretches, period, key=lambda each: each.first) - 1


def noted(state: StreakState, run: Run, paid: int) -> StreakState:
    """Return the state after a run was looked at and paid for up to the milestone `paid`."""
    stretches = state.stretches
    if paid != run.paid:
        last = stretches[run.at]
        stretches = (*stretches[: run.at], Stretch(last.first, last.last, paid), *stretches[run.at + 1 :])
    return StreakState(stretches, state.frozen, max(state.longest, run.length), state.carried, state.through)


def current(state: StreakState, now: int, grace: int) -> int:
    """Return the length of the latest run if it still stands in the period `now`; 0 if it is broken, or none began."""
    if not state.stretches:
        return 0
    last = state.stretches[-1].last
    if now > last and not _joined(last, now, state.frozen, grace):
        return 0
    return run_at(state, len(state.stretches) - 1, grace).length


def kept_through(state: StreakState) -> int | None:
    """Return the latest period that was active or frozen; None before the first."""
    if not state.stretches:
        return None
    return max(state.stretches[-1].last, state.frozen[-1] if state.frozen else state.stretches[-1].last)


def is_active(state: StreakState, period: int) -> bool:
    """Return whether an active period is remembered as such."""
    index = index_of(state, period)
    return index >= 0 and period <= state.stretches[index].last


def _joined(last: int, first: int, frozen: Sequence[int], grace: int) -> bool:
    """Return whether a run goes on from `last` to `first`: no row of missed periods between them exceeds the grace."""
    if first - last - 1 <= grace:
        return True
    kept = [last, *_between(frozen, last, first), first]
    return all(later - earlier - 1 <= grace for earlier, later in pairwise(kept))


def _between(periods: Iterable[int], after: int, before: int) -> Iterator[int]:
    return (each for each in periods if after < each < before)


def _bounded(state: StreakState, grace: int) -> StreakState:
    if len(state.stretches) <= STRETCHES_MAX:
        return state
    oldest, following, *_ = state.stretches
    if _joined(oldest.last, following.first, state.frozen, grace):
        carried, paid = state.carried + oldest.length, max(oldest.paid, following.paid)
    else:
        carried, paid = 0, following.paid
    rest = (Stretch(following.first, following.last, paid), *state.stretches[2:])
    frozen = tuple(each for each in state.frozen if each > oldest.last)
    return StreakState(rest, frozen, state.longest, carried, oldest.last)
