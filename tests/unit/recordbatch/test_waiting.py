"""Runs that wait for their turn: what is joined, what is not, and that nothing is lost or turned around."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.recordbatch.model import Run
from pipeline.recordbatch.waiting import WaitingRuns
from tests.memory import MemoryRecord


@dataclass(frozen=True)
class Event:
    """What brings a run."""

    value: Run


def event(*offsets: int, size: int = 1) -> Event:
    """Return an event that brings a run of records of that many bytes."""
    return Event(Run("events", 0, [MemoryRecord(b"v" * size, offset) for offset in offsets]))


def turns(*events: Event, records_max: int = 4, bytes_max: int = 100) -> list[list[int]]:
    """Return the offsets of each run that leaves."""
    waiting = WaitingRuns(records_max, bytes_max)
    for each in events:
        waiting.add(each)
    left = []
    while waiting:
        left.append([record.offset for record in waiting.take().run.records])
    return left


def test_runs_that_follow_on_each_other_leave_as_one() -> None:
    """What waited while another run was processed costs one round trip, not one for each run."""
    assert turns(event(0), event(1, 2), event(5)) == [[0, 1, 2, 5]]


def test_a_joined_run_stays_within_its_records() -> None:
    """What does not fit leaves with the next."""
    assert turns(event(0, 1, 2), event(3, 4), event(5)) == [[0, 1, 2], [3, 4, 5]]


def test_a_joined_run_stays_within_its_bytes() -> None:
    """Values count, and keys."""
    assert turns(event(0, size=60), event(1, size=50), event(2, size=40)) == [[0], [1, 2]]


def test_a_run_that_is_larger_than_allowed_leaves_alone() -> None:
    """One record may be larger than a run; it was let through, so it must be processed."""
    assert turns(event(0, size=500), event(1)) == [[0], [1]]


def test_records_that_are_delivered_again_are_not_joined_to_the_first_delivery() -> None:
    """After a rebalance they may stand behind it; the offsets of a run ascend."""
    assert turns(event(4, 5), event(4, 5), event(6)) == [[4, 5], [4, 5, 6]]


def test_taking_where_nothing_waits_fails() -> None:
    """A turn has a run."""
    with pytest.raises(IndexError):
        WaitingRuns(1, 1).take()


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 60), st.booleans()), max_size=12))
def test_every_run_leaves_once_and_in_order(parts: list[tuple[int, int, bool]]) -> None:
    """Whatever the sizes, and whatever is delivered again."""
    start, events = 0, []
    for count, size, again in parts:
        events.append(event(*range(start, start + count), size=size))
        start += 0 if again else count
    waiting = WaitingRuns(4, 100)
    for each in events:
        waiting.add(each)
    left: list[Event] = []
    while waiting:
        run, taken = waiting.take()
        assert [record for each in taken for record in each.value.records] == list(run.records)
        offsets = [record.offset for record in run.records]
        assert offsets == sorted(set(offsets))
        assert len(taken) == 1 or (len(offsets) <= 4 and sum(len(record.value or b"") for record in run.records) <= 100)
        left.extend(taken)
    assert [id(each) for each in left] == [id(each) for each in events]


def test_what_is_given_up_leaves_all_at_once() -> None:
    """A worker that stops gives up what waits."""
    waiting = WaitingRuns(1, 1)
    events = [event(0), event(1)]
    for each in events:
        waiting.add(each)
    assert waiting.take_all() == events
    assert not waiting
