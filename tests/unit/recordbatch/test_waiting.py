"""Runs that wait for their turn: what is joined, what is not, and that nothing is lost or turned around."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.recordbatch.in_flight import Delivery, Round
from pipeline.recordbatch.model import Run
from pipeline.recordbatch.waiting import WaitingRuns
from tests.memory import MemoryRecord


def brought(*offsets: int, size: int = 1) -> Delivery:
    """Return a run of records of that many bytes, as it is delivered."""
    return Delivery(Run("events", 0, [MemoryRecord(b"v" * size, offset) for offset in offsets]), Round(1))


def turns(*deliveries: Delivery, records_max: int = 4, bytes_max: int = 100) -> list[list[int]]:
    """Return the offsets of each run that leaves."""
    waiting = WaitingRuns(records_max, bytes_max)
    for each in deliveries:
        waiting.add(each)
    left = []
    while waiting:
        left.append([record.offset for record in waiting.take().run.records])
    return left


def test_runs_that_follow_on_each_other_leave_as_one() -> None:
    """What waited while another run was processed costs one round trip, not one for each run."""
    assert turns(brought(0), brought(1, 2), brought(5)) == [[0, 1, 2, 5]]


def test_a_joined_run_stays_within_its_records() -> None:
    """What does not fit leaves with the next."""
    assert turns(brought(0, 1, 2), brought(3, 4), brought(5)) == [[0, 1, 2], [3, 4, 5]]


def test_a_joined_run_stays_within_its_bytes() -> None:
    """Values count, and keys."""
    assert turns(brought(0, size=60), brought(1, size=50), brought(2, size=40)) == [[0], [1, 2]]


def test_a_run_that_is_larger_than_allowed_leaves_alone() -> None:
    """One record may be larger than a run; it was let through, so it must be processed."""
    assert turns(brought(0, size=500), brought(1)) == [[0], [1]]


def test_records_that_are_delivered_again_are_not_joined_to_the_first_delivery() -> None:
    """After a rebalance they may stand behind it; the offsets of a run ascend."""
    assert turns(brought(4, 5), brought(4, 5), brought(6)) == [[4, 5], [4, 5, 6]]


def test_taking_where_nothing_waits_fails() -> None:
    """A turn has a run."""
    with pytest.raises(IndexError):
        WaitingRuns(1, 1).take()


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 60), st.booleans()), max_size=12))
def test_every_run_leaves_once_and_in_order(parts: list[tuple[int, int, bool]]) -> None:
    """Whatever the sizes, and whatever is delivered again."""
    start, deliveries = 0, []
    for count, size, again in parts:
        deliveries.append(brought(*range(start, start + count), size=size))
        start += 0 if again else count
    waiting = WaitingRuns(4, 100)
    for each in deliveries:
        waiting.add(each)
    left: list[Delivery] = []
    while waiting:
        run, taken = waiting.take()
        assert [record for each in taken for record in each.run.records] == list(run.records)
        offsets = [record.offset for record in run.records]
        assert offsets == sorted(set(offsets))
        assert len(taken) == 1 or (len(offsets) <= 4 and sum(len(record.value or b"") for record in run.records) <= 100)
        left.extend(taken)
    assert [id(each) for each in left] == [id(each) for each in deliveries]


def test_what_is_given_up_leaves_all_at_once() -> None:
    """A worker that stops gives up what waits."""
    waiting = WaitingRuns(1, 1)
    deliveries = [brought(0), brought(1)]
    for each in deliveries:
        waiting.add(each)
    assert waiting.take_all() == deliveries
    assert not waiting
