"""What all contenders share: one broker, one PostgreSQL server, one household that ends every process."""

import asyncio
from types import TracebackType
from typing import Literal, Self

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import NewTopic

from pipeline.admin import admin_client
from pipeline.embedded.processes import Household
from tests.end_to_end.deployment import PARTITIONS
from tests.stack import Kafka, Postgres, Tansu

Broker = Literal["kafka", "embedded"]
_FETCH_MS = 200


class Stand:
    """Servers for one bench; a context manager that ends them with everything that was started beside them."""

    def __init__(self, broker: Broker = "kafka") -> None:
        self.household = Household()
        self._broker = Kafka(self.household, starts_fast=False) if broker == "kafka" else Tansu(self.household)
        self._postgres = Postgres(self.household)
        self._note_commit_times()

    @property
    def broker(self) -> str:
        """The broker's address."""
        return self._broker.address

    def servers(self) -> dict[str, int]:
        """Return the servers' process ids by name."""
        return {"broker": self._broker.pid, "PostgreSQL": self._postgres.pid}

    def database(self) -> str:
        """Create an empty database; return its URL."""
        return self._postgres.empty_database()

    def create_topic(self, name: str, *, compact: bool = False) -> None:
        """Create a topic with as many partitions as all others have."""
        asyncio.run(self._create_topic(name, {"cleanup.policy": "compact"} if compact else {}))

    def group_is_empty(self, group: str) -> bool:
        """Return whether no member is left in a consumer group, be it dead or alive."""
        return asyncio.run(self._group_is_empty(group))

    def compacted(self, topic: str) -> dict[bytes, bytes]:
        """Read a changelog from its beginning to its end; return the last value of each key that has one."""
        return asyncio.run(self._compacted(topic))

    async def _create_topic(self, name: str, configs: dict[str, str]) -> None:
        async with admin_client(self.broker) as client:
            topic = NewTopic(name, num_partitions=PARTITIONS, replication_factor=1, topic_configs=configs)
            await client.create_topics([topic])

    async def _group_is_empty(self, group: str) -> bool:
        async with admin_client(self.broker) as client:
            (answer,) = await client.describe_consumer_groups([group])
        return all(state in ("Empty", "Dead") for _, _, state, *_ in answer.groups)

    async def _compacted(self, topic: str) -> dict[bytes, bytes]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.broker, auto_offset_reset="earliest")
        values: dict[bytes, bytes] = {}
        await consumer.start()
        try:
            partitions = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            while [each for each in partitions if await consumer.position(each) < ends[each]]:
                for records in (await consumer.getmany(timeout_ms=_FETCH_MS)).values():
                    for record in records:
                        if record.value is None:
                            values.pop(record.key, None)
                        else:
                            values[record.key] = record.value
        finally:
            await consumer.stop()
        return values

    def _note_commit_times(self) -> None:
        """Let the server remember when each transaction was committed: a row's latency can be read from the row."""
        with psycopg.connect(self._postgres.empty_database(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
        self._postgres.restart()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.household.close()
