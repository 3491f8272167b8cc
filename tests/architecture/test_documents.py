"""The documents: what is generated is up to date, what is linked exists, what is measured has a runbook."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from prometheus_client.metrics import MetricWrapperBase

from pipeline import metrics
from tests.architecture.repository import ROOT, documents, text

FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def load_generator() -> ModuleType:
    """Return docs/generate.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = load_generator()


def anchor(heading: str) -> str:
    """Return the fragment under which a heading is linked."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def has_heading(file: Path, fragment: str) -> bool:
    """Say whether a fragment, if there is one, leads to a heading of the file."""
    return not fragment or fragment in map(anchor, HEADING.findall(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("file", GENERATE.FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_generated_parts_are_up_to_date(file: Path) -> None:
    """`make docs` would change nothing, and what it renews is not left empty."""
    present = file.read_text(encoding="utf-8")

    assert GENERATE.renewed(present) == present
    assert "<!-- generated: " in present


def test_an_outdated_part_would_be_noticed() -> None:
    """The generator replaces what stands between the comments, each part by its own."""
    outdated = (
        "<!-- generated: tables -->\nold\n<!-- /generated -->\nkept\n<!-- generated: topics -->\n<!-- /generated -->\n"
    )

    renewed = GENERATE.renewed(outdated)

    assert "old" not in renewed
    assert "\nkept\n" in renewed
    assert "| `seen` |" in renewed
    assert "| `events.raw` |" in renewed


@pytest.mark.parametrize("document", documents(), ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """A relative link names a file of the repository, and its fragment a heading of that file."""
    prose = FENCE.sub("", document.read_text(encoding="utf-8"))
    broken = []
    for target in LINK.findall(prose):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, fragment = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not (file.is_relative_to(ROOT) and file.exists() and has_heading(file, fragment)):
            broken.append(target)

    assert not broken


def test_every_metric_has_a_runbook() -> None:
    """Whoever is woken by a metric finds it by name in docs/operations.md."""
    declared = {
        value._name + {"counter": "_total", "info": "_info"}.get(value._type, "")
        for value in vars(metrics).values()
        if isinstance(value, MetricWrapperBase)
    }

    assert {name for name in declared if name not in text("docs/operations.md")} == set()


def test_runbooks_are_about_metrics_that_exist() -> None:
    """No runbook outlives its metric."""
    exposed = {value._name for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)}

    named = set(re.findall(r"plaudit_[a-z_]+", text("docs/operations.md")))

    assert {
        name for name in named if name not in exposed and re.sub(r"_(total|info)$", "", name) not in exposed
    } == set()


def test_decisions_are_numbered_once() -> None:
    """Each record has its own number, its number in the title, a status and a date."""
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    numbers = [record.name[:4] for record in records]

    assert len(set(numbers)) == len(numbers)
    for record in records:
        content = record.read_text(encoding="utf-8")
        assert content.startswith(f"# {int(record.name[:4])}. ")
        assert re.search(r"^Status: (proposed|accepted|superseded by .+), \d{4}-\d{2}-\d{2}$", content, re.MULTILINE)
