"""Watches the committed offsets of all stages from a thread, and says when processing went on after a fault."""

import asyncio
import threading
import time
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from pipeline.admin import admin_client
from pipeline.errors import TransientError
from pipeline.topology import LEDGER, STAGES, app_id, topic_name
from tests.chaos.background import Background
from tests.chaos.schedule import Fault, Kind
from tests.end_to_end.deployment import PARTITIONS

_POLL_S = 0.2
# The group's coordinator may be loading its log: another try on another connection is all that can be done.
_ANSWER_S = 5.0

Offsets = dict[str, dict[int, int]]  # by stage and partition


@dataclass(slots=True)
class Watched:
    """A fault that has begun at `since` (monotonic): which offsets are to move, and when the last of them had."""

    fault: Fault
    since: float
    stages: tuple[str, ...]
    baseline: Offsets | None = None
    answered_s: float | None = None  # until the broker told offsets again
    waiting: set[tuple[str, int]] = field(default_factory=set)
    went_on_s: float | None = None


class Watch(Background):
    """Polls in a thread of its own.

    Processing has gone on after a fault once each partition of each stage that it touches has committed an offset
    beyond the one that was seen first after the fault began.
    """

    def __init__(self, broker: str, prefix: str) -> None:
        super().__init__("watch", lambda: asyncio.run(self._poll()))
        self.faults: list[Watched] = []
        self._broker = broker
        self._prefix = prefix
        self._lock = threading.Lock()

    def began(self, fault: Fault) -> None:
        """Watch for the end of a fault that has just begun."""
        with self._lock:
            self.faults.append(Watched(fault, time.monotonic(), _touched(fault)))

    def waiting(self) -> list[Watched]:
        """Return the faults after which processing has not gone on yet."""
        with self._lock:
            return [each for each in self.faults if each.went_on_s is None]

    async def _poll(self) -> None:
        while not self.over.is_set():
            try:
                async with admin_client(self._broker) as client:
                    while not self.over.is_set():
                        asked = time.monotonic()
                        offsets = await asyncio.wait_for(self._committed(client), _ANSWER_S)
                        self._note(asked, offsets)
                        await asyncio.sleep(_POLL_S)
            except (KafkaError, TransientError, OSError, TimeoutError):
                await asyncio.sleep(_POLL_S)

    async def _committed(self, client: object) -> Offsets:
        offsets: Offsets = {}
        for stage in STAGES:
            wanted = [TopicPartition(topic_name(self._prefix, stage.reads), number) for number in range(PARTITIONS)]
            found = await client.list_consumer_group_offsets(app_id(self._prefix, stage), partitions=wanted)  # type: ignore[attr-defined]
            if len(found) < PARTITIONS:
                raise TransientError("the coordinator has not loaded the group yet")
            offsets[stage.name] = {tp.partition: each.offset for tp, each in found.items()}
        return offsets

    def _note(self, asked: float, offsets: Offsets) -> None:
        now = time.monotonic()
        with self._lock:
            for watched in self.faults:
                if watched.went_on_s is not None or asked < watched.since:
                    continue
                if watched.baseline is None:
                    watched.baseline, watched.answered_s = offsets, now - watched.since
                    watched.waiting = {(stage, number) for stage in watched.stages for number in range(PARTITIONS)}
                    continue
                watched.waiting = {
                    (stage, number)
                    for stage, number in watched.waiting
                    if offsets[stage][number] <= watched.baseline[stage][number]
                }
                if not watched.waiting:
                    watched.went_on_s = now - watched.since


def _touched(fault: Fault) -> tuple[str, ...]:
    """Return the stages whose work a fault interrupts."""
    match fault.kind:
        case Kind.KILL_BROKER:
            return tuple(stage.name for stage in STAGES)
        case Kind.KILL_DATABASE:
            return (LEDGER.name,)
        case _:
            return (fault.stage,)
