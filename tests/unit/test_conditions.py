"""The condition language, comparison by comparison. Types are never mixed, and what is missing is never equal."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter

from rules.condition_schema import When
from rules.conditions import EvalContext, compile_condition, compile_reader
from tests import builders

MISSING = object()
CONDITION: TypeAdapter[Any] = TypeAdapter(When)


def holds(condition: dict[str, Any], **changes: Any) -> bool:
    """Return whether a condition holds for an event and an actor."""
    event = builders.event(
        type=changes.get("type", "pr.merged"), time=changes.get("time", builders.INSTANT), data=changes.get("data", {})
    )
    attributes, balances = changes.get("attributes", {}), changes.get("balances", {})
    context = EvalContext(event, attributes, balances, changes.get("level", 1))
    return compile_condition(CONDITION.validate_python(condition))(context)


@pytest.mark.parametrize(
    ("value", "op", "constant", "expected"),
    [
        (MISSING, "eq", "a", False),
        (MISSING, "ne", "a", False),
        (MISSING, "not_in", ["a"], False),
        (MISSING, "lt", 5, False),
        (MISSING, "contains", "a", False),
        (MISSING, "contains_all", ["a"], False),
        (None, "eq", "a", False),
        (None, "ne", "a", False),
        (None, "ne", 1, False),
        (None, "not_in", [1], False),
        (1, "eq", "1", False),
        (1, "ne", "1", False),
        ("1", "not_in", [1], False),
        (True, "eq", 1, False),
        (1, "eq", True, False),
        (True, "ne", 1, False),
        (True, "gte", 1, False),
        (True, "in", [1, 2], False),
        (1, "in", [True], False),
        (0, "ne", False, False),
        ([1], "eq", 1, False),
        ({}, "ne", "a", False),
        ([], "in", ["a"], False),
        ({}, "not_in", ["a"], False),
        ("a", "eq", "a", True),
        ("a", "ne", "b", True),
        ("a", "ne", "a", False),
        (False, "eq", False, True),
        (False, "ne", True, True),
        (1, "eq", 1.0, True),
        (10**30, "eq", 10**30, True),
        (10**30 + 1, "gt", 10**30, True),
        (2**53 + 1, "gt", float(2**53), True),
        (5, "gt", 5, False),
        (5, "gte", 5, True),
        (4.5, "lt", 5, True),
        (5, "lte", 4.5, False),
        ("5", "gt", 4, False),
        ("b", "gt", "a", True),
        ("B", "gte", "a", False),
        (4, "lt", "a", False),
        ("a", "in", ["a", 1], True),
        (1, "in", ["a", 1], True),
        (2, "not_in", ["a", 1], True),
        ("b", "not_in", ["a", 1], True),
        (True, "not_in", ["a", 1], False),
        (["a", "b"], "contains", "a", True),
        (["ab"], "contains", "a", False),
        ("abc", "contains", "bc", True),
        ("123", "contains", 2, False),
        ([1, 2], "contains", 2.0, True),
        ([1], "contains", True, False),
        ([True], "contains", 1, False),
        ([True], "contains", True, True),
        ({"a": 1}, "contains", "a", False),
        (["a"], "contains_any", ["b", "a"], True),
        (["a"], "contains_any", ["b", "c"], False),
        (["a", "b", "c"], "contains_all", ["a", "c"], True),
        (["a"], "contains_all", ["a", "c"], False),
        ("abc", "contains_all", ["a", "c"], True),
        ("abc", "starts_with", "ab", True),
        ("abc", "ends_with", "ab", False),
        ("abc", "ends_with", "bc", True),
        (["ab"], "starts_with", "a", False),
        (MISSING, "exists", True, False),
        (MISSING, "exists", False, True),
        (None, "exists", True, True),
        (0, "exists", False, False),
    ],
)
def test_comparison(value: object, op: str, constant: object, expected: bool) -> None:
    """A table of what each operator says."""
    data = {} if value is MISSING else {"x": value}
    nested = {} if value is MISSING else {"a": {"b": {"x": value}}}

    assert holds({"field": "data.x", "op": op, "value": constant}, data=data) is expected
    assert holds({"field": "data.a.b.x", "op": op, "value": constant}, data=nested) is expected
    assert holds({"field": "actor.x", "op": op, "value": constant}, attributes=data) is expected


@pytest.mark.parametrize("parent", [None, 1, "text", [], {"b": None}, {"b": "text"}])
def test_path_through_something_else_than_an_object_is_missing(parent: object) -> None:
    """A payload of another shape is no error."""
    data = {"a": parent}

    assert not holds({"field": "data.a.b.c", "op": "eq", "value": "x"}, data=data)
    assert not holds({"field": "data.a.b.c", "op": "ne", "value": "x"}, data=data)
    assert holds({"field": "data.a.b.c", "op": "exists", "value": False}, data=data)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"field": "event.type", "op": "starts_with", "value": "pr."}, True),
        ({"field": "event.source", "op": "eq", "value": builders.SOURCE}, True),
        ({"field": "event.time", "op": "gte", "value": "2026-11-16T13:00:00+01:00"}, True),
        ({"field": "event.time", "op": "gt", "value": "2026-11-16T13:00:00+01:00"}, False),
        ({"field": "event.time", "op": "eq", "value": "2026-11-16T12:00:00Z"}, True),
        ({"field": "event.time", "op": "not_in", "value": ["2026-11-16T12:00:00Z"]}, False),
        ({"field": "profile.balance.xp", "op": "gte", "value": 40}, True),
        ({"field": "profile.balance.coins", "op": "eq", "value": 0}, True),
        ({"field": "profile.level", "op": "eq", "value": 3}, True),
        ({"field": "profile.level", "op": "exists", "value": True}, True),
        ({"all": []}, True),
        ({"not": {"all": []}}, False),
    ],
)
def test_fields_of_event_and_profile(condition: dict[str, Any], expected: bool) -> None:
    """A balance that was never earned is 0; instants are compared as instants, whatever their offset."""
    assert holds(condition, balances={"xp": 40}, level=3) is expected


def test_text_of_a_document_never_becomes_code() -> None:
    """Names and constants are values, however they look."""
    name = 'x"] or __import__("os").abort() or c.data["'

    assert holds({"field": f"data.{name.replace('.', '_')}", "op": "eq", "value": name}, data={}) is False
    assert holds({"field": "data.x", "op": "eq", "value": name}, data={"x": name})


def test_greatest_condition_compiles() -> None:
    """What the schema lets through is not too much for the compiler."""
    condition: dict[str, Any] = {"field": "data." + ".".join("a" * 32), "op": "in", "value": list(range(1_000))}
    for level in range(14):
        condition = {"not": condition} if level % 2 else {"all": [condition] * 2 if level < 12 else [condition]}

    assert holds(condition, data={})  # seven times denied


def test_reader_returns_none_for_what_is_missing() -> None:
    """A reader never fails."""
    context = EvalContext(builders.event(data={"a": {"b": 5}}), {}, {}, 1)

    assert compile_reader("data.a.b")(context) == 5
    assert compile_reader("data.a.b.c")(context) is None
    assert compile_reader("actor.tier")(context) is None


def test_instant_before_the_epoch_can_be_compared() -> None:
    """History may be old."""
    condition = {"field": "event.time", "op": "lt", "value": "1970-01-01T00:00:00Z"}

    assert holds(condition, time=datetime(1883, 1, 1, tzinfo=UTC))
