"""Sends the workload at an even pace, from a thread, whatever happens to the broker."""

import asyncio
import time
from collections import defaultdict

from pipeline.errors import TransientError
from pipeline.partitioner import partitioner
from pipeline.recordbatch.model import Output
from pipeline.recordbatch.producer import BatchProducer
from tests.chaos.background import Background
from tests.chaos.workload import Sent, stream
from tests.end_to_end.deployment import PARTITIONS

_TICK_S = 0.05
_PIECE_MAX = 500
# Shorter than the product's own patience, so that the load is back as soon as the broker is.
_PATIENCE_S = 5.0


class Load(Background):
    """A producer: what was not acknowledged is sent again, so an event may arrive more than once, and none is lost.

    `sent` is what was acknowledged, in order; once it is stopped, that is all that was begun.
    """

    def __init__(self, broker: str, topic: str, seed: int, per_second: float) -> None:
        super().__init__("load", lambda: asyncio.run(self._send()))
        self.sent: list[Sent] = []
        self._broker = broker
        self._topic = topic
        self._stream = stream(seed)
        self._per_second = per_second
        self._partition_of = partitioner(PARTITIONS)

    async def _send(self) -> None:
        producer = BatchProducer(self._broker, client_id="chaos", request_timeout_s=_PATIENCE_S)
        await producer.start()
        begun, taken = time.monotonic(), 0
        try:
            while not self.over.is_set():
                due = int((time.monotonic() - begun) * self._per_second) - taken
                if due <= 0:
                    await asyncio.sleep(_TICK_S)
                    continue
                piece = [next(self._stream) for _ in range(min(due, _PIECE_MAX))]
                taken += len(piece)
                runs: dict[int, list[Output]] = defaultdict(list)
                for sent in piece:
                    runs[self._partition_of(sent.key)].append(Output(sent.key, sent.value))
                await asyncio.gather(*(self._append(producer, number, run) for number, run in runs.items()))
                self.sent += piece
        finally:
            await producer.stop()

    async def _append(self, producer: BatchProducer, partition: int, run: list[Output]) -> None:
        while True:
            try:
                await producer.append(self._topic, partition, run)
            except TransientError:
                await asyncio.sleep(_TICK_S)
            else:
                return
