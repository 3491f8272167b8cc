"""The sink: appends batches of transactions to the ledger, each in one database transaction, each sequence once."""

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg.rows import TupleRow

from pipeline.logs import get_logger
from sinks.ledger import statements
from sinks.ledger.asked import Caused, caused_by
from sinks.ledger.connection import OPTIONS
from sinks.ledger.failures import failure
from sinks.ledger.posting import Posting
from sinks.ledger.roles import becoming
from sinks.ledger.rows import COPY_END, COPY_HEADER, GENESIS, AccountKey, Rows
from sinks.ledger.schema import SINK_ROLE
from sinks.ledger.stock import claim_piece, return_piece

_LOG = get_logger(__name__)

# About 120 KB: enough for the server to have work while the next part is made, and few turns of the event loop.
_PART_TRANSACTIONS = 500

Connection = psycopg.AsyncConnection[TupleRow]
T = TypeVar("T")
Connect = Callable[[str], Awaitable[Connection]]


class Applied(NamedTuple):
    """What became of a batch: transactions and transfers committed now, and transactions that had been before."""

    transactions: int
    transfers: int
    repeated: int


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
        """Commit the postings of a partition that are not in the ledger yet; returns once they are durable.

        Idempotent by sequence: what lies at or below the partition's progress is left out, and so is what does not rise
        within the batch. Safe beside another sink on the same partition, and beside others without waiting for them.
        All or nothing: after an error, or a cancellation, the same batch may be given again.

        Raises:
            TransientError: the database can't take it now.
            InvariantBroken: the database refuses it for good: an actor would fall below zero, a transfer is already
                there at another sequence.
        """
        if not (rising := _rising(batch)):
            return Applied(0, 0, 0)
        async with self._turn:
            try:
                applied = await self._write(partition, rising, recorded_at)
            except psycopg.Error as error:
                raise failure(error, _place(partition, rising)) from error
        return applied._replace(repeated=len(batch) - applied.transactions)

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

    async def _write(self, partition: int, rising: Sequence[Posting], recorded_at: datetime) -> Applied:
        """Write what is new of the batch in one transaction."""
        connection = await self._opened()
        done = False
        try:
            reached, previous = await _begin(connection, partition)
            new = rising[bisect_right(rising, reached, key=_seq) :]
            rows = Rows(partition, recorded_at, previous)
            if new:
                await _copy(connection, new, rows)
            await _finish(connection, partition, rows, previous, max(reached, rising[-1].seq), recorded_at)
            done = True
        finally:
            # After an error or a cancellation nobody knows where the connection stands: the next batch opens another.
            if not done:
                await self._abandon()
        return Applied(len(new), rows.count, 0)

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


async def _begin(connection: Connection, partition: int) -> tuple[int, bytes]:
    """Begin a transaction as the only writer of the partition; return its progress and its last link."""
    while True:
        async with connection.pipeline():
            await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            progress = await connection.execute(statements.LOCK_PROGRESS, (partition,))
            links = await connection.execute(statements.LAST_LINK, (partition,))
        if (row := await progress.fetchone()) is not None:
            last = await links.fetchone()
            return int(row[0]), GENESIS if last is None else bytes(last[0])
        async with connection.pipeline():
            await connection.execute(statements.CREATE_PROGRESS, (partition,))
            await connection.execute("COMMIT")


async def _copy(connection: Connection, postings: Sequence[Posting], rows: Rows) -> None:
    """Send the rows of the postings; while the server takes in a part of them, the next part is encoded."""
    async with connection.cursor() as cursor, cursor.copy(statements.COPY_TRANSFERS) as copy:
        await copy.write(COPY_HEADER)
        for start in range(0, len(postings), _PART_TRANSACTIONS):
            await copy.write(rows.add(postings[start : start + _PART_TRANSACTIONS]))
        await copy.write(COPY_END)


async def _finish(
    connection: Connection, partition: int, rows: Rows, previous: bytes, last: int, recorded_at: datetime
) -> None:
    """Write what belongs to the copied rows, move the progress, commit."""
    async with connection.pipeline():
        if rows.count:
            for statement, touched in _changes(partition, rows):
                await connection.execute(statement, touched)
            values = (partition, rows.first_seq, rows.last_seq, rows.count, previous, rows.hash, recorded_at)
            await connection.execute(statements.INSERT_LINK, values)
            await connection.execute(statements.INSERT_CHECKSUMS, (partition, rows.last_seq, bytes(rows.checksums)))
        await connection.execute(statements.SET_PROGRESS, (last, partition))
        await connection.execute("COMMIT")


def _changes(partition: int, rows: Rows) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield the statements that bring a batch's totals to its accounts, each touched in one of them."""
    debits, credits_ = rows.debits, rows.credits
    losing = [key for key in debits if key[1].startswith("actor:") and debits[key] > credits_.get(key, 0)]
    if losing:
        yield statements.TAKE_FROM_BALANCES, _touched(partition, losing, rows)
    gaining = list((debits | credits_).keys() - set(losing))
    if gaining:
        yield statements.ADD_TO_BALANCES, _touched(partition, gaining, rows)


def _touched(partition: int, keys: list[AccountKey], rows: Rows) -> dict[str, Any]:
    # In the order of the index: neighbours share its pages.
    tenants, accounts, currencies = (list(column) for column in zip(*sorted(keys), strict=True))
    keys = sorted(keys)
    return {
        "partition": partition,
        "tenants": tenants,
        "accounts": accounts,
        "currencies": currencies,
        "debits": f"{{{','.join(str(rows.debits.get(key, 0)) for key in keys)}}}",
        "credits": f"{{{','.join(str(rows.credits.get(key, 0)) for key in keys)}}}",
    }


def _rising(batch: Sequence[Posting]) -> list[Posting]:
    """Leave out postings that do not rise: match, started again, emits once more what it had emitted before its end."""
    rising: list[Posting] = []
    reached = -1
    for posting in batch:
        if posting.seq > reached:
            rising.append(posting)
            reached = posting.seq
    return rising


def _seq(posting: Posting) -> int:
    return posting.seq


def _place(partition: int, rising: Sequence[Posting]) -> str:
    return (
        f"partition {partition}, sequences {rising[0].seq} to {rising[-1].seq}" if rising else f"partition {partition}"
    )
