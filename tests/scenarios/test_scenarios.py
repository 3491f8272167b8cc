"""Every table of this folder, played."""

from pathlib import Path
from typing import Any, get_args

import pytest

from rules.decision import RefusalReason
from rules.document import parse_document
from tests.scenarios.held import held
from tests.scenarios.runner import play

HERE = Path(__file__).parent
REFUSED = "refused "


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


def reasons_shown() -> set[str]:
    """Return the reasons for which some scenario has a command refused."""
    outcomes = [row.get("outcome") for each in scenarios() for row in each.values[0]["events"]]
    return {str(outcome).removeprefix(REFUSED) for outcome in outcomes if str(outcome).startswith(REFUSED)}


def test_scenarios_show_every_reason_to_refuse_a_command() -> None:
    """But those of a tenant without an economy, which a scenario always has."""
    assert reasons_shown() == set(get_args(RefusalReason)) - {"unknown_tenant", "no_economy"}


def test_users_can_read_of_every_reason() -> None:
    """Where commands are explained."""
    explained = (
        (HERE.parents[1] / "docs" / "economy.md")
        .read_text(encoding="utf-8")
        .partition("## Commands")[2]
        .partition("\n## ")[0]
    )

    assert [each for each in get_args(RefusalReason) if f"`{each}`" not in explained] == []


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
