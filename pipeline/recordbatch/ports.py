"""What shards, shell and worker need of the world outside; a broker, a disk, or what stands in for them in a test."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from aiokafka import TopicPartition

from pipeline.recordbatch.model import Appendable, Record


class Appended(NamedTuple):
    """Where one broker batch went: `size` records from offset `base`."""

    base: int
    size: int


class Log(Protocol):
    """Appending to the broker: `pipeline.recordbatch.producer.BatchProducer`."""

    async def append(self, topic: str, partition: int, records: Sequence[Appendable]) -> list[Appended]:
        """Append records in order and return, once all are acknowledged, where they went.

        Raises:
            TransientError: the broker is away or refused; some of the records may have been appended, or may yet be.
        """
        ...


class Producer(Log, Protocol):
    """A log that must be connected to."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class Piece(NamedTuple):
    """Consecutive records of a changelog, to be iterated over once, and the offset at which the next piece begins."""

    records: Iterable[Record]
    end: int


class Replay(Protocol):
    """Changelog partitions as they are read, each from its own position on."""

    async def fetch(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Piece]:
        """Return the next records of some of `partitions`, or, after a while, nothing."""
        ...


class RangeReader(Protocol):
    """Reading a few records of a changelog; raises `TransientError`."""

    async def read(self, topic: str, partition: int, first: int, last: int) -> list[Record]:
        """Return the records between two offsets, both inclusive; some may have been compacted away."""
        ...


class ChangelogReader(RangeReader, Protocol):
    """Reading whole changelogs, too: `pipeline.recordbatch.recovery.KafkaReader`."""

    def replay(self, positions: Mapping[TopicPartition, int]) -> AbstractAsyncContextManager[Replay]:
        """Begin to read changelog partitions from these offsets."""
        ...


class Store(Protocol):
    """The disk of one shard: `pipeline.recordbatch.store.ShardStore`. Values begin with their sequence."""

    def offset(self) -> int: ...
    def empty(self) -> bool: ...
    def entries(self) -> int: ...
    def begin_filling(self) -> None: ...
    def end_filling(self) -> None: ...
    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]: ...
    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]: ...
    def write(self, changes: Mapping[bytes, bytes | None], offset: int) -> None: ...
    def clear(self) -> None: ...
    def close(self) -> None: ...


class TableSpec(Protocol):
    """A table of a stage: `pipeline.topology.Table`."""

    @property
    def name(self) -> str: ...
    @property
    def retention_days(self) -> int | None: ...


class Disk(Protocol):
    """A worker's disk: `pipeline.recordbatch.store.ShardFolder`."""

    def open(self, table: TableSpec, partition: int) -> Store:
        """Open the shard of a table, with what it held when it was last written."""
        ...


class Ports(NamedTuple):
    """All of a worker's ways to the world outside, save those of its core."""

    producer: Producer
    reader: ChangelogReader
    disk: Disk
