"""A changelog partition in memory that several writers share, with the broker's and the network's bad habits."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import rocksdict

from pipeline.errors import TransientError
from pipeline.recordbatch.model import Appendable, Change, Headers, Record
from pipeline.recordbatch.ports import Appended
from pipeline.recordbatch.shards import Shard
from pipeline.recordbatch.store import ShardStore, StoreOptions

TOPIC = "changelog"


class Logged(NamedTuple):
    """A record of the log."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int = 0


class MemoryLog:
    """One partition. Appends in batches of `batch_records`; `trouble` says what happens to the next batches.

    Each entry of `trouble` is for one batch: `ok`; `refused` (not appended, the writer is told so); `unheard`
    (appended, the writer is told that it failed); `twice` (appended two times, the writer hears of the second); `late`
    (the writer is told that it failed, and the batch arrives whenever `arrive` is called).
    """

    def __init__(self, batch_records: int = 100) -> None:
        self.records: list[Logged] = []
        self.end = 0
        self.trouble: list[str] = []
        self.between: list[Callable[[], None]] = []  # called after each batch, first one first: another writer's turn
        self.unreadable = 0  # reads that fail from now on
        self._batch_records = batch_records
        self._late: list[Sequence[Appendable]] = []

    async def append(self, topic: str, partition: int, records: Sequence[Appendable]) -> list[Appended]:
        appended = []
        for start in range(0, len(records), self._batch_records):
            batch = records[start : start + self._batch_records]
            trouble = self.trouble.pop(0) if self.trouble else "ok"
            if trouble == "late":
                self._late.append(batch)
            if trouble in ("refused", "late"):
                raise TransientError("the broker is away")
            base = self.add(batch)
            if trouble == "twice":
                base = self.add(batch)
            if trouble == "unheard":
                raise TransientError("the answer was lost")
            appended.append(Appended(base, len(batch)))
            if self.between:
                self.between.pop(0)()
        return appended

    async def read(self, topic: str, partition: int, first: int, last: int) -> list[Record]:
        if self.unreadable:
            self.unreadable -= 1
            raise TransientError("the broker is away")
        return [record for record in self.records if first <= record.offset <= last]

    def add(self, batch: Iterable[Appendable], timestamp: int = 0) -> int:
        """Append at once, whoever writes; return the first offset."""
        base = self.end
        for key, value, headers in batch:
            self.records.append(Logged(self.end, key, value, headers, timestamp))
            self.end += 1
        return base

    def arrive(self) -> None:
        """Append what was late."""
        for batch in self._late:
            self.add(batch)
        self._late.clear()

    def compact(self) -> None:
        """Keep the last record of each key, as the broker does in the end; tombstones stay for a while."""
        last = {record.key: record.offset for record in self.records}
        self.records = [record for record in self.records if last[record.key] == record.offset]


async def settle(log: MemoryLog, shard: Shard, changes: dict[bytes, Change]) -> None:
    """Log and write changes, trying again as the shell does."""
    while True:
        try:
            shard.write(await shard.log_changes(changes, log, log))
        except TransientError:
            continue
        return


async def recover_from(log: MemoryLog, shard: Shard, chunk: int = 3) -> None:
    """Open a shard as a worker does: fence, read, repair."""
    while True:
        try:
            if not shard.recovered or shard.fence < 0:
                await shard.raise_fence(log)
            if shard.store.empty():
                shard.store.begin_filling()
            unread = [r for r in log.records if shard.position <= r.offset <= shard.fence]
            for start in range(0, len(unread), chunk):
                part = unread[start : start + chunk]
                shard.apply(part, part[-1].offset)
            shard.position = max(shard.position, shard.fence + 1)
            shard.store.end_filling()
            await shard.repair(log, log)
        except TransientError:
            continue
        return


def new_store(path: Path, retention_days: int | None = None, buffer_bytes: int = 1 << 20) -> ShardStore:
    """Return a shard's store in a folder, which brings writes to the disk whenever `buffer_bytes` are in memory."""
    cache = rocksdict.Cache(1 << 20)
    return ShardStore(path, StoreOptions(1 << 20, buffer_bytes), cache, retention_days)


def contents(shard: Shard) -> dict[bytes, bytes]:
    """Return what a stage sees of a shard."""
    return dict(shard.items())
