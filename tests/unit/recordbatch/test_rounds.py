"""Rounds in a worker: runs that came together append together."""

from pathlib import Path
from typing import Any

from pipeline.recordbatch.app import WorkerOptions
from pipeline.recordbatch.in_flight import Delivery, Round
from pipeline.recordbatch.model import Effects, Run, StageCore, TableView
from pipeline.recordbatch.partitions import OwnedPartition
from pipeline.recordbatch.ports import Appended, Ports
from pipeline.recordbatch.waiting import WaitingRuns
from pipeline.recordbatch.worker import StageWorker
from tests.memory import MemoryRecord
from tests.wait import until


class Forwarding(StageCore):
    """Sends records on, and notes each run."""

    def __init__(self, seen: list[str]) -> None:
        self._seen = seen

    def process(self, run: Run, tables: dict[str, TableView]) -> Effects:
        self._seen.append(f"process {run.partition}")
        effects = Effects(run.partition)
        for record in run.records:
            effects.emit("out", record.key, record.value)
        return effects


class Outside:
    """Stands for all that a worker talks to, and notes what it is asked."""

    def __init__(self, seen: list[str], folder: Path) -> None:
        self.options = WorkerOptions(stage="s", app_id="s", broker="", source="in", folder=folder)
        self.stage_name = "s"
        self.consumer: Any = self
        self._seen = seen

    async def append(self, _topic: str, partition: int, records: Any) -> list[Appended]:
        self._seen.append(f"append {partition}")
        return [Appended(0, len(records))]

    def settle(self, delivery: Delivery, *, finished: bool) -> None:
        over = delivery.settle(finished=finished)
        done = "finished" if finished else "given up"
        self._seen.append(f"{done} {delivery.run.partition}{', round over' if over else ''}")

    def highwater(self, _tp: Any) -> None:
        return None


async def after_a_round_of(numbers: list[int], owned: list[int], folder: Path) -> list[str]:
    """Return what a worker that owns some partitions does with a round of these, in order."""
    seen: list[str] = []
    outside: Any = Outside(seen, folder)
    worker = StageWorker(outside, Forwarding(seen), [], Ports(outside, outside, outside))
    for number in owned:
        partition = worker.partitions.owned[number] = OwnedPartition(number, {}, WaitingRuns(10, 1_000))
        partition.ready = True
    round_ = Round(len(numbers))
    await worker.submit([Delivery(Run("in", number, [MemoryRecord(b"v", 0)]), round_) for number in numbers])
    await until(lambda: round_.open == 0, 10.0, "the round is over")
    return seen


async def test_what_a_fetch_brought_is_computed_before_anything_of_it_is_appended(tmp_path: Path) -> None:
    """So that the client has all outputs when it makes its request, and the next stage gets them in one fetch."""
    seen = await after_a_round_of([0, 1, 2], owned=[0, 1, 2], folder=tmp_path)

    assert seen[:6] == ["process 0", "process 1", "process 2", "append 0", "append 1", "append 2"]
    assert seen[6:] == ["finished 0", "finished 1", "finished 2, round over"]


async def test_a_run_of_a_partition_that_went_meanwhile_is_given_up(tmp_path: Path) -> None:
    """The others of its round are processed, and a rebalance does not wait for it."""
    seen = await after_a_round_of([0, 1], owned=[1], folder=tmp_path)

    assert seen == ["given up 0", "process 1", "append 1", "finished 1, round over"]
