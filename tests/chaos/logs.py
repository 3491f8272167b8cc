"""Reads whole topics, from their first record to their last."""

import asyncio
from collections.abc import Iterator

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from tests.end_to_end.deployment import PARTITIONS

_FETCH_MS = 200


def read_topic(broker: str, topic: str) -> list[ConsumerRecord]:
    """Return all records of a topic: partition by partition, in the order of their offsets."""
    return asyncio.run(_read(broker, [TopicPartition(topic, number) for number in range(PARTITIONS)]))


async def _read(broker: str, partitions: list[TopicPartition]) -> list[ConsumerRecord]:
    consumer = AIOKafkaConsumer(bootstrap_servers=broker, auto_offset_reset="earliest", enable_auto_commit=False)
    found: dict[TopicPartition, list[ConsumerRecord]] = {partition: [] for partition in partitions}
    await consumer.start()
    try:
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        while [each for each in partitions if await consumer.position(each) < ends[each]]:
            for partition, records in (await consumer.getmany(timeout_ms=_FETCH_MS)).items():
                found[partition] += records
    finally:
        await consumer.stop()
    return list(_flat(found))


def _flat(found: dict[TopicPartition, list[ConsumerRecord]]) -> Iterator[ConsumerRecord]:
    for _, records in sorted(found.items()):
        yield from records
