"""The one workload: events of tenants' actors, their economy, and the result that an independent model expects.

Actors are Zipf-distributed, 1 % of the events are sent twice, there are 20 event types and 30 rules of which an event
meets 1.2 on average, a third of them capped, one daily and one weekly leaderboard. The same seed gives the same
events.
"""

import random
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import msgspec

from pipeline.events import actor_key, encode_json

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday, away from daylight-saving changes
TYPES = 20
DUPLICATES = 0.01
# Actors meet in the order of the log: an event is sent again at most this many events later.
DUPLICATE_DISTANCE = 1_000
BONUS_FROM = 60  # of amounts 0…99, so that 0.4 of the events of half the types meet a second rule
CAP_PER_DAY = 5
AMOUNT_CAP = 500


class Action(msgspec.Struct, frozen=True):
    """One thing that an actor did."""

    number: int
    tenant: str
    actor: str
    type: int
    amount: int
    time: datetime

    def record(self) -> tuple[bytes, bytes]:
        """Return it as key and value for `events.raw`."""
        value = encode_json(
            {
                "specversion": "1.0",
                "id": f"e{self.number}",
                "source": "bench",
                "type": f"action.t{self.type:02}",
                "subject": self.actor,
                "tenant": self.tenant,
                "time": self.time,
                "data": {"amount": self.amount, "page": f"/p/{self.number % 1000}", "tags": ["bench", "load"]},
            }
        )
        return actor_key(self.tenant, self.actor), value


@dataclass(frozen=True)
class Workload:
    """`events` distinct events of `actors` actors of `tenants` tenants over `days` days."""

    events: int = 200_000
    actors: int = 20_000
    tenants: int = 4
    days: int = 10
    rules: int = 30
    seed: int = 1

    def tenant_names(self) -> list[str]:
        """Return the tenants."""
        return [f"tenant-{n}" for n in range(self.tenants)]

    def economy(self, tenant: str) -> dict[str, Any]:
        """Return a tenant's economy document."""
        rules: list[dict[str, Any]] = []
        for n in range(TYPES):
            rule: dict[str, Any] = {"id": f"base-{n:02}", "on": f"action.t{n:02}", "award": {"xp": 1 + n % 5}}
            if n % 2 == 0 and n < 10:
                rule["limit"] = {"times": CAP_PER_DAY, "per": "day"}
            rules.append(rule)
        for n in range(TYPES // 2):
            rule = {
                "id": f"bonus-{n:02}",
                "on": f"action.t{n:02}",
                "when": {"field": "data.amount", "op": "gte", "value": BONUS_FROM},
                "award": {"xp": {"field": "data.amount", "per": 10}, "coins": 1},
            }
            if n % 2 == 1:
                rule["limit"] = {"amount": AMOUNT_CAP, "of": "xp", "per": "day"}
            rules.append(rule)
        # Rules that no event of the workload meets: what a large economy costs.
        rules.extend(
            {"id": f"idle-{n}", "on": f"other.t{n}", "award": {"xp": 1}} for n in range(self.rules - len(rules))
        )
        return {
            "economy": tenant,
            "currencies": {"xp": {}, "coins": {"spendable": True}},
            "rules": rules,
            "leaderboards": [
                {"id": "daily", "currency": "xp", "window": "day"},
                {"id": "weekly", "currency": "xp", "window": "week", "tie": "shared"},
            ],
        }

    def actions(self) -> Iterator[Action]:
        """Yield the distinct actions in the order of their time."""
        chance = random.Random(self.seed)
        names = self.tenant_names()
        steps = list(accumulate(1 / rank for rank in range(1, self.actors + 1)))
        total = steps[-1]
        span = timedelta(days=self.days) / self.events
        for number in range(self.events):
            actor = bisect(steps, chance.random() * total)
            yield Action(
                number,
                names[actor % self.tenants],
                f"actor-{actor}",
                chance.randrange(TYPES),
                chance.randrange(100),
                START + span * number,
            )

    def sent(self) -> Iterator[Action]:
        """Yield the actions as producers send them: some twice."""
        chance = random.Random(self.seed + 1)
        again: dict[int, list[Action]] = defaultdict(list)
        number = 0
        for number, action in enumerate(self.actions()):
            yield action
            if chance.random() < DUPLICATES:
                again[number + chance.randrange(1, DUPLICATE_DISTANCE)].append(action)
            yield from again.pop(number, ())
        for late in sorted(again):
            yield from again[late]

    def expected(self) -> "Expected":
        """Return what the product must arrive at, by a plain loop over the actions."""
        balances: Counter[tuple[str, str, str]] = Counter()
        boards: Counter[tuple[str, str, str, str]] = Counter()
        times: Counter[tuple[str, str, int, str]] = Counter()
        given: Counter[tuple[str, str, int, str]] = Counter()
        transfers = 0
        for action in self.actions():
            who = (action.tenant, action.actor)
            day = action.time.date()
            week = day - timedelta(days=day.weekday())
            n = action.type
            awards: list[tuple[str, int]] = []
            if n % 2 == 0 and n < 10:
                times[(*who, n, str(day))] += 1
                if times[(*who, n, str(day))] <= CAP_PER_DAY:
                    awards.append(("xp", 1 + n % 5))
            else:
                awards.append(("xp", 1 + n % 5))
            if n < TYPES // 2 and action.amount >= BONUS_FROM:
                bonus = action.amount // 10
                if n % 2 == 1:
                    bonus = min(bonus, AMOUNT_CAP - given[(*who, n, str(day))])
                    given[(*who, n, str(day))] += bonus
                awards += [("xp", bonus), ("coins", 1)]
            for currency, amount in awards:
                if amount > 0:
                    transfers += 1
                    balances[(*who, currency)] += amount
                    if currency == "xp":
                        boards[(action.tenant, "daily", str(day), action.actor)] += amount
                        boards[(action.tenant, "weekly", str(week), action.actor)] += amount
        return Expected(balances, boards, transfers)


@dataclass(frozen=True)
class Expected:
    """The model's result: balances by (tenant, actor, currency), scores by (tenant, board, window, actor)."""

    balances: Counter[tuple[str, str, str]]
    boards: Counter[tuple[str, str, str, str]]
    transfers: int
