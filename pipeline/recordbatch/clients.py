"""Closing the Kafka client's parts, whatever state the broker is in."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from pipeline.logs import get_logger

log = get_logger(__name__)

# A broker that answers is left within milliseconds; one that is away is not waited for.
_CLOSE_S = 3.0


async def close_consumer(consumer: Any) -> None:
    """Stop an `AIOKafkaConsumer`; returns within seconds, and raises only if the caller is cancelled.

    While its broker is away the client's own `stop` waits for it, or ends in the `CancelledError` of a fetch that it
    cancels and then awaits (`Fetcher.close`, aiokafka 0.14.0), which looks as if the caller had been cancelled, and
    leaves its connections open.
    """
    if not await _ended(consumer.stop(), "consumer"):
        await _ended(consumer._client.close(), "client")


async def close_producer(producer: Any) -> None:
    """Stop an `AIOKafkaProducer`; returns within seconds. What was not acknowledged may or may not be appended."""
    if not await _ended(producer.stop(), "producer"):
        await _ended(producer.client.close(), "client")


async def _ended(closing: Awaitable[None], what: str) -> bool:
    """Return whether something came to its own end in time."""
    task = asyncio.ensure_future(closing)
    try:
        await asyncio.wait([task], timeout=_CLOSE_S)
    finally:
        task.cancel()
    if task.done() and not task.cancelled() and task.exception() is None:
        return True
    log.debug("closed by force", what=what)
    return False
