"""How far each stage is, seen from outside: committed offsets of its group against the ends of its input."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from pipeline.topology import STAGES, app_id, stage_named, topic_name

_LOOK_S = 0.3
_ANSWER_S = 3.0
Offsets = dict[int, int]


class Progress:
    """Looks a few times a second, as long as the broker answers."""

    def __init__(self, broker: str, prefix: str, partitions: int) -> None:
        self._broker = broker
        self._prefix = prefix
        self._partitions = range(partitions)
        self.committed: dict[str, Offsets] = {stage.name: {} for stage in STAGES}
        self.ends: dict[str, Offsets] = {stage.name: {} for stage in STAGES}

    async def watch(self) -> None:
        """Look until it is cancelled."""
        while True:
            with suppress(KafkaError, OSError, TimeoutError):
                await self._watch()
            await asyncio.sleep(_LOOK_S)

    async def _watch(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._broker, request_timeout_ms=int(_ANSWER_S * 1000))
        consumer = AIOKafkaConsumer(bootstrap_servers=self._broker, request_timeout_ms=int(_ANSWER_S * 1000))
        try:
            await admin.start()
            await consumer.start()
            while True:
                async with asyncio.timeout(_ANSWER_S):
                    for stage in STAGES:
                        await self._look(stage.name, admin, consumer)
                await asyncio.sleep(_LOOK_S)
        finally:
            with suppress(KafkaError, OSError):
                await admin.close()
            with suppress(KafkaError, OSError):
                await consumer.stop()

    async def _look(self, name: str, admin: Any, consumer: Any) -> None:
        stage = stage_named(name)
        topic = topic_name(self._prefix, stage.reads)
        places = [TopicPartition(topic, number) for number in self._partitions]
        ends = await consumer.end_offsets(places)
        groups = await admin.list_consumer_group_offsets(app_id(self._prefix, stage), partitions=places)
        self.ends[name] = {place.partition: offset for place, offset in ends.items()}
        self.committed[name] = {place.partition: found.offset for place, found in groups.items() if found.offset >= 0}

    def beyond(self, stages: Sequence[str], marks: dict[str, Offsets]) -> bool:
        """Return whether all that was appended by the marks is finished, in every partition of the stages."""
        return all(
            self.committed[stage].get(partition, 0) >= offset
            for stage in stages
            for partition, offset in marks[stage].items()
        )
