"""Waiting until all that was appended is in the ledger and the boards, stage by stage."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.admin import admin_client
from pipeline.errors import TransientError, UserError
from pipeline.topology import DEDUPE, LEADERBOARDS, LEDGER, MATCH, NORMALIZE, Stage, app_id, topic_name

# Stages after which everything that they had to write is written; each link is waited for before the next is looked at.
_CHAIN: tuple[tuple[Stage, ...], ...] = ((NORMALIZE,), (DEDUPE,), (MATCH,), (LEDGER, LEADERBOARDS))
# What the ledger answered to the last of that is an event again, and has to go the same way.
_ANSWERS = _CHAIN[1:]
_POLL_S = 0.2
_FETCH_MS = 100
_TRIES = 50


class Behind(NamedTuple):
    """What a stage still has to do: records by partition, at most (gaps in the log are counted as records)."""

    stage: str
    records: dict[int, int]


Report = Callable[[str, int], None]


async def drain(
    broker: str, prefix: str, timeout_s: float, report: Report = lambda _stage, _left: None
) -> list[Behind]:
    """Wait until what is in `events.raw` and `events` now is in the ledger and the boards; return who is behind.

    An empty list: it is all there. Each stage commits an offset only when what follows from it is written, so the ends
    of a stage's topic, taken when the stage before has reached its own, cover all that was there at the call, and what
    comes in later need not be waited for. `report` gets a stage's name and records left whenever they change.

    Raises:
        UserError: a topic is missing.
        TransientError: the broker is away.
    """
    deadline = time.monotonic() + timeout_s
    try:
        async with AsyncExitStack() as stack:
            for stages in (*_CHAIN, *_ANSWERS):
                logs = [await stack.enter_async_context(_stage_log(broker, prefix, stage)) for stage in stages]
                for log in logs:
                    await log.take_ends()
                while behind := [each for log in logs if (each := await log.behind()).records]:
                    for each in behind:
                        report(each.stage, sum(each.records.values()))
                    if time.monotonic() >= deadline:
                        return behind
                    await asyncio.sleep(_POLL_S)
                for stage in stages:
                    report(stage.name, 0)
    except KafkaError as error:
        raise TransientError(f"broker: {error}") from error
    return []


async def waiting(broker: str, prefix: str, stage: Stage) -> Behind:
    """Return what a stage has to do at this moment.

    Raises:
        UserError: its topic is missing.
        TransientError: the broker is away.
    """
    try:
        async with _stage_log(broker, prefix, stage) as log:
            await log.take_ends()
            return await log.behind()
    except KafkaError as error:
        raise TransientError(f"broker: {error}") from error


def waiting_after(behind: Iterable[Behind]) -> list[str]:
    """Return the names of the stages that come after those that are behind."""
    names = {each.stage for each in behind}
    for index, stages in enumerate(_CHAIN):
        if names & {stage.name for stage in stages}:
            return [stage.name for later in _CHAIN[index + 1 :] for stage in later]
    return []


class _StageLog:
    """A stage's input topic seen through its group, without joining it."""

    def __init__(self, stage: Stage, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        self._stage = stage
        self._consumer = consumer
        self._partitions = partitions
        self._starts: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}

    async def take_ends(self) -> None:
        """Fix what has to be reached: the offsets behind the last records at this moment.

        The list of offsets alone will not do: some brokers answer it with the first offset of the last batch. A fetch
        from there carries the true end.
        """
        self._starts = await self._consumer.beginning_offsets(self._partitions)
        listed = await self._consumer.end_offsets(self._partitions)
        for partition, offset in listed.items():
            self._consumer.seek(partition, offset)
        for _ in range(_TRIES):
            await self._consumer.getmany(timeout_ms=_FETCH_MS)
            marks = {partition: self._consumer.highwater(partition) for partition in self._partitions}
            if None not in marks.values():
                break
        else:
            raise TransientError("the broker does not answer fetches")
        self._ends = {partition: max(listed[partition], marks[partition] or 0) for partition in self._partitions}

    async def behind(self) -> Behind:
        """Return how many records the group has not finished, by partition; those with none are left out."""
        left: dict[int, int] = {}
        for partition in self._partitions:
            committed = await self._consumer.committed(partition) or 0
            reached = max(committed, self._starts[partition])  # what retention took away needs no waiting for
            end = self._ends[partition]
            if reached < end and await self._has_record(partition, reached, end):
                left[partition.partition] = end - reached
            else:
                self._ends[partition] = min(end, reached)  # reached once is reached
        return Behind(self._stage.name, left)

    async def _has_record(self, partition: TopicPartition, start: int, end: int) -> bool:
        """Return whether there is a record in [start, end): transaction markers and compaction leave gaps."""
        self._consumer.seek(partition, start)
        for _ in range(_TRIES):
            found = await self._consumer.getmany(partition, timeout_ms=_FETCH_MS, max_records=1)
            for record in found.get(partition, ()):
                return bool(record.offset < end)
            if await self._consumer.position(partition) >= end:
                return False
        return True  # nothing came: better to wait than to say that it is all there


@asynccontextmanager
async def _stage_log(broker: str, prefix: str, stage: Stage) -> AsyncIterator[_StageLog]:
    topic = topic_name(prefix, stage.reads)
    async with admin_client(broker) as client:
        if topic not in await client.list_topics():
            raise UserError(f"the topic {topic} does not exist; `plaudit topics create` makes it")
        (description,) = await client.describe_topics([topic])
    partitions = [TopicPartition(topic, each["partition"]) for each in description["partitions"]]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.split(","),
        client_id="plaudit-drain",
        group_id=app_id(prefix, stage),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=_FETCH_MS // 2,
        max_partition_fetch_bytes=65_536,
    )
    try:
        await consumer.start()
        consumer.assign(partitions)
        yield _StageLog(stage, consumer, partitions)
    finally:
        await consumer.stop()
