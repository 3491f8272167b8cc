"""Leaderboards and seasons of a simulated economy: every window, every measure, split and whole."""

from random import Random
from typing import Any

LEAGUES = ("gold", "silver")
CREWS = ("red", "blue")


def seasons(chance: Random) -> list[dict[str, Any]]:
    """Return seasons around the days of the events, one more than are kept, with gaps between some of them."""
    # The last one is over, is over while events come, or goes on.
    last = chance.choice(["16T00:00:00", "17T00:00:00", "30T00:00:00", *["16T12:00:03"] * 3])
    begun = [(4, "07T00:00:00"), (7, "09T00:00:00"), (10, "12T00:00:00"), (13, last)]
    return [
        {
            "id": f"s{number}",
            "from": f"2026-11-{first:02}T{chance.choice([0, 12]):02}:00:00Z",
            "until": f"2026-11-{until}Z",
        }
        for number, (first, until) in enumerate(begun)
    ]


def leaderboards(chance: Random) -> list[dict[str, Any]]:
    """Return boards whose windows and measures are the same in each revision; what they count may differ."""
    red = {"field": "data.team", "op": "eq", "value": "red"}
    some: dict[str, Any] = {"on": chance.choice([["a.*"], ["b", "c"], ["*"]])}
    return [
        {"id": "weekly", "currency": "xp", "window": "week", "personal_best": True},
        {"id": "teams", "currency": "coins", "window": "day", "split": "data.team", "personal_best": True},
        {"id": "crews", "currency": "xp", "window": "season", "split": "actor.crew"},
        {"id": "seasonal", "count": some, "window": "season", "personal_best": chance.random() < 0.8},
        {"id": "monthly", "count": {"on": "*", "when": red}, "window": "month", "personal_best": True},
        {"id": "kinds", "count": {"on": "a.*"}, "window": "all", "split": "event.type"},
        {"id": "ever", "currency": "xp", "window": "all"},
    ]
