"""Compiles conditions to plain Python functions (docs/adr/0004).

The source that is generated holds no text of a document: field names and constants are bound as globals of the
function, under names that are made here. A comparison with a missing field, or with a value of another type, is
false.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from pipeline.events import Event
from rules.condition_schema import ORDERINGS, AllOf, AnyOf, Comparison, Condition, Not, is_number
from rules.fields import parse_instant


class EvalContext:
    """What a condition sees: the event, and the profile as it stands when the condition is evaluated."""

    __slots__ = ("attributes", "balances", "data", "event", "level")

    def __init__(self, event: Event, attributes: dict[str, Any], balances: dict[str, int], level: int) -> None:
        self.event = event
        self.data = event.data
        self.attributes = attributes
        self.balances = balances
        self.level = level

    def streak(self, _name: str) -> int:
        """Return the length of a streak, 0 if it is broken. An actor without any has this one."""
        return 0

    def badges(self) -> list[str]:
        """Return the ids of the badges that the actor has. An actor without any has this list."""
        return []


Check = Callable[[EvalContext], bool]
Reader = Callable[[EvalContext], Any]

_SYMBOLS: Final = {"eq": "==", "ne": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_ROOTS: Final = {"data": "c.data", "actor": "c.attributes"}
_IS_NUMBER = "((k := (v := {0}).__class__) is int or k is float)"


def compile_condition(condition: Condition) -> Check:
    """Return a function that tells whether the condition holds. It has no state and reads nothing but its argument."""
    source = _Source()
    check: Check = source.function(source.condition(condition))
    return check


def compile_reader(path: str) -> Reader:
    """Return a function that reads a field, None where it is missing."""
    source = _Source()
    guards, value = source.read(path)
    reader: Reader = source.function(f"{value} if {' and '.join(guards)} else None" if guards else value)
    return reader


class _Source:
    """One expression in the making. `v` and `k` are its scratch variables: a value and its class."""

    def __init__(self) -> None:
        self.names: dict[str, object] = {"datetime": datetime, "holds": _holds}

    def function(self, expression: str) -> Any:
        code = compile(f"def generated(c):\n    v = k = None\n    return {expression}", "<economy>", "exec")
        exec(code, self.names)  # noqa: S102  # our own source: see the module's docstring
        return self.names["generated"]

    def bind(self, value: object) -> str:
        name = f"x{len(self.names)}"
        self.names[name] = value
        return name

    def condition(self, node: Condition) -> str:
        match node:
            case AllOf():
                return "(" + " and ".join([self.condition(child) for child in node.all] or ["True"]) + ")"
            case AnyOf():
                return "(" + " or ".join([self.condition(child) for child in node.any]) + ")"
            case Not():
                return f"(not {self.condition(node.not_)})"
            case Comparison():
                return self.comparison(node)

    def comparison(self, node: Comparison) -> str:
        if node.op == "exists":
            present = self.present(node.field)
            return present if node.value else f"(not {present})"
        guards, value = self.read(node.field)
        return "(" + " and ".join([*guards, self.test(node, value)]) + ")"

    def read(self, path: str) -> tuple[list[str], str]:
        """Return what must hold for the field's parent to be an object, and the expression of its value or None."""
        root, *keys = path.split(".")
        if root == "event":
            return [], f"c.event.{keys[0]}"  # one of three names that the document's schema lets through
        if root == "profile":
            if keys[0] == "level":
                return [], "c.level"
            if keys[0] == "badges":
                return [], "c.badges()"
            name = self.bind(".".join(keys[1:]))  # ids of streaks may hold dots
            return [], f"c.streak({name})" if keys[0] == "streak" else f"c.balances.get({name}, 0)"
        guards, parent = self.parent(root, keys)
        return guards, f"{parent}.get({self.bind(keys[-1])})"

    def parent(self, root: str, keys: list[str]) -> tuple[list[str], str]:
        guards: list[str] = []
        parent = _ROOTS[root]
        for key in keys[:-1]:
            guards.append(f"(v := {parent}.get({self.bind(key)})).__class__ is dict")
            parent = "v"
        return guards, parent

    def present(self, path: str) -> str:
        root, *keys = path.split(".")
        if root not in _ROOTS:
            return "True"  # an event has its attributes, a profile its level and balances
        guards, parent = self.parent(root, keys)
        return "(" + " and ".join([*guards, f"{self.bind(keys[-1])} in {parent}"]) + ")"

    def test(self, node: Comparison, value: str) -> str:
        if node.field == "event.time":
            return self.instant(node)
        match node.op:
            case "eq" | "ne" | "gt" | "gte" | "lt" | "lte":
                return self.compare(node.op, node.value, value)
            case "in" | "not_in":
                return self.membership(node.op, node.value, value)
            case "starts_with" | "ends_with":
                method = "startswith" if node.op == "starts_with" else "endswith"
                return f"(v := {value}).__class__ is str and v.{method}({self.bind(node.value)})"
            case "contains":
                return f"holds({value}, {self.bind(node.value)})"
            case "contains_any" | "contains_all":
                joint = " or " if node.op == "contains_any" else " and "
                held = joint.join(f"holds(v, {self.bind(each)})" for each in node.value)
                return f"(v := {value}) is not None and ({held})"
            case _:
                raise AssertionError(node.op)

    def compare(self, op: str, constant: object, value: str) -> str:
        name = self.bind(constant)
        if isinstance(constant, bool):
            # The two booleans are single objects, and no other value is one of them.
            return f"{value} is {name}" if op == "eq" else f"(v := {value}).__class__ is bool and v is not {name}"
        if isinstance(constant, str):
            # Nothing but a text equals a text, so that the commonest comparison needs no look at the class.
            return (
                f"{value} == {name}" if op == "eq" else f"(v := {value}).__class__ is str and v {_SYMBOLS[op]} {name}"
            )
        return f"{_IS_NUMBER.format(value)} and v {_SYMBOLS[op]} {name}"

    def membership(self, op: str, constants: list[Any], value: str) -> str:
        word = "in" if op == "in" else "not in"
        kinds = {
            "k is str": [each for each in constants if isinstance(each, str)],
            "(k is int or k is float)": [each for each in constants if is_number(each)],
            "k is bool": [each for each in constants if isinstance(each, bool)],
        }
        tests = [f"{kind} and v {word} {self.bind(frozenset(group))}" for kind, group in kinds.items() if group]
        return f"((k := (v := {value}).__class__) is not None and ({' or '.join(tests)}))"

    def instant(self, node: Comparison) -> str:
        if node.op in {"in", "not_in"}:
            word = "in" if node.op == "in" else "not in"
            return f"c.event.time {word} {self.bind(frozenset(parse_instant(each) for each in node.value))}"
        assert node.op in ORDERINGS | {"eq", "ne"}
        return f"c.event.time {_SYMBOLS[node.op]} {self.bind(parse_instant(node.value))}"


def _holds(container: object, value: object) -> bool:
    """Return whether a list has the value as an element, or a text has it as a part. 1, 1.0 and true are two values."""
    if type(container) is str:
        return type(value) is str and value in container
    if type(container) is not list:
        return False
    if type(value) is str:
        return value in container
    boolean = type(value) is bool
    return any(each == value and (type(each) is bool) is boolean for each in container)
