"""Several workers of a stage: they share its partitions, answer for each other, and come and go without a trace."""

import json
from pathlib import Path
from urllib.request import urlopen

from pipeline.topology import LEADERBOARDS, MATCH
from tests.end_to_end.deployment import PARTITIONS, Deployment
from tests.end_to_end.shop import BOARD, TENANT, Purchases
from tests.wait import until_sync

SECOND = "-second"
SHARED_S = 60


def ask(shop: Deployment, worker: str, path: str) -> dict:  # type: ignore[type-arg]  # whatever the view says
    """Return what a worker's view answers."""
    with urlopen(f"{shop.url(worker)}{path}", timeout=5) as answer:
        found: dict = json.load(answer)  # type: ignore[type-arg]
        return found


def owned(shop: Deployment, worker: str) -> set[int]:
    """Return the partitions that a worker owns and has recovered."""
    if shop.unready(worker):
        return set()
    return {each["partition"] for each in ask(shop, worker, "/tables")["owned"]}


def shared(shop: Deployment, stage: str) -> bool:
    """Return whether two workers of a stage own all partitions between them, and each some."""
    first, second = owned(shop, stage), owned(shop, stage + SECOND)
    return bool(first and second) and not first & second and len(first | second) == PARTITIONS


def test_a_second_worker_shares_the_work_and_answers_for_all(durable_shop: Deployment, tmp_path: Path) -> None:
    """Events flow while workers join and one is killed; totals stay exact, and every worker gives the same answers."""
    early, late = Purchases(tmp_path, count=3_000), Purchases(tmp_path, count=3_000, first=3_000)
    everything = Purchases(tmp_path, count=6_000)
    durable_shop.plaudit("import", "jsonl", str(early.file))

    for stage in (MATCH.name, LEADERBOARDS.name):
        durable_shop.start(stage, SECOND)
    for stage in (MATCH.name, LEADERBOARDS.name):
        until_sync(lambda name=stage: shared(durable_shop, name), SHARED_S, f"the workers of {stage} share it")  # type: ignore[misc]
    durable_shop.plaudit("import", "jsonl", str(late.file))
    durable_shop.drain()

    for worker in (LEADERBOARDS.name, LEADERBOARDS.name + SECOND):
        entries = ask(durable_shop, worker, f"/tables/boards/{TENANT}/{BOARD}?window=all&limit=200")["entries"]
        assert {entry["actor"]: entry["score"] for entry in entries} == everything.by_actor()
    for worker in (MATCH.name, MATCH.name + SECOND):
        for actor, points in list(everything.by_actor().items())[:20]:
            assert ask(durable_shop, worker, f"/tables/profiles/{TENANT}/{actor}")["balances"] == {"points": points}

    durable_shop.kill(MATCH.name)
    more = Purchases(tmp_path, count=1_000, first=6_000)
    durable_shop.plaudit("import", "jsonl", str(more.file))
    durable_shop.drain()
    assert durable_shop.points() == Purchases(tmp_path, count=7_000).by_actor()
    durable_shop.plaudit("ledger", "verify")
