"""Every table of this folder, played."""

from pathlib import Path
from typing import Any

import pytest

from rules.document import parse_document
from tests.scenarios.runner import held, play

HERE = Path(__file__).parent


def scenarios() -> list[Any]:
    """Return each scenario with what its file shares, named by both."""
    found = []
    for path in sorted(HERE.glob("*.yaml")):
        table: Any = parse_document(path.read_text(encoding="utf-8"))
        found += [
            pytest.param(scenario, table["economy"], id=f"{path.stem}: {scenario['name']}")
            for scenario in table["scenarios"]
        ]
    return found


@pytest.mark.parametrize(("scenario", "shared"), scenarios())
def test_scenario_comes_out_as_its_table_says(scenario: dict[str, Any], shared: dict[str, Any]) -> None:
    """Transfers, facts, outcomes and profiles."""
    play(scenario, shared)


def test_a_table_that_is_wrong_fails() -> None:
    """What the runner is given to compare, it compares."""
    for actual, expected in (
        ({"a": 1}, {"a": 2}),
        ({}, {"a": 1}),
        ([1, 2], [1]),
        (1, {"a": 1}),
        ({"a": [1]}, {"a": [2]}),
    ):
        with pytest.raises(AssertionError):
            held(actual, expected, "here")
