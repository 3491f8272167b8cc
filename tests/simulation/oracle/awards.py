"""Rules, abuse limits, multipliers and levels, read from the document as it was published."""

from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction
from typing import Any

from tests.simulation.oracle.streaks import length_now
from tests.simulation.oracle.turn import Turn


def is_about(part: Mapping[str, Any], event_type: str) -> bool:
    """Return whether a part of a document is about events of a type."""
    on = [part["on"]] if isinstance(part["on"], str) else part["on"]
    return any(
        pattern in {"*", event_type} or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))
        for pattern in on
    )


def holds(part: Mapping[str, Any], turn: Turn) -> bool:
    """Return whether the condition of a part of a document holds, if it has one."""
    if "when" not in part:
        return True
    root, name = part["when"]["field"].split(".")
    value = (turn.data if root == "data" else turn.actor.attributes).get(name)
    wanted = part["when"]["value"]
    if part["when"]["op"] == "eq":
        return bool(value == wanted)
    assert part["when"]["op"] == "gte"
    return value is not None and bool(value >= wanted)


def is_refused(turn: Turn) -> bool:
    """Count the event for the abuse limits that it is about; return whether one of them refuses it."""
    refused = False
    for abuse in turn.part("abuse"):
        if not is_about(abuse, turn.type):
            continue
        name = f"abuse:{abuse['id']}"
        before = turn.used(name, abuse["per"])
        turn.use(name, abuse["per"], 1)
        if before >= abuse["times"] and not turn.used(name, abuse["per"], "flagged"):
            turn.use(name, abuse["per"], 1, "flagged")
            times, _ = turn.actor.flags.get(abuse["id"], (0, 0))
            turn.actor.flags[abuse["id"]] = (times + 1, turn.at)
            turn.facts.append("abuse.flagged")
        refused = refused or (before >= abuse["times"] and abuse["action"] == "refuse")
    return refused


def award(turn: Turn, rule: Mapping[str, Any]) -> None:
    """Give what a rule gives, within its cooldown and limit."""
    actor, time = turn.actor, turn.time
    mine = [then for each, then in actor.awarded if each == rule["id"]]
    if mine and "cooldown" in rule and abs(time - max(mine)) < timedelta(minutes=int(rule["cooldown"][:-1])):
        return
    limit = rule.get("limit", {})
    per, of = limit.get("per", "ever"), limit.get("of", "times")
    used = turn.used(rule["id"], per, of)
    if "times" in limit and used >= limit["times"]:
        return
    given: dict[str, int] = {}
    for currency, entry in rule["award"].items():
        amount = entry if isinstance(entry, int) else turn.data["n"] // entry["per"]
        if rule.get("multipliers", True):
            amount = int(amount * _factor(currency, turn))
        if of == currency:
            amount = min(amount, max(0, limit["amount"] - used))
        if amount:
            given[currency] = amount
    for currency, amount in given.items():
        turn.give(currency, amount, "award", rule["id"])
    if given:
        actor.awarded.append((rule["id"], time))
        uses = 1 if "times" in limit else given.get(of, 0)
        if uses:
            turn.use(rule["id"], per, uses, of)


def _factor(currency: str, turn: Turn) -> Fraction:
    running = [each for each in turn.part("multipliers") if each.get("currency", currency) == currency]
    factors = [factor for each in running if holds(each, turn) and (factor := _factor_of(each, turn)) is not None]
    if turn.document["stacking"] == "highest":
        return max(factors, default=Fraction(1))
    if turn.document["stacking"] == "add":
        return max(Fraction(0), 1 + sum((each - 1 for each in factors), Fraction(0)))
    product = Fraction(1)
    for each in factors:
        product *= each
    return product


def _factor_of(multiplier: Mapping[str, Any], turn: Turn) -> Fraction | None:
    if "factor" in multiplier:
        return Fraction(multiplier["factor"])
    length = length_now(turn, multiplier["streak"])
    reached = [int(step) for step in multiplier["steps"] if int(step) <= length]
    return Fraction(multiplier["steps"][str(max(reached))]) if reached else None


def climb(turn: Turn) -> None:
    """Raise the actor to every level that is reached, each with its award."""
    actor, levels = turn.actor, turn.document["levels"]
    thresholds = levels["thresholds"]
    while actor.level < len(thresholds) and actor.balances[levels["currency"]] >= thresholds[actor.level]:
        actor.level += 1
        turn.facts.append("level.reached")
        for currency, amount in levels["award"].items():
            turn.give(currency, amount, "bonus", f"level:{actor.level}")
