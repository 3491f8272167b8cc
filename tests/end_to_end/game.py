"""A small game: coins for orders, a streak, a badge, seasons, and rewards of which there are few."""

import asyncio
import json
from typing import Any

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
rewards:
  - {id: mug, cost: {coins: 100}, stock: 5, per_actor: 1}
  - {id: cap, cost: {coins: 100}, stock: 1, per_actor: 1}
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
