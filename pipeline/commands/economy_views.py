"""How `plaudit economy` shows documents, revisions and mistakes. Pure, save `to_people`."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from pipeline.revisions.differences import Difference
from rules.document import Problem
from tables.economies import EconomyHistory, Revision, in_force


def to_people(table: Table) -> None:
    """Print a table as wide as the terminal, in colour if it has any."""
    Console(highlight=False).print(table)


def problems_as_json(problems: Sequence[Problem]) -> str:
    """Return the answer to a check, in the same shape as over HTTP."""
    errors = [{"path": each.path, "message": each.message, "suggestion": each.suggestion} for each in problems]
    return json.dumps({"valid": not errors, "errors": errors}, indent=2)


def revision_as_json(revision: Revision) -> dict[str, Any]:
    """Return everything about a revision but its document."""
    return {
        "revision": revision.revision,
        "published_at": revision.published_at.isoformat(),
        "effective_at": revision.effective_at.isoformat(),
        "sha256": revision.sha256,
    }


def as_yaml(revision: Revision) -> str:
    """Return the document as YAML, in the author's order."""
    return yaml_text(json.loads(bytes(revision.document)))


def yaml_text(value: object) -> str:
    """Return a plain value as YAML that reads as the same value again."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)


def tenants_table(histories: Mapping[str, EconomyHistory], instant: datetime) -> Table:
    """Return a table of all tenants, with the revision that is in force at `instant`."""
    table = Table("tenant", "newest revision", "in force", "since")
    for tenant, history in sorted(histories.items()):
        current = in_force(history, instant)
        force, since = ("none yet", "") if current is None else (str(current.revision), _shown(current.effective_at))
        table.add_row(tenant, str(history.newest.revision), force, since)
    return table


def revisions_table(history: EconomyHistory, instant: datetime) -> Table:
    """Return a table of a tenant's revisions, newest first, with what each is at `instant`."""
    current = in_force(history, instant)
    table = Table("revision", "state", "published", "takes effect", "sha256", title=history.tenant)
    for each in reversed(history.revisions):
        state = "in force" if each == current else "announced" if each.effective_at > instant else "past"
        table.add_row(str(each.revision), state, _shown(each.published_at), _shown(each.effective_at), each.sha256[:12])
    return table


def changes_as_json(changes: Sequence[Difference]) -> str:
    """Return the differences as a list of `{path, before, after}`."""
    return json.dumps([each._asdict() for each in changes], indent=2)


def changes_as_text(changes: Sequence[Difference]) -> str:
    """Return a line with the path of each difference, and the values that went and came."""
    if not changes:
        return "no difference"
    lines = []
    for change in changes:
        lines.append(change.path)
        lines += [
            f"  {sign} {line}" for sign, value in (("-", change.before), ("+", change.after)) for line in _lines(value)
        ]
    return "\n".join(lines)


def _lines(value: object) -> list[str]:
    if value is None:
        return []
    if isinstance(value, dict | list):
        return yaml_text(value).rstrip().splitlines()
    return [json.dumps(value, ensure_ascii=False)]


def _shown(instant: datetime) -> str:
    return instant.isoformat(sep=" ", timespec="seconds")
