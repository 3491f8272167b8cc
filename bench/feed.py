"""Hands the workload out in pieces, each with what the model expects of it, and appends them to a topic."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from bench.workload import Workload
from pipeline.partitioner import partitioner
from pipeline.recordbatch.model import Output
from pipeline.recordbatch.producer import BatchProducer

_BURST_RECORDS = 5_000
# How often the paced sender looks at its schedule: well below the latencies that it measures.
_TICK_S = 0.001


@dataclass
class Piece:
    """Some records of the workload, in their order, and what they lead to."""

    records: list[tuple[int, Output]] = field(default_factory=list)  # with their partitions
    positions: dict[str, int] = field(default_factory=dict)  # where in `records` an event first stands
    transfers: int = 0
    posting: int = 0  # events that cause at least one transfer
    last: dict[int, tuple[str, str]] = field(default_factory=dict)  # tenant and id of each partition's last such event


class Feed:
    """The workload as a stream of pieces; `expected` is the model over all pieces taken so far."""

    def __init__(self, work: Workload, partitions: int) -> None:
        self.work = work
        self.expected = work.model()
        self.partition_of = partitioner(partitions)
        self._sent = work.sent()
        self._next = 0  # number of the next action that was not sent yet

    def take(self, records: int) -> Piece:
        """Return the next piece; shorter only at the end of the workload."""
        piece = Piece()
        for action in islice(self._sent, records):
            key, value = action.record()
            partition = self.partition_of(key)
            if action.number >= self._next:
                self._next = action.number + 1
                name = f"e{action.number}"
                piece.positions[name] = len(piece.records)
                if transfers := self.expected.add(action):
                    piece.transfers += transfers
                    piece.posting += 1
                    piece.last[partition] = (action.tenant, name)
            piece.records.append((partition, Output(key, value)))
        return piece


async def burst(broker: str, topic: str, piece: Piece) -> float:
    """Append a piece as fast as the broker takes it; return when it began (seconds since the epoch)."""
    producer = BatchProducer(broker, client_id="bench")
    await producer.start()
    try:
        begun = time.time()
        for partition, outputs in _runs(piece):
            await producer.append(topic, partition, outputs)
    finally:
        await producer.stop()
    return begun


async def paced(broker: str, topic: str, piece: Piece, per_second: float) -> list[float]:
    """Append a piece on a schedule, however late the broker is; return when each record was due (since the epoch).

    Arrivals do not wait for answers: latency counted from the schedule has no coordinated omission.
    """
    producer = BatchProducer(broker, client_id="bench")
    await producer.start()
    queues: dict[int, list[Output]] = defaultdict(list)
    senders: dict[int, asyncio.Task[None]] = {}

    async def drain(partition: int) -> None:
        while waiting := queues.pop(partition, None):
            await producer.append(topic, partition, waiting)
        del senders[partition]

    try:
        start = time.time() + _TICK_S
        due = [start + number / per_second for number in range(len(piece.records))]
        sent = 0
        while sent < len(due):
            await asyncio.sleep(_TICK_S)
            now = time.time()
            while sent < len(due) and due[sent] <= now:
                partition, output = piece.records[sent]
                queues[partition].append(output)
                sent += 1
            for partition in queues.keys() - senders.keys():
                senders[partition] = asyncio.create_task(drain(partition))
        await asyncio.gather(*senders.values())
    finally:
        await producer.stop()
    return due


def _runs(piece: Piece) -> Iterator[tuple[int, list[Output]]]:
    waiting: dict[int, list[Output]] = defaultdict(list)
    for partition, output in piece.records:
        waiting[partition].append(output)
        if len(waiting[partition]) >= _BURST_RECORDS:
            yield partition, waiting.pop(partition)
    yield from waiting.items()
