"""A real history through the whole pipeline: every balance is a sum over the file, however often it is imported."""

from collections import Counter
from pathlib import Path

import psycopg
import pytest

from pipeline.embedded.processes import Household
from tests.cdnow import CUSTOMERS, PURCHASES, import_arguments, purchases, write_csv
from tests.end_to_end.deployment import Deployment
from tests.stack import Kafka, Postgres, Tansu

TENANT = "cdnow"
ECONOMY = f"""
economy: {TENANT}
currencies:
  cents: {{}}
  orders: {{}}
rules:
  - id: purchase
    on: purchase.completed
    award: {{cents: {{field: data.amount_cents}}, orders: 1}}
leaderboards:
  - {{id: spenders, currency: cents, window: all}}
"""
SHOWN = 200


@pytest.mark.timeout(400)
def test_every_balance_is_the_sum_over_the_file(
    household: Household, broker: Tansu | Kafka, postgres: Postgres, prefix: str, tmp_path: Path
) -> None:
    """69,659 purchases of 23,570 customers are accounted for exactly; a second import changes nothing."""
    cents: Counter[str] = Counter()
    orders: Counter[str] = Counter()
    for purchase in purchases():
        cents[f"actor:{purchase.customer}"] += purchase.amount_cents
        orders[f"actor:{purchase.customer}"] += 1
    file, economy = tmp_path / "cdnow.csv", tmp_path / "economy.yaml"
    write_csv(file)
    economy.write_text(ECONOMY)

    with Deployment(household, broker=broker.address, database=postgres.empty_database(), prefix=prefix) as shop:
        shop.start_all()
        shop.plaudit("economy", "publish", str(economy), "--wait")
        states = []
        for _ in range(2):
            shop.plaudit("import", *import_arguments(file), "--tenant", TENANT)
            shop.drain(timeout_s=170)
            states.append((shop.balances(TENANT), board(shop), heads(shop)))
        shop.plaudit("ledger", "verify")
        shop.assert_running()

    balances = {key: amount for key, amount in states[0][0].items() if key[0].startswith("actor:")}
    # A customer who only got gifts has orders, and no cents.
    assert balances == {
        **{(actor, "cents"): amount for actor, amount in cents.items() if amount},
        **{(actor, "orders"): times for actor, times in orders.items()},
    }
    assert (orders.total(), len(orders)) == (PURCHASES, CUSTOMERS)
    assert states[0][1] == sorted(cents.values(), reverse=True)[:SHOWN]
    assert states[0] == states[1]


def board(shop: Deployment) -> list[int]:
    """Return the scores of the first places, in their order."""
    entries = shop.json("leaderboard", TENANT, "spenders", "--window", "all", "--limit", str(SHOWN))
    return [entry["score"] for entry in entries]


def heads(shop: Deployment) -> list[tuple[int, int, bytes]]:
    """Return, for each partition, how many links it has and the greatest of their hashes."""
    query = "SELECT partition, count(*), max(encode(hash, 'hex')) FROM plaudit.chain GROUP BY 1 ORDER BY 1"
    with psycopg.connect(shop.environment["PLAUDIT_DATABASE"]) as connection:
        return connection.execute(query).fetchall()
