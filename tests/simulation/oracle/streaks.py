"""Streaks: a set of periods, walked through one by one."""

from collections.abc import Mapping
from typing import Any

from tests.simulation.oracle.periods import number
from tests.simulation.oracle.state import Streak
from tests.simulation.oracle.turn import Turn


def advance(turn: Turn, part: Mapping[str, Any]) -> None:
    """Count the event's period in, and give the milestones that its run has reached and that were not given before."""
    streak = turn.actor.streaks.get(part["id"], Streak())
    now = number(part["every"], turn.time, turn.zone)
    if now in streak.active:
        return
    turn.actor.streaks[part["id"]] = streak
    streak.active.add(now)
    streak.frozen.discard(now)
    run = _run(streak, now, part.get("grace", 0))
    streak.longest = max(streak.longest, len(run))
    paid = max((milestone for last, milestone in streak.paid if last in run), default=0)
    reached = sorted(int(each) for each in part["milestones"] if paid < int(each) <= len(run))
    turn.changed = True
    turn.facts.append("streak.updated")
    for milestone in reached:
        streak.paid.append((max(run), milestone))
        for currency, amount in part["milestones"][str(milestone)].items():
            turn.give(currency, amount, "bonus", part["id"])


def _run(streak: Streak, inside: int, grace: int) -> set[int]:
    """Return the active periods around one of them that are joined to it, by frozen ones and by grace."""
    kept = streak.active | streak.frozen
    run = {inside}
    for direction in (1, -1):
        at, missed = inside, 0
        while missed <= grace:
            at += direction
            missed = 0 if at in kept else missed + 1
            if at in streak.active:
                run.add(at)
    return run


def length_now(turn: Turn, name: str) -> int:
    """Return how long a streak is in the period of the event: that of its latest run, unless it is broken by then."""
    part, streak = turn.entry("streaks", name), turn.actor.streaks.get(name)
    if part is None or streak is None:
        return 0
    now, last, grace = number(part["every"], turn.time, turn.zone), max(streak.active), part.get("grace", 0)
    missed = 0
    for at in range(last + 1, now):
        missed = 0 if at in streak.frozen else missed + 1
        if missed > grace:
            return 0
    return len(_run(streak, last, grace))


def freeze(turn: Turn, part: Mapping[str, Any]) -> str | None:
    """Cover the first missing period; return why not."""
    if "freezes" not in part:
        return "not_freezable"
    streak = turn.actor.streaks.get(part["id"])
    if streak is None:
        return "no_streak"
    kept = max(streak.active | streak.frozen)
    if kept >= number(part["every"], turn.time, turn.zone):
        return "nothing_to_freeze"
    name, per = f"freeze:{part['id']}", part["freezes"]["per"]
    if turn.used(name, per) >= part["freezes"]["times"]:
        return "no_freezes_left"
    turn.use(name, per, 1)
    streak.frozen.add(kept + 1)
    turn.facts.append("streak.updated")
    return None
