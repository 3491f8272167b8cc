"""Generated conditions against an interpreter that reads the contracts word by word."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from rules.condition_schema import When
from rules.conditions import EvalContext, compile_condition
from rules.contradictions import why_never
from tests import builders

CONDITION: TypeAdapter[Any] = TypeAdapter(When)
MISSING = object()
# Few names and values, so that conditions hold now and then, and types are mixed often.
SCALARS = st.one_of(
    st.sampled_from(["", "a", "ab", "b", "1"]), st.integers(-1, 2), st.sampled_from([0.0, 1.0, 1.5]), st.booleans()
)
VALUES = st.recursive(
    SCALARS | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xy"), inner),
    max_leaves=4,
)
FIELDS = st.sampled_from(["data.x", "data.y", "data.x.y", "data.x.y.x", "actor.x", "actor.x.y"])
COMPARISONS = st.one_of(
    st.builds(
        lambda f, o, v: {"field": f, "op": o, "value": v}, FIELDS, st.sampled_from(["eq", "ne", "contains"]), SCALARS
    ),
    st.builds(
        lambda f, o, v: {"field": f, "op": o, "value": v},
        FIELDS,
        st.sampled_from(["gt", "gte", "lt", "lte"]),
        SCALARS.filter(lambda value: not isinstance(value, bool)),
    ),
    st.builds(
        lambda f, o, v: {"field": f, "op": o, "value": v},
        FIELDS,
        st.sampled_from(["in", "not_in", "contains_any", "contains_all"]),
        st.lists(SCALARS, min_size=1, max_size=3),
    ),
    st.builds(
        lambda f, o, v: {"field": f, "op": o, "value": v},
        FIELDS,
        st.sampled_from(["starts_with", "ends_with"]),
        st.sampled_from(["", "a", "b"]),
    ),
    st.builds(lambda f, v: {"field": f, "op": "exists", "value": v}, FIELDS, st.booleans()),
)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds(lambda each: {"all": each}, st.lists(inner, max_size=3)),
        st.builds(lambda each: {"any": each}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda each: {"not": each}, inner),
    ),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from("xy"), VALUES)


def kind(value: object) -> str:
    """Return a value's JSON type."""
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__


def same(left: object, right: object) -> bool:
    """Return whether two values are equal and of one type."""
    return kind(left) == kind(right) and left == right


def find(roots: dict[str, Any], path: str) -> object:
    """Return a field, or MISSING."""
    value: Any = roots
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return MISSING
        value = value[key]
    return value


def interpret(condition: dict[str, Any], roots: dict[str, Any]) -> bool:
    """Say whether a condition holds, slowly."""
    if "all" in condition:
        return all(interpret(each, roots) for each in condition["all"])
    if "any" in condition:
        return any(interpret(each, roots) for each in condition["any"])
    if "not" in condition:
        return not interpret(condition["not"], roots)
    value = find(roots, condition["field"])
    if condition["op"] == "exists":
        return (value is not MISSING) == condition["value"]
    return value is not MISSING and compare(value, condition["op"], condition["value"])


def compare(value: Any, op: str, constant: Any) -> bool:
    """Say what one comparison says of a field that is there."""

    def has(wanted: object) -> bool:
        if isinstance(value, str):
            return isinstance(wanted, str) and wanted in value
        return isinstance(value, list) and any(same(each, wanted) for each in value)

    ordered = kind(value) == kind(constant)
    among = isinstance(constant, list) and kind(value) in {kind(each) for each in constant}
    answers = {
        "eq": lambda: same(value, constant),
        "ne": lambda: ordered and value != constant,
        "gt": lambda: ordered and value > constant,
        "gte": lambda: ordered and value >= constant,
        "lt": lambda: ordered and value < constant,
        "lte": lambda: ordered and value <= constant,
        "in": lambda: among and any(same(value, each) for each in constant),
        "not_in": lambda: among and not any(same(value, each) for each in constant),
        "contains": lambda: has(constant),
        "contains_any": lambda: any(has(each) for each in constant),
        "contains_all": lambda: all(has(each) for each in constant),
        "starts_with": lambda: isinstance(value, str) and value.startswith(constant),
        "ends_with": lambda: isinstance(value, str) and value.endswith(constant),
    }
    return bool(answers[op]())


@given(condition=CONDITIONS, data=OBJECTS, attributes=OBJECTS)
def test_compiled_condition_says_what_the_contracts_say(
    condition: dict[str, Any], data: dict[str, Any], attributes: dict[str, Any]
) -> None:
    """The generated function and the interpreter agree; a condition called impossible never holds."""
    parsed = CONDITION.validate_python(condition)
    context = EvalContext(builders.event(data=data), attributes, {}, 1)

    expected = interpret(condition, {"data": data, "actor": attributes})

    assert compile_condition(parsed)(context) is expected
    if expected:
        assert why_never(parsed) is None


@given(condition=CONDITIONS, data=OBJECTS, attributes=OBJECTS)
def test_condition_and_its_denial_never_agree(
    condition: dict[str, Any], data: dict[str, Any], attributes: dict[str, Any]
) -> None:
    """`not` is what it says, at any depth."""
    context = EvalContext(builders.event(data=data), attributes, {}, 1)
    check = compile_condition(CONDITION.validate_python(condition))
    denial = compile_condition(CONDITION.validate_python({"not": condition}))

    assert check(context) is not denial(context)
