"""The economies of a simulated world, drawn from its seed: nearly every event means something in them."""

from random import Random
from typing import Any

from tests.simulation.boards import leaderboards, seasons

TENANTS = {"acme": "Europe/Berlin", "beta": "UTC"}
STREAKS = ("daily", "weekly")
BADGES = ("starter", "medal", "collector", "climber", "faithful", "rich", "both", "either")
QUESTS = ("tour", "called")
REWARDS = ("mug", "mug", "mug", "sticker")


def document(chance: Random, tenant: str) -> dict[str, Any]:
    """Return an economy in which nearly every event means something."""
    per = ["hour", "day", "week", "month", "ever"]
    economy: dict[str, Any] = {
        "economy": tenant,
        "timezone": TENANTS[tenant],
        "currencies": {"xp": {}, "coins": {"spendable": True}},
        "rules": [
            {
                "id": "often",
                "on": "a.*",
                "award": {"xp": chance.randint(1, 9)},
                "limit": {"times": chance.randint(1, 4), "per": chance.choice(per)},
            },
            {
                "id": "big",
                "on": ["a.x", "b"],
                "when": {"field": "data.n", "op": "gte", "value": chance.randint(2, 6)},
                "award": {"xp": {"field": "data.n", "per": 2}, "coins": 1},
                "multipliers": chance.random() < 0.5,
            },
            {
                "id": "rare",
                "on": "b",
                "award": {"coins": chance.randint(2, 5)},
                "cooldown": f"{chance.choice([30, 600])}m",
            },
            {
                "id": "capped",
                "on": "*",
                "award": {"coins": chance.randint(1, 4)},
                "limit": {"amount": chance.randint(5, 12), "of": "coins", "per": chance.choice(per)},
            },
        ],
        "multipliers": [
            {"id": "vip", "factor": "1.5", "when": {"field": "actor.tier", "op": "eq", "value": "vip"}},
            {
                "id": "red",
                "currency": "xp",
                "factor": "0.7",
                "when": {"field": "data.team", "op": "eq", "value": "red"},
            },
        ],
        "stacking": chance.choice(["multiply", "highest", "add"]),
        "levels": {"currency": "xp", "thresholds": [0, 10, 25, 60], "award": {"coins": 2, "xp": 3}},
        "seasons": seasons(chance),
        "leaderboards": leaderboards(chance),
    }
    chance.shuffle(economy["rules"])
    economy["rewards"] = _rewards(chance)
    if chance.random() < 0.5:
        economy["dataversions"] = chance.choice([{"a.*": [1], "b": [1, 2]}, {"*": [1, 2], "a.x": [2]}, {"b": [2]}])
    if chance.random() < 0.8:
        _add_game(chance, economy)
    return economy


def _add_game(chance: Random, economy: dict[str, Any]) -> None:
    """Add what is beyond rules, or parts of it: another revision of the same economy may leave others out."""
    economy["streaks"] = _some(chance, _streaks(chance))
    streaks = [each["id"] for each in economy["streaks"]]
    economy["badges"] = _some(chance, _badges(chance, streaks))
    badges = [each["id"] for each in economy["badges"]]
    economy["quests"] = _some(chance, _quests(chance, badges))
    if chance.random() < 0.3:
        per, action = chance.choice(["hour", "day", "ever"]), chance.choice(["refuse", "flag"])
        economy["abuse"] = [{"id": "flood", "on": "a.*", "times": chance.randint(2, 4), "per": per, "action": action}]
    if "daily" in streaks:
        steps = {"2": "1.5", "3": "2.5"}
        economy["multipliers"].append({"id": "run", "currency": "xp", "streak": "daily", "steps": steps})


def _some(chance: Random, parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in parts if chance.random() < 0.7]


def _streaks(chance: Random) -> list[dict[str, Any]]:
    daily: dict[str, Any] = {
        "id": "daily",
        "on": ["a.*", "b"],
        "every": "day",
        "grace": chance.choice([0, 0, 1]),
        "milestones": {"2": {"coins": chance.randint(1, 3)}, "4": {"xp": 5, "coins": 1}},
    }
    if chance.random() < 0.7:
        daily["freezes"] = {"times": chance.randint(1, 3), "per": chance.choice(["week", "ever"])}
    weekly = {"id": "weekly", "on": "*", "every": "week", "milestones": {"2": {"coins": 2}, "3": {"coins": 1}}}
    return [daily, weekly]


def _badges(chance: Random, streaks: list[str]) -> list[dict[str, Any]]:
    red = {"field": "data.team", "op": "eq", "value": "red"}
    badges: list[dict[str, Any]] = [
        {
            "id": "starter",
            "count": {"on": "a.*"},
            "tiers": {"bronze": 2, "silver": 3, "gold": 5},
            "award": {"coins": 1},
        },
        {
            "id": "medal",
            "count": {"on": ["b", "c"]},
            "at": chance.randint(1, 3),
            "repeatable": True,
            "award": {"xp": 2},
        },
        {"id": "collector", "sum": {"on": "*", "field": "data.n"}, "at": chance.randint(8, 30), "award": {"coins": 3}},
        {"id": "climber", "level": chance.randint(2, 3), "award": {"xp": chance.randint(1, 9)}},
        {"id": "rich", "balance": {"coins": chance.randint(4, 9), "xp": 5}},
        {"id": "both", "all": [{"level": 2}, {"count": {"on": "b"}, "at": 2}], "award": {"coins": 2}},
        {
            "id": "either",
            "any": [{"sum": {"on": "*", "field": "data.n", "when": red}, "at": 9}, {"balance": {"xp": 20}}],
            "award": {"coins": 1},
        },
    ]
    if "daily" in streaks:
        length = chance.randint(2, 3)
        badges.append({"id": "faithful", "streak": {"id": "daily", "length": length}, "award": {"xp": 4}})
    chance.shuffle(badges)
    return badges


def _quests(chance: Random, badges: list[str]) -> list[dict[str, Any]]:
    tour: dict[str, Any] = {
        "id": "tour",
        "tasks": [{"id": "some", "on": "a.*", "times": chance.randint(1, 2)}, {"id": "one", "on": "b", "times": 1}],
        "award": {"coins": 4},
    }
    if "starter" in badges:
        tour["award"]["badge"] = "starter"
    called = {
        "id": "called",
        "start": "command",
        "from": "2026-11-10T00:00:00Z",
        "until": "2026-11-17T00:00:00Z",
        "tasks": [{"id": "any", "on": "*", "times": 2}],
        "award": {"xp": 6},
    }
    return [tour, called]


def _rewards(chance: Random) -> list[dict[str, Any]]:
    mug: dict[str, Any] = {"id": "mug", "cost": {"coins": chance.randint(1, 3)}, "stock": chance.randint(1, 2)}
    sticker: dict[str, Any] = {"id": "sticker", "cost": {"coins": 1}}
    for reward in (mug, sticker):
        if chance.random() < 0.3:
            reward["per_actor"] = chance.randint(1, 2)
        if chance.random() < 0.2:
            reward["expires_after"] = f"{chance.choice([30, 900])}m"
    return [mug, sticker]
