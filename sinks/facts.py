"""The topic `facts`, for what tells facts outside a run of records."""

from collections.abc import Sequence

from pipeline.recordbatch.model import Output
from pipeline.recordbatch.producer import BatchProducer


class FactsTopic:
    """Appends to the topic of that full name; connects when there is something to tell."""

    def __init__(self, broker: str, topic: str) -> None:
        self.topic = topic
        self._producer = BatchProducer(broker, client_id="plaudit-facts")
        self._started = False

    async def append(self, partition: int, records: Sequence[Output]) -> None:
        """Append records; they are durable when this returns.

        Raises:
            TransientError: the broker is away.
        """
        if not self._started:
            await self._producer.start()
            self._started = True
        await self._producer.append(self.topic, partition, records)

    async def stop(self) -> None:
        """Disconnect."""
        self._started = False
        await self._producer.stop()
