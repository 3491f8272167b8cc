"""The rules of an economy as somebody writes them into an application of their own: by type, checked in order.

It knows only what the workload's documents use: one threshold, fixed and proportional awards, limits per day.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `awards` are (currency, fixed amount, or 0 and the divisor of the event's amount)."""

    name: str
    minimum: int
    awards: tuple[tuple[str, int, int], ...]
    times: int  # per day; 0: no such limit
    amount: int  # of xp per day; 0: no such limit


Rules = dict[str, list[Rule]]


def compiled(document: dict[str, Any]) -> Rules:
    """Return a document's rules by event type."""
    rules: Rules = {}
    for each in document["rules"]:
        limit = each.get("limit", {})
        awards = tuple(
            (currency, 0, award["per"]) if isinstance(award, dict) else (currency, award, 0)
            for currency, award in each["award"].items()
        )
        minimum = each["when"]["value"] if "when" in each else 0
        rule = Rule(each["id"], minimum, awards, limit.get("times", 0), limit.get("amount", 0))
        rules.setdefault(each["on"], []).append(rule)
    return rules


def awards(
    rules: list[Rule], amount: int, used: Callable[[str], int], use: Callable[[str, int], None]
) -> Iterator[tuple[str, str, int]]:
    """Yield an event's awards: rule, currency, amount > 0.

    `used` returns how much of a rule's limit the actor has used on the event's day, `use` stores it.
    """
    for rule in rules:
        if amount < rule.minimum:
            continue
        if rule.times:
            before = used(rule.name)
            if before >= rule.times:
                continue
            use(rule.name, before + 1)
        for currency, fixed, divisor in rule.awards:
            points = fixed or amount // divisor
            if rule.amount and currency == "xp":
                before = used(rule.name)
                points = min(points, rule.amount - before)
                if points:
                    use(rule.name, before + points)
            if points > 0:
                yield rule.name, currency, points


@lru_cache(maxsize=1_000)
def week_of(day: str) -> str:
    """Return the Monday of a day's week."""
    parsed = date.fromisoformat(day)
    return str(parsed - timedelta(days=parsed.weekday()))
