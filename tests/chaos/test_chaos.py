"""The quick form of the chaos run, and what makes it one that can be repeated."""

import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from pipeline.topology import STAGES
from tests.chaos.schedule import SESSION_TIMEOUT_S, Kind, plan
from tests.chaos.workload import stream

REPOSITORY = Path(__file__).parents[2]
MINUTES, FAULTS, SEED = 3, 20, 1
RUN_S = 900


@pytest.mark.timeout(RUN_S + 30)
def test_nothing_is_lost_or_counted_twice_whatever_is_killed(kafka_programs: None, tmp_path: Path) -> None:
    """Workers, broker, database are killed, stopped, emptied, added and removed under load; all is as the model says.

    In a process of its own, as `make chaos` runs it: it kills, and must not be able to take the test run along.
    """
    report = tmp_path / "report.md"
    command = [sys.executable, "-m", "tests.chaos", "--minutes", str(MINUTES), "--faults", str(FAULTS)]
    command += ["--seed", str(SEED), "--report", str(report)]

    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=RUN_S, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{FAULTS} faults: **nothing differed**" in report.read_text()


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
