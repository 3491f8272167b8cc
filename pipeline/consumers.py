"""What the client's consumer leaves to its users: ending for certain."""

import asyncio

from aiokafka import AIOKafkaConsumer


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer and close its connections, whatever it was doing; raises only our own cancellation."""
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        # aiokafka 0.14: when a fetch was waiting to be tried again, its cancellation comes out here, before the
        # connections are closed. It is not ours unless we have been cancelled.
        await consumer._client.close()  # noqa: SLF001
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
