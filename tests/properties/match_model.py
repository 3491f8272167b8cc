"""What an economy does, told once more: slowly, from the whole history, without sharing code with the rules."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.events import Event
from tests.properties.test_conditions import interpret

Posted = tuple[str, int, str]
"""Currency, amount and cause."""


@dataclass
class Model:
    """An actor under one economy, given as the raw document."""

    document: dict[str, Any]
    balances: Counter[str] = field(default_factory=Counter)
    level: int = 1
    attributes: dict[str, Any] = field(default_factory=dict)
    awarded: list[tuple[str, datetime, str, dict[str, int]]] = field(default_factory=list)
    """Every award of a rule: its id, the event's time, the period of its limit, the amounts."""
    remembered: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The latest 32 periods in which a rule used up something of its limit, the oldest first."""

    def apply(self, event: Event) -> list[Posted]:
        """Apply an event; return what it posts, in order."""
        if event.type == "plaudit.attributes.set":
            self.attributes.update(event.data)
            return []
        before = self._roots(event)
        posted: list[Posted] = []
        for rule in self.document["rules"]:
            if self._is_about(rule["on"], event.type) and self._holds(rule, self._roots(event)):
                posted += self._award(rule, event, before)
        if posted:
            posted += self._climb()
        return posted

    def scores(self, event: Event, posted: list[Posted]) -> dict[str, tuple[str, int, str | None]]:
        """Return board, window, points and split of what was posted."""
        found = {}
        for board in self.document["leaderboards"]:
            amounts = [amount for currency, amount, _ in posted if currency == board["currency"]]
            split = event.data.get("team") if "split" in board else None
            if amounts and ("split" not in board or split is not None):
                window = period(board["window"], event.time, self.document["timezone"])
                found[board["id"]] = (window, sum(amounts), split)
        return found

    def _roots(self, event: Event) -> dict[str, Any]:
        balances = {currency: self.balances[currency] for currency in self.document["currencies"]}
        return {
            "data": event.data,
            "actor": dict(self.attributes),
            "profile": {"balance": balances, "level": self.level},
        }

    @staticmethod
    def _is_about(on: str | list[str], event_type: str) -> bool:
        patterns = [on] if isinstance(on, str) else on
        return any(
            each in {"*", event_type} or (each[-2:] == ".*" and event_type.startswith(each[:-1])) for each in patterns
        )

    @staticmethod
    def _holds(part: dict[str, Any], roots: dict[str, Any]) -> bool:
        return "when" not in part or interpret(part["when"], roots)

    def _award(self, rule: dict[str, Any], event: Event, before: dict[str, Any]) -> list[Posted]:
        mine = [award for award in self.awarded if award[0] == rule["id"]]
        latest = max((time for _, time, _, _ in mine), default=datetime.min.replace(tzinfo=UTC))
        if abs(event.time - latest) < timedelta(minutes=int(rule.get("cooldown", "0m")[:-1])):
            return []
        limit = rule.get("limit", {})
        now = period(limit.get("per", "ever"), event.time, self.attributes.get("timezone", self.document["timezone"]))
        remembered = self.remembered[rule["id"]]
        if now not in remembered and len(remembered) == 32 and now < remembered[0]:
            return []
        spent = [amounts for _, _, then, amounts in mine if then == now]
        if "times" in limit and len(spent) >= limit["times"]:
            return []
        amounts = {}
        for currency, award in rule["award"].items():
            amount = self._amount(award, event)
            if rule["multipliers"]:
                amount = int(amount * self._factor(currency, event, before))
            if limit.get("of") == currency:
                amount = min(amount, limit["amount"] - sum(each.get(currency, 0) for each in spent))
            if amount > 0:
                amounts[currency] = amount
        if amounts:
            self.balances.update(amounts)
            self.awarded.append((rule["id"], event.time, now, amounts))
            if limit.get("of") in {None, *amounts}:
                self.remembered[rule["id"]] = sorted({*remembered, now})[-32:]
        return [(currency, amount, rule["id"]) for currency, amount in amounts.items()]

    @staticmethod
    def _amount(award: Any, event: Event) -> int:
        if isinstance(award, int):
            return award
        value = event.data.get(award["field"].removeprefix("data."))
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            return 0
        return int(Fraction(value) / award["per"]) * int(award["times"])

    def _factor(self, currency: str, event: Event, before: dict[str, Any]) -> Fraction:
        factors = [
            Fraction(each["factor"])
            for each in self.document["multipliers"]
            if each.get("currency", currency) == currency
            and ("from" not in each or event.time >= datetime.fromisoformat(each["from"]))
            and ("until" not in each or event.time < datetime.fromisoformat(each["until"]))
            and self._holds(each, before)
        ]
        if self.document["stacking"] == "highest":
            return max(factors, default=Fraction(1))
        result = Fraction(1)
        for factor in factors:
            result = result * factor if self.document["stacking"] == "multiply" else result + factor - 1
        return max(result, Fraction(0))

    def _climb(self) -> list[Posted]:
        levels = self.document.get("levels")
        posted: list[Posted] = []
        while levels:
            reached = [
                n for n, points in enumerate(levels["thresholds"], 1) if self.balances[levels["currency"]] >= points
            ]
            if max(reached) <= self.level:
                break
            self.level += 1
            for currency, amount in levels["award"].items():
                self.balances[currency] += amount
                posted.append((currency, amount, f"level:{self.level}"))
        return posted


def period(kind: str, instant: datetime, zone: str) -> str:
    """Return a name of the period that holds an instant; a window's name where it is one."""
    local = instant.astimezone(ZoneInfo(zone))
    if kind == "hour":
        past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        return (instant - past).isoformat()  # the same hour in every zone, though it may begin at half past
    first = {
        "week": local.date() - timedelta(days=local.weekday()),
        "month": local.date().replace(day=1),
        "day": local.date(),
    }
    return first[kind].isoformat() if kind in first else "all"
