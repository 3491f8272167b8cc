"""Waiting for the stages, against both brokers. The stages are played by commits of their groups."""

from collections.abc import Mapping

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from pipeline.admin import create_topics, declared_topics
from pipeline.drain import Behind, drain, waiting_after
from pipeline.errors import UserError
from tests.stack import Kafka, Tansu


async def append(broker: Tansu | Kafka, topic: str, count: int, transaction: str | None = None) -> None:
    """Append `count` records to partition 0 as one batch."""
    producer = AIOKafkaProducer(bootstrap_servers=broker.address, linger_ms=100, transactional_id=transaction)
    await producer.start()
    try:
        if transaction:
            await producer.begin_transaction()
        waiting = [await producer.send(topic, b"%d" % number, partition=0) for number in range(count)]
        for future in waiting:
            await future
        if transaction:
            await producer.commit_transaction()
    finally:
        await producer.stop()


async def commit(broker: Tansu | Kafka, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
    """Commit offsets of a group, as its stage would."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.address, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = {TopicPartition(topic, number): offset for (topic, number), offset in offsets.items()}
        consumer.assign(list(partitions))
        await consumer.commit(partitions)
    finally:
        await consumer.stop()


async def test_a_missing_topic_is_named(broker: Tansu | Kafka, prefix: str) -> None:
    """Draining what was never set up is a mistake, not a success."""
    with pytest.raises(UserError, match=r"events\.raw does not exist"):
        await drain(broker.address, prefix, timeout_s=1)


async def test_an_empty_log_is_drained(broker: Tansu | Kafka, prefix: str) -> None:
    """Nothing was appended, so nothing is missing, whether a stage has ever run or not."""
    await create_topics(broker.address, declared_topics(prefix, partitions=2, replication=1))

    assert await drain(broker.address, prefix, timeout_s=10) == []


async def test_the_last_record_of_a_batch_counts(broker: Tansu | Kafka, prefix: str) -> None:
    """The embedded broker says that the log ends where its last batch begins; believing it would lose the batch."""
    await create_topics(broker.address, declared_topics(prefix, partitions=2, replication=1))
    await append(broker, f"{prefix}events.raw", 7)
    await commit(broker, f"{prefix}normalize", {(f"{prefix}events.raw", 0): 6})

    behind = await drain(broker.address, prefix, timeout_s=0.5)

    assert behind == [Behind("normalize", {0: 1})]
    assert waiting_after(behind) == ["dedupe", "match", "ledger", "leaderboards"]


async def test_both_readers_of_the_transactions_are_waited_for(broker: Tansu | Kafka, prefix: str) -> None:
    """The ledger alone is not enough: the boards must be there too."""
    await create_topics(broker.address, declared_topics(prefix, partitions=2, replication=1))
    await append(broker, f"{prefix}transactions", 5)
    await commit(broker, f"{prefix}ledger", {(f"{prefix}transactions", 0): 5})
    await commit(broker, f"{prefix}leaderboards", {(f"{prefix}transactions", 0): 2})

    behind = await drain(broker.address, prefix, timeout_s=0.5)

    assert behind == [Behind("leaderboards", {0: 3})]
    assert waiting_after(behind) == []


async def test_a_transaction_marker_is_no_record(kafka: Kafka, prefix: str) -> None:
    """A producer may use transactions; what the broker adds to the log for them is never acknowledged by a stage."""
    await create_topics(kafka.address, declared_topics(prefix, partitions=2, replication=1))
    await append(kafka, f"{prefix}events.raw", 3, transaction=f"{prefix}producer")
    await commit(kafka, f"{prefix}normalize", {(f"{prefix}events.raw", 0): 3})

    assert await drain(kafka.address, prefix, timeout_s=20) == []
