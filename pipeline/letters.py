"""Reads the topic `dead-letters`: the newest that were asked for, or one by its place. Bounded, outside any group."""

import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.admin import admin_client
from pipeline.consumers import stop_consumer
from pipeline.errors import TransientError, UserError
from pipeline.events import Headers
from pipeline.topology import DEAD_LETTERS, topic_name

FETCH_MS = 500
# Fetches in vain before a partition is taken to be at its end.
FETCHES_MAX = 10
# A dead letter holds a refused record of up to 1 MiB: no more than this many bytes are fetched at a time.
FETCH_BYTES_MAX = 4 * 1024 * 1024


class Letter(NamedTuple):
    """A dead letter as it stands on the topic; `headers` holds its details, with those that the refused record had."""

    partition: int
    offset: int
    appended_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def tenant(self) -> str | None:
        """Whose it is, if that is known."""
        return None if self.key is None else self.key.decode(errors="backslashreplace")

    def detail(self, name: str) -> str:
        """Return a detail such as `reason`, as text; empty if there is none. Our own stand before any others."""
        wanted = f"plaudit-{name}"
        return next((value.decode(errors="backslashreplace") for key, value in self.headers if key == wanted), "")


class Found(NamedTuple):
    """The letters that were found, newest first, and how many older ones were not looked at."""

    letters: list[Letter]
    unseen: int


async def newest_letters(broker: str, prefix: str, wanted: Callable[[Letter], bool], limit: int, scan: int) -> Found:
    """Return the newest `limit` letters that are `wanted`, among the newest `scan` of each partition.

    Raises:
        UserError: there is no such topic.
        TransientError: the broker is away.
    """
    newest: list[tuple[int, int, int, Letter]] = []
    unseen = 0
    async with _letters(broker, prefix) as (consumer, partitions):
        starts = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition in partitions:
            first = max(starts[partition], ends[partition] - scan)
            unseen += first - starts[partition]
            async for record in _records(consumer, partition, first, ends[partition]):
                letter = _letter(record)
                if wanted(letter):
                    heapq.heappush(newest, (letter.appended_ms, letter.partition, letter.offset, letter))
                    if len(newest) > limit:
                        heapq.heappop(newest)
    return Found([entry[-1] for entry in sorted(newest, key=lambda entry: entry[:3], reverse=True)], unseen)


async def letter_at(broker: str, prefix: str, partition: int, offset: int) -> Letter | None:
    """Return the letter at that place, or None if there is none.

    Raises:
        UserError: there is no such topic.
        TransientError: the broker is away.
    """
    async with _letters(broker, prefix) as (consumer, partitions):
        place = TopicPartition(topic_name(prefix, DEAD_LETTERS), partition)
        if place not in partitions:
            return None
        # The list of ends may fall short of the last batch (see `pipeline.revisions.reader`): a record is looked for
        # behind it too.
        async for record in _records(consumer, place, offset, offset + 1):
            return _letter(record) if record.offset == offset else None
    return None


@asynccontextmanager
async def _letters(broker: str, prefix: str) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
    topic = topic_name(prefix, DEAD_LETTERS)
    async with admin_client(broker) as client:
        # Listed before described: some brokers create a topic that they are asked about.
        if topic not in await client.list_topics():
            raise UserError(f"the topic {topic} does not exist; `plaudit topics create` makes it")
        (description,) = await client.describe_topics([topic])
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.split(","),
        client_id="plaudit-dlq",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES_MAX,
        fetch_max_bytes=FETCH_BYTES_MAX,
    )
    try:
        await consumer.start()
        yield consumer, [TopicPartition(topic, each["partition"]) for each in description["partitions"]]
    except (KafkaError, TimeoutError) as error:
        raise TransientError(f"the topic {topic} can't be read at {broker}: {error!r}") from error
    finally:
        await stop_consumer(consumer)


async def _records(
    consumer: AIOKafkaConsumer, partition: TopicPartition, start: int, end: int
) -> AsyncIterator[ConsumerRecord]:
    """Yield a partition's records from `start` to `end`, and those that came in the same fetch as the last."""
    consumer.assign([partition])
    consumer.seek(partition, start)
    vain = 0
    while await consumer.position(partition) < end and vain < FETCHES_MAX:
        fetched = (await consumer.getmany(partition, timeout_ms=FETCH_MS)).get(partition, [])
        vain = 0 if fetched else vain + 1
        for record in fetched:
            yield record


def _letter(record: ConsumerRecord) -> Letter:
    return Letter(record.partition, record.offset, record.timestamp, record.key, record.value, tuple(record.headers))
