"""The metric of a table's size."""

from pathlib import Path

from prometheus_client import REGISTRY

from pipeline.recordbatch.app import BatchApp, WorkerOptions
from pipeline.recordbatch.model import Effects, Run, StageCore, TableView
from pipeline.recordbatch.partitions import OwnedPartition
from pipeline.recordbatch.shards import Shard
from pipeline.recordbatch.waiting import WaitingRuns
from tests.recordbatch.memory_log import TOPIC, new_store
from tests.recordbatch.worker import SUMS, Table


class IdleStage(StageCore):
    """Does nothing."""

    def process(self, run: Run, tables: dict[str, TableView]) -> Effects:
        return Effects(run.partition)


def test_entries_of_all_partitions_that_are_served_are_counted_when_asked(tmp_path: Path) -> None:
    """A disk that is being recovered may be closed at any moment, and is left out."""
    options = WorkerOptions(
        stage="counted",
        app_id="counted",
        broker="127.0.0.1:1",
        source="in",
        folder=tmp_path,
        tables=[Table(SUMS)],
        changelogs={SUMS: TOPIC},
    )
    partitions = BatchApp(options, IdleStage()).worker.partitions
    assert counted() == 0

    for number in range(3):
        store = new_store(tmp_path / str(number))
        store.write({b"acme|ada": b"1", b"acme|bob": b"2"}, 0)
        opened = partitions.owned[number] = OwnedPartition(
            number, {SUMS: Shard(TOPIC, number, store)}, WaitingRuns(1, 1)
        )
        opened.ready = number > 0

    assert counted() == 2 * 3  # two entries, and the disk's own


def counted() -> float | None:
    """Return what the metric says."""
    return REGISTRY.get_sample_value("plaudit_table_entries", {"stage": "counted", "table": SUMS})
