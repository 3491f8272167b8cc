"""What a deployment does while the database or the broker is away, and when workers are killed."""

from pathlib import Path

from pipeline.topology import LEDGER, STAGES
from tests.end_to_end.deployment import Deployment
from tests.end_to_end.shop import BOARD, TENANT, Purchases
from tests.stack import Kafka, Postgres
from tests.wait import until_sync

# Longer than the session timeout of the deployment and the client's patience with a request.
AWAY_S = 40


def test_an_absent_database_holds_up_the_ledger_alone(
    durable_shop: Deployment, postgres: Postgres, tmp_path: Path
) -> None:
    """While PostgreSQL is away nothing is lost, the other stages go on, and the sink goes on by itself afterwards."""
    purchases = Purchases(tmp_path, count=2_000)

    postgres.kill()
    try:
        durable_shop.plaudit("import", "jsonl", str(purchases.file))
        until_sync(lambda: durable_shop.scores(TENANT, BOARD) == purchases.by_actor(), 60, "the boards are complete")
        durable_shop.assert_running()
    finally:
        postgres.start()

    durable_shop.drain()
    assert durable_shop.points() == purchases.by_actor()
    durable_shop.plaudit("ledger", "verify")
    durable_shop.assert_running()


def test_an_absent_broker_stops_no_worker(durable_shop: Deployment, kafka: Kafka, tmp_path: Path) -> None:
    """While the broker is away workers wait, and go on by themselves when it is back with its data."""
    purchases = Purchases(tmp_path, count=2_000)
    durable_shop.plaudit("import", "jsonl", str(purchases.file))

    kafka.kill()
    try:
        for stage in STAGES:
            until_sync(lambda name=stage.name: durable_shop.unready(name), AWAY_S, f"{stage.name} misses the broker")  # type: ignore[misc]
        durable_shop.assert_running()
    finally:
        kafka.start()

    durable_shop.drain()
    assert durable_shop.points() == purchases.by_actor()
    assert durable_shop.scores(TENANT, BOARD) == purchases.by_actor()
    durable_shop.assert_running()


def test_killed_workers_lose_and_repeat_nothing(durable_shop: Deployment, tmp_path: Path) -> None:
    """`kill -9` of each stage in turn, in mid-stream, changes no balance and no board."""
    first = Purchases(tmp_path, count=5_000)
    durable_shop.plaudit("import", "jsonl", str(first.file))

    for stage in STAGES:
        durable_shop.kill(stage.name)
        durable_shop.start(stage.name)

    durable_shop.drain()
    assert durable_shop.points() == first.by_actor()
    assert durable_shop.scores(TENANT, BOARD) == first.by_actor()
    durable_shop.plaudit("ledger", "verify")


def test_a_ledger_worker_starts_while_the_database_is_away(
    durable_shop: Deployment, postgres: Postgres, tmp_path: Path
) -> None:
    """A sink that is started before its database waits for it, and says so."""
    purchases = Purchases(tmp_path, count=200)
    durable_shop.stop(LEDGER.name)

    postgres.kill()
    try:
        durable_shop.start(LEDGER.name)
        durable_shop.plaudit("import", "jsonl", str(purchases.file))
        until_sync(lambda: "waiting for" in durable_shop.logs(), 30, "the sink waits")
    finally:
        postgres.start()

    durable_shop.drain()
    assert durable_shop.points() == purchases.by_actor()
