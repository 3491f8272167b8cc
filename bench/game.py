"""The game on top of the workload's rules: its part of the economy document, and its model.

All of it is at work for every event: a daily streak that multiplies awards, badges that count and sum, a quest, levels,
and an abuse limit, which the busiest actors run into. The model is a plain loop like that of the rules, and as
independent of the product.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

EVENTS_PER_DAY = 100
MILESTONES = {2: 3, 3: 5, 7: 20}
STEPS = {2: Fraction("1.5"), 3: Fraction("1.75"), 7: Fraction(2)}
TIERS = {"bronze": 5, "silver": 25, "gold": 100}
TIER_XP = 25
SUM, SUM_COINS = 1_000, 2
TASKS = {0: 3, 1: 2}  # of these types, so many events
QUEST_COINS = 50
THRESHOLDS = (0, 50, 100, 250, 500, 1_000, 2_500)
LEVEL_COINS = 10

# Added to the document of a tenant: no part of it changes what the rules themselves award, save the multiplier.
DOCUMENT: dict[str, Any] = {
    "multipliers": [
        {"id": "streak", "currency": "xp", "streak": "daily", "steps": {str(at): float(STEPS[at]) for at in STEPS}},
        {"id": "vip", "factor": 2, "when": {"field": "actor.tier", "op": "eq", "value": "vip"}},
    ],
    "levels": {"currency": "xp", "thresholds": list(THRESHOLDS), "award": {"coins": LEVEL_COINS}},
    "streaks": [
        {
            "id": "daily",
            "on": "action.*",
            "every": "day",
            "milestones": {str(length): {"coins": coins} for length, coins in MILESTONES.items()},
        }
    ],
    "badges": [
        {"id": "busy", "count": {"on": "action.*"}, "tiers": TIERS, "award": {"xp": TIER_XP}},
        {
            "id": "much",
            "sum": {"on": "action.*", "field": "data.amount"},
            "at": SUM,
            "repeatable": True,
            "award": {"coins": SUM_COINS},
        },
    ],
    "quests": [
        {
            "id": "both",
            "tasks": [{"id": f"t{n}", "on": f"action.t{n:02}", "times": times} for n, times in TASKS.items()],
            "award": {"coins": QUEST_COINS},
        }
    ],
    "abuse": [{"id": "flood", "on": "action.*", "times": EVENTS_PER_DAY, "per": "day", "action": "refuse"}],
}


@dataclass
class _Actor:
    """What the game remembers of an actor."""

    per_day: Counter[date] = field(default_factory=Counter)
    last: date | None = None
    length: int = 0
    events: int = 0
    amounts: int = 0
    tasks: Counter[int] = field(default_factory=Counter)
    done: bool = False
    level: int = 1


class GameModel:
    """What the game adds to each event, which must come in the order of their times."""

    def __init__(self) -> None:
        """Know no actor yet."""
        self._actors: defaultdict[tuple[str, str], _Actor] = defaultdict(_Actor)

    def refuses(self, who: tuple[str, str], day: date) -> bool:
        """Count an event; return whether it is one too many, and so gives nothing and counts for nothing."""
        actor = self._actors[who]
        actor.per_day[day] += 1
        return actor.per_day[day] > EVENTS_PER_DAY

    def streak(self, who: tuple[str, str], day: date) -> Iterator[tuple[str, int]]:
        """Count the day, and yield what the streak gives."""
        actor = self._actors[who]
        if day != actor.last:
            follows = actor.last == day - timedelta(days=1)
            actor.last, actor.length = day, actor.length + 1 if follows else 1
            if actor.length in MILESTONES:
                yield "coins", MILESTONES[actor.length]

    def multiplied(self, who: tuple[str, str], amount: int) -> int:
        """Return what a rule awards of xp, times what the streak has come to."""
        reached = [factor for length, factor in STEPS.items() if length <= self._actors[who].length]
        return int(amount * reached[-1]) if reached else amount

    def after(self, who: tuple[str, str], kind: int, amount: int) -> Iterator[tuple[str, int]]:
        """Count an event, and yield what badges and the quest give."""
        actor = self._actors[who]
        actor.events += 1
        if actor.events in TIERS.values():
            yield "xp", TIER_XP
        before, actor.amounts = actor.amounts // SUM, actor.amounts + amount
        if actor.amounts // SUM > before:
            yield "coins", SUM_COINS
        actor.tasks[kind] += 1
        if not actor.done and all(actor.tasks[each] >= times for each, times in TASKS.items()):
            actor.done = True
            yield "coins", QUEST_COINS

    def levels(self, who: tuple[str, str], xp: int) -> Iterator[tuple[str, int]]:
        """Yield what the levels give that an actor with so many points has newly reached."""
        actor = self._actors[who]
        while actor.level < len(THRESHOLDS) and xp >= THRESHOLDS[actor.level]:
            actor.level += 1
            yield "coins", LEVEL_COINS
