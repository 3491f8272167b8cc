"""The plain loop: consume, count in dictionaries, COPY, commit the offsets.

Advice that it follows: aiokafka's documentation recommends `getmany` for batches and manual commits for control,
psycopg's recommends COPY for loading rows and the C implementation (the `binary` extra); msgspec decodes into a struct
with the fields that are needed; uvloop runs the event loop.

What it does not promise: its state (identities seen, limits used, boards) is gone when it ends, rows and offsets are
committed one after the other, and identities are never forgotten.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator

import msgspec
import psycopg
import uvloop
from aiokafka import AIOKafkaConsumer

from bench.peers.config import Config, read_config, write_boards
from bench.peers.economy import awards, compiled, week_of
from bench.peers.statements import ADD, COPY, Row, sums

RECORDS_MAX = 5_000
WAIT_MS = 100


class Data(msgspec.Struct):
    """The part of the payload that rules look at."""

    amount: int


class Event(msgspec.Struct):
    """The part of an event that is used."""

    id: str
    source: str
    type: str
    subject: str
    tenant: str
    time: str
    data: Data


class Loop:
    """The state, and what an event does to it."""

    def __init__(self, config: Config) -> None:
        self.scores: Counter[tuple[str, str, str, str]] = Counter()
        self._rules = {tenant: compiled(document) for tenant, document in config.economies.items()}
        self._seen: set[tuple[str, str, str]] = set()
        self._used: Counter[tuple[str, str, str, str]] = Counter()

    def rows(self, event: Event) -> Iterator[Row]:
        """Count an event; yield its rows, none if it was seen before."""
        identity = (event.tenant, event.source, event.id)
        if identity in self._seen:
            return
        self._seen.add(identity)
        tenant, actor, day = event.tenant, event.subject, event.time[:10]

        def used(rule: str) -> int:
            return self._used[(tenant, actor, rule, day)]

        def use(rule: str, value: int) -> None:
            self._used[(tenant, actor, rule, day)] = value

        rules = self._rules[tenant].get(event.type, [])
        for leg, (cause, currency, amount) in enumerate(awards(rules, event.data.amount, used, use)):
            if currency == "xp":
                self.scores[(tenant, "daily", day, actor)] += amount
                self.scores[(tenant, "weekly", week_of(day), actor)] += amount
            yield event.time, amount, leg, tenant, actor, currency, event.source, event.id, event.type, cause


async def run(config: Config) -> None:
    """Run until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    loop, decode = Loop(config), msgspec.json.Decoder(Event).decode
    consumer = AIOKafkaConsumer(
        config.topic,
        bootstrap_servers=config.broker,
        group_id=config.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    async with await psycopg.AsyncConnection.connect(config.database) as connection:
        while not stopped.is_set():
            runs = await consumer.getmany(timeout_ms=WAIT_MS, max_records=RECORDS_MAX)
            rows = [row for run in runs.values() for record in run for row in loop.rows(decode(record.value))]
            if rows:
                await write(connection, rows)
            if runs:
                await consumer.commit()
    await consumer.stop()
    write_boards(config.boards, ((*key, score) for key, score in loop.scores.items()))


async def write(connection: psycopg.AsyncConnection, rows: list[Row]) -> None:
    """Write rows and add to the balances, in one transaction."""
    async with connection.transaction(), connection.cursor() as cursor:
        async with cursor.copy(COPY) as copy:
            for row in rows:
                await copy.write_row(row)
        await cursor.execute(ADD, sums(rows))


if __name__ == "__main__":
    uvloop.run(run(read_config(os.environ["BENCH_CONFIG"])))
