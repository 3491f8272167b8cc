"""The sink against a real PostgreSQL: each sequence once, whatever fails in between."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from pipeline.errors import InvariantBroken, TransientError
from sinks.ledger.parallel import ParallelSink
from sinks.ledger.parts import Applied
from sinks.ledger.posting import Posting
from sinks.ledger.sink import LedgerSink
from sinks.ledger.verify import verify
from tests.builders import INSTANT, SOURCE, TENANT
from tests.ledger import balances, in_server_of, posting, rows, seqs, spend
from tests.wait import until

# The longest actor there may be, of the widest characters.
WIDEST_ACTOR = "\U0001f3c6" * 256
WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def batch_of(partition: int, count: int) -> list[Posting]:
    """Return transactions of a partition, of events that no other partition has."""
    return [posting(seq, event_id=f"{partition}-{seq}") for seq in range(1, count + 1)]


async def begun(sink: ParallelSink, partitions: set[int]) -> None:
    """Return as soon as a transaction of these partitions is begun, long before its end."""
    for _ in range(5):
        await asyncio.sleep(0)
        if sink._writing == partitions:
            return
    raise AssertionError(f"{sink._writing} are being written")


@pytest.fixture
async def sink(database: str) -> AsyncIterator[LedgerSink]:
    """A sink on a ledger of this test's own."""
    opened = LedgerSink(database)
    yield opened
    await opened.close()


async def test_server_away_is_transient() -> None:
    """A database that can't be reached is tried again, not given up."""
    sink = LedgerSink("postgresql://nobody@127.0.0.1:1/nothing")

    with pytest.raises(TransientError, match="away"):
        await sink.apply(0, [posting(1)], INSTANT)


async def test_database_that_is_not_migrated_is_transient(empty_database: str) -> None:
    """A worker that starts before `plaudit db upgrade` waits for it."""
    sink = LedgerSink(empty_database)

    with pytest.raises(TransientError, match="plaudit db upgrade"):
        await sink.apply(0, [posting(1)], INSTANT)

    await sink.close()


async def test_actor_below_zero_is_refused_whole(database: str, sink: LedgerSink) -> None:
    """The database refuses what match must never post, and keeps nothing of the batch."""
    await sink.apply(0, [posting(1)], INSTANT)

    with pytest.raises(InvariantBroken, match=r"partition 0, sequences 2 to 3.*below_zero"):
        await sink.apply(0, [posting(2, actor="bo"), posting(3, spend(11))], INSTANT)

    assert seqs(database) == [1]
    assert balances(database) == {("actor:ada", "xp"): 10, ("issued", "xp"): -10}


async def test_first_movement_below_zero_is_refused(database: str, sink: LedgerSink) -> None:
    """An actor without a row yet can't begin below zero either."""
    with pytest.raises(InvariantBroken, match="below_zero"):
        await sink.apply(0, [posting(1, spend(1))], INSTANT)

    assert seqs(database) == []


async def test_transfer_at_another_sequence_is_refused(database: str, sink: LedgerSink) -> None:
    """The unique id is the last line of defence against a payment made twice."""
    first = posting(1)
    await sink.apply(0, [first], INSTANT)

    with pytest.raises(InvariantBroken, match="transfers_id_key"):
        await sink.apply(0, [posting(2, {"id": first.transaction.transfers[0].id})], INSTANT)

    assert seqs(database) == [1]


async def test_identity_that_comes_again_after_its_retention_is_a_new_event(database: str, sink: LedgerSink) -> None:
    """What dedupe lets through as new must not stop the ledger."""
    await sink.apply(0, [posting(1, event_id="same")], INSTANT)
    await sink.apply(0, [posting(2, event_id="same")], INSTANT)

    assert seqs(database) == [1, 2]


async def test_parallel_connections_keep_each_partition_in_order(database: str) -> None:
    """Batches of several partitions at once, some repeated, are in the ledger once each."""
    sink = ParallelSink(database, connections=2)
    batches = [
        (partition, [posting(seq, event_id=f"{partition}-{seq}")]) for seq in (1, 2, 2, 3) for partition in range(3)
    ]

    await asyncio.gather(*(sink.apply(partition, batch, INSTANT) for partition, batch in batches))
    await sink.close()

    assert sorted(seqs(database)) == [1, 1, 1, 2, 2, 2, 3, 3, 3]


async def test_small_batches_of_several_partitions_share_a_transaction(database: str) -> None:
    """Each is in the ledger with a link of its own; the commit is one for all."""
    sink = ParallelSink(database)

    applied = await asyncio.gather(*(sink.apply(number, batch_of(number, 2), INSTANT) for number in range(4)))
    await sink.close()

    assert applied == [Applied(2, 2, 0)] * 4
    assert rows(database, "SELECT partition, last_seq FROM plaudit.chain ORDER BY 1") == [(n, 2) for n in range(4)]
    assert rows(database, "SELECT count(DISTINCT xmin::text), count(*) FROM plaudit.transfers") == [(1, 8)]
    assert verify(database).findings == []


async def test_large_batches_go_alone(database: str) -> None:
    """Otherwise their partitions would wait for each other under load."""
    sink = ParallelSink(database)

    await asyncio.gather(*(sink.apply(number, batch_of(number, 401), INSTANT) for number in range(3)))
    await sink.close()

    assert rows(database, "SELECT count(DISTINCT xmin::text), count(*) FROM plaudit.transfers") == [(3, 1_203)]


async def test_a_batch_that_is_refused_fails_alone(database: str) -> None:
    """The error names it, and what came with it is committed."""
    sink = ParallelSink(database)

    first, refused, last = await asyncio.gather(
        sink.apply(0, [posting(1)], INSTANT),
        sink.apply(1, [posting(1, spend(1))], INSTANT),
        sink.apply(2, [posting(1, event_id="last")], INSTANT),
        return_exceptions=True,
    )
    await sink.close()

    assert (first, last) == (Applied(1, 1, 0), Applied(1, 1, 0))
    assert isinstance(refused, InvariantBroken)
    assert str(refused).startswith("the ledger refuses partition 1, sequences 1 to 1:")
    assert rows(database, "SELECT partition FROM plaudit.transfers ORDER BY 1") == [(0,), (2,)]


async def test_whoever_gives_up_does_not_break_off_what_others_share_with_it(database: str) -> None:
    """And its own batch may be given again, in whatever state it was."""
    sink = ParallelSink(database, connections=1)
    given_up = asyncio.ensure_future(sink.apply(0, [posting(1)], INSTANT))
    other = asyncio.ensure_future(sink.apply(1, [posting(1, event_id="other")], INSTANT))
    await begun(sink, {0, 1})

    given_up.cancel()
    again = await sink.apply(0, [posting(1), posting(2)], INSTANT)

    assert await other == Applied(1, 1, 0)
    assert again == Applied(1, 1, 1)
    await sink.close()
    assert verify(database).findings == []


async def test_what_a_closed_sink_had_not_written_can_be_tried_again(database: str) -> None:
    """Nobody waits for ever."""
    sink = ParallelSink(database)
    waiting = asyncio.ensure_future(sink.apply(0, [posting(1)], INSTANT))
    await begun(sink, {0})

    await sink.close()

    with pytest.raises(TransientError, match="broken off"):
        await waiting
    await sink.apply(0, [posting(1)], INSTANT)
    await sink.close()
    assert seqs(database) == [1]


async def test_sink_goes_on_after_a_refusal(database: str, sink: LedgerSink) -> None:
    """A failed batch leaves nothing behind on the connection."""
    with pytest.raises(InvariantBroken):
        await sink.apply(0, [posting(1, spend(1))], INSTANT)

    await sink.apply(0, [posting(1)], INSTANT)

    assert seqs(database) == [1]


async def test_batch_may_lose_more_than_it_gets_from_a_covered_account(database: str, sink: LedgerSink) -> None:
    """What counts is the balance after the batch, not the batch alone."""
    await sink.apply(0, [posting(1)], INSTANT)
    await sink.apply(0, [posting(2, spend(4)), posting(3), posting(4, spend(16))], INSTANT)

    assert balances(database) == {("actor:ada", "xp"): 0, ("issued", "xp"): -20, ("spent", "xp"): 20}


async def test_overlapping_redelivery_is_applied_once(database: str, sink: LedgerSink) -> None:
    """Batches are cut anew after a restart; what was committed is left out."""
    batch = [posting(seq) for seq in range(1, 11)]

    first = await sink.apply(0, batch[:6], INSTANT)
    second = await sink.apply(0, batch[3:], INSTANT)
    third = await sink.apply(0, batch, INSTANT)

    assert (first, second, third) == (Applied(6, 6, 0), Applied(4, 4, 3), Applied(0, 0, 10))
    assert seqs(database) == list(range(1, 11))
    assert verify(database).findings == []


async def test_repeated_sequences_within_a_batch_are_applied_once(database: str, sink: LedgerSink) -> None:
    """Match, started again, emits once more what it had emitted: the log holds both."""
    batch = [posting(seq) for seq in (1, 2, 3, 1, 2, 3, 4)]

    applied = await sink.apply(0, batch, INSTANT)

    assert applied == Applied(transactions=4, transfers=4, repeated=3)
    assert seqs(database) == [1, 2, 3, 4]


async def test_nothing_new_writes_no_link_but_moves_the_progress(database: str, sink: LedgerSink) -> None:
    """A transaction without transfers counts as applied."""
    empty = posting(5)._replace(transaction=posting(5).transaction.__replace__(transfers=()))

    await sink.apply(0, [posting(1)], INSTANT)
    await sink.apply(0, [empty], INSTANT)

    assert rows(database, "SELECT count(*) FROM plaudit.chain") == [(1,)]
    assert rows(database, "SELECT partition, seq FROM plaudit.progress") == [(0, 5)]
    assert verify(database).holds


async def test_two_sinks_on_one_partition_write_each_sequence_once(database: str) -> None:
    """A worker that was thought dead writes beside the new owner: the lock on the progress puts them in a row."""
    batch = [posting(seq) for seq in range(200)]
    owner, zombie = LedgerSink(database), LedgerSink(database)

    async def write(sink: LedgerSink, size: int) -> None:
        for start in range(0, len(batch), size):
            await sink.apply(0, batch[start : start + size], INSTANT)

    await asyncio.gather(write(owner, 7), write(zombie, 11))

    assert seqs(database) == list(range(200))
    assert verify(database).findings == []
    await asyncio.gather(owner.close(), zombie.close())


async def test_partitions_do_not_wait_for_each_other(database: str, sink: LedgerSink) -> None:
    """System accounts have a row in each partition: an open transaction elsewhere holds nobody up."""
    await sink.apply(0, [posting(1)], INSTANT)
    with psycopg.connect(database) as other:
        other.execute("SELECT FROM plaudit.progress WHERE partition = 0 FOR UPDATE")
        other.execute("UPDATE plaudit.account_balances SET debits = debits + 1 WHERE account = 'issued'")

        await asyncio.wait_for(sink.apply(1, [posting(1, actor="bo", event_id="other")], INSTANT), 5)

        other.rollback()
    assert balances(database)["issued", "xp"] == -20


async def test_crash_between_copy_and_commit_leaves_nothing(database: str, sink: LedgerSink) -> None:
    """The rows are sent but the link is not written when the session ends: the batch is simply given again."""
    with psycopg.connect(database) as blocker:
        blocker.execute("LOCK TABLE plaudit.chain IN EXCLUSIVE MODE")
        writing = asyncio.create_task(sink.apply(0, [posting(1), posting(2)], INSTANT))
        [(pid,)] = await until(lambda: rows(database, WAITING), 10, "the sink waits for the chain")
        rows(database, "SELECT pg_terminate_backend(%s)", (pid,))

        with pytest.raises(TransientError):
            await writing
        blocker.rollback()

    assert seqs(database) == []
    assert await sink.apply(0, [posting(1), posting(2)], INSTANT) == Applied(2, 2, 0)
    assert verify(database).holds


async def test_cancelled_batch_may_be_given_again(database: str, sink: LedgerSink) -> None:
    """A worker that stops in the middle of a batch leaves no half of it and no lock."""
    with psycopg.connect(database) as blocker:
        blocker.execute("LOCK TABLE plaudit.chain IN EXCLUSIVE MODE")
        writing = asyncio.create_task(sink.apply(0, [posting(1)], INSTANT))
        await until(lambda: rows(database, WAITING), 10, "the sink waits for the chain")
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        blocker.rollback()

    assert await sink.apply(0, [posting(1)], INSTANT) == Applied(1, 1, 0)


async def test_any_unicode_in_every_text(database: str, sink: LedgerSink) -> None:
    """The longest texts of the widest characters fit into rows and indexes and come back unchanged."""
    wide = "\U0001f3c6"
    longest = posting(
        1, {"currency": wide * 128, "cause": wide * 256}, actor=WIDEST_ACTOR, event_id=wide * 256, event_type=wide * 128
    )
    odd = posting(2, actor="%_\\'\"\u202e\t\x7f|actor:", event_id="\x01\ufffe")

    await sink.apply(0, [longest, odd], INSTANT)
    await sink.apply(0, [posting(3, {"currency": wide * 128}, actor=WIDEST_ACTOR)], INSTANT)

    assert rows(database, "SELECT actor, event_id FROM plaudit.transfers WHERE seq < 3 ORDER BY seq") == [
        (longest.transaction.actor, longest.transaction.event_id),
        (odd.transaction.actor, odd.transaction.event_id),
    ]
    assert balances(database)[f"actor:{WIDEST_ACTOR}", wide * 128] == 20
    assert verify(database).findings == []


async def test_totals_outgrow_a_bigint(database: str, sink: LedgerSink) -> None:
    """Two awards of the greatest amount stop neither the sink nor the verification."""
    greatest = 2**63 - 1

    await sink.apply(0, [posting(1, {"amount": greatest}), posting(2, {"amount": greatest})], INSTANT)

    assert rows(database, "SELECT debits FROM plaudit.account_balances WHERE account = 'issued'") == [(2 * greatest,)]
    assert verify(database).findings == []


async def test_view_of_balances_shows_no_wrong_number(database: str, sink: LedgerSink) -> None:
    """A sum that a published column can't hold is refused, not cut; it keeps nobody from the other accounts."""
    greatest = 2**63 - 1
    await sink.apply(0, [posting(1, {"amount": greatest}), posting(2, {"amount": greatest}, actor="bo")], INSTANT)
    query = "SELECT account, balance FROM plaudit.balances"

    with pytest.raises(psycopg.errors.NumericValueOutOfRange):
        rows(database, query)

    held = rows(database, f"{query} WHERE account LIKE 'actor:%%' ORDER BY account")
    assert held == [("actor:ada", greatest), ("actor:bo", greatest)]


async def test_sink_takes_its_role(database: str, sink: LedgerSink) -> None:
    """Even a login that owns the tables writes with the rights of the sink alone."""
    connection = await sink._opened()

    cursor = await connection.execute("SELECT current_user::text, session_user::text")

    assert await cursor.fetchone() == ("plaudit_sink", "plaudit")


@pytest.mark.parametrize(("configured", "used"), [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")])
async def test_a_commit_waits_for_the_disk(database: str, configured: str, used: str) -> None:
    """The log is told that it is done: whatever the server's default, it must not be forgotten in a crash."""
    name = database.rpartition("/")[2]
    rows(database, f"ALTER DATABASE {name} SET synchronous_commit = {configured}")
    sink = LedgerSink(database)

    cursor = await (await sink._opened()).execute("SHOW synchronous_commit")

    assert await cursor.fetchone() == (used,)
    await sink.close()


@pytest.mark.parametrize("table", ["transfers", "chain", "row_checksums"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE plaudit.{} SET partition = 1", "DELETE FROM plaudit.{}", "TRUNCATE plaudit.{}", "DROP TABLE plaudit.{}"],
)
async def test_sink_may_only_insert(database: str, sink: LedgerSink, table: str, statement: str) -> None:
    """Rows of the ledger are never changed or removed, not even by the program that writes them."""
    connection = await sink._opened()

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await connection.execute(statement.format(table))


async def test_login_that_is_not_in_the_role_writes_with_its_own_rights(database: str) -> None:
    """Without membership the grants of the login decide; here it has none, so it waits for the administrator."""
    rows(database, "DROP ROLE IF EXISTS stranger")
    rows(database, "CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    sink = LedgerSink(in_server_of(database, database.rpartition("/")[2], "stranger:stranger"))

    with pytest.raises(TransientError, match="permission denied"):
        await sink.apply(0, [posting(1)], INSTANT)

    await sink.close()
    rows(database, "DROP ROLE stranger")


async def test_what_an_event_caused_is_found_for_its_actor_alone(sink: LedgerSink) -> None:
    """By tenant, source and id: another actor, tenant or source has another event of that name."""
    await sink.apply(
        0, [posting(1), posting(2, {"amount": 3}, {"amount": 4, "leg": 1}, event_id="order"), posting(3)], INSTANT
    )
    await sink.apply(
        1, [posting(1, actor="bo", event_id="order"), posting(2, tenant="other", event_id="order")], INSTANT
    )

    found = await sink.caused_by(TENANT, "ada", SOURCE, "order")

    assert [(each.credit_account, each.amount, each.currency) for each in found] == [
        ("actor:ada", 3, "xp"),
        ("actor:ada", 4, "xp"),
    ]
    assert {(each.event_type, each.occurred_at) for each in found} == {("pr.merged", INSTANT)}
    assert await sink.caused_by(TENANT, "ada", "elsewhere", "order") == []


async def test_a_question_to_a_server_away_is_asked_again() -> None:
    """It waits, as writing does."""
    sink = LedgerSink("postgresql://nobody@127.0.0.1:1/nothing")

    with pytest.raises(TransientError, match="away"):
        await sink.caused_by(TENANT, "ada", SOURCE, "order")
