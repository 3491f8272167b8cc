"""Turns what pydantic reports into mistakes that an author understands: a path, a reason, and what to write instead."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from pydantic_core import ErrorDetails

from rules import (
    abuse_schema,
    badge_schema,
    board_schema,
    condition_schema,
    game_schema,
    quest_schema,
    reward_schema,
    schema,
)
from rules.fields import closest

_MODELS: Final[dict[str, type[condition_schema.Model]]] = {
    "rules": schema.Rule,
    "multipliers": schema.Multiplier,
    "levels": schema.Levels,
    "streaks": game_schema.StreakPart,
    "freezes": game_schema.Freezes,
    "badges": badge_schema.BadgePart,
    "quests": quest_schema.QuestPart,
    "abuse": abuse_schema.AbusePart,
    "rewards": reward_schema.RewardPart,
    "tasks": quest_schema.Task,
    "count": badge_schema.CountOf,
    "sum": badge_schema.SumOf,
    "streak": badge_schema.StreakOf,
    "leaderboards": board_schema.Leaderboard,
    "seasons": board_schema.SeasonPart,
    "limit": schema.Limit,
    "<field>": schema.FieldAmount,
    "<comparison>": condition_schema.Comparison,
    "<all>": condition_schema.AllOf,
    "<any>": condition_schema.AnyOf,
    "<not>": condition_schema.Not,
}
_PLAIN: Final = {
    "int_type": "a whole number is expected",
    "bool_type": "true or false is expected",
    "string_type": "text is expected",
    "dict_type": "a mapping of keys to values is expected",
    "model_type": "a mapping of keys to values is expected",
    "tuple_type": "a list is expected",
    "too_short": "at least one is needed",
    "condition": "a condition is a comparison {field, op, value}, or all, any or not of conditions",
}

Location = Sequence[int | str]


class Problem(msgspec.Struct, frozen=True):
    """A mistake in a document: where, why it is refused, and what to do; `suggestion` may be empty."""

    path: str
    message: str
    suggestion: str = ""


def path_of(location: Iterable[int | str]) -> str:
    """Return a location as authors read it: `rules[0].when.all[1].op`; empty for the document itself."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not (part.startswith("<") and part.endswith(">")) and part != "[key]":
            path += f".{part}" if path else part
    return path


def translate(error: ErrorDetails) -> Problem:
    """Return the mistake that an error of pydantic stands for."""
    location = error["loc"]
    context: dict[str, Any] = error.get("ctx", {})
    kind = error["type"]
    if "suggestion" in context:
        at = str(context.get("at", ""))
        inner: Location = () if not at else (int(at),) if at.isdecimal() else (at,)
        return Problem(path_of((*location, *inner)), str(context["message"]), str(context["suggestion"]))
    if kind == "extra_forbidden":
        return _unknown_key(location)
    if kind == "missing":
        return _missing(location)
    if kind == "literal_error":
        return _not_among(location, error["input"], str(context["expected"]))
    message = _PLAIN.get(kind) or error["msg"].replace("Input should be", "it should be")
    return Problem(path_of(location), message[:1].lower() + message[1:], _bounds(context))


def _unknown_key(location: Location) -> Problem:
    key = str(location[-1])
    section = next((str(part) for part in reversed(location[:-1]) if isinstance(part, str)), "")
    return Problem(path_of(location), f"unknown key {key!r}", closest(key, _known_keys(location, section)))


def _known_keys(location: Location, section: str) -> list[str]:
    model = _MODELS.get(section)
    if len(location) == 1:
        model = schema.EconomyDocument
    elif location[0] == "currencies":
        model = schema.CurrencyOptions
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _missing(location: Location) -> Problem:
    key = str(location[-1])
    if key == "per" and "limit" in location:
        return Problem(path_of(location), "a limit needs a period", "per: hour, day, week, month or ever")
    return Problem(path_of(location), f"{key!r} is missing", "add it")


def _not_among(location: Location, value: object, expected: str) -> Problem:
    return Problem(
        path_of(location), f"{value!r} is not possible here", closest(str(value), re.findall(r"'([^']*)'", expected))
    )


def _bounds(context: dict[str, Any]) -> str:
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    return ", ".join(f"{words[key]} {value}" for key, value in context.items() if key in words)
