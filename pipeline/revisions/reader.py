"""Reads the topic `economies` in the order of the log, outside any consumer group, and keeps what it says."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from pipeline.consumers import stop_consumer
from pipeline.logs import get_logger
from tables.economies import EconomyHistory, NotAHistory, decode_history, follow

# Seconds after which a request that isn't answered counts as failed. The client itself would wait for forty.
REQUEST_S = 10.0
# Milliseconds that the client waits for records which are known to be there, before it looks again.
FETCH_MS = 500
# Looks in vain after which the connection is given up.
FETCHES_MAX = 20

_log = get_logger(__name__)


class EconomyReader:
    """What the topic says up to `position`: the history of each tenant, as `tables.economies.follow` folds its records.

    A record that can't be read is ignored, with a line in the log: it can't be told whose it was meant to be.
    """

    def __init__(self, broker: str, topic: str) -> None:
        """Read `topic` (its full name) from the bootstrap servers `broker`; nothing is opened yet."""
        self.histories: dict[str, EconomyHistory] = {}
        self.position = 0
        self._broker = broker
        self._source = TopicPartition(topic, 0)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["Connection"]:
        """Open a connection that goes on at `position`.

        Raises:
            aiokafka.errors.KafkaError, OSError: the broker is away.
        """
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._broker,
            group_id=None,
            enable_auto_commit=False,
            # When the topic was made anew there is nothing at `position`; reading it from its start is right.
            auto_offset_reset="earliest",
        )
        # A broker answers the requests of a connection one after the other: behind a fetch that waits for records, the
        # end of the log would be known after half a second; on a connection of its own it is after 2 ms.
        asker = AIOKafkaConsumer(bootstrap_servers=self._broker, group_id=None, enable_auto_commit=False)
        try:
            await consumer.start()
            await asker.start()
            consumer.assign([self._source])
            consumer.seek(self._source, self.position)
            yield Connection(self, consumer, asker, self._source)
        finally:
            await stop_consumer(consumer)
            await stop_consumer(asker)

    def take(self, record: ConsumerRecord) -> str | None:
        """Fold the next record of the log in; return the tenant whose history it changed, if it changed one."""
        self.position = record.offset + 1
        if record.value is None:
            return self._forget(record)
        try:
            said = decode_history(record.key, record.value)
            known = self.histories.get(said.tenant)
            history = follow(known, said, record.timestamp)
        except (NotAHistory, OverflowError) as error:  # a foreign record may have a time that no calendar holds
            _log.warning("a record of economies was ignored", offset=record.offset, problem=str(error))
            return None
        if history is known:
            _log.warning("a publication lost against an earlier one", tenant=said.tenant, offset=record.offset)
            return None
        self.histories[said.tenant] = history
        return said.tenant

    def _forget(self, record: ConsumerRecord) -> str | None:
        tenant = (record.key or b"").decode(errors="replace")
        return tenant if self.histories.pop(tenant, None) is not None else None


class Connection:
    """An open connection of a reader to the broker: `asker` reads nothing, and never waits."""

    def __init__(
        self, reader: EconomyReader, consumer: AIOKafkaConsumer, asker: AIOKafkaConsumer, source: TopicPartition
    ) -> None:
        self._reader = reader
        self._consumer = consumer
        self._asker = asker
        self._source = source

    async def read_to_end(self) -> list[tuple[int, str | None]]:
        """Fold in every record that the log held when this was called; return each one's offset and changed tenant.

        Raises:
            aiokafka.errors.KafkaError, TimeoutError, OSError: the broker is away. What was read until then counts.
        """
        taken: list[tuple[int, str | None]] = []
        end = await self._end()
        await self._catch_up()
        while self._reader.position < end:
            fetched = await self._fetch()
            taken.extend((record.offset, self._reader.take(record)) for record in fetched)
            await self._catch_up()
        return taken

    async def _fetch(self) -> Sequence[ConsumerRecord]:
        for _ in range(FETCHES_MAX):
            fetched = await self._consumer.getmany(self._source, timeout_ms=FETCH_MS)
            if records := fetched.get(self._source):
                return records  # type: ignore[no-any-return]  # the client is not typed
        raise TimeoutError("records that the broker has are not delivered")

    async def _catch_up(self) -> None:
        # The client knows better than the last record's offset: behind it there may be some that compaction removed,
        # and when the topic was made anew the client has gone back to its start.
        async with asyncio.timeout(REQUEST_S):
            self._reader.position = await self._consumer.position(self._source)

    async def _end(self) -> int:
        # The embedded broker answers with the first offset of the last batch, plus one. Each publication is a batch of
        # its own, so that this is the end all the same; a longer batch is fetched whole, and so read whole.
        async with asyncio.timeout(REQUEST_S):
            ends = await self._asker.end_offsets([self._source])
        return int(ends[self._source])
