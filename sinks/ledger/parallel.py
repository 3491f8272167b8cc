"""Several connections to one ledger: while one partition's batch is committed, another's is copied."""

from collections.abc import Sequence
from datetime import datetime

from sinks.ledger.asked import Caused
from sinks.ledger.posting import Posting
from sinks.ledger.sink import Applied, Connect, LedgerSink

# With one connection the server waits while we encode, and we wait while it commits. What a second one gains is not
# settled: runs gave 27,000 rows/s with one, 26,000 to 30,000 with two.
_CONNECTIONS = 2


class ParallelSink:
    """A `LedgerSink` per connection; the batches of a partition always take the same one, so their order is kept."""

    def __init__(self, database: str, connections: int = _CONNECTIONS, connect: Connect | None = None) -> None:
        """As for `LedgerSink`. Nothing is opened yet."""
        self._sinks = [LedgerSink(database, connect) for _ in range(connections)]

    async def apply(self, partition: int, batch: Sequence[Posting], recorded_at: datetime) -> Applied:
        """Commit the postings of a partition that are not in the ledger yet, as `LedgerSink.apply` does.

        Raises:
            TransientError: the database can't take it now.
            InvariantBroken: the database refuses it for good.
        """
        return await self._sinks[partition % len(self._sinks)].apply(partition, batch, recorded_at)

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
        """Close the connections. The sink may be used again."""
        for sink in self._sinks:
            await sink.close()
