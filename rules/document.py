"""Economy documents at the edge: read the text, then check everything that can be known before an event comes."""

from collections.abc import Iterator
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from rules.condition_schema import When
from rules.contradictions import why_never
from rules.problems import Problem, translate
from rules.schema import EconomyDocument
from rules.yaml_text import parse_document

__all__ = ["EconomyDocument", "Problem", "parse_document", "validate"]

_CONDITION: Final = TypeAdapter(When)
_WITH_IDS: Final = (
    "rules",
    "multipliers",
    "leaderboards",
    "streaks",
    "badges",
    "quests",
    "abuse",
    "seasons",
    "rewards",
)
_NAMED: Final = ("streaks", "badges", "seasons")


def validate(raw: object) -> EconomyDocument | list[Problem]:
    """Return the document, or every mistake in it: those of single values first, then those between values.

    `raw` is what `parse_document` returns, or plain JSON.
    """
    if not isinstance(raw, dict):
        return [Problem("", "a document is a mapping of keys to values", "economy: …")]
    currencies = raw.get("currencies")
    context: dict[str, Any] = {"currencies": frozenset(currencies) if isinstance(currencies, dict) else None}
    context |= {section: _ids(raw.get(section)) for section in _NAMED}
    context["spendable"] = _spendable(currencies)
    context["levels"] = _levels(raw.get("levels"))
    problems: list[Problem] = []
    document = None
    try:
        document = EconomyDocument.model_validate(raw, context=context)
    except ValidationError as error:
        problems = [translate(each) for each in error.errors(include_url=False)]
    problems += _between_values(raw)
    return document if document is not None and not problems else problems


def _between_values(raw: dict[str, Any]) -> Iterator[Problem]:
    """Yield mistakes that no single value has; of unchecked values, so that they are reported beside all others."""
    for section in _WITH_IDS:
        yield from _repeated_ids(section, _objects(raw.get(section)))
    for index, rule in _objects(raw.get("rules")):
        yield from _limit_elsewhere(f"rules[{index}].limit.of", rule)
        yield from _never(f"rules[{index}].when", rule, _patterns(rule))
    for section in ("multipliers", "abuse"):
        for index, entry in _objects(raw.get(section)):
            yield from _never(f"{section}[{index}].when", entry, _patterns(entry) or ["*"])
    for section in ("badges", "leaderboards"):
        for index, entry in _objects(raw.get(section)):
            for kind in ("count", "sum"):
                counted = entry.get(kind)
                if isinstance(counted, dict):
                    yield from _never(f"{section}[{index}].{kind}.when", counted, _patterns(counted))


def _patterns(about: dict[str, Any]) -> list[str]:
    """Return the types that a part is about, none if they can't be told: that is a mistake of its own."""
    on = about.get("on")
    patterns = [on] if isinstance(on, str) else on
    return patterns if isinstance(patterns, list) and all(isinstance(each, str) for each in patterns) else []


def _objects(value: object) -> list[tuple[int, dict[str, Any]]]:
    if not isinstance(value, list | tuple):
        return []
    return [(index, each) for index, each in enumerate(value) if isinstance(each, dict)]


def _spendable(currencies: object) -> frozenset[str] | None:
    """Return the currencies that can be spent, None if that can't be said."""
    if not isinstance(currencies, dict):
        return None
    options = {name: each for name, each in currencies.items() if isinstance(each, dict)}
    return frozenset(name for name, each in options.items() if each.get("spendable") is not False and each)


def _levels(section: object) -> int | None:
    """Return how many levels there are, None if that can't be said."""
    if section is None:
        return 1
    thresholds = section.get("thresholds") if isinstance(section, dict) else None
    return len(thresholds) if isinstance(thresholds, list) else None


def _ids(section: object) -> frozenset[str]:
    return frozenset(entry["id"] for _, entry in _objects(section) if isinstance(entry.get("id"), str))


def _repeated_ids(section: str, entries: list[tuple[int, dict[str, Any]]]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, entry in entries:
        name = entry.get("id")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            yield Problem(
                f"{section}[{index}].id", f"{name!r} is the id of {section}[{first[name]}]", "choose another id"
            )


def _limit_elsewhere(path: str, rule: dict[str, Any]) -> Iterator[Problem]:
    limit, award = rule.get("limit"), rule.get("award")
    if isinstance(limit, dict) and isinstance(award, dict):
        of = limit.get("of")
        if isinstance(of, str) and of not in award:
            message = f"the rule awards no {of!r}, so the limit would never hold"
            yield Problem(path, message, f"one of: {', '.join(map(str, award))}")


def _never(path: str, owner: dict[str, Any], patterns: list[str]) -> Iterator[Problem]:
    if owner.get("when") is None or not patterns:
        return
    try:
        condition = _CONDITION.validate_python(owner["when"])
    except ValidationError:
        return  # reported already, with the mistake itself
    if reason := why_never(condition, patterns):
        yield Problem(path, f"this can never match: {reason}", "change or remove one of the comparisons")
