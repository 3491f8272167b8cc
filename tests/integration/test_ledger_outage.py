"""The database dies under load and comes back: nothing is lost, nothing is there twice."""

import asyncio

from pipeline.errors import TransientError
from sinks.ledger.migrate import upgrade
from sinks.ledger.sink import LedgerSink
from sinks.ledger.verify import verify
from tests.builders import INSTANT
from tests.ledger import posting, seqs
from tests.stack import Postgres
from tests.wait import until

BATCH, BATCHES, KILLS = 50, 60, 3


async def test_killed_server_loses_and_repeats_nothing(own_postgres: Postgres) -> None:
    """Killed in the middle of batches and restarted, with a sink that only ever tries the same batch again."""
    database = own_postgres.empty_database()
    await asyncio.to_thread(upgrade, database)
    sink = LedgerSink(database)
    written = refused = 0

    async def write() -> None:
        nonlocal written, refused
        while written < BATCHES:
            batch = [posting(seq) for seq in range(written * BATCH, (written + 1) * BATCH)]
            try:
                await sink.apply(0, batch, INSTANT)
                written += 1
            except TransientError:
                refused += 1
                await asyncio.sleep(0)

    writing = asyncio.create_task(write())
    for kill in range(1, KILLS + 1):
        reached = kill * BATCHES // (KILLS + 1)
        await until(lambda reached=reached: written >= reached, 60, "the sink goes on")
        await asyncio.to_thread(own_postgres.restart)
    await writing
    await sink.close()

    assert refused
    assert seqs(database) == list(range(BATCH * BATCHES))
    assert verify(database).findings == []
