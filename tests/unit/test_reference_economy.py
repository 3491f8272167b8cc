"""The reference economy: it uses all that a document can say, and each of the words that a place in it can have."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from rules.compiler import compile_economy
from rules.condition_schema import EVENT_FIELDS, PROFILE_FIELDS, ROOTS, Comparison
from rules.document import EconomyDocument, parse_document, validate
from rules.evaluate import apply
from rules.profile import EMPTY
from tests import builders

FILE = Path(__file__).parents[2] / "pipeline" / "demo" / "economy.yaml"
TEXT = FILE.read_text(encoding="utf-8")


def reference() -> EconomyDocument:
    """Return the document."""
    document = validate(parse_document(TEXT))
    assert isinstance(document, EconomyDocument), document
    return document


def parts(value: object) -> Iterator[BaseModel]:
    """Yield every model in a document, at any depth."""
    if isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from parts(getattr(value, name))
    elif isinstance(value, dict):
        for each in value.values():
            yield from parts(each)
    elif isinstance(value, tuple):
        for each in value:
            yield from parts(each)


def annotations(annotation: Any) -> Iterator[Any]:
    """Yield an annotation and all that it is made of; of a literal, not its values."""
    yield annotation
    if get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            yield from annotations(part)


def models(root: type[BaseModel]) -> set[type[BaseModel]]:
    """Return the models that a document can be made of."""
    found: set[type[BaseModel]] = set()
    new = {root}
    while new:
        found |= new
        inside = {each for model in new for name in model.model_fields for each in annotations(of(model, name))}
        new = {each for each in inside if isinstance(each, type) and issubclass(each, BaseModel)} - found
    return found


def of(model: type[BaseModel], name: str) -> Any:
    """Return the annotation of a field."""
    return model.model_fields[name].annotation


def choices(model: type[BaseModel], name: str) -> set[str]:
    """Return the words that a field can have, none if any are possible."""
    return {word for each in annotations(of(model, name)) if get_origin(each) is Literal for word in get_args(each)}


def words(value: object) -> set[str]:
    """Return the texts in a value, keys included."""
    if isinstance(value, dict):
        return {key for key in value if isinstance(key, str)}
    return {value} if isinstance(value, str) else set()


MODELS = models(EconomyDocument)
CHOICES = {(model, name): choices(model, name) for model in MODELS for name in model.model_fields}
USED = [(type(part), name, getattr(part, name)) for part in parts(reference()) for name in part.model_fields_set]
COMPARED = {tuple(part.field.split(".")) for part in parts(reference()) if isinstance(part, Comparison)}


def test_reference_economy_uses_every_part_of_a_document() -> None:
    """A part that is added later is explained there, or this fails."""
    used = {(model, name) for model, name, _ in USED}

    assert not {f"{model.__name__}.{name}" for model in MODELS for name in model.model_fields} - {
        f"{model.__name__}.{name}" for model, name in used
    }


@pytest.mark.parametrize(
    ("model", "name"),
    [
        pytest.param(model, name, id=f"{model.__name__}.{name}")
        for (model, name), possible in sorted(CHOICES.items(), key=lambda each: (each[0][0].__name__, each[0][1]))
        if possible
    ],
)
def test_reference_economy_uses_every_word_that_a_field_can_have(model: type[BaseModel], name: str) -> None:
    """Operators, periods, windows, tiers, actions. What a document says once names the others beside it."""
    used = {word for owner, field, value in USED if (owner, field) == (model, name) for word in words(value)}
    if model is EconomyDocument:
        comment = re.search(rf"^{name}: .*?#(.*)$", TEXT, re.MULTILINE)
        used |= set() if comment is None else set(re.findall(r"\w+", comment[1]))

    assert not CHOICES[model, name] - used


def test_words_that_a_field_can_have_are_found() -> None:
    """Within dictionaries, unions and nested conditions too; nothing is compared with an empty list."""
    found = {f"{model.__name__}.{name}": possible for (model, name), possible in CHOICES.items() if possible}

    assert len(found["Comparison.op"]) == 14
    assert found["BadgePart.tiers"] == {"bronze", "silver", "gold", "platinum"}
    assert found["Limit.per"] == found["AbusePart.per"] == {"hour", "day", "week", "month", "ever"}
    assert found.keys() >= {"EconomyDocument.stacking", "Leaderboard.window", "StreakPart.every", "QuestPart.start"}


def test_reference_economy_turns_every_switch() -> None:
    """What is true or false stands there once with the value that it does not have by itself."""
    switches = {(model, name) for model in MODELS for name in model.model_fields if of(model, name) is bool}
    turned = {(model, name) for model, name, value in USED if value is not model.model_fields[name].default}

    assert len(switches) >= 5
    assert not switches - turned


def test_reference_economy_compares_every_kind_of_field() -> None:
    """What an event brought, who the actor is, the event itself, and what the actor has."""
    assert {root for root, *_ in COMPARED} == set(ROOTS)
    assert {name for root, name, *_ in COMPARED if root == "event"} == set(EVENT_FIELDS)
    assert {name for root, name, *_ in COMPARED if root == "profile"} == set(PROFILE_FIELDS)


def test_reference_economy_names_events_in_every_way() -> None:
    """One type, several, all with a prefix, and all."""
    named = [value for _, name, value in USED if name == "on"]

    assert any(len(value) > 1 for value in named)
    assert {"*"} <= {each for value in named for each in value}
    assert {each.endswith(".*") for value in named for each in value} == {True, False}


@pytest.mark.parametrize(
    ("event_type", "data", "earned"),
    [
        ("review.submitted", {"state": "approved"}, {"approval": 15}),
        ("review.submitted", {"state": "Approved"}, {}),
        ("review.submitted", {"additions": 500}, {}),
        ("review.submitted", {"additions": 501}, {"large-review": 10}),
        ("review.submitted", {"additions": 100_000}, {"large-review": 300}),
        ("issue.opened", {"labels": ["bug"], "repo": "core"}, {"first-report": 100}),
        ("issue.opened", {"labels": ["bug"], "repo": "sandbox"}, {}),
        ("issue.opened", {"labels": ["question"], "repo": "core"}, {}),
        ("issue.closed", {"labels": ["confirmed", "bug", "assigned"]}, {"solved": 30}),
        ("issue.closed", {"labels": ["confirmed"]}, {}),
        ("release.published", {"tag": "v2.1.0", "prerelease": False}, {"release": 200}),
        ("release.published", {"tag": "v2.1.1", "prerelease": False}, {}),
        ("release.published", {"tag": "v2.1.0", "prerelease": True}, {}),
        ("release.published", {"tag": "v2.1.0"}, {}),
    ],
)
def test_what_a_repository_does_not_send_earns_what_the_comments_say(
    event_type: str, data: dict[str, Any], earned: dict[str, int]
) -> None:
    """The demo never plays these rules, so that nobody would see that they are wrong."""
    economy = compile_economy(reference(), revision=1, effective_ms=0)
    event = builders.event(type=event_type, tenant="demo", source="https://github.com/acme/core", data=data)

    decision = apply(EMPTY, event, economy, seq=0)

    awards = [each for each in decision.postings if each.kind == "award" and each.currency == "xp"]
    assert {each.cause: each.amount for each in awards} == earned
