"""The game from end to end: commands are answered, and what they undo is undone in the ledger and on the boards."""

from pathlib import Path

import pytest

from pipeline.topology import LEDGER
from sinks.ledger.seasons import is_closed
from tests.end_to_end.deployment import Deployment
from tests.end_to_end.game import ECONOMY, TENANT, happened, order, send
from tests.wait import until_sync


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


@pytest.mark.timeout(400)
def test_a_season_that_is_over_is_closed_without_anybody_asking(durable_shop: Deployment, tmp_path: Path) -> None:
    """By workers of the ledger, two at once; everything that was sent before is in its standing."""
    database = durable_shop.environment["PLAUDIT_DATABASE"]
    durable_shop.stop(LEDGER.name)
    economy = tmp_path / "game.yaml"
    economy.write_text(ECONOMY)
    durable_shop.plaudit("economy", "publish", str(economy), "--wait")
    send(durable_shop, *(order(f"o-{number}", "2026-03-02", 10 + number, f"actor-{number}") for number in range(4)))

    durable_shop.environment["PLAUDIT_SEASON_GRACE_S"] = "1"
    durable_shop.start(LEDGER.name)
    durable_shop.start(LEDGER.name, second="-2")
    until_sync(lambda: is_closed(database, TENANT, "early"), 150, "the season is closed")

    assert durable_shop.json("season", "show", TENANT, "early", "--board", "season") == [
        {"rank": 4 - number, "actor": f"actor-{number}", "score": 10 + number} for number in (3, 2, 1, 0)
    ]
    [closed] = durable_shop.json("season", "show", TENANT, "early")
    assert (closed["board"], closed["actors"], closed["holds"]) == ("season", 4, True)
    assert "is not closed" in durable_shop.plaudit("season", "show", TENANT, "endless", succeeds=False)
    assert "is closed" in durable_shop.plaudit("season", "close", TENANT, "early", succeeds=False)
    durable_shop.assert_running()
