"""Reading changelogs: whole shards in recovery, a few records when a second writer is suspected."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.errors import TransientError
from pipeline.recordbatch.clients import close_consumer
from pipeline.recordbatch.model import Record
from pipeline.recordbatch.ports import ChangelogReader, Replay
from pipeline.recordbatch.shards import Shard

# Records applied to the disk in one go. Larger chunks need memory and gain nothing.
_CHUNK_RECORDS = 10_000
_POLL_MS = 500

T = TypeVar("T")


async def in_thread(act: Callable[..., T], *arguments: Any) -> T:
    """Run a blocking call in a thread; when cancelled, wait for its end first, since nothing else stops a thread."""
    call = asyncio.ensure_future(asyncio.to_thread(act, *arguments))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait([call])
        raise


def _consumer(broker: str) -> AIOKafkaConsumer:
    """Return a consumer outside any group: it reads exactly what it is told to."""
    return AIOKafkaConsumer(
        bootstrap_servers=broker.split(","),
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # the beginning may be gone: compaction or retention removed it
        max_partition_fetch_bytes=4 << 20,
        fetch_max_wait_ms=100,
    )


async def recover(reader: ChangelogReader, shards: Sequence[Shard], progress: Callable[[], None]) -> None:
    """Read each shard's changelog from where its disk stands up to its fence; call `progress` after every chunk.

    The target is the fence's own offset, known from its append: no broker needs to be asked for the end of a log, which
    some answer wrongly and which moves while a second writer is about.

    Raises:
        TransientError: the broker went away; what was applied stays, and calling again goes on from there.
    """
    waiting = {shard.tp: shard for shard in shards if not shard.recovered}
    if not waiting:
        return
    async with reader.replay({tp: shard.position for tp, shard in waiting.items()}) as replay:
        while waiting:
            for tp, records in (await replay.fetch(waiting)).items():
                shard = waiting[tp]
                mine = [record for record in records if record.offset <= shard.fence]
                if mine:
                    await in_thread(shard.apply, mine)
                if records[-1].offset >= shard.fence:
                    shard.position = max(shard.position, shard.fence + 1)
                    del waiting[tp]
            progress()


class KafkaReplay:
    """Changelog partitions that a consumer reads."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def fetch(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Sequence[Record]]:
        """Return the next records of some of `partitions`; none after half a second without any."""
        fetched: dict[TopicPartition, list[Any]] = await self._consumer.getmany(
            *partitions, timeout_ms=_POLL_MS, max_records=_CHUNK_RECORDS
        )
        return fetched


class KafkaReader:
    """Reads changelogs with consumers of its own, each for one purpose."""

    def __init__(self, broker: str) -> None:
        self._broker = broker

    @asynccontextmanager
    async def replay(self, positions: Mapping[TopicPartition, int]) -> AsyncIterator[Replay]:
        """Read changelog partitions from these offsets on.

        Raises:
            TransientError: the broker went away.
        """
        consumer = _consumer(self._broker)
        try:
            await consumer.start()
            consumer.assign(list(positions))
            for tp, position in positions.items():
                consumer.seek(tp, position)
            yield KafkaReplay(consumer)
        except KafkaError as error:
            raise TransientError(f"recovery was interrupted: {error!r}") from error
        finally:
            await close_consumer(consumer)

    async def read(self, topic: str, partition: int, first: int, last: int) -> list[Record]:
        """Return the records between two offsets, both inclusive; some may have been compacted away.

        Raises:
            TransientError: the broker is away.
        """
        consumer = _consumer(self._broker)
        tp = TopicPartition(topic, partition)
        found: list[Record] = []
        try:
            await consumer.start()
            consumer.assign([tp])
            consumer.seek(tp, first)
            while await consumer.position(tp) <= last:
                fetched = await consumer.getmany(tp, timeout_ms=_POLL_MS, max_records=_CHUNK_RECORDS)
                found.extend(record for record in fetched.get(tp, []) if record.offset <= last)
        except KafkaError as error:
            raise TransientError(f"reading {topic}[{partition}] was interrupted: {error!r}") from error
        finally:
            await close_consumer(consumer)
        return found
