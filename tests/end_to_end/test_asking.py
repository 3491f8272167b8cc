"""Questions to the ledger and their answers, with workers killed in between (docs/adr/0010, docs/adr/0011)."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pipeline.events import actor_key
from pipeline.partitioner import partitioner
from pipeline.topology import EVENTS, EVENTS_UNIQUE, LEDGER, MATCH, OUTCOMES, TRANSACTIONS, Topic, topic_name
from tests.chaos.logs import read_topic
from tests.end_to_end.deployment import PARTITIONS, Deployment
from tests.end_to_end.game import ECONOMY, TENANT, happened, order, send
from tests.ledger import rows
from tests.wait import until_sync

WITHIN_S = 90
NEVER_S = "600"
STOCK = 5


def neighbours(count: int) -> list[str]:
    """Return actors who live in one partition: what they ask comes to the ledger in one order, and in one run."""
    partition_of = partitioner(PARTITIONS)
    names = (f"actor-{number}" for number in range(count * PARTITIONS * 4))
    return [name for name in names if partition_of(actor_key(TENANT, name)) == 0][:count]


*WANTING, REVERSED, LAST = neighbours(STOCK + 4)
EARNED = [order(f"o-{actor}", "2026-03-02", 100, actor) for actor in (*WANTING, REVERSED, LAST)]
SPENT = happened("s", "plaudit.spend", "2026-03-03", REVERSED, {"currency": "coins", "amount": 60})
# The cap comes last: while its row is held, all that was asked before is decided, and no answer is on the log.
ASKED = [
    *(happened(f"r-{actor}", "plaudit.reward.redeem", "2026-03-04", actor, {"reward": "mug"}) for actor in WANTING),
    happened("back", "plaudit.reverse", "2026-03-04", REVERSED, {"source": "shop", "id": f"o-{REVERSED}"}),
    happened("r-cap", "plaudit.reward.redeem", "2026-03-04", LAST, {"reward": "cap"}),
]


@pytest.fixture
def playing(durable_shop: Deployment, tmp_path: Path) -> Deployment:
    """All stages at work, the game in force, every actor with points, and the ledger stopped."""
    economy = tmp_path / "game.yaml"
    economy.write_text(ECONOMY)
    durable_shop.plaudit("economy", "publish", str(economy), "--wait")
    send(durable_shop, *EARNED, SPENT)
    durable_shop.drain()
    durable_shop.stop(LEDGER.name)
    return durable_shop


@pytest.mark.timeout(400)
def test_a_ledger_that_is_killed_before_its_answers_decides_once(playing: Deployment) -> None:
    """Claims that were granted, and never answered, are answered later as they were decided; so again after that."""
    database = playing.environment["PLAUDIT_DATABASE"]
    send(playing, *ASKED)
    until_sync(lambda: len(questions(playing)) == len(ASKED), WITHIN_S, "the questions are on the log")

    with held(database, "cap"):
        playing.start(LEDGER.name)
        until_sync(lambda: waits_for_a_lock(database), WITHIN_S, "the ledger has come to the last question")
        assert Counter(claims(database).values()) == {True: STOCK, False: len(WANTING) - STOCK}
        playing.kill(LEDGER.name)
        assert answers(playing, EVENTS) == []
    decided = claims(database)

    # Answers are on the log now, and nothing of it is committed: the next worker is asked everything again.
    start(playing, LEDGER.name, commit_interval_s=NEVER_S)
    until_sync(lambda: len(answers(playing, EVENTS)) == len(ASKED), WITHIN_S, "the answers are on the log")
    playing.kill(LEDGER.name)
    start(playing, LEDGER.name)
    playing.drain()

    given = answers(playing, EVENTS)
    assert Counter(each["id"] for each in given) == {each["id"]: 2 for each in given}
    assert {claim: granted for claim, granted in claims(database).items() if claim in decided} == decided
    assert_all_is_settled_once(playing)


@pytest.mark.timeout(400)
def test_a_match_worker_that_is_killed_before_it_applies_the_answers_applies_them_once(playing: Deployment) -> None:
    """Answers wait on the log for the next worker; and those that were applied, and not committed, come once more."""
    playing.stop(MATCH.name)
    start(playing, MATCH.name, commit_interval_s=NEVER_S)
    send(playing, *ASKED)
    until_sync(lambda: len(questions(playing)) == len(ASKED), WITHIN_S, "the questions are on the log")
    playing.kill(MATCH.name)

    start(playing, LEDGER.name)
    until_sync(lambda: len(answers(playing, EVENTS_UNIQUE)) == len(ASKED), WITHIN_S, "the answers are on the log")
    assert outcomes(playing).keys() == {"s"}

    start(playing, MATCH.name, commit_interval_s=NEVER_S)
    until_sync(lambda: len(outcomes(playing)) == len(ASKED) + 1, WITHIN_S, "the answers are applied")
    playing.kill(MATCH.name)
    start(playing, MATCH.name)
    playing.drain()

    assert_all_is_settled_once(playing)


def assert_all_is_settled_once(playing: Deployment) -> None:
    """Hold ledger, profiles and outcomes against what the commands must lead to, whoever was killed."""
    mugs, none_left = WANTING[:STOCK], WANTING[STOCK:]
    said = {name: {(each["status"], each.get("reason")) for each in found} for name, found in outcomes(playing).items()}
    assert said == {
        "s": {("applied", None)},
        "back": {("applied", None)},
        "r-cap": {("applied", None)},
        **{f"r-{actor}": {("applied", None)} for actor in mugs},
        **{f"r-{actor}": {("refused", "out_of_stock")} for actor in none_left},
    }
    points = {**dict.fromkeys((*mugs, REVERSED, LAST), 0), **dict.fromkeys(none_left, 100)}
    balances = playing.balances(TENANT)
    assert sum(balances.values()) == 0
    assert balances == {
        **{(f"actor:{actor}", "coins"): has for actor, has in points.items()},
        # One order is taken back; of its 100 points 60 are spent, which the account of reversals carries.
        ("issued", "coins"): -100 * (len(EARNED) - 1),
        ("spent", "coins"): 60,
        ("reversed", "coins"): -60,
        ("reward:mug", "coins"): 100 * STOCK,
        ("reward:cap", "coins"): 100,
    }
    for actor, has in points.items():
        profile = playing.json("profile", TENANT, actor)
        assert profile["balances"]["coins"] == has
        wanted = actor in (*mugs, LAST)
        assert [each["status"] for each in profile["rewards"]] == (["active"] if wanted else [])
    stock = rows(playing.environment["PLAUDIT_DATABASE"], "SELECT reward, taken FROM plaudit.reward_stock ORDER BY 1")
    assert stock == [("cap", 1), ("mug", STOCK)]
    playing.plaudit("ledger", "verify")
    playing.assert_running()


def start(playing: Deployment, stage: str, *, commit_interval_s: str = "0.3") -> None:
    """Start a worker that commits its offsets so often; one that never does is given everything again once killed."""
    playing.environment["PLAUDIT_COMMIT_INTERVAL_S"] = commit_interval_s
    playing.start(stage)


@contextmanager
def held(database: str, reward: str) -> Iterator[None]:
    """Hold a reward's row: whoever claims a piece of it waits."""
    with psycopg.connect(database) as connection:
        query = "INSERT INTO plaudit.reward_stock (tenant, reward, taken) VALUES (%s, %s, 0)"
        connection.execute(query, (TENANT, reward))
        yield
        connection.rollback()


def waits_for_a_lock(database: str) -> bool:
    """Return whether somebody waits in the database for somebody else."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(rows(database, query))


def claims(database: str) -> dict[str, bool]:
    """Return what was decided about each claim."""
    return dict(rows(database, "SELECT claim, granted FROM plaudit.reward_claims"))


def questions(playing: Deployment) -> list[Any]:
    """Return the questions that are on the log."""
    return [each["ask"] for each in logged(playing, TRANSACTIONS) if each.get("ask")]


def answers(playing: Deployment, topic: Topic) -> list[dict[str, Any]]:
    """Return the ledger's answers on a topic."""
    return [each for each in logged(playing, topic) if each["type"].startswith("plaudit.answer.")]


def outcomes(playing: Deployment) -> dict[str, list[dict[str, Any]]]:
    """Return what was said to each command, repeats included."""
    said: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in logged(playing, OUTCOMES):
        said[each["id"]].append(each)
    return said


def logged(playing: Deployment, topic: Topic) -> list[dict[str, Any]]:
    """Return the values of all records of a topic."""
    records = read_topic(playing.environment["PLAUDIT_BROKER"], topic_name(playing.prefix, topic))
    return [json.loads(record.value) for record in records]
