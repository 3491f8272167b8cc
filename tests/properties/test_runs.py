"""Runs: what a fetch brought is delivered whole, in order, within bounds, and fairly."""

from collections import defaultdict
from itertools import pairwise

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from pipeline.recordbatch.scheduler import cut_runs, run_scheduler
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
def test_partitions_take_turns(fetched: dict[TP, list[MemoryRecord]], records_max: int, bytes_max: int) -> None:
    """No partition gets its second run before every other one with records has had its first, and so on."""
    delivered = list(run_scheduler(records_max, bytes_max)().iterate(fetched))

    taken: dict[TP, int] = defaultdict(int)
    left = {tp: len(list(cut_runs(records, records_max, bytes_max))) for tp, records in fetched.items()}
    for tp, _ in delivered:
        assert all(taken[tp] <= taken[other] for other, runs in left.items() if runs)
        taken[tp] += 1
        left[tp] -= 1
    for tp, records in fetched.items():
        assert [record for where, run in delivered if where == tp for record in run] == records
