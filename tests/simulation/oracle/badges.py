"""Badges and quests, judged anew from all that an actor did."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tests.simulation.oracle.awards import holds, is_about
from tests.simulation.oracle.state import Badge, Quest, micros
from tests.simulation.oracle.turn import Turn

_TIERS = ("bronze", "silver", "gold", "platinum")


def count(turn: Turn) -> bool:
    """Count the event for badges, once for each thing that is counted; return whether it was counted."""
    counted: dict[str, int] = {}
    for badge in turn.part("badges"):
        for criterion in _counted(badge):
            what = criterion.get("count") or criterion["sum"]
            if is_about(what, turn.type) and holds(what, turn):
                amount = turn.data["n"] if "sum" in criterion else 1
                if amount:
                    counted[_name(criterion)] = amount
    turn.actor.counts.update(counted)
    turn.changed = turn.changed or bool(counted)
    return bool(counted)


def award_all(turn: Turn, *, event_type: str | None) -> None:
    """Give the badges that were reached: those that may follow from any change, or from events of that type."""
    for part in turn.part("badges"):
        counted = list(_counted(part))
        about = event_type is not None and any(
            is_about(each.get("count") or each["sum"], event_type) for each in counted
        )
        if _is_only_counted(part) and not about:
            continue
        steps = _steps(part, turn)
        badge = turn.actor.badges.get(part["id"], Badge())
        if steps > badge.steps:
            give(turn, part, badge, steps)


def give(turn: Turn, part: Mapping[str, Any], badge: Badge, steps: int) -> None:
    """Bring a badge to so many steps; each gives the badge's award."""
    new, badge.steps = steps - badge.steps, steps
    _keep(turn, part, badge)
    for times in [new] if part.get("repeatable") else [1] * new:
        _award(turn, part, times)


def give_by_hand(turn: Turn, part: Mapping[str, Any], tier: object) -> str | None:
    """Give what a command names; return why not."""
    badge = turn.actor.badges.get(part["id"], Badge())
    tiers = [each for each in _TIERS if each in part.get("tiers", {})]
    if tier is not None and tier not in tiers:
        return "unknown_tier"
    steps = badge.steps + 1 if tier is None else tiers.index(str(tier)) + 1
    if part.get("repeatable"):
        badge.given += 1
        _keep(turn, part, badge)
        _award(turn, part, 1)
    elif badge.steps < steps <= len(tiers or ["the only one"]):
        give(turn, part, badge, steps)
    else:
        return "already_awarded"
    return None


def _keep(turn: Turn, part: Mapping[str, Any], badge: Badge) -> None:
    badge.at = turn.at
    turn.actor.badges[part["id"]] = badge
    turn.changed = True


def _award(turn: Turn, part: Mapping[str, Any], times: int) -> None:
    turn.facts.append("badge.awarded")
    for currency, amount in part.get("award", {}).items():
        turn.give(currency, amount * times, "bonus", part["id"])


def _counted(criterion: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the parts of a criterion that count events."""
    if "count" in criterion or "sum" in criterion:
        yield criterion
    for part in (*criterion.get("all", ()), *criterion.get("any", ())):
        yield from _counted(part)


def _is_only_counted(criterion: Mapping[str, Any]) -> bool:
    parts = (*criterion.get("all", ()), *criterion.get("any", ()))
    return all(map(_is_only_counted, parts)) if parts else "count" in criterion or "sum" in criterion


def _name(criterion: Mapping[str, Any]) -> str:
    what = criterion.get("count") or criterion["sum"]
    on = [what["on"]] if isinstance(what["on"], str) else what["on"]
    return json.dumps([sorted(on), what.get("when"), what.get("field")])


def _steps(part: Mapping[str, Any], turn: Turn) -> int:
    if "tiers" in part:
        return sum(turn.actor.counts[_name(part)] >= at for at in part["tiers"].values())
    if part.get("repeatable"):
        return turn.actor.counts[_name(part)] // int(part.get("at", 1))
    return int(_is_reached(part, turn))


def _is_reached(criterion: Mapping[str, Any], turn: Turn) -> bool:
    actor = turn.actor
    if "level" in criterion:
        return bool(actor.level >= criterion["level"])
    if "streak" in criterion:
        streak = actor.streaks.get(criterion["streak"]["id"])
        return streak is not None and bool(streak.longest >= criterion["streak"]["length"])
    if "balance" in criterion:
        return all(actor.balances[currency] >= amount for currency, amount in criterion["balance"].items())
    if "all" in criterion:
        return all(_is_reached(part, turn) for part in criterion["all"])
    if "any" in criterion:
        return any(_is_reached(part, turn) for part in criterion["any"])
    return actor.counts[_name(criterion)] >= int(criterion.get("at", 1))


def advance_quests(turn: Turn) -> None:
    """Count the event for the tasks that it is about."""
    for part in turn.part("quests"):
        tasks = [task for task in part["tasks"] if is_about(task, turn.type)]
        quest = turn.actor.quests.get(part["id"])
        if not tasks or not is_open(turn, part):
            continue
        if quest is None:
            if part.get("start") == "command":
                continue
            quest = Quest(turn.at)
        if quest.completed is not None or (part.get("start") == "command" and turn.at < quest.started):
            continue
        done = {task["id"]: min(quest.done.get(task["id"], 0) + 1, task["times"]) for task in tasks}
        if all(quest.done.get(task, 0) == times for task, times in done.items()):
            continue
        quest.done |= done
        quest.started = min(quest.started, turn.at)
        turn.actor.quests[part["id"]] = quest
        turn.changed = True
        if all(quest.done.get(task["id"], 0) >= task["times"] for task in part["tasks"]):
            _complete(turn, part, quest)


def is_open(turn: Turn, part: Mapping[str, Any]) -> bool:
    """Return whether the event lies between a quest's instants."""
    after, before = part.get("from", "1970-01-01T00:00:00Z"), part.get("until", "9999-01-01T00:00:00Z")
    return _instant(after) <= turn.at < _instant(before)


def _instant(text: str) -> int:
    return micros(datetime.fromisoformat(text))


def _complete(turn: Turn, part: Mapping[str, Any], quest: Quest) -> None:
    quest.completed = turn.at
    quest.done = {}
    turn.facts.append("quest.completed")
    for currency, amount in part["award"].items():
        if currency != "badge":
            turn.give(currency, amount, "bonus", part["id"])
    named = turn.entry("badges", part["award"].get("badge"))
    if named is not None:
        badge = turn.actor.badges.get(named["id"], Badge())
        if badge.steps < len(named.get("tiers", ["the only one"])):
            give(turn, named, badge, badge.steps + 1)
