"""The log in memory, and its bad habits: requests refused, unheard, taken twice or seconds late."""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from aiokafka import TopicPartition

from pipeline.errors import TransientError
from pipeline.recordbatch.model import Appendable, Record
from pipeline.recordbatch.ports import Appended, Piece
from pipeline.revisions.reader import EconomyReader
from tests.recordbatch.memory_log import Logged, MemoryLog
from tests.simulation.process import Effect, Process

# 2026-11-16, a Monday, at noon: when the simulated world begins.
BEGINNING_MS = 1_794_830_400_000
TROUBLES = ("refused", "unheard", "twice", "late")
_POLL_S = 0.5
_LATE_S_MAX = 8.0


class Broker:
    """Partitions by topic and number. `away` refuses everything, `trouble` is how likely a request goes wrong."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.logs: dict[tuple[str, int], MemoryLog] = {}
        self.away = False
        self.trouble = 0.0
        self.late = 0
        self.being_read = 0  # how many are reading the economies, and may be half through
        self.leap_ms = 0  # how much further the calendar is than the timers
        self._waiting: dict[tuple[str, int], list[asyncio.Future[None]]] = {}

    def now_ms(self) -> int:
        """Return the time that the broker stamps on records."""
        return BEGINNING_MS + self.leap_ms + int(asyncio.get_running_loop().time() * 1000)

    def log(self, topic: str, partition: int) -> MemoryLog:
        """Return a partition's log."""
        place = (topic, partition)
        if place not in self.logs:
            self.logs[place] = MemoryLog()
        return self.logs[place]

    def add(self, topic: str, partition: int, records: Iterable[Appendable]) -> int:
        """Append at once; return the first offset."""
        base = self.log(topic, partition).add(records, self.now_ms())
        for waiting in self._waiting.pop((topic, partition), ()):
            if not waiting.done():
                waiting.set_result(None)
        return base

    def add_late(self, topic: str, partition: int, records: Sequence[Appendable]) -> None:
        """Append when nobody counts on it any more."""
        self.late += 1

        def arrive() -> None:
            self.late -= 1
            self.add(topic, partition, records)

        asyncio.get_running_loop().call_later(self.chance.random() * _LATE_S_MAX, arrive)

    def after(self, topic: str, partition: int, position: int, count: int) -> Sequence[Logged]:
        """Return up to `count` records from an offset on."""
        records = self.log(topic, partition).records
        start = bisect_left(records, position, key=lambda record: record.offset)
        return records[start : start + count]

    async def more(self, topic: str, positions: Mapping[int, int]) -> None:
        """Return when a partition has records at its position or behind it."""
        while all(self.log(topic, number).end <= position for number, position in positions.items()):
            waiting = asyncio.get_running_loop().create_future()
            for number in positions:
                self._waiting.setdefault((topic, number), []).append(waiting)
            await waiting

    def draw_trouble(self) -> str:
        """Return what happens to the next request."""
        return self.chance.choice(TROUBLES) if self.trouble and self.chance.random() < self.trouble else "ok"


class Client:
    """A process's connection to the broker: its producer, and its reader of changelogs."""

    def __init__(self, broker: Broker, process: Process, batch_records: int) -> None:
        self._broker = broker
        self._process = process
        self._batch_records = batch_records

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Disconnect."""

    async def append(self, topic: str, partition: int, records: Sequence[Appendable]) -> list[Appended]:
        """Append broker batches, one after the other, as `BatchProducer` does."""
        effect: Effect = "changelog" if topic.endswith("-changelog") else "outputs"
        appended = []
        for start in range(0, len(records), self._batch_records):
            batch = records[start : start + self._batch_records]
            await self._process.between(effect)
            trouble = self._broker.draw_trouble()
            await self._process.latency()
            if trouble == "late":
                self._broker.add_late(topic, partition, batch)
            if self._broker.away or trouble in ("refused", "late"):
                raise TransientError("the broker is away")
            base = self._broker.add(topic, partition, batch)
            if trouble == "twice":
                base = self._broker.add(topic, partition, batch)
            await self._process.between(effect)
            if trouble == "unheard":
                raise TransientError("the answer was lost")
            appended.append(Appended(base, len(batch)))
        return appended

    async def read(self, topic: str, partition: int, first: int, last: int) -> list[Record]:
        await self._ask()
        found = self._broker.after(topic, partition, first, last - first + 1)
        return [record for record in found if record.offset <= last]

    @asynccontextmanager
    async def replay(self, positions: Mapping[TopicPartition, int]) -> AsyncIterator["MemoryReplay"]:
        await self._ask()
        yield MemoryReplay(self._broker, self._ask, positions)

    async def _ask(self) -> None:
        await self._process.between("read")
        await self._process.latency()
        if self._broker.away or self._broker.draw_trouble() == "refused":
            raise TransientError("the broker is away")


class MemoryReplay:
    """Changelogs being read, a few records at a time."""

    def __init__(self, broker: Broker, ask: Any, positions: Mapping[TopicPartition, int]) -> None:
        self._broker = broker
        self._ask = ask
        self._positions = dict(positions)

    async def fetch(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Piece]:
        await self._ask()
        fetched = {}
        for tp in partitions:
            records = self._broker.after(
                tp.topic, tp.partition, self._positions[tp], self._broker.chance.randint(2, 20)
            )
            if records:
                self._positions[tp] = end = records[-1].offset + 1
                fetched[tp] = Piece(records, end)
        if not fetched:
            await asyncio.sleep(_POLL_S)
        return fetched


class MemoryEconomyReader(EconomyReader):
    """The product's reader of economies, connected to this world's log."""

    def __init__(self, broker: Broker, process: Process, topic: str) -> None:
        super().__init__("", topic)
        self._log = broker
        self._process = process

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["MemoryEconomyReader"]:  # type: ignore[override]  # its own connection
        yield self

    async def read_to_end(self) -> list[tuple[int, str | None]]:
        self._log.being_read += 1
        try:
            return await self._read_to_end()
        finally:
            self._log.being_read -= 1

    async def _read_to_end(self) -> list[tuple[int, str | None]]:
        await self._process.between("read")
        end = self._log.log(self._source.topic, 0).end
        await self._process.latency()
        if self._log.away:
            raise OSError("the broker is away")
        await self._process.between("read")
        records = self._log.after(self._source.topic, 0, self.position, end - self.position)
        taken = [(record.offset, self.take(record)) for record in records if record.offset < end]
        self.position = max(self.position, end)
        return taken
