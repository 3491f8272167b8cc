"""Commits: never past a run that is not finished, always up to one that is."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.recordbatch.in_flight import InFlight

# Offsets of successive runs' last records, with any gaps between them, and the order in which the runs finish.
DELIVERIES = st.lists(st.integers(1, 5), min_size=1, max_size=12)


@given(DELIVERIES, st.data())
def test_a_commit_covers_exactly_the_finished_prefix(steps: list[int], data: st.DataObject) -> None:
    """Compared with a list that is looked through from the start; deliveries and ends are interleaved at will."""
    in_flight = InFlight()
    delivered: list[SimpleNamespace] = []
    offset = -1

    while steps or not all(message.acked for message in delivered):
        unfinished = [message for message in delivered if not message.acked]
        if steps and (not unfinished or data.draw(st.booleans())):
            offset += steps.pop()
            message = SimpleNamespace(offset=offset, acked=False)
            delivered.append(message)
            in_flight.deliver(message)
        else:
            data.draw(st.sampled_from(unfinished)).acked = True

        prefix = None
        for message in delivered:
            if not message.acked:
                break
            prefix = message.offset + 1
        assert in_flight.committable() == prefix
        assert in_flight.committable() == prefix, "asking changes nothing"


def test_an_abandoned_run_holds_the_commits_back() -> None:
    """It is never finished here; whoever owns the partition next begins with it."""
    in_flight = InFlight()
    abandoned, finished = SimpleNamespace(offset=9, acked=False), SimpleNamespace(offset=19, acked=True)
    in_flight.deliver(abandoned)
    in_flight.deliver(finished)

    assert in_flight.committable() is None
