"""The shards of a worker's tables: their changelogs, their recovery, and the fence against a second writer.

Faust's own tables write the local disk first, the changelog later and the offset later still; its recovery handles a record
at a time. Here a shard is opened in three steps: append a *fence* (a record with this opening's writer id) to the
changelog, read the changelog up to that fence, then serve.

The fence decides who owns a shard, by the order of the log alone. A writer knows the offset that its next append must get.
Another offset means that somebody else wrote in between: a foreign fence means that the shard was taken over, and this
worker stops before it touches its disk (`Fenced`); foreign records without a fence are those of a worker that was taken over
and does not know it yet, and the values of those keys are written again. See docs/adr/0003.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from aiokafka import TopicPartition

from pipeline.errors import PipelineError
from pipeline.logs import get_logger
from pipeline.recordbatch.model import Change, Output, Record
from pipeline.recordbatch.producer import Appended
from pipeline.recordbatch.store import SEQ_BYTES, ShardStore, packed

log = get_logger(__name__)

FENCE_KEY = b"\0fence"
WRITER_HEADER = "plaudit-writer"


class Fenced(PipelineError):
    """Another worker has opened this shard; this one must not write its disk again."""


class Log(Protocol):
    """Appending to the broker: `BatchProducer`."""

    async def append(self, topic: str, partition: int, records: Sequence[Output]) -> list[Appended]: ...


class ChangelogReader(Protocol):
    """Reading changelogs: `pipeline.recordbatch.recovery.KafkaReader`."""

    async def read(self, topic: str, partition: int, first: int, last: int) -> list[Record]: ...


class Shard:
    """One partition of one table, open on this worker."""

    def __init__(self, topic: str, partition: int, store: ShardStore) -> None:
        self.topic = topic
        self.partition = partition
        self.store = store
        self.writer = secrets.token_bytes(8)
        self.expected = -1  # the offset that this writer's next append must get
        self.fence = -1  # the offset of this opening's fence
        self.position = store.offset() + 1  # the next changelog offset to be applied

    @property
    def tp(self) -> TopicPartition:
        """The changelog partition."""
        return TopicPartition(self.topic, self.partition)

    # Reading: the view that stages get.

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return payloads in the order of `keys`; None where there is none."""
        return [None if value is None else value[SEQ_BYTES:] for value in self.store.get_many(keys)]

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Iterate over keys and payloads in key order."""
        for key, value in self.store.items(prefix):
            yield key, value[SEQ_BYTES:]

    # Opening.

    async def raise_fence(self, log_: Log) -> None:
        """Append this opening's fence. After it, every record that is not this writer's is a late one."""
        appended = await log_.append(self.topic, self.partition, [Output(FENCE_KEY, self.writer, self._headers())])
        self.fence = appended[-1].base
        self.expected = self.fence + 1
        if self.position > self.fence:
            log.warning("the disk is ahead of its changelog, which is a new one: starting from an empty disk", topic=self.topic)
            self.store.clear()
            self.position = 0

    @property
    def recovered(self) -> bool:
        """Whether everything up to the fence is on the disk."""
        return self.position > self.fence

    def apply(self, records: Sequence[Record]) -> None:
        """Bring changelog records to the disk. Of two values for a key, the one with the higher sequence stays."""
        newest: dict[bytes, bytes | None] = {}
        for record in records:
            key, value = record.key, record.value
            if key is None or key == FENCE_KEY:
                continue
            held = newest.get(key)
            if value is None or held is None or value[:SEQ_BYTES] >= held[:SEQ_BYTES]:
                newest[key] = value
        keys = [key for key, value in newest.items() if value is not None]
        for key, stored in zip(keys, self.store.get_many(keys), strict=True):
            value = newest[key]
            if stored is not None and value is not None and stored[:SEQ_BYTES] > value[:SEQ_BYTES]:
                del newest[key]
        last = records[-1].offset
        self.store.write(newest, last)
        self.position = last + 1

    # Writing.

    async def log_changes(self, changes: Mapping[bytes, Change], log_: Log, reader: ChangelogReader) -> dict[bytes, bytes | None]:
        """Append changes to the changelog and return them as the disk takes them.

        Raises:
            Fenced: another worker opened this shard; nothing may be written to the disk.
            TransientError: the broker is away; calling again is harmless.
        """
        stored = {key: None if c.value is None else packed(c.seq, c.value) for key, c in changes.items()}
        await self._append(stored, log_, reader)
        return stored

    def write(self, stored: Mapping[bytes, bytes | None]) -> None:
        """Write logged changes to the disk, atomically with the changelog offset they reach."""
        self.store.write(stored, self.expected - 1)

    async def check_sole_writer(self, log_: Log, reader: ChangelogReader) -> None:
        """Append a mark, which finds a second writer even while there is nothing to write."""
        await self._append({}, log_, reader, marks=[Output(FENCE_KEY + b"-mark", self.writer, self._headers())])

    async def _append(
        self,
        stored: Mapping[bytes, bytes | None],
        log_: Log,
        reader: ChangelogReader,
        marks: Iterable[Output] = (),
    ) -> None:
        headers = self._headers()
        written = set(stored)
        records = [*marks, *(Output(key, value, headers) for key, value in stored.items())]
        while records:
            overwritten: set[bytes] = set()
            for base, count in await log_.append(self.topic, self.partition, records):
                if base != self.expected:
                    overwritten |= await self._foreign_keys(self.expected, base - 1, reader)
                self.expected = base + count
            # What this append holds came after the foreign records, or is among `records` of this loop's next turn.
            again = sorted(overwritten - written)
            records = [Output(key, value, headers) for key, value in zip(again, self.store.get_many(again), strict=True)]
            written |= overwritten
            if records:
                log.warning("overwrote records of a worker that lost this partition", topic=self.topic, records=len(records))

    async def _foreign_keys(self, first: int, last: int, reader: ChangelogReader) -> set[bytes]:
        """Return the keys that somebody else wrote between two offsets, both inclusive."""
        keys: set[bytes] = set()
        for record in await reader.read(self.topic, self.partition, first, last):
            if record.key is None or (WRITER_HEADER, self.writer) in record.headers:
                continue  # a retry of the client appended our own record twice
            if record.key == FENCE_KEY:
                raise Fenced(f"{self.topic}[{self.partition}] was opened by another worker at offset {record.offset}")
            keys.add(record.key)
        return {key for key in keys if not key.startswith(b"\0")}

    def _headers(self) -> tuple[tuple[str, bytes], ...]:
        return ((WRITER_HEADER, self.writer),)


def shard_path(folder: Path, table: str, partition: int) -> Path:
    """Return the folder of a shard inside a worker's folder."""
    return folder / f"{table}-{partition}"


class TableSpec(Protocol):
    """A table of a stage: `pipeline.topology.Table`."""

    @property
    def name(self) -> str: ...
    @property
    def retention_days(self) -> int | None: ...


def views(shards: Mapping[str, Shard]) -> dict[str, Any]:
    """Return a partition's shards as the views that stages get."""
    return dict(shards)
