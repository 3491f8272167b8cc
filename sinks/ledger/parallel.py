"""Several connections to one ledger, and one transaction for all that waits for one."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from pipeline.errors import InvariantBroken, TransientError
from sinks.ledger.asked import Caused
from sinks.ledger.parts import Applied, Batch
from sinks.ledger.posting import Posting
from sinks.ledger.sink import Connect, LedgerSink

# With one connection the server waits while we encode, and we wait while it commits. What a second one gains is not
# settled: runs gave 27,000 rows/s with one, 26,000 to 30,000 with two.
_CONNECTIONS = 2

# Small batches share a transaction, which costs the server and us about 2.5 ms of CPU however few rows are in it: at
# 1,000 events/s both took 0.46 of a core with one for each of four partitions, 0.33 with one for all. Large ones gain
# nothing, and would make their partitions wait for each other.
_SHARED_TRANSACTIONS = 500


class _Waiting:
    """A batch that waits for its transaction, and what became of it."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.applied: asyncio.Future[Applied] = asyncio.get_running_loop().create_future()


class ParallelSink:
    """A `LedgerSink` per connection; one that is free takes what waits, of each partition one batch after the other."""

    def __init__(self, database: str, connections: int = _CONNECTIONS, connect: Connect | None = None) -> None:
        """As for `LedgerSink`. Nothing is opened yet."""
        self._sinks = [LedgerSink(database, connect) for _ in range(connections)]
        self._free = list(self._sinks)
        self._waiting: list[_Waiting] = []
        self._writing: set[int] = set()  # partitions
        self._tasks: set[asyncio.Task[None]] = set()

    async def apply(self, partition: int, batch: Sequence[Posting], recorded_at: datetime) -> Applied:
        """Commit the postings of a partition that are not in the ledger yet, as `LedgerSink.apply_all` does.

        After a cancellation the batch may still be committed; batches of the partition that come later wait for it.

        Raises:
            TransientError: the database can't take it now.
            InvariantBroken: the database refuses it for good.
        """
        mine = _Waiting(Batch(partition, batch, recorded_at))
        self._waiting.append(mine)
        # Not at once: the other partitions of a round come in this turn of the loop.
        asyncio.get_running_loop().call_soon(self._start)
        return await mine.applied

    def _start(self) -> None:
        """Begin transactions with what waits, while there is a connection for one."""
        while self._free and (together := self._next()):
            sink = self._free.pop()
            task = asyncio.create_task(_apply(sink, together))
            self._tasks.add(task)
            task.add_done_callback(partial(self._end, sink, together))

    def _next(self) -> list[_Waiting]:
        """Take the oldest batch of each partition that is not being written, as far as they are small."""
        together: list[_Waiting] = []
        left: list[_Waiting] = []
        taken, size = set(self._writing), 0
        for each in self._waiting:
            number, more = each.batch.partition, len(each.batch.postings)
            if each.applied.cancelled():
                continue
            if number in taken or (together and size + more > _SHARED_TRANSACTIONS):
                left.append(each)
            else:
                together.append(each)
                size += more
            taken.add(number)
        self._waiting = left
        self._writing |= {each.batch.partition for each in together}
        return together

    def _end(self, sink: LedgerSink, together: Sequence[_Waiting], task: asyncio.Task[None]) -> None:
        """Free the connection and the partitions of a transaction, and begin the next."""
        _fail(together, TransientError("the transaction was broken off"))
        self._tasks.discard(task)
        self._writing -= {each.batch.partition for each in together}
        self._free.append(sink)
        self._start()

    async def caused_by(self, partition: int, tenant: str, actor: str, source: str, event_id: str) -> list[Caused]:
        """Return what an event of an actor in that partition moved, as `LedgerSink.caused_by` does.

        Raises:
            TransientError: the database can't say now.
        """
        return await self._sinks[partition % len(self._sinks)].caused_by(tenant, actor, source, event_id)

    async def claim_piece(self, partition: int, tenant: str, actor: str, reward: str, stock: int, claim: str) -> bool:
        """Return whether a claim of an actor in that partition gets a piece, as `LedgerSink.claim_piece` does.

        Raises:
            TransientError: the database can't say now.
        """
        return await self._sinks[partition % len(self._sinks)].claim_piece(tenant, actor, reward, stock, claim)

    async def return_piece(self, partition: int, tenant: str, reward: str, claim: str) -> None:
        """Make the piece of a claim free again, as `LedgerSink.return_piece` does.

        Raises:
            TransientError: the database can't do it now.
        """
        await self._sinks[partition % len(self._sinks)].return_piece(tenant, reward, claim)

    async def close(self) -> None:
        """Break off what is being written, and close the connections. The sink may be used again."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        for sink in self._sinks:
            await sink.close()


async def _apply(sink: LedgerSink, together: Sequence[_Waiting]) -> None:
    """Write batches in one transaction, and tell whoever waits for them."""
    try:
        results = await sink.apply_all([each.batch for each in together])
    except InvariantBroken as refused:
        if len(together) == 1:
            _fail(together, refused)
        else:  # the error must name the one that is refused, and the others need not suffer for it
            for each in together:
                await _apply(sink, [each])
    except Exception as error:  # noqa: BLE001 - whatever it is, those who wait for the transaction must hear of it
        _fail(together, error)
    else:
        for each, applied in zip(together, results, strict=True):
            if not each.applied.done():
                each.applied.set_result(applied)


def _fail(together: Sequence[_Waiting], error: Exception) -> None:
    """Tell those who have heard nothing yet."""
    for each in together:
        if not each.applied.done():
            each.applied.set_exception(error)
