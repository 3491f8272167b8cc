"""Reads topics from where the last reading ended to where they end now, outside any group."""

from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.admin import admin_client
from pipeline.consumers import stop_consumer
from pipeline.errors import TransientError, UserError

Take = Callable[[int, Sequence[ConsumerRecord]], None]
"""What is done with a partition's next records, oldest first."""

Report = Callable[[int, int], None]
"""Told now and then how many records were read, of about how many."""

_FETCH_MS = 500
_FETCH_RECORDS = 10_000
# Fetches without any record before a partition is taken to be stuck.
_VAIN_MAX = 40


class TopicReading:
    """A topic, and how far it was read. `starts` are the first offsets that were still there at the first reading."""

    def __init__(self, broker: str, topic: str) -> None:
        """Read `topic` (its full name); nothing is opened yet."""
        self.starts: dict[int, int] = {}
        self._broker = broker
        self._topic = topic
        self._positions: dict[int, int] = {}

    async def read_on(self, take: Take, report: Report) -> None:
        """Give all records that the topic has now, and was not read before, to `take`.

        Raises:
            UserError: there is no such topic.
            TransientError: the broker is away, or does not deliver what it has.
        """
        try:
            partitions = await self._partitions()
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._broker.split(","),
                client_id="plaudit-reconcile",
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_partition_fetch_bytes=4 << 20,
            )
            try:
                await consumer.start()
                await self._read(consumer, partitions, take, report)
            finally:
                await stop_consumer(consumer)
        except KafkaError as error:
            raise TransientError(f"the topic {self._topic} can't be read at {self._broker}: {error!r}") from error

    async def _partitions(self) -> list[TopicPartition]:
        async with admin_client(self._broker) as client:
            # Listed before described: some brokers create a topic that they are asked about.
            if self._topic not in await client.list_topics():
                raise UserError(f"the topic {self._topic} does not exist; `plaudit topics create` makes it")
            (description,) = await client.describe_topics([self._topic])
        return [TopicPartition(self._topic, each["partition"]) for each in description["partitions"]]

    async def _read(
        self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition], take: Take, report: Report
    ) -> None:
        consumer.assign(partitions)
        starts = await consumer.beginning_offsets(partitions)
        listed = await consumer.end_offsets(partitions)
        for tp in partitions:
            self.starts.setdefault(tp.partition, starts[tp])
            consumer.seek(tp, max(starts[tp], self._positions.get(tp.partition, 0)))
        total = sum(max(0, listed[tp] - max(starts[tp], self._positions.get(tp.partition, 0))) for tp in partitions)
        ends: dict[TopicPartition, int] = {}
        waiting, done, vain = set(partitions), 0, 0
        while waiting:
            fetched = await consumer.getmany(*waiting, timeout_ms=_FETCH_MS, max_records=_FETCH_RECORDS)
            for tp, records in fetched.items():
                take(tp.partition, records)
                done += len(records)
            report(done, max(done, total))
            # Some brokers list the first offset of the last batch as the end: the mark in a fetch is the true one.
            for tp in list(waiting):
                if (mark := consumer.highwater(tp)) is not None:
                    end = ends.setdefault(tp, max(listed[tp], mark))
                    position = self._positions[tp.partition] = await consumer.position(tp)
                    if position >= end:
                        waiting.remove(tp)
            vain = 0 if fetched else vain + 1
            if vain > _VAIN_MAX:
                raise TransientError(f"records of {self._topic} that the broker has are not delivered")
