"""Quix Streams: a stateful function over RocksDB with changelogs, and a batching sink that copies into PostgreSQL.

Advice of its documentation that it follows: longer commit intervals for less work on changelogs and stores, with
`commit_every` to bound what a sink's batch holds (checkpointing; sinks, performance considerations); a `BatchingSink`
(custom sinks); no branches (branching, performance); identities kept in the state of the actor they belong to, by its
recipe for deduplication, without a time to live, which would cost more; one state entry for what is used together,
since each access is serialized by itself. COPY takes the place of its own sink's INSERT: psycopg's documentation
recommends it for loading rows.

What it does not promise: a sink's rows are written before the checkpoint is committed, so a crash in between adds to
the balances in PostgreSQL twice. Its state is right. Boards are state of single actors: it can't answer who leads one.
"""

import os
from typing import Any

import psycopg
from quixstreams import Application, State
from quixstreams.sinks.base import BatchingSink, SinkBatch

from bench.peers.config import read_config
from bench.peers.economy import awards, compiled, week_of
from bench.peers.statements import ADD, COPY, Row, sums

# The default is 5 s, which would be the latency.
COMMIT_S = 1.0
COMMIT_EVERY = 20_000

config = read_config(os.environ["BENCH_CONFIG"])
rules = {tenant: compiled(document) for tenant, document in config.economies.items()}


def rows_of(event: dict[str, Any], state: State) -> list[Row]:
    """Count an event; return its rows, none if it was seen before."""
    name, source, tenant = event["id"], event["source"], event["tenant"]
    identity = f"seen {source} {name}"
    if state.get(identity) is not None:
        return []
    state.set(identity, 1)
    kind, actor, time = event["type"], event["subject"], event["time"]
    day = time[:10]
    today = state.get(f"day {day}", default=None) or {"used": {}, "score": 0}
    used = today["used"]
    found = list(
        awards(rules[tenant].get(kind, []), event["data"]["amount"], lambda rule: used.get(rule, 0), used.__setitem__)
    )
    if not found:
        return []
    balances = state.get("balances", default=None) or {}
    score = 0
    for _, currency, amount in found:
        balances[currency] = balances.get(currency, 0) + amount
        score += amount if currency == "xp" else 0
    today["score"] += score
    state.set(f"day {day}", today)
    week = f"week {week_of(day)}"
    state.set(week, state.get(week, default=0) + score)
    state.set("balances", balances)
    return [
        (time, amount, leg, tenant, actor, currency, source, name, kind, cause)
        for leg, (cause, currency, amount) in enumerate(found)
    ]


class Ledger(BatchingSink):
    """Copies the rows of a checkpoint, partition by partition, and adds to the balances in the same transaction."""

    def setup(self) -> None:
        """Connect."""
        self._connection = psycopg.connect(config.database)

    def write(self, batch: SinkBatch) -> None:
        """Write the rows of one partition."""
        rows: list[Row] = [row for item in batch for row in item.value]
        if not rows:
            return
        with self._connection.transaction(), self._connection.cursor() as cursor:
            with cursor.copy(COPY) as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(ADD, sums(rows))


def main() -> None:
    """Run until SIGTERM."""
    app = Application(
        broker_address=config.broker,
        consumer_group=config.group,
        auto_offset_reset="earliest",
        state_dir=config.state,
        commit_interval=COMMIT_S,
        commit_every=COMMIT_EVERY,
        loglevel="WARNING",
    )
    events = app.topic(config.topic, key_deserializer="bytes", value_deserializer="json")
    app.dataframe(events).apply(rows_of, stateful=True).sink(Ledger())
    app.run()


if __name__ == "__main__":
    main()
