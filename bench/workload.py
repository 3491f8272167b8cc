"""The one workload: events of tenants' actors, their economy, and the result that an independent model expects.

Actors are Zipf-distributed, 1 % of the events are sent twice, there are 20 event types and 30 rules of which an event
meets 1.2 on average, a third of them capped, one daily and one weekly leaderboard. Fewer rules come with fewer types,
so that an event still meets as many; more are idle. The same seed gives the same events, with the game or without.
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

from bench import game
from pipeline.events import actor_key, encode_json

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday, away from daylight-saving changes
TYPES_MAX = 20
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
    """`events` distinct events of `actors` actors of `tenants` tenants over `days` days; `game`: not only rules."""

    events: int = 200_000
    actors: int = 20_000
    tenants: int = 4
    days: int = 10
    rules: int = 30
    seed: int = 1
    game: bool = False

    @property
    def types(self) -> int:
        """Event types: each has a rule of its own, and every second one a bonus rule."""
        return min(TYPES_MAX, max(1, round(self.rules * 2 / 3)))

    @property
    def bonuses(self) -> int:
        """Bonus rules."""
        return min(TYPES_MAX // 2, self.rules - self.types)

    def tenant_names(self) -> list[str]:
        """Return the tenants."""
        return [f"tenant-{n}" for n in range(self.tenants)]

    def economy(self, tenant: str) -> dict[str, Any]:
        """Return a tenant's economy document."""
        rules: list[dict[str, Any]] = []
        for n in range(self.types):
            rule: dict[str, Any] = {"id": f"base-{n:02}", "on": f"action.t{n:02}", "award": {"xp": 1 + n % 5}}
            if n % 2 == 0 and n < 10:
                rule["limit"] = {"times": CAP_PER_DAY, "per": "day"}
            rules.append(rule)
        for n in range(self.bonuses):
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
        } | (game.DOCUMENT if self.game else {})

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
                chance.randrange(self.types),
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

    def model(self) -> "Expected":
        """Return the model that has not seen any action yet."""
        return Expected(self.bonuses, game.GameModel() if self.game else None)

    def expected(self) -> "Expected":
        """Return what the product must arrive at."""
        expected = self.model()
        for action in self.actions():
            expected.add(action)
        return expected


class Expected:
    """The model: a plain loop over the actions, with its result so far.

    `balances` by (tenant, actor, currency), `boards`: scores by (tenant, board, window, actor), `transfers`: how many.
    """

    def __init__(self, bonuses: int = TYPES_MAX // 2, played: game.GameModel | None = None) -> None:
        """Start with nothing, for a workload with that many bonus rules, and a game that is `played` on top of them."""
        self.balances: Counter[tuple[str, str, str]] = Counter()
        self.boards: Counter[tuple[str, str, str, str]] = Counter()
        self.transfers = 0
        self._bonuses = bonuses
        self._game = played
        self._times: Counter[tuple[str, str, int, str]] = Counter()
        self._given: Counter[tuple[str, str, int, str]] = Counter()

    def add(self, action: Action) -> int:
        """Take an action that is not a duplicate; return how many transfers it causes."""
        who = (action.tenant, action.actor)
        date = action.time.date()
        day, week = str(date), str(date - timedelta(days=date.weekday()))
        before = self.transfers
        if self._game is None:
            awards = self._awards(who, action, day)
        elif self._game.refuses(who, date):
            return 0
        else:
            awards = self._played(self._game, who, action, day)
        for currency, amount in awards:
            if amount > 0:
                self.transfers += 1
                self.balances[(*who, currency)] += amount
                if currency == "xp":
                    self.boards[(action.tenant, "daily", day, action.actor)] += amount
                    self.boards[(action.tenant, "weekly", week, action.actor)] += amount
        return self.transfers - before

    def _played(
        self, played: game.GameModel, who: tuple[str, str], action: Action, day: str
    ) -> Iterator[tuple[str, int]]:
        yield from played.streak(who, action.time.date())
        yield from self._awards(who, action, day)
        yield from played.after(who, action.type, action.amount)
        # What came before is in the balance by now.
        yield from played.levels(who, self.balances[(*who, "xp")])

    def _awards(self, who: tuple[str, str], action: Action, day: str) -> Iterator[tuple[str, int]]:
        n = action.type
        key = (*who, n, day)
        if n % 2 == 0 and n < 10:
            self._times[key] += 1
        if self._times[key] <= CAP_PER_DAY:
            yield "xp", self._multiplied(who, 1 + n % 5)
        if n < self._bonuses and action.amount >= BONUS_FROM:
            bonus = self._multiplied(who, action.amount // 10)
            if n % 2 == 1:
                bonus = min(bonus, AMOUNT_CAP - self._given[key])
                self._given[key] += bonus
            yield "xp", bonus
            yield "coins", 1

    def _multiplied(self, who: tuple[str, str], amount: int) -> int:
        return amount if self._game is None else self._game.multiplied(who, amount)
