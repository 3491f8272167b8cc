"""The table of operators in docs/economy.md: what its examples say is what conditions do."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from rules.condition_schema import Op
from rules.document import parse_document
from tests.unit.test_conditions import holds

DOCUMENT = Path(__file__).parents[2] / "docs" / "economy.md"
ROW = re.compile(
    r"^\| `(?P<op>\w+)` \|.*\| `(?P<condition>\{field: .*?\})` \| (?P<yes>[^|]*) \| (?P<no>[^|]*) \|$", re.MULTILINE
)
ROWS = {row["op"]: row for row in ROW.finditer(DOCUMENT.read_text(encoding="utf-8"))}


def written(text: str) -> Any:
    """Return the value that a text means in a document."""
    read: Any = parse_document(f"{{value: {text}}}")
    return read["value"]


def payloads(cell: str, name: str) -> list[dict[str, Any]]:
    """Return the payloads that a cell of the table is about: values as documents write them, and the words for none."""
    found = [{name: written(value)} for value in re.findall(r"`([^`]*)`", cell)]
    words = re.sub(r"`[^`]*`", "", cell)
    return found + [{}] * ("missing" in words) + [{name: None}] * ("null" in words)


def test_every_operator_has_an_example() -> None:
    """In the order in which they are declared."""
    assert tuple(ROWS) == get_args(Op)


@pytest.mark.parametrize("op", ROWS)
def test_an_operator_holds_for_what_its_examples_say(op: str) -> None:
    """And not for the others."""
    row = ROWS[op]
    condition = written(row["condition"])
    name = condition["field"].removeprefix("data.")
    yes, no = payloads(row["yes"], name), payloads(row["no"], name)

    assert condition["op"] == op
    assert yes
    assert no
    assert all(holds(condition, data=data) for data in yes)
    assert not any(holds(condition, data=data) for data in no)
