"""Reading changelogs: whole shards in recovery, a few records when a second writer is suspected."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.errors import TransientError
from pipeline.recordbatch.clients import close_consumer
from pipeline.recordbatch.model import Record
from pipeline.recordbatch.ports import ChangelogReader, Piece, Replay
from pipeline.recordbatch.records import as_batches, hand_out_batches
from pipeline.recordbatch.shards import Shard

# Of a partition, fetched at once and applied to the disk in one go.
_PIECE_BYTES = 4 << 20
# An empty disk is made ready to be filled, which costs 20 ms, for more records than this.
_FILLING_RECORDS = 10_000
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


def _consumer(broker: str, **options: Any) -> AIOKafkaConsumer:
    """Return a consumer outside any group: it reads exactly what it is told to."""
    return AIOKafkaConsumer(
        bootstrap_servers=broker.split(","),
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # the beginning may be gone: compaction or retention removed it
        max_partition_fetch_bytes=_PIECE_BYTES,
        fetch_max_wait_ms=100,
        **options,
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
        for shard in waiting.values():
            if shard.fence - shard.position > _FILLING_RECORDS and shard.store.empty():
                shard.store.begin_filling()
        while waiting:
            for tp, piece in (await replay.fetch(waiting)).items():
                shard = waiting[tp]
                await in_thread(_apply, shard, piece)
                if shard.recovered:
                    del waiting[tp]
                progress()
        await asyncio.gather(*(in_thread(shard.store.end_filling) for shard in shards))


def _apply(shard: Shard, piece: Piece) -> None:
    """Apply what is not behind the shard's fence."""
    last, records = piece.end - 1, piece.records
    if last > shard.fence:
        last, records = shard.fence, [record for record in records if record.offset <= shard.fence]
    shard.apply(records, last)


class KafkaReplay:
    """Changelog partitions that a consumer reads."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def fetch(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Piece]:
        """Return the next piece of some of `partitions`; none after half a second without any.

        Records are decoded when they are iterated over, one by one, so that no whole piece of them is held.
        """
        fetched: dict[TopicPartition, list[Any]] = await self._consumer.getmany(*partitions, timeout_ms=_POLL_MS)
        return {
            tp: Piece(chain.from_iterable(batches), await self._consumer.position(tp))
            for tp, batches in fetched.items()
        }


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
        hand_out_batches()
        consumer = _consumer(self._broker, key_deserializer=as_batches)
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
                fetched = await consumer.getmany(tp, timeout_ms=_POLL_MS)
                found.extend(record for record in fetched.get(tp, []) if record.offset <= last)
        except KafkaError as error:
            raise TransientError(f"reading {topic}[{partition}] was interrupted: {error!r}") from error
        finally:
            await close_consumer(consumer)
        return found
