"""The thread in which Faust's consumer talks to the broker: it survives a broker that is away, and seeks exactly."""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any

from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.threads import WorkerThread

from pipeline import metrics
from pipeline.logs import get_logger
from pipeline.recordbatch.clients import close_consumer
from pipeline.recordbatch.pace import pace_fetches

log = get_logger(__name__)

_CONNECT_RETRY_S = 1.0


class _LeftBehind(WorkerThread):
    """A thread that does not keep the process.

    An app that is stopped while it starts goes on starting for a moment (mode-streaming, as of Faust 0.15.3): the
    consumer's thread may begin after its stop, nobody stops it then, and as a member of the group it would keep the
    process, and partitions with it, for ever.
    """

    def __init__(self, service: Any, **kwargs: Any) -> None:
        super().__init__(service, **kwargs)
        self.daemon = True


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, which survives a commit that the broker refuses or can't be reached for."""

    Worker = _LeftBehind

    async def on_start(self) -> None:
        """Connect, waiting for the broker as long as it takes; the stock thread ends the worker when it is away."""
        self.time_started = monotonic()
        while not self.should_stop:
            consumer = self._create_consumer(loop=self.thread_loop)
            try:
                await consumer.start()
            except KafkaError as error:
                log.warning("waiting for the broker", stage=self.app.stage_name, why=repr(error))
                await close_consumer(consumer)
                await self.sleep(_CONNECT_RETRY_S)
            else:
                pace_fetches(consumer._fetcher, self.app.options.fetch_pause_s)
                self._consumer = consumer
                return

    async def on_thread_stop(self) -> None:
        """Leave the group. The stock thread may hang or die here while the broker is away, and the worker with it."""
        await super(driver.AIOKafkaConsumerThread, self).on_thread_stop()
        if self._consumer is not None:
            await close_consumer(self._consumer)

    def assignment(self) -> set[TP]:
        """Return what is assigned; nothing, and no error, while there is no broker yet."""
        assigned: set[TP] = super().assignment() if self._consumer is not None else set()
        return assigned

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek every assigned partition to its committed offset, or to its beginning; return the committed offsets.

        The stock one leaves a partition without a commit wherever its last fetch brought it, and what was fetched in a
        rebalance is thrown away: those records would be passed over. And it says nothing if the topic's retention has
        removed what was not read yet.
        """
        offsets: Mapping[TP, int] = await self.call_thread(self._seek_to_committed)
        return offsets

    async def _seek_to_committed(self) -> Mapping[TP, int]:
        consumer = self._ensure_consumer()
        partitions = list(consumer.assignment())
        begins = await consumer.beginning_offsets(partitions)
        committed = await asyncio.gather(*(consumer.committed(tp) for tp in partitions))
        offsets = dict(zip(partitions, committed, strict=True))
        for tp, offset in offsets.items():
            if offset is not None and offset < begins[tp]:
                self._tell_expired(tp, offset, begins[tp])
            consumer.seek(tp, max(offset or 0, begins[tp]))
        return offsets

    def _tell_expired(self, tp: TP, committed: int, begin: int) -> None:
        metrics.RECORDS_EXPIRED.labels(self.app.stage_name).inc(begin - committed)
        log.error(
            "the topic's retention has removed records that were not read",
            stage=self.app.stage_name,
            topic=tp.topic,
            partition=tp.partition,
            committed=committed,
            begin=begin,
        )

    def highwater(self, tp: TP) -> int | None:
        """Return the end of a partition as last fetched; None while a rebalance has it nowhere.

        The client asserts that the partition is assigned; a view that is asked in a rebalance would fail.
        """
        try:
            offset: int | None = super().highwater(tp)
        except AssertionError:
            return None
        return offset

    def connected(self) -> bool:
        """Return whether there is a living connection to any broker; False before the first."""
        if self._consumer is None:
            return False
        return any(connection.connected() for connection in self._consumer._client._conns.values())

    async def rejoin(self) -> None:
        """Ask the group for a new assignment."""
        await self.call_thread(self._rejoin)

    async def _rejoin(self) -> None:
        self._ensure_consumer()._coordinator.request_rejoin()

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        mine = {driver.ensure_aiokafka_TP(tp): driver.OffsetAndMetadata(o, "") for tp, o in offsets.items()}
        try:
            await self._ensure_consumer().commit(mine)
        except KafkaError as error:
            # The stock thread stops the worker here. A commit only saves work after a restart: the next one covers it.
            metrics.COMMIT_FAILURES.labels(self.app.stage_name).inc()
            log.warning("commit failed; the next one covers it", error=repr(error))
            return False
        return True
