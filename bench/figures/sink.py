"""P2: rows per second of the ledger sink against a bare binary COPY of the same rows into the same tables.

The bare copy is given its rows ready as bytes and its balances ready summed: what it takes is what the server takes.
The sink gets transactions and makes both itself, with the hash chain, the checks and the progress.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice
from statistics import median
from typing import Any, NamedTuple

import psycopg

from bench.feed import Feed
from bench.peers.economy import awards, compiled
from bench.stand import Stand
from bench.workload import Action, Workload
from pipeline.events import Transaction, Transfer, cause_id, encode_json, identity, transfer_id
from sinks.ledger import statements
from sinks.ledger.migrate import upgrade
from sinks.ledger.posting import Posting, decode_posted
from sinks.ledger.rows import COPY_END, COPY_HEADER, GENESIS, Rows
from sinks.ledger.sink import LedgerSink
from tests.end_to_end.deployment import PARTITIONS

_BATCH = 2_000  # transactions, as the stage hands them over under load
_RECORDED = datetime(2026, 3, 2, tzinfo=UTC)


class Prepared(NamedTuple):
    """A batch of one partition, for the sink and for the bare copy."""

    partition: int
    postings: list[Posting]
    rows: int
    body: bytes
    balances: dict[str, Any]


def measure(stand: Stand, work: Workload, rounds: int, report: Callable[[str], None]) -> dict[str, Any]:
    """Return rows per second of both, round by round; they take turns batch by batch."""
    batches = list(_prepared(work))
    report(f"ledger sink: {sum(batch.rows for batch in batches):,} rows in {len(batches)} batches")
    databases = stand.database(), stand.database()
    for database in databases:
        upgrade(database)
    found = asyncio.run(_measure(databases, batches, rounds))
    for one in found:
        report(f"ledger sink: {one['sink']:,.0f} rows/s, bare COPY {one['bare']:,.0f} rows/s")
    ratios = [one["sink"] / one["bare"] for one in found]
    return {"rounds": found, "ratio": median(ratios), "rows": sum(batch.rows for batch in batches), "batch": _BATCH}


async def _measure(databases: tuple[str, str], batches: Sequence[Prepared], rounds: int) -> list[dict[str, float]]:
    found = []
    sink = LedgerSink(databases[0])
    async with await psycopg.AsyncConnection.connect(databases[1], autocommit=True) as bare:
        for setting in statements.SESSION:
            await bare.execute(setting)
        await _both(sink, bare, batches[:2])  # connects and warms up
        size = (len(batches) - 2) // rounds
        for number in range(rounds):
            piece = batches[2 + number * size : 2 + (number + 1) * size]
            rows = sum(batch.rows for batch in piece)
            seconds = await _both(sink, bare, piece)
            found.append({"sink": rows / seconds[0], "bare": rows / seconds[1]})
        await sink.close()
        await _check(databases)
    return found


async def _both(sink: LedgerSink, bare: psycopg.AsyncConnection, batches: Sequence[Prepared]) -> tuple[float, float]:
    """Return the seconds that each takes for the batches, in turns."""
    ours = theirs = 0.0
    for batch in batches:
        start = time.perf_counter()
        await sink.apply(batch.partition, batch.postings, _RECORDED)
        between = time.perf_counter()
        await _bare(bare, batch)
        ours, theirs = ours + between - start, theirs + time.perf_counter() - between
    return ours, theirs


async def _bare(connection: psycopg.AsyncConnection, batch: Prepared) -> None:
    async with connection.transaction(), connection.cursor() as cursor:
        async with cursor.copy(statements.COPY_TRANSFERS) as copy:
            await copy.write(batch.body)
        await cursor.execute(statements.ADD_TO_BALANCES, batch.balances)


async def _check(databases: tuple[str, str]) -> None:
    """Both have written the same rows and balances, or nothing was measured."""
    query = "SELECT count(*), sum(amount), (SELECT sum(credits) FROM plaudit.account_balances) FROM plaudit.transfers"
    found = set()
    for database in databases:
        async with await psycopg.AsyncConnection.connect(database) as connection:
            found.add(await (await connection.execute(query)).fetchone())
    assert len(found) == 1, found


def _prepared(work: Workload) -> list[Prepared]:
    rules = {tenant: compiled(work.economy(tenant)) for tenant in work.tenant_names()}
    partition_of = Feed(work, PARTITIONS).partition_of
    waiting: dict[int, list[Posting]] = {partition: [] for partition in range(PARTITIONS)}
    done: list[Prepared] = []
    used: dict[tuple[str, ...], int] = {}
    for seq, action in enumerate(islice(work.actions(), work.events)):
        key = (action.tenant, action.actor, str(action.time.date()))
        transfers = [
            (cause, currency, amount)
            for cause, currency, amount in awards(
                rules[action.tenant].get(f"action.t{action.type:02}", []),
                action.amount,
                lambda rule, key=key: used.get((*key, rule), 0),  # type: ignore[misc]
                lambda rule, value, key=key: used.__setitem__((*key, rule), value),  # type: ignore[misc]
            )
        ]
        if transfers:
            partition = partition_of(action.record()[0])
            waiting[partition].append(_posting(seq, action, transfers))
            if len(waiting[partition]) == _BATCH:
                done.append(_batch(partition, waiting[partition]))
                waiting[partition] = []
    return done


def _posting(seq: int, action: Action, transfers: list[tuple[str, str, int]]) -> Posting:
    name = f"e{action.number}"
    cause = cause_id(identity(action.tenant, "bench", name), seq)
    transaction = Transaction(
        tenant=action.tenant,
        actor=action.actor,
        event_source="bench",
        event_id=name,
        event_type=f"action.t{action.type:02}",
        revision=1,
        occurred_at=action.time,
        transfers=tuple(
            Transfer(
                id=transfer_id(cause, leg),
                debit_account="issued",
                credit_account=f"actor:{action.actor}",
                amount=amount,
                currency=currency,
                kind="award",
                cause=rule,
                leg=leg,
            )
            for leg, (rule, currency, amount) in enumerate(transfers)
        ),
    )
    return Posting(seq, decode_posted(encode_json(transaction)))


def _batch(partition: int, postings: list[Posting]) -> Prepared:
    rows = Rows(partition, _RECORDED, GENESIS)
    body = COPY_HEADER + rows.add(postings) + COPY_END
    keys = sorted(rows.debits.keys() | rows.credits.keys())
    tenants, accounts, currencies = (list(column) for column in zip(*keys, strict=True))
    balances = {
        "partition": partition,
        "tenants": tenants,
        "accounts": accounts,
        "currencies": currencies,
        "debits": [rows.debits.get(key, 0) for key in keys],
        "credits": [rows.credits.get(key, 0) for key in keys],
    }
    return Prepared(partition, postings, rows.count, body, balances)
