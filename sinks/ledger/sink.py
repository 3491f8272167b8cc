"""The sink: appends batches of transactions to the ledger, in one database transaction, each sequence once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from operator import attrgetter
from typing import TypeVar

import psycopg
from psycopg.rows import TupleRow

from pipeline.logs import get_logger
from sinks.ledger import statements
from sinks.ledger.asked import Caused, caused_by
from sinks.ledger.connection import OPTIONS
from sinks.ledger.failures import failure
from sinks.ledger.parts import Applied, Batch, Part
from sinks.ledger.posting import Posting
from sinks.ledger.roles import becoming
from sinks.ledger.rows import COPY_END, COPY_HEADER, GENESIS
from sinks.ledger.schema import SINK_ROLE
from sinks.ledger.stock import claim_piece, return_piece

_LOG = get_logger(__name__)

# About 120 KB: enough for the server to have work while the next piece is made, and few turns of the event loop.
_PIECE_TRANSACTIONS = 500

Connection = psycopg.AsyncConnection[TupleRow]
T = TypeVar("T")
Connect = Callable[[str], Awaitable[Connection]]


class LedgerSink:
    """Writes to the ledger through one connection, opened when it is needed and again after every failure.

    The connection takes on the role of the sink, which may only insert, if the login may.
    """

    def __init__(self, database: str, connect: Connect | None = None) -> None:
        """`database` is a URL, or anything else that libpq reads. Nothing is opened yet; `connect` opens, if given."""
        self._database = database
        self._connect = _open if connect is None else connect
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    async def apply(self, partition: int, batch: Sequence[Posting], recorded_at: datetime) -> Applied:
        """Commit the postings of a partition, as `apply_all` does those of several."""
        (applied,) = await self.apply_all([Batch(partition, batch, recorded_at)])
        return applied

    async def apply_all(self, batches: Sequence[Batch]) -> list[Applied]:
        """Commit what is not in the ledger yet of batches of different partitions; returns once it is durable.

        Idempotent by sequence: what lies at or below a partition's progress is left out, and so is what does not rise
        within its batch. Safe beside another sink on the same partitions, and beside others without waiting for them.
        All or nothing: after an error, or a cancellation, the same batches may be given again.

        Raises:
            TransientError: the database can't take them now.
            InvariantBroken: the database refuses one for good: an actor would fall below zero, a transfer is already
                there at another sequence.
        """
        parts = [Part(batch) for batch in batches]
        # Always in the same order, so that two sinks on the same partitions wait for each other one way round.
        if new := sorted((part for part in parts if part.rising), key=attrgetter("number")):
            async with self._turn:
                try:
                    await self._write(new)
                except psycopg.Error as error:
                    raise failure(error, "; ".join(map(str, new))) from error
        return [part.applied() for part in parts]

    async def caused_by(self, tenant: str, actor: str, source: str, event_id: str) -> list[Caused]:
        """Return what an event of an actor moved, as of the last batch that was applied.

        Raises:
            TransientError: the database can't say now.
        """
        return await self._asked(
            f"event {event_id} of {source}",
            lambda connection: caused_by(connection, tenant, actor, source, event_id),
        )

    async def claim_piece(self, tenant: str, actor: str, reward: str, stock: int, claim: str) -> bool:
        """Return whether a claim gets one of `stock` pieces of a reward; the same again if it is asked again.

        Raises:
            TransientError: the database can't say now.
        """
        return await self._asked(
            f"reward {reward}", lambda connection: claim_piece(connection, tenant, actor, reward, stock, claim)
        )

    async def return_piece(self, tenant: str, reward: str, claim: str) -> None:
        """Make the piece of a claim free again, once.

        Raises:
            TransientError: the database can't do it now.
        """
        await self._asked(f"reward {reward}", lambda connection: return_piece(connection, tenant, reward, claim))

    async def _asked(self, what: str, ask: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._turn:
            done = False
            try:
                answer = await ask(await self._opened())
                done = True
            except psycopg.Error as error:
                raise failure(error, what) from error
            finally:
                if not done:
                    await self._abandon()
        return answer

    async def close(self) -> None:
        """Close the connection. The sink may be used again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _write(self, parts: Sequence["Part"]) -> None:
        """Write what is new of the batches in one transaction."""
        connection = await self._opened()
        done = False
        try:
            await _begin(connection, parts)
            await _copy(connection, parts)
            await _finish(connection, parts)
            done = True
        finally:
            # After an error or a cancellation nobody knows where the connection stands: the next batch opens another.
            if not done:
                await self._abandon()

    async def _opened(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await self._connect(self._database)
        return self._connection

    async def _abandon(self) -> None:
        with suppress(psycopg.Error):
            await self.close()


async def _open(database: str) -> Connection:
    connection = await psycopg.AsyncConnection.connect(database, autocommit=True, **OPTIONS)
    ready = False
    try:
        query, parameters = becoming(SINK_ROLE, connection.info.server_version)
        row = await (await connection.execute(query, parameters)).fetchone()
        if row is not None and row[0]:
            await connection.execute(f"SET ROLE {SINK_ROLE}")
        else:
            _LOG.warning("the ledger is written without the rights of the sink's role", role=SINK_ROLE)
        for setting in statements.SESSION:
            await connection.execute(setting)
        ready = True
    finally:
        if not ready:
            await connection.close()
    return connection


async def _begin(connection: Connection, parts: Sequence[Part]) -> None:
    """Begin a transaction as the only writer of the partitions, and tell each its progress and its last link."""
    while True:
        async with connection.pipeline():
            await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            asked = []
            for part in parts:
                progress = await connection.execute(statements.LOCK_PROGRESS, (part.number,))
                asked.append((part, progress, await connection.execute(statements.LAST_LINK, (part.number,))))
        missing = []
        for part, progress, links in asked:
            if (row := await progress.fetchone()) is None:
                missing.append(part)
            else:
                last = await links.fetchone()
                part.begin(int(row[0]), GENESIS if last is None else bytes(last[0]))
        if not missing:
            return
        async with connection.pipeline():
            for part in missing:
                await connection.execute(statements.CREATE_PROGRESS, (part.number,))
            await connection.execute("COMMIT")


async def _copy(connection: Connection, parts: Sequence[Part]) -> None:
    """Send the rows of the postings; while the server takes in a piece of them, the next piece is encoded."""
    if not any(part.new for part in parts):
        return
    async with connection.cursor() as cursor, cursor.copy(statements.COPY_TRANSFERS) as copy:
        await copy.write(COPY_HEADER)
        for part in parts:
            for start in range(0, len(part.new), _PIECE_TRANSACTIONS):
                await copy.write(part.rows.add(part.new[start : start + _PIECE_TRANSACTIONS]))
        await copy.write(COPY_END)


async def _finish(connection: Connection, parts: Sequence[Part]) -> None:
    """Write what belongs to the copied rows, move the progress, commit."""
    async with connection.pipeline():
        for part in parts:
            number, rows = part.number, part.rows
            if rows.count:
                for statement, touched in part.changes():
                    await connection.execute(statement, touched)
                values = (number, rows.first_seq, rows.last_seq, rows.count, part.previous, rows.hash, part.recorded_at)
                await connection.execute(statements.INSERT_LINK, values)
                await connection.execute(statements.INSERT_CHECKSUMS, (number, rows.last_seq, bytes(rows.checksums)))
            await connection.execute(statements.SET_PROGRESS, (part.reached, number))
        await connection.execute("COMMIT")
