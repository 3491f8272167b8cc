"""Mistakes in economy documents: each is named with its path, and none hides another."""

from typing import Any

import pytest

from rules.document import EconomyDocument, Problem, parse_document, validate

VALID = """
economy: acme
timezone: Europe/Berlin
currencies: {xp: {}, coins: {spendable: true}}
rules:
  - id: security-pr
    on: pr.merged
    when:
      all:
        - {field: data.labels, op: contains, value: security}
        - any: [{field: data.additions, op: gte, value: 10}, {field: data.hotfix, op: eq, value: true}]
        - not: {field: actor.tier, op: eq, value: banned}
    award: {xp: 50, coins: 15}
    limit: {times: 10, per: day}
    cooldown: 1h30m
  - {id: purchase, on: [purchase.completed, "refund.*"], award: {xp: {field: data.amount_cents, per: 100}}}
multipliers:
  - {id: weekend, currency: xp, factor: 1.1, from: 2026-12-05T00:00:00Z, until: 2026-12-07T00:00:00Z}
stacking: add
levels: {currency: xp, thresholds: [0, 100], award: {coins: 10}}
leaderboards:
  - {id: weekly-xp, currency: xp, window: week, tie: shared, split: data.journey}
dataversions: {"purchase.*": [1, 2]}
"""


def problems(**changes: Any) -> dict[str, Problem]:
    """Return the mistakes of the smallest document with these sections, by path."""
    raw = {"economy": "acme", "currencies": {"xp": {}, "coins": {}}} | changes
    found = validate(raw)
    return {each.path: each for each in found} if isinstance(found, list) else {}


def rule(**changes: Any) -> dict[str, Any]:
    """Return the mistakes of a document with one rule."""
    return problems(rules=[{"id": "a", "on": "pr.merged", "award": {"xp": 5}} | changes])


def comparison(field: str, op: str, value: object) -> dict[str, object]:
    """Return a comparison."""
    return {"field": field, "op": op, "value": value}


def test_valid_document_is_read_and_survives_json() -> None:
    """What was published can be read again by the next worker."""
    document = validate(parse_document(VALID))

    assert isinstance(document, EconomyDocument)
    assert document.rules[0].cooldown == 5_400
    assert str(document.multipliers[0].factor) == "1.1"
    assert validate(parse_document(document.model_dump_json(exclude_none=True))) == document


def test_every_mistake_is_reported_at_once() -> None:
    """An author mends a document in one go."""
    found = problems(
        timezone="Europe/Berln",
        rulez=[],
        rules=[
            {"id": "a", "on": "pr.merged", "award": {"xpp": 5}, "cooldown": "10x"},
            {"id": "a", "on": "pr.merged", "award": {"xp": 5}, "limit": {"times": 3}},
        ],
        levels={"currency": "gold", "thresholds": [0, 5, 5]},
    )

    assert set(found) == {
        "timezone",
        "rulez",
        "rules[0].award.xpp",
        "rules[0].cooldown",
        "rules[1].id",
        "rules[1].limit.per",
        "levels.currency",
        "levels.thresholds[2]",
    }
    assert found["timezone"].suggestion == "did you mean 'Europe/Berlin'?"
    assert found["rulez"].suggestion == "did you mean 'rules'?"
    assert found["rules[0].award.xpp"].suggestion == "did you mean 'xp'?"


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"id": "with space"}, "id"),
        ({"on": "PR"}, "on[0]"),
        ({"on": "plaudit.spend"}, "on[0]"),
        ({"on": "plaudit.*"}, "on[0]"),
        ({"on": "pr*"}, "on[0]"),
        ({"on": []}, "on"),
        ({"award": {}}, "award"),
        ({"award": {"xp": 0}}, "award.xp"),
        ({"award": {"xp": -5}}, "award.xp"),
        ({"award": {"xp": 1.5}}, "award.xp"),
        ({"award": {"xp": True}}, "award.xp"),
        ({"award": {"xp": 10**15 + 1}}, "award.xp"),
        ({"award": {"xp": {"field": "data.x", "per": 0}}}, "award.xp.per"),
        ({"award": {"xp": {"field": "event.type"}}}, "award.xp.field"),
        ({"award": {"xp": {"field": "data.x", "pre": 2}}}, "award.xp.pre"),
        ({"limit": {"times": 3}}, "limit.per"),
        ({"limit": {"times": 0, "per": "day"}}, "limit.times"),
        ({"limit": {"times": 3, "per": "fortnight"}}, "limit.per"),
        ({"limit": {"per": "day"}}, "limit"),
        ({"limit": {"amount": 5, "per": "day"}}, "limit"),
        ({"limit": {"amount": 5, "of": "coins", "per": "day"}}, "limit.of"),
        ({"limit": {"times": 5, "of": "xp", "per": "day"}}, "limit.of"),
        ({"cooldown": 10}, "cooldown"),
        ({"cooldown": "0s"}, "cooldown"),
        ({"cooldown": ""}, "cooldown"),
        ({"multipliers": "yes"}, "multipliers"),
        ({"multiplier": True}, "multiplier"),
        ({"when": 3}, "when"),
        ({"when": {"all": [], "any": []}}, "when.any"),
        ({"when": {"any": []}}, "when.any"),
        ({"when": comparison("data.x", "equals", 1)}, "when.op"),
        ({"when": comparison("date.x", "eq", 1)}, "when.field"),
        ({"when": comparison("data", "eq", 1)}, "when.field"),
        ({"when": comparison("event.kind", "eq", "x")}, "when.field"),
        ({"when": comparison("profile.balance.gold", "gte", 1)}, "when.field"),
        ({"when": comparison("data.x", "in", [])}, "when.value"),
        ({"when": comparison("data.x", "in", 3)}, "when.value"),
        ({"when": comparison("data.x", "eq", None)}, "when.value"),
        ({"when": comparison("data.x", "exists", 1)}, "when.value"),
        ({"when": comparison("data.x", "gt", True)}, "when.value"),
        ({"when": comparison("data.x", "starts_with", 3)}, "when.value"),
        ({"when": comparison("event.time", "gte", "soon")}, "when.value"),
        ({"when": comparison("event.time", "contains", "2026")}, "when.op"),
        ({"when": comparison("profile.level", "eq", "3")}, "when.value"),
    ],
)
def test_mistake_in_a_rule_is_found(changes: dict[str, Any], path: str) -> None:
    """Each is named by its path."""
    assert set(rule(**changes)) == {f"rules[0].{path}"}


NEVER = [
    {"all": [comparison("data.a", "eq", 1), comparison("data.a", "eq", 2)]},
    {"all": [comparison("data.a", "eq", 1), {"all": [comparison("data.a", "ne", 1)]}]},
    {"all": [comparison("data.a", "eq", "x"), comparison("data.a", "in", ["y", "z"])]},
    {"all": [comparison("data.a", "in", ["y", "z"]), comparison("data.a", "not_in", ["y", "z"])]},
    {"all": [comparison("data.a", "gte", 5), comparison("data.a", "lt", 5)]},
    {"all": [comparison("data.a", "gt", 5), comparison("data.a", "lte", 4)]},
    {"all": [comparison("data.a", "eq", "x"), comparison("data.a", "gte", 5)]},
    {"all": [comparison("data.a", "eq", True), comparison("data.a", "in", [1])]},
    {"all": [comparison("data.a", "eq", "pear"), comparison("data.a", "starts_with", "ap")]},
    {"all": [comparison("data.a", "exists", value=False), comparison("data.a", "eq", 1)]},
    {"all": [comparison("data.a", "exists", value=False), comparison("data.a", "exists", value=True)]},
    {
        "all": [
            comparison("event.time", "gte", "2026-02-01T00:00:00Z"),
            comparison("event.time", "lt", "2026-01-01T00:00:00Z"),
        ]
    },
    {"any": [comparison("profile.level", "lt", 1), comparison("profile.balance.xp", "lt", 0)]},
    {"not": {"all": []}},
    {"not": comparison("event.type", "exists", value=True)},
    comparison("event.source", "exists", value=False),
    comparison("event.type", "eq", "push"),
]


@pytest.mark.parametrize("when", NEVER, ids=range(len(NEVER)))
def test_rule_that_can_never_match_is_refused(when: dict[str, Any]) -> None:
    """An author learns of it before an actor misses points."""
    assert "can never match" in rule(when=when)["rules[0].when"].message


SOMETIMES = [
    {"all": []},
    {"all": [comparison("data.a", "gte", 5), comparison("data.a", "lte", 5)]},
    {"all": [comparison("data.a", "ne", 1), comparison("data.a", "ne", 2)]},
    {"all": [comparison("data.a", "contains", "x"), comparison("data.a", "contains", "y")]},
    {"all": [comparison("data.a", "contains", "x"), comparison("data.a", "starts_with", "y")]},
    {"any": [comparison("data.a", "eq", 1), {"not": {"all": []}}]},
    {"all": [comparison("data.a", "exists", value=False), comparison("data.b", "eq", 1)]},
    {"not": comparison("data.a", "exists", value=True)},
    comparison("event.type", "starts_with", "pr."),
    {"all": [comparison("profile.level", "gte", 1), comparison("profile.level", "lt", 2)]},
    {"all": [comparison("data.a.b", "eq", 1), comparison("data.a.c", "eq", 2)]},
]


@pytest.mark.parametrize("when", SOMETIMES, ids=range(len(SOMETIMES)))
def test_rule_that_may_match_is_accepted(when: dict[str, Any]) -> None:
    """Only what is certain is refused."""
    assert rule(when=when) == {}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"economy": "Acme"}, "economy"),
        ({"currencies": {}}, "currencies"),
        ({"currencies": {"x p": {}}}, "currencies.x p"),
        ({"currencies": {"xp": {"spendabel": True}}}, "currencies.xp.spendabel"),
        ({"multipliers": [{"id": "m", "factor": 0}]}, "multipliers[0].factor"),
        ({"multipliers": [{"id": "m", "factor": "-1"}]}, "multipliers[0].factor"),
        ({"multipliers": [{"id": "m", "factor": 1.0000000001}]}, "multipliers[0].factor"),
        ({"multipliers": [{"id": "m", "factor": 2, "from": "2026-12-05"}]}, "multipliers[0].from"),
        ({"multipliers": [{"id": "m", "factor": 2, "when": NEVER[0]}]}, "multipliers[0].when"),
        (
            {
                "multipliers": [
                    {"id": "m", "factor": 2, "from": "2026-12-05T00:00:00Z", "until": "2026-12-05T00:00:00Z"}
                ]
            },
            "multipliers[0].until",
        ),
        ({"multipliers": [{"id": "m", "factor": 2}, {"id": "m", "factor": 2}]}, "multipliers[1].id"),
        ({"stacking": "mulitply"}, "stacking"),
        ({"levels": {"currency": "xp", "thresholds": []}}, "levels.thresholds"),
        ({"levels": {"currency": "xp", "thresholds": [1, 2]}}, "levels.thresholds[0]"),
        ({"levels": {"currency": "xp", "thresholds": [0], "award": {"gold": 1}}}, "levels.award.gold"),
        (
            {"leaderboards": [{"id": "b", "currency": "xp", "window": "day", "split": "profile.level"}]},
            "leaderboards[0].split",
        ),
        ({"dataversions": {"pr.merged": []}}, "dataversions.pr.merged"),
        ({"rules": {}}, "rules"),
    ],
)
def test_mistake_outside_rules_is_found(changes: dict[str, Any], path: str) -> None:
    """Each is named by its path."""
    assert set(problems(**changes)) == {path}


@pytest.mark.parametrize("raw", [None, 3, "economy: acme", []])
def test_what_is_no_mapping_is_refused(raw: object) -> None:
    """Any value may come from outside."""
    assert isinstance(validate(raw), list)


def test_deep_condition_is_refused() -> None:
    """A condition that would overwhelm the compiler does not reach it."""
    when: dict[str, Any] = comparison("data.a", "eq", 1)
    for _ in range(20):
        when = {"not": when}

    assert "rules[0].when" in rule(when=when)
