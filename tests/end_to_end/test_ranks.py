"""Facts of leaderboards from end to end: personal bests and changes of ranks, while the worker that tells is killed."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.events import Event, decode_event
from pipeline.recordbatch.model import Output
from pipeline.recordbatch.producer import BatchProducer
from pipeline.topology import EVENTS_RAW, FACTS, LEADERBOARDS, topic_name
from tests.end_to_end.deployment import PARTITIONS, Deployment
from tests.wait import until_sync

TENANT = "league"
ECONOMY = f"""
economy: {TENANT}
currencies: {{xp: {{}}}}
rules: [{{id: game, on: game.won, award: {{xp: {{field: data.points}}}}}}]
leaderboards:
  - {{id: ever, currency: xp, window: all}}
  - {{id: daily, currency: xp, window: day, personal_best: true}}
"""
TOLD_S = 60


def won(actor: str, day: str, points: int) -> dict[str, Any]:
    """Return an event that brings points on a day."""
    return {
        "specversion": "1.0",
        "id": f"{actor}-{day}",
        "source": "arena",
        "type": "game.won",
        "subject": actor,
        "tenant": TENANT,
        "time": f"2026-03-{day}T12:00:00Z",
        "data": {"points": points},
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


def told(deployment: Deployment) -> dict[tuple[str, str], list[Event]]:
    """Return what the leaderboards stage has told so far, the repeats of each fact together."""

    async def read() -> list[Event]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=deployment.environment["PLAUDIT_BROKER"], auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            places = [TopicPartition(topic_name(deployment.prefix, FACTS), number) for number in range(PARTITIONS)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            records: list[Any] = []
            while any([await consumer.position(place) < ends[place] for place in places]):
                for fetched in (await consumer.getmany(timeout_ms=200)).values():
                    records += fetched
            return [decode_event(record.value) for record in records]
        finally:
            await consumer.stop()

    found: dict[tuple[str, str], list[Event]] = {}
    for fact in asyncio.run(read()):
        if fact.type.startswith("leaderboard.") and fact.tenant == TENANT:
            found.setdefault((fact.source, fact.id), []).append(fact)
    return found


def said(deployment: Deployment) -> list[tuple[Any, ...]]:
    """Return each fact as one line: the actor, and what it says."""
    lines: list[tuple[Any, ...]] = []
    for repeats in told(deployment).values():
        assert all(fact == repeats[0] for fact in repeats)
        data, actor = repeats[0].data, repeats[0].subject
        if repeats[0].type == "leaderboard.personal_best":
            lines.append((actor, "best", data["window"], data["score"], data["previous"]))
        else:
            lines.append((actor, data["change"], data["top"], data.get("rank")))
    return sorted(lines, key=str)


def until_said(deployment: Deployment, *expected: tuple[Any, ...]) -> None:
    """Wait until exactly these facts have been told."""
    wanted = sorted(expected, key=str)
    until_sync(lambda: len(said(deployment)) >= len(wanted), TOLD_S, f"told: {wanted}")
    assert said(deployment) == wanted


@pytest.mark.timeout(300)
def test_facts_of_leaderboards_are_told_once_by_id_over_kills(shop: Deployment, tmp_path: Path) -> None:
    """What changed while nobody watched is told by the next worker; what was told before is not told again."""
    economy = tmp_path / "ranks.yaml"
    economy.write_text(ECONOMY)
    shop.plaudit("economy", "publish", str(economy), "--wait")
    first = [("ada", "entered", 3, 1), ("bob", "entered", 3, 2), ("cid", "entered", 3, 3)]
    second = [("dan", "entered", 3, 1), ("cid", "left", 3, 4), ("ada", "best", "2026-03-03", 12, 10)]
    third = [("eve", "entered", 10, 5), ("dan", "best", "2026-03-03", 31, 30)]

    send(shop, won("ada", "02", 10), won("bob", "02", 9), won("cid", "02", 8))
    # One event changes all ranks at once for the watcher only if it finds them all: wait, or they come in two tellings.
    until_sync(lambda: len(said(shop)) >= len(first), TOLD_S, "the first three are told")
    assert {line[:3] for line in said(shop)} == {line[:3] for line in first}
    before = said(shop)

    shop.kill(LEADERBOARDS.name)
    send(shop, won("dan", "02", 30), won("ada", "03", 12))
    shop.start(LEADERBOARDS.name)
    until_said(shop, *before, *second)

    shop.kill(LEADERBOARDS.name)
    shop.start(LEADERBOARDS.name)
    send(shop, won("dan", "03", 31), won("eve", "02", 1))
    until_said(shop, *before, *second, *third)
    shop.assert_running()
