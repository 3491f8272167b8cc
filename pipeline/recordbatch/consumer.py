"""A Faust consumer whose messages are rounds of runs and whose commits are exact.

The stock consumer commits past messages that are still in flight, crawls over offset gaps, and counts a failed commit
as done (faust-streaming#606, robinhood/faust#625, faust-streaming#316). Here a partition's committable offset is the
end of the longest finished prefix of what was delivered, and nothing else.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message
from mode.utils.futures import notify

from pipeline.logs import get_logger
from pipeline.recordbatch.consumer_thread import ConsumerThread
from pipeline.recordbatch.in_flight import Delivery, InFlight, Round
from pipeline.recordbatch.model import Run

log = get_logger(__name__)

# The last commit of a worker that stops. It saves work, no more, and whoever asked it to stop is waiting.
_LAST_COMMIT_S = 2.0


class Consumer(driver.Consumer):
    """One Faust message is one round: a run of each partition that a fetch brought records of."""

    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_flight: dict[TP, InFlight] = {}

    def connected(self) -> bool:
        """Return whether there is a living connection to any broker."""
        return self._thread.connected()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _to_message(self, tp: TP, record: Sequence[Run]) -> ConsumerMessage:
        round_ = Round(len(record))
        deliveries = [Delivery(run, round_) for run in record]
        last = record[0].records[-1]  # Faust looks at one partition; the exact accounts are kept below
        message = ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            0,
            (),
            None,
            deliveries,
            None,
            0,
            0,
            tp,
            # Faust silently drops messages of another generation.
            generation_id=self.app.consumer_generation_id,
        )
        round_.message = message
        # Faust would drop the round if its first run had been read before. A run that is done twice changes nothing.
        self._read_offset[tp] = None
        for delivery in deliveries:
            place = TP(delivery.run.topic, delivery.run.partition)
            self._in_flight.setdefault(place, InFlight()).deliver(delivery)
        return message

    def settle(self, delivery: Delivery, *, finished: bool) -> None:
        """Mark a run as finished, everything it caused being durable, or as given up; to be called once for each."""
        if delivery.settle(finished=finished):
            self._forget(delivery.round)

    def _forget(self, round_: Round) -> None:
        """Let `wait_empty` no longer wait for a round, and let go of its message, which holds the round in turn."""
        if round_.message is not None:
            self._unacked_messages.discard(round_.message)
            round_.message = None
        notify(self._waiting_for_ack)

    def ack(self, message: Message) -> bool:
        """Forget a round that Faust's stream skipped in a rebalance: it acknowledges those, though nobody did them."""
        self._forget(message.value[0].round)
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
