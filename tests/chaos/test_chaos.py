"""What makes a chaos run one that can be repeated; `make chaos` runs one."""

from collections import Counter
from itertools import islice

import pytest

from pipeline.topology import STAGES
from tests.chaos.schedule import SESSION_TIMEOUT_S, Kind, plan
from tests.chaos.workload import stream

MINUTES, FAULTS = 3, 20


def test_a_seed_is_one_schedule_and_one_stream() -> None:
    """Whoever repeats a run gets the same faults at the same instants, and the same events."""
    assert plan(7, 180, 20) == plan(7, 180, 20)
    assert plan(7, 180, 20) != plan(8, 180, 20)
    assert list(islice(stream(7), 2_000)) == list(islice(stream(7), 2_000))


@pytest.mark.parametrize("seed", range(20))
def test_a_schedule_has_every_kind_of_fault(seed: int) -> None:
    """Even the quick form lets everything happen, and a worker is stopped for longer than its session lasts."""
    faults = plan(seed, MINUTES * 60, FAULTS)

    assert len(faults) == FAULTS
    assert set(Kind) == {fault.kind for fault in faults}
    assert all(fault.lasts_s > SESSION_TIMEOUT_S for fault in faults if fault.kind is Kind.ZOMBIE)
    assert [fault.at_s for fault in faults] == sorted(fault.at_s for fault in faults)


@pytest.mark.parametrize("seed", range(20))
def test_a_schedule_asks_for_what_can_be_done(seed: int) -> None:
    """Nobody is killed who is not there, or is stopped: a fault on a worker begins after the one before is over."""
    present = {f"{stage.name}-{number}" for stage in STAGES for number in (1, 2)}
    busy: dict[str, float] = {}
    counts: Counter[Kind] = Counter()

    for fault in plan(seed, 1_800, 200):
        counts[fault.kind] += 1
        target = fault.worker or fault.kind
        assert busy.get(target, 0.0) <= fault.at_s
        busy[target] = fault.at_s + fault.lasts_s
        if fault.kind is Kind.ADD_WORKER:
            assert fault.worker not in present
            present.add(fault.worker)
        elif fault.worker:
            assert fault.worker in present
        if fault.kind is Kind.REMOVE_WORKER:
            present.remove(fault.worker)
    assert min(counts.values()) >= 15
