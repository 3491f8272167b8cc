"""The independent model: a plain loop over the distinct events in the order of the log.

It says of every event what it must have led to, and what each actor and board must hold in the end.
"""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from tests.chaos.workload import (
    AMOUNT_PER_DAY,
    BONUS_FROM,
    BONUSES,
    LEVEL_AWARD,
    THRESHOLDS,
    TIMES_PER_DAY,
    TYPES,
)


class Verdict(NamedTuple):
    """Where an event must be found: what it moved by currency, and why it moved nothing if so."""

    place: Literal["posted", "ignored", "refused", "dead-lettered"]
    reason: str
    moved: dict[str, int]


class Actor:
    """What the model knows of an actor."""

    def __init__(self) -> None:
        self.balances: Counter[str] = Counter()
        self.level = 1
        self.times: Counter[tuple[int, str]] = Counter()
        self.given: Counter[tuple[int, str]] = Counter()


class Model:
    """`actors` by (tenant, actor); `boards`: scores by (tenant, board, window, actor)."""

    def __init__(self) -> None:
        self.actors: dict[tuple[str, str], Actor] = defaultdict(Actor)
        self.boards: Counter[tuple[str, str, str, str]] = Counter()

    def add(self, event: dict[str, Any]) -> Verdict:
        """Take an event that is not a duplicate."""
        who = (event["tenant"], event["subject"])
        kind: str = event["type"]
        if kind == "plaudit.spend":
            return self._spend(self.actors[who], event["data"])
        if not kind.startswith("action.t"):
            return Verdict("dead-lettered", "unknown_command", {})
        return self._action(who, int(kind.removeprefix("action.t")), event)

    @staticmethod
    def _spend(actor: Actor, data: dict[str, Any]) -> Verdict:
        if actor.balances["coins"] < data["amount"]:
            return Verdict("refused", "insufficient_balance", {})
        actor.balances["coins"] -= data["amount"]
        return Verdict("posted", "", {"coins": -data["amount"]})

    def _action(self, who: tuple[str, str], n: int, event: dict[str, Any]) -> Verdict:
        if n >= TYPES:
            return Verdict("ignored", "unmatched", {})
        actor = self.actors[who]
        date = datetime.fromisoformat(event["time"]).date()
        xp, coins = self._awards(actor, n, str(date), event["data"]["amount"])
        coins += self._levels(actor, xp)
        actor.balances["coins"] += coins
        tenant, name = who
        week = str(date - timedelta(days=date.weekday()))
        for board, window, points in (
            ("daily", str(date), xp),
            ("weekly", week, xp),
            ("rich", "all", coins),
            ("busy", str(date), int(n == 1)),
        ):
            if points:
                self.boards[tenant, board, window, name] += points
        moved = {currency: amount for currency, amount in (("xp", xp), ("coins", coins)) if amount}
        if moved or n == 1:
            return Verdict("posted", "", moved)
        return Verdict("ignored", "limit", {})

    @staticmethod
    def _awards(actor: Actor, n: int, day: str, amount: int) -> tuple[int, int]:
        xp = coins = 0
        if n % 2 == 1 or actor.times[n, day] < TIMES_PER_DAY:
            actor.times[n, day] += 1
            xp += 1 + n % 5
        if n < BONUSES and amount >= BONUS_FROM:
            bonus = amount // 10
            if n % 2 == 1:
                bonus = min(bonus, AMOUNT_PER_DAY - actor.given[n, day])
                actor.given[n, day] += bonus
            xp += bonus
            coins += 1
        return xp, coins

    @staticmethod
    def _levels(actor: Actor, xp: int) -> int:
        actor.balances["xp"] += xp
        coins = 0
        while actor.level < len(THRESHOLDS) and actor.balances["xp"] >= THRESHOLDS[actor.level]:
            actor.level += 1
            coins += LEVEL_AWARD
        return coins
