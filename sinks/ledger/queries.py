"""Everything that is asked of the ledger, one function per question. A tenant's view always filters by the tenant."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from sinks.ledger.connection import reading
from sinks.ledger.schema import ACCOUNT_BALANCES, PROGRESS, TRANSFERS

_BATCH_ROWS = 1_000


class Balance(NamedTuple):
    """An account's balance in one currency: credits - debits, exact however large."""

    account: str
    currency: str
    balance: int


class TransferRow(NamedTuple):
    """A row of `plaudit.transfers`, in the order of the columns that contracts name."""

    id: UUID
    tenant: str
    debit_account: str
    credit_account: str
    amount: int
    currency: str
    kind: str
    actor: str
    event_source: str
    event_id: str
    event_type: str
    cause: str
    revision: int
    occurred_at: datetime
    recorded_at: datetime
    partition: int
    seq: int
    leg: int


class Filters(NamedTuple):
    """Which transfers of a tenant: all given must hold. `occurred_at` is from `since` on and before `until`."""

    actor: str | None = None
    event_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def progress(database: str) -> dict[int, int]:
    """Return the last sequence applied in each partition; a partition without any is missing.

    Raises:
        UserError: the database can't be reached or has no ledger.
    """
    with reading(database) as connection:
        return read_progress(connection)


def read_progress(connection: sa.Connection) -> dict[int, int]:
    """How far is the ledger? The last sequence applied in each partition."""
    # A partition that was only just opened, by a sink that has not committed its first batch, has applied nothing yet.
    rows = connection.execute(sa.select(PROGRESS.c.partition, PROGRESS.c.seq).where(PROGRESS.c.seq >= 0))
    return {row.partition: row.seq for row in rows}


def balances(connection: sa.Connection, tenant: str) -> Iterator[Balance]:
    """What do the tenant's accounts hold? By account and currency; an account sums its partitions' rows."""
    table = ACCOUNT_BALANCES.c
    balance = sa.func.sum(table.credits - table.debits)
    query = (
        sa.select(table.account, table.currency, balance)
        .where(table.tenant == tenant)
        .group_by(table.account, table.currency)
        .order_by(table.account, table.currency)
    )
    for account, currency, amount in _streamed(connection, query):
        yield Balance(account, currency, int(amount))


def transfers(connection: sa.Connection, tenant: str, filters: Filters, limit: int | None) -> Iterator[TransferRow]:
    """Which transfers does the tenant have? Newest event first; of one instant, in the ledger's order, reversed."""
    table = TRANSFERS.c
    conditions = [table.tenant == tenant]
    if filters.actor is not None:
        conditions.append(table.actor == filters.actor)
    if filters.event_id is not None:
        conditions.append(table.event_id == filters.event_id)
    if filters.since is not None:
        conditions.append(table.occurred_at >= filters.since)
    if filters.until is not None:
        conditions.append(table.occurred_at < filters.until)
    query = (
        sa.select(*(table[name] for name in TransferRow._fields))
        .where(*conditions)
        .order_by(table.occurred_at.desc(), table.partition.desc(), table.seq.desc(), table.leg.desc())
        .limit(limit)
    )
    for row in _streamed(connection, query):
        yield TransferRow._make(row)


class MovementRow(NamedTuple):
    """What a comparison with other records of the same events needs of a transfer."""

    partition: int
    seq: int
    actor: str
    debit_account: str
    credit_account: str
    currency: str
    amount: int


def movements(connection: sa.Connection, tenant: str, after: Mapping[int, int]) -> Iterator[MovementRow]:
    """What has moved, and was not read before? In any order; `after` has the last sequence read of each partition."""
    table = TRANSFERS.c
    query = sa.select(*(table[name] for name in MovementRow._fields)).where(table.tenant == tenant)
    if after:
        newer = (sa.and_(table.partition == partition, table.seq > seq) for partition, seq in after.items())
        query = query.where(sa.or_(table.partition.not_in(after), *newer))
    for row in _streamed(connection, query):
        yield MovementRow._make(row)


def _streamed(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[tuple[Any, ...]]:
    """Read through a cursor of the server, so that memory does not grow with the answer."""
    rows = connection.execution_options(stream_results=True, yield_per=_BATCH_ROWS).execute(query)
    yield from (tuple(row) for row in rows)
