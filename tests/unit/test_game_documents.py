"""Mistakes in the game's sections of a document: each is named by its path."""

from typing import Any

import pytest

from rules.document import Problem, validate
from tests import builders


def paths(**sections: Any) -> list[str]:
    """Return where a document is wrong."""
    currencies = {"xp": {}, "coins": {"spendable": True}}
    found = validate({"economy": builders.TENANT, "currencies": currencies} | sections)
    assert isinstance(found, list), "the document is valid"
    assert all(isinstance(each, Problem) and each.message for each in found)
    return [each.path for each in found]


STREAK = {"id": "daily", "on": "session.started", "every": "day"}
BADGE = {"id": "b", "count": {"on": "x"}}
EQUAL = {"field": "data.n", "op": "eq", "value": 1}
NEVER = {"field": "event.type", "op": "eq", "value": "y"}
QUEST = {"id": "q", "tasks": [{"id": "t", "on": "x"}]}


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"every": "hour"}, "streaks[0].every"),
        ({"grace": -1}, "streaks[0].grace"),
        ({"milestones": {"0": {"xp": 1}}}, "streaks[0].milestones.0"),
        ({"milestones": {"07": {"xp": 1}}}, "streaks[0].milestones.07"),
        ({"milestones": {"7": {"gold": 1}}}, "streaks[0].milestones.7.gold"),
        ({"freezes": {"times": 1}}, "streaks[0].freezes.per"),
        ({"on": "plaudit.spend"}, "streaks[0].on[0]"),
        ({"frezes": {}}, "streaks[0].frezes"),
    ],
)
def test_mistake_in_a_streak(part: dict[str, Any], path: str) -> None:
    """Each is found where it is."""
    assert paths(streaks=[STREAK | part]) == [path]


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"id": "b"}, "badges[0]"),
        (BADGE | {"level": 2}, "badges[0]"),
        ({"id": "b", "level": 3}, "badges[0].level"),
        ({"id": "b", "streak": {"id": "dayly", "length": 3}}, "badges[0].streak.id"),
        ({"id": "b", "balance": {"gold": 3}}, "badges[0].balance.gold"),
        ({"id": "b", "sum": {"on": "x"}}, "badges[0].sum.field"),
        ({"id": "b", "sum": {"on": "x", "field": "event.time"}}, "badges[0].sum.field"),
        (BADGE | {"tiers": {"bronze": 5, "silver": 5}}, "badges[0].tiers"),
        (BADGE | {"tiers": {"brass": 5}}, "badges[0].tiers.brass"),
        (BADGE | {"tiers": {"bronze": 5}, "at": 1}, "badges[0].at"),
        (BADGE | {"tiers": {"bronze": 5}, "repeatable": True}, "badges[0].repeatable"),
        ({"id": "b", "level": 2, "at": 1}, "badges[0].at"),
        ({"id": "b", "all": []}, "badges[0].all"),
        ({"id": "b", "all": [{"all": [{"all": [{"all": [{"level": 2}]}]}]}]}, "badges[0]"),
        ({"id": "b", "any": [{"count": {"on": "x", "when": {"field": "data.n"}}}]}, "badges[0].any[0].count.when.op"),
        (BADGE | {"secrets": True}, "badges[0].secrets"),
        ({"id": "b", "count": {"on": "x", "when": {"all": [EQUAL, EQUAL | {"value": 2}]}}}, "badges[0].count.when"),
    ],
)
def test_mistake_in_a_badge(part: dict[str, Any], path: str) -> None:
    """Each is found where it is."""
    sections = {"levels": {"currency": "xp", "thresholds": [0, 10]}, "streaks": [STREAK]}

    assert path in paths(badges=[part], **sections)


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"tasks": []}, "quests[0].tasks"),
        ({"tasks": [{"id": "t", "on": "x", "times": 0}]}, "quests[0].tasks[0].times"),
        ({"tasks": [{"id": "t", "on": "x"}, {"id": "t", "on": "y"}]}, "quests[0].tasks"),
        ({"tasks": [{"id": "t", "on": "x", "tims": 2}]}, "quests[0].tasks[0].tims"),
        ({"start": "now"}, "quests[0].start"),
        ({"from": "2026-01-02T00:00:00Z", "until": "2026-01-02T00:00:00Z"}, "quests[0].until"),
        ({"award": {"gold": 1}}, "quests[0].award.gold"),
        ({"award": {"xp": 0}}, "quests[0].award.xp"),
        ({"award": {"xp": 1.5}}, "quests[0].award.xp"),
        ({"award": {"badge": "bb"}}, "quests[0].award"),
        ({"award": 5}, "quests[0].award"),
    ],
)
def test_mistake_in_a_quest(part: dict[str, Any], path: str) -> None:
    """Each is found where it is."""
    assert paths(quests=[QUEST | part], badges=[BADGE]) == [path]


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({}, "multipliers[0]"),
        ({"factor": 2, "streak": "daily", "steps": {"7": 1.1}}, "multipliers[0]"),
        ({"streak": "daily"}, "multipliers[0]"),
        ({"steps": {"7": 1.1}}, "multipliers[0]"),
        ({"streak": "daily", "steps": {}}, "multipliers[0].steps"),
        ({"streak": "dayly", "steps": {"7": 1.1}}, "multipliers[0].streak"),
        ({"streak": "daily", "steps": {"7": 0}}, "multipliers[0].steps.7"),
        ({"streak": "daily", "steps": {"x": 2}}, "multipliers[0].steps.x"),
    ],
)
def test_mistake_in_a_multiplier(part: dict[str, Any], path: str) -> None:
    """Each is found where it is."""
    assert paths(multipliers=[{"id": "m"} | part], streaks=[STREAK]) == [path]


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"times": 0}, "abuse[0].times"),
        ({"per": "minute"}, "abuse[0].per"),
        ({"action": "punish"}, "abuse[0].action"),
        ({"on": []}, "abuse[0].on"),
        ({"acton": "flag"}, "abuse[0].acton"),
        ({"when": {"all": [EQUAL, EQUAL | {"value": 2}]}}, "abuse[0].when"),
    ],
)
def test_mistake_in_an_abuse_limit(part: dict[str, Any], path: str) -> None:
    """Each is found where it is."""
    assert paths(abuse=[{"id": "a", "on": "*", "times": 1, "per": "day", "action": "flag"} | part]) == [path]


BOARD = {"id": "b", "window": "week"}
AUTUMN = {"id": "autumn", "from": "2026-09-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("sections", "path"),
    [
        ({"leaderboards": [BOARD]}, "leaderboards[0]"),
        ({"leaderboards": [BOARD | {"currency": "xp", "count": {"on": "x"}}]}, "leaderboards[0]"),
        ({"leaderboards": [BOARD | {"currency": "xp", "personal_best": "yes"}]}, "leaderboards[0].personal_best"),
        ({"leaderboards": [BOARD | {"currency": "xp", "personal_best": 1}]}, "leaderboards[0].personal_best"),
        ({"leaderboards": [BOARD | {"count": {"on": "X"}}]}, "leaderboards[0].count.on[0]"),
        ({"leaderboards": [BOARD | {"count": {"on": "x", "when": NEVER}}]}, "leaderboards[0].count.when"),
        ({"leaderboards": [BOARD | {"currency": "xp", "window": "season"}]}, "leaderboards[0].window"),
        ({"seasons": [AUTUMN | {"until": AUTUMN["from"]}]}, "seasons[0].until"),
        ({"seasons": [{"id": "autumn", "from": AUTUMN["from"]}]}, "seasons[0].until"),
        ({"seasons": [AUTUMN, AUTUMN | {"id": "early", "from": "2026-11-30T00:00:00Z"}]}, "seasons"),
        ({"seasons": [AUTUMN, AUTUMN]}, "seasons[1].id"),
    ],
)
def test_mistake_in_a_leaderboard_or_season(sections: dict[str, Any], path: str) -> None:
    """Each is found where it is."""
    assert path in paths(**sections)


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"cost": {}}, "rewards[0].cost"),
        ({"cost": {"xp": 5}}, "rewards[0].cost.xp"),
        ({"cost": {"gold": 5}}, "rewards[0].cost.gold"),
        ({"stock": 0}, "rewards[0].stock"),
        ({"per_actor": 0}, "rewards[0].per_actor"),
        ({"expires_after": "soon"}, "rewards[0].expires_after"),
        ({"price": 5}, "rewards[0].price"),
    ],
)
def test_mistake_in_a_reward(part: dict[str, Any], path: str) -> None:
    """Each is found where it is; what is only earned buys nothing."""
    assert path in paths(rewards=[{"id": "mug", "cost": {"coins": 5}} | part])


def test_ids_are_unique_in_their_section() -> None:
    """They name causes in the ledger."""
    twice = {"streaks": [STREAK, STREAK], "badges": [BADGE, BADGE], "quests": [QUEST, QUEST]}

    assert paths(**twice) == ["streaks[1].id", "badges[1].id", "quests[1].id"]


@pytest.mark.parametrize(
    "condition",
    [
        {"field": "profile.streak.dayly", "op": "gte", "value": 1},
        {"field": "profile.streak", "op": "gte", "value": 1},
        {"field": "profile.streak.daily", "op": "contains", "value": 1},
        {"field": "profile.streak.daily", "op": "lt", "value": 0},
        {"field": "profile.badges", "op": "eq", "value": "b"},
        {"field": "profile.badges", "op": "contains", "value": 1},
        {"field": "profile.badges.b", "op": "exists", "value": True},
        {"field": "profile.badges", "op": "contains", "value": "bb"},
        {"field": "profile.badges", "op": "contains_all", "value": ["b", "c"]},
        {"not": {"field": "profile.badges", "op": "contains_any", "value": ["gone"]}},
    ],
)
def test_condition_on_the_game_that_can_never_hold(condition: dict[str, Any]) -> None:
    """It is refused as any other."""
    rule = {"id": "r", "on": "x", "award": {"xp": 1}, "when": condition}

    assert [path.split(".")[0] for path in paths(streaks=[STREAK], badges=[BADGE], rules=[rule])] == ["rules[0]"]


def test_award_of_a_quest_with_a_key_that_is_no_text() -> None:
    """YAML reads a bare number as one: it is no currency, and named like any other mistake."""
    assert paths(quests=[QUEST | {"award": {5: 1}}]) == ["quests[0].award[5]"]
