"""Writes docs/performance.md from the data that the bench has kept: verdicts, tables, pictures."""

import json
from pathlib import Path
from typing import Any

from bench import pictures
from bench.limits import limits
from bench.sections import SECTIONS
from bench.verdicts import verdicts

Data = dict[str, Any]

_HEAD = (
    "# Performance\n\n"
    "Written by `make bench-full` from the data in `performance/` beside it; `make bench` is the quick form.\n"
    "These machines are shared, and their speed changes within minutes, so figures are **ratios** to a peer or to a "
    "physical limit in the same run wherever it says so; absolute figures are printed beside them.\n"
    "The yardstick of each section is the cost of fixed primitives just before it and just after it.\n\n"
    "All contenders do the same work: events of Zipf-distributed actors, 1 % of them duplicates, 20 types, 30 rules of "
    "which an event meets 1.2, caps on a third, a daily and a weekly leaderboard.\n"
    "Every balance and board of every contender is held against an independent model; a run that differs counts for "
    "nothing.\n"
    "Each leaves a row per transfer and a balance per account in the same PostgreSQL, committed together, with the "
    "indexes that audits read by.\n"
    "The product adds to that double entry, a hash chain, effects that happen once, and boards that answer rank and "
    "page; no peer does.\n"
    "What each peer follows of its own documentation's advice, and what it does not promise, is said in its source "
    "under [`bench/peers/`](../bench/peers/__init__.py).\n"
)
_NOT_RUN = "Not measured on this machine yet: `python -m bench full --only {name}`."


def write_page(file: Path, folder: Path) -> None:
    """Write the page and its pictures from what lies in `folder`; a figure without data is said to have none."""
    data = {each.stem: json.loads(each.read_text(encoding="utf-8")) for each in sorted(folder.glob("*.json"))}
    sections = [_HEAD, verdicts(data), "## What stands in the way\n\n" + limits(data)]
    for name, title, render in SECTIONS:
        found = data.get(name)
        body = _NOT_RUN.format(name=name) + "\n" if found is None else f"{render(found)}\n{_footing(found)}"
        sections.append(f"## {title}\n\n{body}")
        if found is not None:
            sections.extend(f"![{title}]({folder.name}/{each})\n" for each in pictures.draw(name, found, folder))
    file.write_text("\n".join(sections), encoding="utf-8")


def _footing(found: Data) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    before, after = found["yardsticks"]
    return (
        f"{found['date']}; {found['machine']}.\n{versions}.\nYardstick before: {before}.\nYardstick after: {after}.\n"
    )
