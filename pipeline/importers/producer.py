"""Appending events to `events.raw`, in order for each actor, as fast as the broker takes them."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from pipeline.errors import UserError
from pipeline.events import Headers, actor_key, encode_json
from pipeline.formats.canonical import Attributes
from pipeline.importers.model import Unread
from pipeline.partitioner import partitioner
from pipeline.topology import EVENTS_RAW, topic_name

_CHUNK_RECORDS = 1_000
_BATCH_BYTES = 256 * 1024
# Enough to keep the broker busy while the next ones are read; also what a stop loses at most, to be sent again.
_BATCHES_IN_FLIGHT_MAX = 32
_REQUEST_BYTES_MAX = 4 * 1024 * 1024
_STOP_S = 5.0
_ANSWER_S = 10.0


class _Record(NamedTuple):
    partition: int
    key: bytes | None
    value: bytes
    headers: Headers


async def produce_events(
    broker: str,
    prefix: str,
    partitions: int,
    events: Iterable[Attributes | Unread],
    on_progress: Callable[[int], None],
) -> int:
    """Append `events` to the raw events; return how many were acknowledged by all in-sync replicas.

    Events of one actor keep their order. `events` is read in a thread, a bounded number ahead. `on_progress` is told
    the number acknowledged so far. After an error or a cancellation an unknown part of the rest was appended too:
    append all of them again, events with ids are counted once.

    Raises:
        UserError: the broker is away, or its topic is not there or has another number of partitions.
    """
    topic = topic_name(prefix, EVENTS_RAW)
    producer = await _connected(broker)
    try:
        await _check_topic(producer, topic, partitions)
        appender = _Appender(producer, topic, on_progress)
        records = _records(events, partitions)
        while chunk := await asyncio.to_thread(lambda: list(islice(records, _CHUNK_RECORDS))):
            for record in chunk:
                while not appender.append(record):
                    await appender.send(record.partition)
        return await appender.finish()
    except KafkaError as error:
        message = f"the broker at {broker} failed: {error!r}; run the import again, nothing is counted twice"
        raise UserError(message) from error
    finally:
        await _stop(producer)


class _Appender:
    """Fills one broker batch per partition and keeps a bounded number of them in flight."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, on_progress: Callable[[int], None]) -> None:
        self._producer = producer
        self._topic = topic
        self._on_progress = on_progress
        self._open: dict[int, BatchBuilder] = {}
        self._in_flight: deque[tuple[asyncio.Future[object], int]] = deque()
        self._acknowledged = 0

    def append(self, record: _Record) -> bool:
        """Append a record to its partition's open batch; return whether it fitted."""
        partition, key, value, headers = record
        batch = self._open.get(partition)
        if batch is None:
            batch = self._open[partition] = self._producer.create_batch()
        return batch.append(timestamp=None, key=key, value=value, headers=list(headers)) is not None

    async def finish(self) -> int:
        """Send what is open; return the number of records acknowledged, all of them."""
        for partition in list(self._open):
            await self.send(partition)
        while self._in_flight:
            await self._acknowledge()
        return self._acknowledged

    async def send(self, partition: int) -> None:
        """Send a partition's open batch; waits while too much is in flight."""
        batch = self._open.pop(partition)
        batch.close()
        count = batch.record_count()
        self._in_flight.append((await self._producer.send_batch(batch, self._topic, partition=partition), count))
        while len(self._in_flight) > _BATCHES_IN_FLIGHT_MAX:
            await self._acknowledge()

    async def _acknowledge(self) -> None:
        future, count = self._in_flight.popleft()
        await future
        self._acknowledged += count
        self._on_progress(self._acknowledged)


def _records(events: Iterable[Attributes | Unread], partitions: int) -> Iterator[_Record]:
    partition_of = partitioner(partitions)
    for number, event in enumerate(events):
        if isinstance(event, Unread):
            yield _Record(number % partitions, None, event.value, event.headers)
        else:
            key = actor_key(event["tenant"], event["subject"])
            yield _Record(partition_of(key), key, encode_json(event), ())


async def _connected(broker: str) -> AIOKafkaProducer:
    producer = AIOKafkaProducer(
        bootstrap_servers=broker.split(","),
        client_id="plaudit-import",
        acks="all",
        max_batch_size=_BATCH_BYTES,
        max_request_size=_REQUEST_BYTES_MAX,
    )
    try:
        await producer.start()
    except KafkaError as error:
        await producer.stop()
        raise UserError(f"no broker answers at {broker}: {' '.join(str(error).split())}") from error
    return producer


async def _check_topic(producer: AIOKafkaProducer, topic: str, partitions: int) -> None:
    """Asking for all topics creates none, as asking for this one may."""
    cluster = await asyncio.wait_for(producer.client.fetch_all_metadata(), _ANSWER_S)
    found = len(cluster.partitions_for_topic(topic) or ())
    if found == 0:
        raise UserError(f"there is no topic {topic}; create the topics with `plaudit topics create`")
    if found != partitions:
        raise UserError(f"{topic} has {found} partitions, but PLAUDIT_PARTITIONS is {partitions}")


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stopping waits for what is unsent; with the broker away, not for ever."""
    try:
        await asyncio.wait_for(producer.stop(), _STOP_S)
    except (TimeoutError, KafkaError):
        return
