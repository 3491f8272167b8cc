"""The reference economy: it uses all that a document can say."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from rules.document import EconomyDocument, parse_document, validate

FILE = Path(__file__).parents[2] / "pipeline" / "demo" / "economy.yaml"


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


def test_reference_economy_uses_every_part_of_a_document() -> None:
    """A part that is added later is explained there, or this fails."""
    document = validate(parse_document(FILE.read_text(encoding="utf-8")))
    assert isinstance(document, EconomyDocument), document
    used: dict[type[BaseModel], set[str]] = {}

    for part in parts(document):
        used.setdefault(type(part), set()).update(part.model_fields_set)

    unused = {
        f"{model.__name__}.{name}" for model, names in used.items() for name in model.model_fields if name not in names
    }
    # A criterion within `all` or `any` has the kinds of a badge, which are all shown there.
    assert not {name for name in unused if not name.startswith("Criterion.")}
