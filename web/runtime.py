"""What the worker's web views ask of the worker they run in. Nothing here knows Faust, a broker or a disk.

A worker owns some partitions of its stage. A partition's state may be read once it is recovered; until then every
answer from it would be a wrong number, so the views say how far the recovery is instead.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from pipeline.recordbatch.model import Output, TableView


class PartitionStatus(Protocol):
    """How far an assigned partition is."""

    @property
    def partition(self) -> int:
        """The partition's number."""
        ...

    @property
    def state(self) -> Literal["recovering", "ready"]:
        """Whether the partition's tables may be read."""
        ...

    @property
    def recovered(self) -> int:
        """Records of the partition's changelogs that were read, of `target`, summed over the stage's tables."""
        ...

    @property
    def target(self) -> int:
        """Records of the partition's changelogs that must be read before it is ready."""
        ...

    @property
    def lag(self) -> int:
        """Records of the source topic that are appended but not yet acknowledged."""
        ...


class Runtime(Protocol):
    """The worker as its web views see it.

    All methods but `keep` answer at once, from memory, and are called on the event loop.
    """

    @property
    def stage(self) -> str:
        """The name of the stage that this worker runs."""
        ...

    def partitions(self) -> int:
        """Return the number of partitions of the stage, those of other workers included."""
        ...

    def partition_for(self, key: bytes) -> int:
        """Return the partition that records with this key go to (murmur2, as Kafka's own partitioner)."""
        ...

    def status(self) -> Sequence[PartitionStatus]:
        """Return the state of each partition that is assigned to this worker, by number."""
        ...

    def owner(self, partition: int) -> str | None:
        """Return the base URL (`http://host:port`) of the worker that owns a partition, also when it is this one.

        None while nobody is known to own it, as in a rebalance.
        """
        ...

    def view(self, table: str, partition: int) -> TableView:
        """Return a partition's shard of a table.

        Raises:
            KeyError: this worker does not own the partition, or it is not recovered.
        """
        ...

    async def keep(
        self,
        partition: int,
        table: str,
        opened: TableView,
        rows: Mapping[bytes, bytes | None],
        outputs: Mapping[tuple[str, int], Sequence[Output]],
    ) -> None:
        """Append outputs, by topic and partition, then write rows (None deletes) of a shard that was read as `opened`.

        Waits while the broker is away. All of it is durable on return; a crash before leaves any part of it.

        Raises:
            KeyError: the shard is not this worker's any more, or was opened again; no row was written.
        """
        ...

    def unready(self) -> Sequence[str]:
        """Return why the worker can't do its work now, one reason a line for people; empty when it can.

        Reasons are: no assignment yet, partitions that are not recovered, a sink or the broker that does not answer.
        """
        ...
