"""A stage of a chain with nothing in it: read, append to the next topic, append to a changelog, commit.

It does what a stage that must lose nothing does with the broker, in the same order: the outputs are acknowledged before
the changelog is appended, the changelog before the offset is committed. It computes nothing and keeps nothing, so a
chain of relays is as quick as a chain of stages on the same machine could be.

    python -m bench.peers.plain_loop.relay BROKER SOURCE TARGET CHANGELOG
"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from time import monotonic
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

RECORDS_MAX = 5_000
WAIT_MS = 100
COMMIT_S = 1.0


async def run(broker: str, source: str, target: str, changelog: str) -> None:
    """Run until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    consumer = AIOKafkaConsumer(
        source,
        bootstrap_servers=broker,
        group_id=f"bench-{source}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(bootstrap_servers=broker, acks="all", linger_ms=0, max_batch_size=1_000_000)
    await consumer.start()
    await producer.start()
    committed = monotonic()
    while not stopped.is_set():
        runs = await consumer.getmany(timeout_ms=WAIT_MS, max_records=RECORDS_MAX)
        for topic in (target, changelog):
            await asyncio.gather(*(append(producer, topic, tp.partition, run) for tp, run in runs.items()))
        if runs and monotonic() - committed > COMMIT_S:
            await consumer.commit()
            committed = monotonic()
    await consumer.stop()
    await producer.stop()


async def append(producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Any]) -> None:
    """Append records in order; returns once all are acknowledged."""
    batch = producer.create_batch()
    for record in records:
        if batch.append(key=record.key, value=record.value, timestamp=None) is None:
            await (await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=record.key, value=record.value, timestamp=None)
    await (await producer.send_batch(batch, topic, partition=partition))


if __name__ == "__main__":
    uvloop.run(run(*sys.argv[1:]))
