"""Idiomatic Faust: one event at a time, tables with `+=`, rows inserted in batches of 500.

Advice of its documentation that it follows: the extras `fast` and `uvloop` (installation guide), RocksDB for tables in
production (user guide, tables; `rocksdict`, the binding that is kept), a record class with the fields that are needed
(models), `--loglevel info` (its tutorial; `warn` would show a spinner that has every debug message made). Settings are
the defaults, as no page names others for throughput.

What it cannot promise: Faust acknowledges an event when the agent asks for the next one, so up to 500 events whose rows
were not inserted are lost by a crash, and table values that were written but not committed are counted twice after one.
Without crashes it counts right.
"""

import asyncio
import os
from typing import Any

import faust
import psycopg
from faust.types import StreamT

from bench.peers.config import read_config
from bench.peers.economy import awards, compiled, week_of
from bench.peers.statements import ADD, INSERT, Row, sums

BATCH = 500
# A batch that is not full waits no longer than this; a tutorial's second would be all of its latency.
FLUSH_S = 0.1

# Faust's command line is its own; what the bench has to say comes beside it.
config = read_config(os.environ["BENCH_CONFIG"])
rules = {tenant: compiled(document) for tenant, document in config.economies.items()}
app = faust.App(
    config.group,
    broker=f"kafka://{config.broker}",
    store="rocksdb://",
    datadir=config.state,
    topic_partitions=config.partitions,
    topic_replication_factor=1,
    web_enabled=False,
)


class Event(faust.Record, serializer="json"):
    """The part of an event that is used."""

    id: str
    source: str
    type: str
    subject: str
    tenant: str
    time: str
    data: dict[str, Any]


events = app.topic(config.topic, key_type=bytes, value_type=Event)
seen = app.Table("seen", default=bool)
used = app.Table("used", default=int)
balances = app.Table("balances", default=int)
scores = app.Table("scores", default=int)


class Writer:
    """Collects rows and inserts them in batches."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._lock = asyncio.Lock()
        self._connection: psycopg.AsyncConnection | None = None

    async def add(self, row: Row) -> None:
        """Add a row; insert all that wait once there are enough."""
        self._rows.append(row)
        if len(self._rows) >= BATCH:
            await self.flush()

    async def flush(self) -> None:
        """Insert the rows that wait and add to the balances, in one transaction."""
        async with self._lock:
            rows, self._rows = self._rows, []
            if not rows:
                return
            if self._connection is None:
                self._connection = await psycopg.AsyncConnection.connect(config.database)
            async with self._connection.transaction(), self._connection.cursor() as cursor:
                await cursor.executemany(INSERT, rows)
                await cursor.execute(ADD, sums(rows))


writer = Writer()


@app.agent(events)
async def play(stream: StreamT[Event]) -> None:
    """Count events."""
    async for event in stream:
        tenant, actor, day = event.tenant, event.subject, event.time[:10]
        identity = f"{tenant}|{event.source}|{event.id}"
        if seen[identity]:
            continue
        seen[identity] = True
        who = f"{tenant}|{actor}"
        found = awards(
            rules[tenant].get(event.type, []),
            event.data["amount"],
            lambda rule, who=who, day=day: used[f"{who}|{rule}|{day}"],  # type: ignore[misc]
            lambda rule, value, who=who, day=day: used.__setitem__(f"{who}|{rule}|{day}", value),  # type: ignore[misc]
        )
        for leg, (cause, currency, amount) in enumerate(found):
            balances[f"{who}|{currency}"] += amount
            if currency == "xp":
                scores[f"{tenant}|daily|{day}|{actor}"] += amount
                scores[f"{tenant}|weekly|{week_of(day)}|{actor}"] += amount
            await writer.add(
                (event.time, amount, leg, tenant, actor, currency, event.source, event.id, event.type, cause)
            )


@app.timer(FLUSH_S)
async def flush() -> None:
    """Insert what waits."""
    await writer.flush()
