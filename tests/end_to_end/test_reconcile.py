"""`plaudit reconcile` on running deployments: silent while all is equal, exact about what is not."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import RecordsToDelete

from pipeline.admin import admin_client
from pipeline.events import actor_key
from pipeline.partitioner import partitioner
from pipeline.reconcile.reading import TopicReading
from pipeline.recordbatch.model import Output
from pipeline.recordbatch.producer import BatchProducer
from pipeline.recordbatch.snapshot import Entry, Snapshot
from pipeline.recordbatch.store import packed
from pipeline.topology import (
    BOARDS,
    LEADERBOARDS,
    LEDGER,
    MATCH,
    PROFILES,
    TRANSACTIONS,
    Stage,
    Table,
    app_id,
    changelog_name,
    topic_name,
)
from tables import boards, profiles
from tests.end_to_end.deployment import PARTITIONS, Deployment
from tests.end_to_end.shop import BOARD, TENANT, Purchases
from tests.ledger import rows
from tests.stack import Postgres

# Half a dozen commands in each, which compare everything, on however slow a machine.
pytestmark = pytest.mark.timeout(300)
ACTOR = "customer-7"
DIFFERS, UNKNOWN = 1, 2


def reconciled(shop: Deployment, code: int = 0) -> dict[str, Any]:
    """Reconcile the shop; return what was found."""
    done = shop.attempt("reconcile", "--tenant", TENANT, "--format", "json")
    assert done.returncode == code, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def forget_half(broker: str, topic: str) -> None:
    """Let the broker delete the older half of each partition of a topic, as retention would."""
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=broker)
    await consumer.start()
    ends = await consumer.end_offsets(partitions)
    await consumer.stop()
    async with admin_client(broker) as client:
        await client.delete_records({tp: RecordsToDelete(before_offset=end // 2) for tp, end in ends.items()})


async def read_again(shop: Deployment, stage: Stage) -> None:
    """Set the offsets of a stage's group back to the beginning; none of its workers may run."""
    group, topic = app_id(shop.prefix, stage), topic_name(shop.prefix, stage.reads)
    broker = shop.environment["PLAUDIT_BROKER"]
    consumer = AIOKafkaConsumer(bootstrap_servers=broker, group_id=group, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
    await consumer.commit({TopicPartition(topic, number): 0 for number in range(PARTITIONS)})
    await consumer.stop()


class Changelog:
    """A table's changelog, to be tampered with while its stage is stopped."""

    def __init__(self, shop: Deployment, stage: Stage, table: Table) -> None:
        self._broker = shop.environment["PLAUDIT_BROKER"]
        self._topic = changelog_name(shop.prefix, stage, table)

    def entry(self, key: bytes) -> Entry:
        """Return what stands under a key."""
        snapshot = Snapshot(key)
        asyncio.run(TopicReading(self._broker, self._topic).read_on(snapshot.take, lambda _done, _total: None))
        return snapshot.entries[self._home(), key]

    def put(self, key: bytes, entry: Entry) -> None:
        """Append a value under a key."""
        value = None if entry.payload is None else packed(entry.seq, entry.payload)
        headers = (("plaudit-seq", b"%d" % entry.seq),)
        asyncio.run(self._append(Output(key, value, headers)))

    async def _append(self, record: Output) -> None:
        producer = BatchProducer(self._broker, client_id="test")
        await producer.start()
        try:
            await producer.append(self._topic, self._home(), [record])
        finally:
            await producer.stop()

    @staticmethod
    def _home() -> int:
        return partitioner(PARTITIONS)(actor_key(TENANT, ACTOR))


def test_what_is_on_its_way_is_no_difference(shop: Deployment, tmp_path: Path) -> None:
    """Asked in the middle of the work, again and again, it finds nothing; and at the end it has compared everything."""
    purchases = Purchases(tmp_path, count=6_000)
    shop.plaudit("import", "jsonl", str(purchases.file))

    for _ in range(2):
        assert reconciled(shop)["differences"] == []
    shop.drain()

    found = reconciled(shop)
    assert (found["holds"], found["on_their_way"], found["older"]) == (True, 0, 0)
    assert found["profiles"] == found["balances"] == found["rows"] == len(purchases.by_actor())


def test_differences_of_the_ledger_are_named_with_their_events(durable_shop: Deployment, tmp_path: Path) -> None:
    """A row that was changed and one that was removed are found, each with the event that it came from."""
    purchases = Purchases(tmp_path, count=500)
    durable_shop.plaudit("import", "jsonl", str(purchases.file))
    durable_shop.drain()
    changed, removed = "purchase-7", "purchase-104"  # both are of the same actor

    ledger = durable_shop.environment["PLAUDIT_DATABASE"]
    rows(ledger, "UPDATE plaudit.transfers SET amount = amount + 5 WHERE event_id = %s", (changed,))
    rows(ledger, "DELETE FROM plaudit.transfers WHERE event_id = %s", (removed,))

    found = reconciled(durable_shop, DIFFERS)
    points = purchases.by_actor()[ACTOR]
    for difference in found["differences"]:
        assert (difference["actor"], difference["stated"]) == (ACTOR, points)
        named = {(each["id"], each["why"]) for each in difference["events"]}
        assert named == {
            (changed, "only in the ledger"),
            (changed, "only in transactions"),
            (removed, "only in transactions"),
        }
    assert [each["compared"] for each in found["differences"]] == ["profile and ledger", "board and ledger"]
    printed = durable_shop.attempt("reconcile", "--tenant", TENANT)
    assert printed.returncode == DIFFERS
    assert f"{removed} (till), purchase.completed" in printed.stdout


def test_differences_of_tables_are_named_with_their_events(durable_shop: Deployment, tmp_path: Path) -> None:
    """A wrong profile, a wrong score and a profile that is gone are found, each with the events that it should hold."""
    purchases = Purchases(tmp_path, count=500)
    durable_shop.plaudit("import", "jsonl", str(purchases.file))
    durable_shop.drain()
    points = purchases.by_actor()[ACTOR]
    for stage in (MATCH, LEADERBOARDS):  # or they would find and mend it
        durable_shop.stop(stage.name)
    profile_key, row_key = actor_key(TENANT, ACTOR), boards.board_key(TENANT, BOARD, "all", None, ACTOR)
    kept, scored = Changelog(durable_shop, MATCH, PROFILES), Changelog(durable_shop, LEADERBOARDS, BOARDS)
    right, row = kept.entry(profile_key), scored.entry(row_key)

    wrong = msgspec.structs.replace(profiles.decode(right.payload), balances={"points": points + 1})
    kept.put(profile_key, right._replace(payload=profiles.encode(wrong)))
    [difference] = reconciled(durable_shop, DIFFERS)["differences"]
    assert (difference["compared"], difference["of"]) == ("profile and ledger", "points")
    assert (difference["stated"], difference["recorded"]) == (points + 1, points)
    assert {each["why"] for each in difference["events"]} == {"among the last"}

    kept.put(profile_key, Entry(right.seq + 1, None))
    [difference] = reconciled(durable_shop, DIFFERS)["differences"]
    assert (difference["stated"], difference["recorded"], difference["seq"]) == (0, 0, -1)
    assert sum(each["amount"] for each in difference["events"] if each["why"] == "not in the table") == points

    kept.put(profile_key, right._replace(seq=right.seq + 1))
    assert row.payload is not None
    standing = msgspec.structs.replace(boards.decode_standing(row.payload), score=points - 3)
    scored.put(row_key, row._replace(payload=boards.encode(standing)))
    found = reconciled(durable_shop, DIFFERS)["differences"]
    assert [each["compared"] for each in found] == ["board and transactions", "board and ledger"]
    assert {(each["stated"], each["recorded"]) for each in found} == {(points - 3, points)}


def test_a_log_that_begins_later_is_no_difference(durable_shop: Deployment, tmp_path: Path) -> None:
    """Once old transactions are gone, rows that they count in are held against the ledger alone, and it is said."""
    purchases = Purchases(tmp_path, count=500)
    durable_shop.plaudit("import", "jsonl", str(purchases.file))
    durable_shop.drain()
    topic = topic_name(durable_shop.prefix, TRANSACTIONS)
    asyncio.run(forget_half(durable_shop.environment["PLAUDIT_BROKER"], topic))

    found = reconciled(durable_shop)

    assert found["older"] == found["rows"] == len(purchases.by_actor())
    ledger = durable_shop.environment["PLAUDIT_DATABASE"]
    rows(ledger, "UPDATE plaudit.transfers SET amount = amount + 5 WHERE event_id = 'purchase-7'")
    [profile, board] = reconciled(durable_shop, DIFFERS)["differences"]
    assert (profile["compared"], board["compared"]) == ("profile and ledger", "board and ledger")


def test_a_ledger_from_a_backup_is_found_and_catches_up(
    durable_shop: Deployment, postgres: Postgres, tmp_path: Path
) -> None:
    """What came after the backup is named, and is there again once the stage has read it once more."""
    early, late = Purchases(tmp_path, count=300), Purchases(tmp_path, count=300, first=300)
    durable_shop.plaudit("import", "jsonl", str(early.file))
    durable_shop.drain()
    durable_shop.stop(LEDGER.name)
    backup = postgres.copy_of(durable_shop.environment["PLAUDIT_DATABASE"])
    durable_shop.start(LEDGER.name)
    durable_shop.plaudit("import", "jsonl", str(late.file))
    durable_shop.drain()

    durable_shop.stop(LEDGER.name)
    durable_shop.environment["PLAUDIT_DATABASE"] = backup
    lost = reconciled(durable_shop, DIFFERS)["differences"]
    named = {each["id"] for difference in lost for each in difference["events"]}
    assert named == {f"purchase-{number}" for number in range(300, 600)}

    asyncio.run(read_again(durable_shop, LEDGER))
    durable_shop.start(LEDGER.name)
    durable_shop.drain()
    assert reconciled(durable_shop)["differences"] == []
    assert durable_shop.points() == Purchases(tmp_path, count=600).by_actor()
    durable_shop.plaudit("ledger", "verify")


def test_what_can_not_be_said_is_neither_equal_nor_different(durable_shop: Deployment, tmp_path: Path) -> None:
    """Unknown tenants, absent servers and stages that are behind have an exit code of their own, and a reason."""
    for tenant, reason in (("nobody", "nothing is known"), ("Not A Tenant", "can't be a tenant")):
        done = durable_shop.attempt("reconcile", "--tenant", tenant)
        assert (done.returncode, done.stdout) == (UNKNOWN, "")
        assert reason in done.stderr

    durable_shop.stop(LEADERBOARDS.name)
    purchases = Purchases(tmp_path, count=100)
    durable_shop.plaudit("import", "jsonl", str(purchases.file))
    done = durable_shop.attempt("reconcile", "--tenant", TENANT, "--timeout", "1")
    assert done.returncode == UNKNOWN
    assert "behind" in done.stderr

    durable_shop.environment["PLAUDIT_DATABASE"] = "postgresql://plaudit@127.0.0.1:1/plaudit"
    durable_shop.start(LEADERBOARDS.name)
    done = durable_shop.attempt("reconcile", "--tenant", TENANT)
    assert done.returncode == UNKNOWN
    assert "database" in done.stderr
    durable_shop.environment["PLAUDIT_BROKER"] = "127.0.0.1:1"
    done = durable_shop.attempt("reconcile", "--tenant", TENANT)
    assert done.returncode == UNKNOWN
    assert "Traceback" not in done.stderr
