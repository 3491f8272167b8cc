"""The game from end to end: commands are answered, and what they undo is undone in the ledger and on the boards."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.recordbatch.model import Output
from pipeline.recordbatch.producer import BatchProducer
from pipeline.topology import EVENTS_RAW, topic_name
from tests.end_to_end.deployment import PARTITIONS, Deployment

TENANT = "game"
ECONOMY = """
economy: game
currencies: {coins: {spendable: true}}
rules: [{id: order, on: order.paid, award: {coins: {field: data.cents}}}]
streaks: [{id: weekly, on: order.paid, every: week, milestones: {2: {coins: 1000}}}]
badges: [{id: buyer, count: {on: order.paid}, at: 3, award: {coins: 500}}]
seasons:
  - {id: early, from: 2026-03-01T00:00:00Z, until: 2026-03-15T00:00:00Z}
  - {id: endless, from: 2026-04-01T00:00:00Z, until: 2999-01-01T00:00:00Z}
leaderboards: [{id: earned, currency: coins, window: all}, {id: season, currency: coins, window: season}]
rewards: [{id: mug, cost: {coins: 100}, stock: 5, per_actor: 1}]
"""


def order(name: str, day: str, cents: int, actor: str = "ada") -> dict[str, Any]:
    """Return a paid order."""
    return happened(name, "order.paid", day, actor, {"cents": cents})


def happened(name: str, kind: str, day: str, actor: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return an event as a producer sends it."""
    return {
        "specversion": "1.0",
        "id": name,
        "source": "shop",
        "type": kind,
        "subject": actor,
        "tenant": TENANT,
        "time": f"{day}T12:00:00Z",
        "data": data,
    }


def send(deployment: Deployment, *events: dict[str, Any]) -> None:
    """Append events to one partition of `events.raw`, so that they keep their order."""

    async def append() -> None:
        producer = BatchProducer(deployment.environment["PLAUDIT_BROKER"], client_id="test")
        await producer.start()
        topic = topic_name(deployment.prefix, EVENTS_RAW)
        await producer.append(topic, PARTITIONS - 1, [Output(None, json.dumps(each).encode()) for each in events])
        await producer.stop()

    asyncio.run(append())


@pytest.mark.timeout(240)
def test_what_a_command_undoes_is_undone_once(shop: Deployment, tmp_path: Path) -> None:
    """Spent points are carried by the account of reversals; a second reversal and a repeated command change nothing."""
    economy = tmp_path / "game.yaml"
    economy.write_text(ECONOMY)
    shop.plaudit("economy", "publish", str(economy), "--wait")
    reversal = {"source": "shop", "id": "o-1"}

    send(
        shop,
        order("o-1", "2026-03-02", 40),
        order("o-2", "2026-03-09", 5),
        order("o-3", "2026-03-10", 5),
        happened("s-1", "plaudit.spend", "2026-03-11", "ada", {"currency": "coins", "amount": 1_545}),
        happened("r-1", "plaudit.reverse", "2026-03-12", "ada", reversal),
        happened("r-1", "plaudit.reverse", "2026-03-12", "ada", reversal),
        happened("r-2", "plaudit.reverse", "2026-03-12", "ada", reversal),
        happened("r-3", "plaudit.reverse", "2026-03-12", "bob", reversal),
    )
    shop.drain()

    assert shop.balances(TENANT) == {
        ("actor:ada", "coins"): 0,
        ("issued", "coins"): -1_510,
        ("spent", "coins"): 1_545,
        ("reversed", "coins"): -35,
    }
    assert shop.scores(TENANT, "earned") == {"ada": 1_510}
    [closed] = shop.json("season", "close", TENANT, "early")
    assert (closed["board"], closed["actors"], closed["holds"]) == ("season", 1, True)
    assert shop.json("season", "show", TENANT, "early", "--board", "season") == [
        {"rank": 1, "actor": "ada", "score": 1_510}
    ]
    for season, why in (("early", "is closed"), ("endless", "not over"), ("late", "no season")):
        assert why in shop.plaudit("season", "close", TENANT, season, succeeds=False)
    shop.plaudit("ledger", "verify")
    shop.assert_running()


@pytest.mark.timeout(240)
def test_a_shared_stock_is_handed_out_to_its_last_piece(shop: Deployment, tmp_path: Path) -> None:
    """Actors of all partitions want a piece at the same time, and ask twice; who gets none keeps the points."""
    economy = tmp_path / "game.yaml"
    economy.write_text(ECONOMY)
    shop.plaudit("economy", "publish", str(economy), "--wait")
    actors = [f"actor-{number}" for number in range(12)]

    send(shop, *(order(f"o-{actor}", "2026-03-02", 100, actor) for actor in actors))
    wanted = [
        happened(f"r-{actor}", "plaudit.reward.redeem", "2026-03-03", actor, {"reward": "mug"}) for actor in actors
    ]
    send(shop, *wanted, *wanted)
    shop.drain()

    points = shop.points(TENANT)
    assert shop.balances(TENANT)["reward:mug", "coins"] == 500
    assert sorted(points.values()) == [0] * 5 + [100] * 7
    for actor in actors:
        profile = shop.json("profile", TENANT, actor)
        assert profile["balances"]["coins"] == points[actor]
        assert [each["status"] for each in profile["rewards"]] == (["active"] if points[actor] == 0 else [])
    shop.plaudit("ledger", "verify")
    shop.assert_running()
