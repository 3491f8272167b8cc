"""Which of several names an actor is shown."""

import pytest

from pipeline.revisions.documents import compile_document, read_document
from rules.names import name_in

NAMES = {"en": "Merger", "de": "Zusammenführer", "pt-BR": "Mesclador", "zh-Hant": "合併者", "ar": "دامج"}


@pytest.mark.parametrize(
    ("locale", "name"),
    [
        ("ar", "دامج"),
        ("de", "Zusammenführer"),
        ("de-AT", "Zusammenführer"),
        ("de_AT", "Zusammenführer"),
        ("DE", "Zusammenführer"),
        ("pt-BR", "Mesclador"),
        ("pt_br", "Mesclador"),
        ("pt", "Mesclador"),
        ("pt-PT", "Mesclador"),
        ("zh-Hant-TW", "合併者"),
        ("den", "Merger"),
        ("fr", "Merger"),
        ("", "Merger"),
        ("-", "Merger"),
        ("p", "Merger"),
        (None, "Merger"),
        (5, "Merger"),
        (["de"], "Merger"),
        ("de-" * 100, "Merger"),
    ],
)
def test_name_of_a_language(locale: object, name: str) -> None:
    """The nearest language that the document has, else its first; no attribute is an error."""
    assert name_in(NAMES, locale, "merger") == name


def test_without_any_name_there_is_the_id() -> None:
    """A document need not name what it defines."""
    assert name_in({}, "de", "merger") == "merger"


def test_the_first_name_of_a_document_stays_the_first() -> None:
    """Neither reading nor storing a revision sorts them."""
    text = "{economy: acme, currencies: {xp: {}}, badges: [{id: b, name: {fr: F, de: D, en: E}, count: {on: a.b}}]}"

    economy = compile_document(read_document(text).json, revision=1, effective_ms=0)

    assert economy.game is not None
    assert name_in(economy.game.badges["b"].name, None, "b") == "F"
