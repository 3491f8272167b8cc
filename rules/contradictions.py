"""Finds conditions that can never hold, so that a rule which would never pay is refused rather than published.

What is found is certain; what is not found may still be impossible. Comparisons of one field that must hold together
are held against each other: their constants are tried, then their bounds.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline.events import Event
from rules.condition_schema import ORDERINGS, AllOf, AnyOf, Comparison, Condition, Not, is_number
from rules.conditions import EvalContext, compile_condition
from rules.fields import parse_instant


def why_never(condition: Condition, patterns: Sequence[str] = ("*",)) -> str | None:
    """Return why the condition can never hold for events of types that match one of `patterns`; None if it may."""
    match condition:
        case AnyOf():
            reasons = [why_never(child, patterns) for child in condition.any]
            return next(iter(reasons)) if reasons and all(reasons) else None
        case Not():
            return "it denies what is always true" if _always(condition.not_) else None
        case _:
            joined = list(_flatten(condition))
            for child in joined:
                if not isinstance(child, Comparison) and (reason := why_never(child, patterns)):
                    return reason
            return _conflict([child for child in joined if isinstance(child, Comparison)], patterns)


def matches_pattern(event_type: str, pattern: str) -> bool:
    """Return whether an event type is `pattern`, or begins with the words before its `.*`."""
    return pattern in {"*", event_type} or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))


def _flatten(condition: Condition) -> Iterable[Condition]:
    if isinstance(condition, AllOf):
        for child in condition.all:
            yield from _flatten(child)
    else:
        yield condition


def _always(condition: Condition) -> bool:
    match condition:
        case AllOf():
            return all(_always(child) for child in condition.all)
        case AnyOf():
            return any(_always(child) for child in condition.any)
        case Not():
            return why_never(condition.not_) is not None
        case Comparison():
            return condition.op == "exists" and condition.value and condition.field.startswith(("event.", "profile."))


def _conflict(comparisons: Sequence[Comparison], patterns: Sequence[str]) -> str | None:
    by_field: dict[str, list[Comparison]] = defaultdict(list)
    for comparison in comparisons:
        by_field[comparison.field].append(comparison)
    for field, group in by_field.items():
        if not _possible(field, group, patterns):
            return f"no {field} can satisfy " + " and ".join(f"{each.op} {each.value!r}" for each in group)
    return None


def _possible(field: str, group: Sequence[Comparison], patterns: Sequence[str]) -> bool:
    asks = [each for each in group if each.op != "exists"]
    if any(each.op == "exists" and not each.value for each in group):
        # A missing field satisfies no comparison; the fields of events and profiles are never missing.
        exists = any(each.op == "exists" and each.value for each in group)
        return not asks and not exists and not field.startswith(("event.", "profile."))
    if field == "profile.level":
        asks.append(Comparison(field=field, op="gte", value=1))
    elif field.startswith(("profile.balance.", "profile.streak.")):
        asks.append(Comparison(field=field, op="gte", value=0))
    if not asks:
        return True
    if not set.intersection(*(_classes(each) for each in asks)):
        return False
    constants = [each.value if each.op == "in" else [each.value] for each in asks if each.op in {"eq", "in"}]
    if constants:
        tests = [compile_condition(each) for each in asks]
        candidates = min(constants, key=len)
        return any(_passes(field, value, tests, patterns) for value in candidates)
    return _bounds_meet([each for each in asks if each.op in ORDERINGS], instants=field == "event.time")


def _passes(field: str, value: Any, tests: Iterable[Any], patterns: Sequence[str]) -> bool:
    if field == "event.type" and not any(matches_pattern(value, pattern) for pattern in patterns):
        return False
    context = _context_with(field, value)
    return all(test(context) for test in tests)


def _context_with(field: str, value: Any) -> EvalContext:
    """Return a context in which exactly that field has that value."""
    root, *keys = field.split(".")
    nested = value
    for key in reversed(keys):
        nested = {key: nested}
    attributes = nested if root == "event" else {}
    if "time" in attributes:
        attributes = {"time": parse_instant(value)}
    defaults: dict[str, Any] = {
        "specversion": "1.0",
        "id": "x",
        "source": "x",
        "type": "x",
        "subject": "x",
        "tenant": "x",
        "time": datetime(1970, 1, 1, tzinfo=UTC),
    }
    event = Event(**defaults | attributes | ({"data": nested} if root == "data" else {}))
    balances = nested.get("balance", {}) if root == "profile" else {}
    level = value if field == "profile.level" else 1
    length = value if field.startswith("profile.streak.") else 0
    return _Assumed(event, nested if root == "actor" else {}, balances, level, length)


class _Assumed(EvalContext):
    """A context in which every streak has the same length."""

    __slots__ = ("_length",)

    def __init__(
        self, event: Event, attributes: dict[str, Any], balances: dict[str, int], level: int, length: int
    ) -> None:
        super().__init__(event, attributes, balances, level)
        self._length = length

    def streak(self, _name: str) -> int:
        return self._length


def _classes(comparison: Comparison) -> set[str]:
    """Return the kinds of value for which the comparison can hold."""
    if comparison.field == "event.time":
        return {"instant"}
    values = comparison.value if isinstance(comparison.value, list) else [comparison.value]
    kinds = {"number" if is_number(value) else type(value).__name__ for value in values}
    match comparison.op:
        case "contains" | "contains_any":
            return {"list", "str"} if "str" in kinds else {"list"}
        case "contains_all":
            return {"list", "str"} if kinds == {"str"} else {"list"}
        case _:
            return kinds


def _bounds_meet(orderings: Sequence[Comparison], *, instants: bool) -> bool:
    lower: tuple[Any, bool] | None = None  # the bound, and whether it is itself left out
    upper: tuple[Any, bool] | None = None
    for each in orderings:
        bound = (parse_instant(each.value) if instants else each.value, each.op in {"gt", "lt"})
        if each.op in {"gt", "gte"}:
            lower = bound if lower is None else max(lower, bound)
        elif upper is None or (bound[0], not bound[1]) < (upper[0], not upper[1]):
            upper = bound
    if lower is None or upper is None:
        return True
    return bool(lower[0] < upper[0] or (lower[0] == upper[0] and not lower[1] and not upper[1]))
