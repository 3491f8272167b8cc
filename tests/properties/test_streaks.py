"""Streaks against a model that remembers every period, for any order of events."""

from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from rules import streak_state
from rules.streak_state import StreakState


def runs_of(active: set[int], frozen: set[int], grace: int) -> list[list[int]]:
    """Return the active periods by run, from the definition: no row of missed periods is longer than the grace.

    The last run is the one that goes on to the last period that was active or frozen; it may be empty.
    """
    kept = sorted(active | frozen)
    groups = [kept[:1]]
    for earlier, later in pairwise(kept):
        if later - earlier - 1 > grace:
            groups.append([])
        groups[-1].append(later)
    return [[each for each in group if each in active] for group in groups]


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Return periods that become active, and some that are frozen, in any order."""
    random = Random(draw(st.integers(0, 2**32)))
    span = draw(st.sampled_from([6, 15, 40]))
    return [("freeze" if random.random() < 0.2 else "act", random.randrange(span)) for _ in range(span)]


@given(history=histories(), grace=st.integers(0, 3))
def test_runs_are_those_of_the_definition(history: list[tuple[str, int]], grace: int) -> None:
    """Length, the longest run and the present one, after every step."""
    state, active, frozen, longest = streak_state.NONE, set[int](), set[int](), 0

    for what, period in history:
        changed = None
        if what == "act":
            changed = streak_state.record(state, period, grace)
            assert (changed is None) == (period in active)
            active.add(period)
            frozen.discard(period)
            if changed is not None:
                run = streak_state.run_at(changed, streak_state.index_of(changed, period), grace)
                state = streak_state.noted(changed, run, run.paid)
        elif period not in active:
            state = streak_state.freeze(state, period)
            frozen.add(period)
        runs = runs_of(active, frozen, grace)
        if changed is not None:
            longest = max(longest, *(len(run) for run in runs if period in run))
        now = max(active | frozen)
        assert streak_state.current(state, now, grace) == len(runs[-1])
        assert state.longest == longest


@given(seed=st.integers(0, 2**32), grace=st.integers(0, 2), length=st.integers(1, 400))
def test_what_is_remembered_is_bounded(seed: int, grace: int, length: int) -> None:
    """However long the history and however many its gaps; in order, nothing is miscounted for it."""
    random, state, active, period = Random(seed), streak_state.NONE, set[int](), 0

    for _ in range(length):
        period += random.choice([1, 1, 1, 2, 3])
        active.add(period)
        state = advanced(state, period, grace)

    assert len(state.stretches) <= streak_state.STRETCHES_MAX
    assert streak_state.current(state, period, grace) == len(runs_of(active, set(), grace)[-1])
    assert state.longest == max(map(len, runs_of(active, set(), grace)))


@given(history=histories(), grace=st.integers(0, 2))
def test_a_period_that_comes_again_changes_nothing(history: list[tuple[str, int]], grace: int) -> None:
    """In whatever order: a streak is a set of periods."""
    state = streak_state.NONE
    for _, period in history:
        state = advanced(state, period, grace)

    assert all(streak_state.record(state, period, grace) is None for _, period in history)


def advanced(state: StreakState, period: int, grace: int) -> StreakState:
    """Return the state with a period, as the rules keep it."""
    changed = streak_state.record(state, period, grace)
    if changed is None:
        return state
    run = streak_state.run_at(changed, max(streak_state.index_of(changed, period), 0), grace)
    return streak_state.noted(changed, run, run.paid)
