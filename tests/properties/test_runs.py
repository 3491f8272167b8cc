"""Runs and rounds: what a fetch brought is delivered whole, in order, within bounds, and fairly."""

from itertools import pairwise

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from pipeline.recordbatch.scheduler import cut_runs, round_scheduler
from tests.memory import MemoryRecord

RECORDS = st.lists(
    st.builds(
        MemoryRecord,
        value=st.one_of(st.none(), st.binary(max_size=40)),
        key=st.one_of(st.none(), st.binary(max_size=8)),
    )
)
FETCHES = st.dictionaries(st.builds(TP, st.sampled_from(["in"]), st.integers(0, 4)), RECORDS)
RECORDS_MAX, BYTES_MAX = st.integers(1, 6), st.integers(1, 60)


def size(record: MemoryRecord) -> int:
    """Return what a record counts towards the bytes of a run."""
    return len(record.key or b"") + len(record.value or b"")


@given(RECORDS, RECORDS_MAX, BYTES_MAX)
def test_runs_hold_every_record_once_in_order(records: list[MemoryRecord], records_max: int, bytes_max: int) -> None:
    """Nothing is lost, repeated or reordered."""
    runs = list(cut_runs(records, records_max, bytes_max))

    assert [record for run in runs for record in run] == records


@given(RECORDS, RECORDS_MAX, BYTES_MAX)
def test_runs_keep_to_their_bounds_save_for_a_single_large_record(
    records: list[MemoryRecord], records_max: int, bytes_max: int
) -> None:
    """A record larger than the bound comes alone; no run is empty."""
    for run in cut_runs(records, records_max, bytes_max):
        assert 1 <= len(run) <= records_max
        assert len(run) == 1 or sum(map(size, run)) <= bytes_max


@given(RECORDS, RECORDS_MAX, BYTES_MAX)
def test_runs_are_as_long_as_the_bounds_allow(records: list[MemoryRecord], records_max: int, bytes_max: int) -> None:
    """Short runs cost: the next run's first record would not have fitted."""
    runs = list(cut_runs(records, records_max, bytes_max))

    for run, following in pairwise(runs):
        assert len(run) == records_max or sum(map(size, run)) + size(following[0]) > bytes_max


@given(FETCHES, RECORDS_MAX, BYTES_MAX)
def test_a_round_has_the_next_run_of_every_partition_that_has_one(
    fetched: dict[TP, list[MemoryRecord]], records_max: int, bytes_max: int
) -> None:
    """No partition waits for another, and none gets two turns in a round: the k-th round has all the k-th runs."""
    rounds = list(round_scheduler(records_max, bytes_max)().iterate(fetched))

    cut = {tp: list(cut_runs(records, records_max, bytes_max)) for tp, records in fetched.items()}
    assert len(rounds) == max(map(len, cut.values()), default=0)
    for index, (first, round_) in enumerate(rounds):
        assert {TP(run.topic, run.partition): run.records for run in round_} == {
            tp: runs[index] for tp, runs in cut.items() if index < len(runs)
        }
        assert TP(round_[0].topic, round_[0].partition) == first
