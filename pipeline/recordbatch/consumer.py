"""A Faust consumer whose messages are runs and whose commits are exact.

The stock consumer commits past messages that are still in flight, crawls over offset gaps, and counts a failed commit
as done (faust-streaming#606, robinhood/faust#625, faust-streaming#316). Here a partition's committable offset is the
end of the longest finished prefix of what was delivered, and nothing else.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from time import monotonic
from typing import Any

from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message
from mode.threads import WorkerThread
from mode.utils.futures import notify

from pipeline import metrics
from pipeline.logs import get_logger
from pipeline.recordbatch.clients import close_consumer
from pipeline.recordbatch.model import Record, Run
from pipeline.recordbatch.pace import pace_fetches

log = get_logger(__name__)

_CONNECT_RETRY_S = 1.0
# The last commit of a worker that stops. It saves work, no more, and whoever asked it to stop is waiting.
_LAST_COMMIT_S = 2.0


class InFlight:
    """The delivered and not yet finished messages of one partition, oldest first."""

    def __init__(self) -> None:
        self._messages: deque[Any] = deque()
        self._committable: int | None = None

    def deliver(self, message: Any) -> None:
        """Remember a message; its `offset` is the last one of its run, its `acked` tells when it is finished."""
        self._messages.append(message)

    def committable(self) -> int | None:
        """Return the offset after the longest finished prefix; None while nothing has finished."""
        while self._messages and self._messages[0].acked:
            self._committable = self._messages.popleft().offset + 1
        return self._committable


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
                pace_fetches(consumer._fetcher)
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


class Consumer(driver.Consumer):
    """One Faust message is one run of records of one partition."""

    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_flight: dict[TP, InFlight] = {}

    def connected(self) -> bool:
        """Return whether there is a living connection to any broker."""
        return self._thread.connected()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _to_message(self, tp: TP, record: Sequence[Record]) -> ConsumerMessage:
        last = record[-1]
        message = ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            0,
            (),
            None,
            Run(tp.topic, tp.partition, record),
            None,
            0,
            0,
            tp,
            # Faust silently drops messages of another generation.
            generation_id=self.app.consumer_generation_id,
        )
        self._in_flight.setdefault(tp, InFlight()).deliver(message)
        return message

    def finish(self, message: Message) -> None:
        """Mark a run as finished: everything it caused is durable."""
        message.acked = True
        self.abandon(message)

    def abandon(self, message: Message) -> None:
        """Forget a run without marking it finished: whoever owns its partition next will do it."""
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)

    def ack(self, message: Message) -> bool:
        """Forget a run that Faust's stream skipped in a rebalance: it acknowledges those, though nobody did them."""
        self.abandon(message)
        return False

    async def wait_empty(self) -> None:
        """Wait until nothing is in flight and commit; when the app stops, for no longer than a commit takes.

        A crash ends the consumer's thread at once, and a broker may be away: the stock one then waits for ever.
        """
        if not self.app.should_stop:
            await super().wait_empty()
            return
        last = asyncio.ensure_future(super().wait_empty())
        done, _ = await asyncio.wait([last], timeout=_LAST_COMMIT_S)
        if not done:
            last.cancel()
            log.warning("stopping without a last commit; what it held back is done again")

    async def rejoin(self) -> None:
        """Ask the group for a new assignment; what is in flight is finished before."""
        await self._thread.rejoin()

    def processed(self, tp: TP) -> int | None:
        """Return the offset up to which everything is finished, exclusive; None before anything is known."""
        finished = self._in_flight[tp].committable() if tp in self._in_flight else None
        return self._committed_offset[tp] if finished is None else finished

    async def verify_all_partitions_active(self) -> None:
        """Faust's search for streams that stand still judges by single events; the lag is measured per run instead."""

    def _filter_tps_with_pending_acks(self, topics: Iterable[Any] | None = None) -> Iterator[TP]:
        return (tp for tp in self._in_flight if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self._in_flight[tp].committable()

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Gaps between offsets (transaction markers, compaction) need no bookkeeping here."""

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        # What was finished has been committed, what was not will be fetched again. Not in `perform_seek`, which Faust
        # also calls while the runs of the last assignment are still being finished.
        self._in_flight.clear()
        await super().on_partitions_assigned(assigned, generation_id)

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:  # noqa: FBT001, FBT002 - Faust's signature
        assigned = self.assignment()
        mine = {tp: offset for tp, offset in offsets.items() if tp in assigned}
        if not mine or not await self._commit(mine):
            return False
        self._committed_offset.update(mine)
        self.app.monitor.on_tp_commit(mine)
        return True


class UnusedProducer(driver.Producer):
    """Stands where Faust wants a producer; everything is produced by `BatchProducer`, so this one never connects."""

    async def on_start(self) -> None:
        """Nothing to connect."""

    async def on_stop(self) -> None:
        """Nothing to disconnect."""


class Transport(driver.Transport):
    """Faust's Kafka transport with this module's consumer."""

    Consumer = Consumer
    Producer = UnusedProducer
