"""Commits: never past a run that is not finished, always up to one that is."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.recordbatch.in_flight import Delivery, InFlight, Round
from pipeline.recordbatch.model import Run
from tests.memory import MemoryRecord

# Offsets of successive runs' last records, with any gaps between them, and the order in which the runs finish.
DELIVERIES = st.lists(st.integers(1, 5), min_size=1, max_size=12)


def delivery(last: int, round_: Round | None = None) -> Delivery:
    """Return a run that ends with that offset, alone in its round unless one is given."""
    return Delivery(Run("in", 0, [MemoryRecord(b"", last)]), round_ or Round(1))


@given(DELIVERIES, st.data())
def test_a_commit_covers_exactly_the_finished_prefix(steps: list[int], data: st.DataObject) -> None:
    """Compared with a list that is looked through from the start; deliveries and ends are interleaved at will."""
    in_flight = InFlight()
    delivered: list[Delivery] = []
    offset = -1

    while steps or not all(each.finished for each in delivered):
        unfinished = [each for each in delivered if not each.finished]
        if steps and (not unfinished or data.draw(st.booleans())):
            offset += steps.pop()
            delivered.append(delivery(offset))
            in_flight.deliver(delivered[-1])
        else:
            data.draw(st.sampled_from(unfinished)).settle(finished=True)

        prefix = None
        for each in delivered:
            if not each.finished:
                break
            prefix = each.run.records[-1].offset + 1
        assert in_flight.committable() == prefix
        assert in_flight.committable() == prefix, "asking changes nothing"


def test_a_run_that_is_given_up_holds_the_commits_back() -> None:
    """It is never finished here; whoever owns the partition next begins with it."""
    in_flight = InFlight()
    given_up, finished = delivery(9), delivery(19)
    in_flight.deliver(given_up)
    in_flight.deliver(finished)
    given_up.settle(finished=False)
    finished.settle(finished=True)

    assert in_flight.committable() is None


@given(st.lists(st.booleans(), min_size=1, max_size=6))
def test_a_round_is_over_when_its_last_run_leaves(ends: list[bool]) -> None:
    """Whether they are finished or given up: a rebalance waits for every run that a worker has begun."""
    round_ = Round(len(ends))

    over = [delivery(0, round_).settle(finished=finished) for finished in ends]

    assert over == [False] * (len(ends) - 1) + [True]
