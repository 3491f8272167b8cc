"""The text of economy documents: YAML 1.2 or JSON, and nothing that is dangerous or ambiguous."""

import pytest

from pipeline.errors import DocumentUnreadable
from rules.yaml_text import DOCUMENT_CHARACTERS_MAX, parse_document


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "line 2, column 1: the key 'a' is given twice"),
        ('{"a": 1, "a": 2}', "the key 'a' is given twice"),
        ("a: &x 1", "anchors"),
        ("a: *x", "aliases"),
        ("a: !!python/object/apply:os.system [ls]", "tag"),
        ("--- 1\n--- 2", "second document"),
        ("? [a]\n: b", "a key must be a plain word"),
        ("a: 1.10000000000000000001", "at most 15"),
        ('{"a": 1.10000000000000000001}', "at most 15"),
        ("a: 1e400", "at most 15"),
        ('{"a": NaN}', "NaN is no number"),
        ("[" * 40 + "]" * 40, "levels deep"),
        ('{"a":' * 40 + "1" + "}" * 40, "levels deep"),
        ('{"a":' * 50_000 + "1" + "}" * 50_000, "levels deep"),
        ("a: [1", "line 2, column 1"),
        ("\0", "not YAML"),
        ("x" * (DOCUMENT_CHARACTERS_MAX + 1), "at most"),
    ],
    ids=range(17),
)
def test_unreadable_text_is_refused_with_its_reason(text: str, message: str) -> None:
    """What can't be read in one way only is not read."""
    with pytest.raises(DocumentUnreadable, match=message):
        parse_document(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on: yes", {"on": "yes"}),
        ("a: 2026-12-05T00:00:00Z", {"a": "2026-12-05T00:00:00Z"}),
        ("a: 012\nb: 12:30", {"a": 12, "b": "12:30"}),
        ("a: true\nb: ~\nc:", {"a": True, "b": None, "c": None}),
        ("7: 1.1", {"7": 1.1}),
        ("a: '5'", {"a": "5"}),
        ('{"a": "\\ud83d\\ude00",\n\t"b": 1.5}', {"a": "😀", "b": 1.5}),
        ("{a: 1, b: [2]}", {"a": 1, "b": [2]}),
        ("", None),
        ("- 36893488147419103232", [36893488147419103232]),
    ],
)
def test_text_means_what_it_says(text: str, value: object) -> None:
    """Words stay words: only true, false, null and numbers are anything else."""
    assert parse_document(text) == value
