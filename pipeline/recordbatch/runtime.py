"""What a worker tells about itself: its partitions, their recovery and lag, the others' owners, why it is not ready."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from faust.types import TP

from pipeline.partitioner import partitioner
from pipeline.recordbatch.app import BatchApp
from pipeline.recordbatch.model import Output, TableView
from pipeline.recordbatch.partitions import OwnedPartition


class OwnedStatus(NamedTuple):
    """How far an assigned partition is; `recovered` and `target` count changelog records, `lag` source records."""

    partition: int
    state: Literal["recovering", "ready"]
    recovered: int
    target: int
    lag: int


class WorkerRuntime:
    """Answers from memory, on the event loop."""

    def __init__(self, app: BatchApp, partitions: int) -> None:
        self._app = app
        self._partitions = partitions
        self._partition_of = partitioner(partitions)

    @property
    def stage(self) -> str:
        """The name of the stage that this worker runs."""
        return self._app.stage_name

    def partitions(self) -> int:
        """Return the number of partitions of the stage, those of other workers included."""
        return self._partitions

    def partition_for(self, key: bytes) -> int:
        """Return the partition that records with this key go to, as Kafka's own partitioner has it."""
        return self._partition_of(key)

    def status(self) -> Sequence[OwnedStatus]:
        """Return the state of each assigned partition, by number."""
        owned = self._app.worker.partitions.owned
        return [self._status(owned[number]) for number in sorted(owned)]

    def _status(self, partition: OwnedPartition) -> OwnedStatus:
        serving = partition.ready and not partition.fenced
        return OwnedStatus(
            partition=partition.number,
            state="ready" if serving else "recovering",
            recovered=partition.recovered,
            target=partition.target,
            lag=self._lag(partition.number),
        )

    def _lag(self, number: int) -> int:
        tp = TP(self._app.options.source, number)
        consumer = self._app.consumer
        highwater, position = consumer.highwater(tp), consumer.processed(tp)
        return 0 if highwater is None or position is None else max(0, highwater - position)

    def owner(self, partition: int) -> str | None:
        """Return the base URL of the worker that owns a partition; None while nobody is known to."""
        urls = self._app.assignor._external_tps_url
        url: str | None = urls.get(TP(self._app.options.source, partition))
        return url

    def view(self, table: str, partition: int) -> TableView:
        """Return a partition's shard of a table.

        Raises:
            KeyError: this worker does not own the partition, or it is not recovered.
        """
        owned = self._app.worker.partitions.owned[partition]
        if not owned.ready or owned.fenced:
            raise KeyError(partition)
        return owned.shards[table]

    async def keep(
        self,
        partition: int,
        table: str,
        opened: TableView,
        rows: Mapping[bytes, bytes | None],
        outputs: Mapping[tuple[str, int], Sequence[Output]],
    ) -> None:
        """Append outputs, by topic and partition, then write rows (None deletes) of a shard that was read as `opened`.

        Raises:
            KeyError: the shard is not this worker's any more, or was opened again; no row was written.
        """
        await self._app.worker.keep(partition, table, opened, rows, outputs)

    def unready(self) -> Sequence[str]:
        """Return why the worker can't do its work now; empty when it can."""
        worker = self._app.worker
        reasons = [f"waiting for the {what}: {why}" for what, why in worker.shell.waiting_for.items()]
        if not self._app.consumer.connected():
            reasons.append("no broker answers")
        if not worker.opened:
            reasons.append("no partitions are assigned yet")
        reasons.extend(
            f"partition {status.partition} is recovering: {status.recovered} of {status.target} records"
            for status in self.status()
            if status.state != "ready"
        )
        return reasons
