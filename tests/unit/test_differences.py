"""What one document says otherwise than another, and how that is shown."""

import json

import pytest
import yaml

from pipeline.commands.economy_views import changes_as_json, changes_as_text
from pipeline.revisions.differences import Difference, differences


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, []),
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("a", 1, 2)]),
        ({"a": 1}, {}, [("a", 1, None)]),
        ({}, {"a": {"b": 1}}, [("a", None, {"b": 1})]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [("a.c", 2, 3)]),
        ({"a": 1}, {"a": True}, [("a", 1, True)]),
        ({"a": 1}, {"a": 1.0}, [("a", 1, 1.0)]),
        ({"a": [1, 2]}, {"a": [2, 1]}, [("a", [1, 2], [2, 1])]),
        ({"a": "xy"}, {"a": "xz"}, [("a", "xy", "xz")]),
        ({"r": [{"id": "a", "n": 1}]}, {"r": [{"id": "a", "n": 2}]}, [("r[a].n", 1, 2)]),
        ({"r": [{"id": "a"}]}, {"r": [{"id": "b"}]}, [("r[a]", {"id": "a"}, None), ("r[b]", None, {"id": "b"})]),
        ({"r": [{"id": "a"}, {"id": "b"}]}, {"r": [{"id": "b"}, {"id": "a"}]}, [("r (order)", ["a", "b"], ["b", "a"])]),
        ({"r": []}, {"r": [{"id": "a"}]}, [("r[a]", None, {"id": "a"})]),
    ],
)
def test_each_value_that_differs_is_named(before: object, after: object, expected: list[tuple[object, ...]]) -> None:
    """Entries with ids are compared by id: one that moved or was added changes no other's path."""
    assert list(differences(before, after)) == [Difference(*each) for each in expected]


def test_people_see_what_went_and_what_came() -> None:
    """A line for the path, then the values."""
    changes = [Difference("rules[a].award.xp", 10, 20), Difference("levels", None, {"currency": "xp"})]

    assert changes_as_text(changes).splitlines() == [
        "rules[a].award.xp",
        "  - 10",
        "  + 20",
        "levels",
        "  + currency: xp",
    ]
    assert changes_as_text([]) == "no difference"


def test_scripts_get_paths_and_values() -> None:
    """One object for each difference."""
    assert json.loads(changes_as_json([Difference("a", 1, None)])) == [{"path": "a", "before": 1, "after": None}]
    assert yaml.safe_load(changes_as_json([])) == []
