"""`plaudit economy …`: check a tenant's document, publish it as a revision, and look at what has been published."""

import asyncio
import json
import time
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.clock import now
from pipeline.commands.economy_views import (
    as_yaml,
    changes_as_json,
    changes_as_text,
    problems_as_json,
    revision_as_json,
    revisions_table,
    tenants_table,
    to_people,
)
from pipeline.economies import EconomyPublisher, read_histories
from pipeline.errors import UserError
from pipeline.revisions.differences import differences
from pipeline.revisions.documents import DocumentRefused, ValidDocument, read_document
from pipeline.settings import load_settings
from tables.economies import EconomyHistory, HistoryFull, Revision, in_force, named

# Beyond what a document may have, so that the wrong file is refused before it is in memory.
FILE_BYTES_MAX = 4 * 1024 * 1024

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="markdown")


class Format(StrEnum):
    """`text` for people, `json` for scripts."""

    TEXT = "text"
    JSON = "json"


class DocumentFormat(StrEnum):
    """`text` for people, `json` for scripts, `yaml` for the document itself, to be edited and published again."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


File = Annotated[Path, typer.Argument(help="The economy document, YAML or JSON.", exists=True, dir_okay=False)]
Form = Annotated[Format, typer.Option("--format", help="`json` for scripts.")]


@app.callback()
def _economy() -> None:
    """Check, publish and look at the economies of tenants."""


@app.command()
def validate(file: File, form: Form = Format.TEXT) -> None:
    """Say whether a document can be published; if not, name each mistake with its path and a suggestion.

    Needs no broker. Exit code 0 only if there is no mistake.

    Example: `plaudit economy validate acme.yaml`
    """
    document = _read(file, form)
    if form is Format.JSON:
        typer.echo(problems_as_json([]))
    else:
        typer.echo(f"{file}: a valid economy of tenant {document.tenant}")


@app.command()
def publish(
    file: File,
    effective: Annotated[
        str | None, typer.Option(help="When it takes effect: an instant such as `2026-12-01T00:00:00+01:00`.")
    ] = None,
    form: Form = Format.TEXT,
    wait: Annotated[bool, typer.Option("--wait", help="Return once it is in effect.")] = False,
) -> None:
    """Publish a document as its tenant's next revision. It judges the events that are appended once it is in effect.

    Without `--effective` it takes effect after `PLAUDIT_ECONOMY_MARGIN_S` seconds, which is the earliest possible.

    Example: `plaudit economy publish acme.yaml --effective 2026-12-01T00:00:00Z`
    """
    document = _read(file, form)
    wish = None if effective is None else _instant(effective)
    settings = load_settings()
    publisher = EconomyPublisher(settings.broker, settings.topic_prefix, margin_s=settings.economy_margin_s)
    try:
        revision = asyncio.run(publisher.publish(document.tenant, document.json, wish))
    except HistoryFull as error:
        raise UserError(f"{file} can't be published beside the revisions that must be kept: {error}") from error
    if wait:
        time.sleep(max(0.0, (revision.effective_at - now()).total_seconds()))
    if form is Format.JSON:
        typer.echo(json.dumps({"tenant": document.tenant, **revision_as_json(revision)}))
        return
    typer.echo(f"{document.tenant}: revision {revision.revision} takes effect at {revision.effective_at.isoformat()}")
    if wish is not None and revision.effective_at > wish:
        typer.echo("that is the earliest possible instant, later than asked for", err=True)


@app.command()
def show(
    tenant: Annotated[str | None, typer.Option(help="Its revisions; without it all tenants are listed.")] = None,
    revision: Annotated[int | None, typer.Option(min=1, help="One revision, with its document.")] = None,
    form: Annotated[
        DocumentFormat, typer.Option("--format", help="`json` for scripts, `yaml` for the document alone.")
    ] = DocumentFormat.TEXT,
) -> None:
    """Show what has been published: all tenants, a tenant's revisions, or a document (by default the one in force).

    Example: `plaudit economy show --tenant acme --format yaml > acme.yaml`
    """
    if tenant is None:
        if revision is not None or form is DocumentFormat.YAML:
            raise UserError("a document belongs to a tenant: say which with --tenant")
        _show_tenants(_histories(), form)
        return
    history = _history(_histories(), tenant)
    if form is DocumentFormat.YAML:
        typer.echo(as_yaml(_chosen(history, revision)), nl=False)
    elif revision is not None:
        _show_revision(history, _chosen(history, revision), form)
    elif form is DocumentFormat.JSON:
        current = in_force(history, now())
        shown = [revision_as_json(each) | {"in_force": each == current} for each in history.revisions]
        typer.echo(json.dumps({"tenant": tenant, "revisions": shown}, indent=2))
    else:
        to_people(revisions_table(history, now()))


@app.command()
def diff(
    file: Annotated[
        Path | None,
        typer.Argument(help="A document; without it two revisions are compared.", exists=True, dir_okay=False),
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose revisions; a FILE names its tenant itself.")] = None,
    older: Annotated[int | None, typer.Option("--from", min=1, help="By default the revision in force.")] = None,
    newer: Annotated[int | None, typer.Option("--to", min=1, help="By default the newest revision.")] = None,
    form: Form = Format.TEXT,
) -> None:
    """Show what would change, or has changed: between the revision in force and a file, or between two revisions.

    Example: `plaudit economy diff acme.yaml` or `plaudit economy diff --tenant acme --from 3 --to 4`
    """
    if file is not None:
        if newer is not None:
            raise UserError("give a FILE or --to, not both: they name the same side")
        document = _read(file, Format.TEXT)
        if tenant not in {None, document.tenant}:
            raise UserError(f"{file} is an economy of tenant {document.tenant}, not of {tenant}")
        history = _history(_histories(), document.tenant)
        after = json.loads(document.json)
    elif tenant is not None:
        history = _history(_histories(), tenant)
        after = json.loads(bytes(_chosen(history, newer or history.newest.revision).document))
    else:
        raise UserError("say what to compare: a FILE, or --tenant with --from and --to")
    changes = list(differences(json.loads(bytes(_chosen(history, older).document)), after))
    typer.echo(changes_as_json(changes) if form is Format.JSON else changes_as_text(changes))


def _read(file: Path, form: Format) -> ValidDocument:
    """Return the document; with mistakes, name them and end with code 1."""
    if file.stat().st_size > FILE_BYTES_MAX:
        raise UserError(f"{file} has more than {FILE_BYTES_MAX} bytes: that is no economy document")
    try:
        return read_document(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except DocumentRefused as refused:
        if form is Format.JSON:
            typer.echo(problems_as_json(refused.problems))
        for problem in refused.problems:
            hint = f" ({problem.suggestion})" if problem.suggestion else ""
            typer.echo(f"{file}: {problem.path or 'document'}: {problem.message}{hint}", err=True)
        raise typer.Exit(1) from None


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{text!r} is no instant; write it like 2026-12-01T00:00:00Z") from None
    if instant.tzinfo is None:
        raise UserError(f"{text!r} has no offset from UTC; write it like {text}Z or {text}+01:00")
    return instant


def _histories() -> dict[str, EconomyHistory]:
    settings = load_settings()
    return asyncio.run(read_histories(settings.broker, settings.topic_prefix))


def _history(histories: dict[str, EconomyHistory], tenant: str) -> EconomyHistory:
    if tenant not in histories:
        known = ", ".join(sorted(histories)[:10]) or "none yet"
        raise UserError(f"no economy has been published for tenant {tenant!r}; there is one of: {known}")
    return histories[tenant]


def _chosen(history: EconomyHistory, number: int | None) -> Revision:
    if number is None:
        revision = in_force(history, now())
        if revision is None:
            raise UserError(f"no revision of {history.tenant} is in force yet; choose one by its number")
        return revision
    revision = named(history, number)
    if revision is None:
        kept = ", ".join(str(each.revision) for each in history.revisions)
        raise UserError(f"{history.tenant} has no revision {number}; kept are {kept}")
    return revision


def _show_tenants(histories: dict[str, EconomyHistory], form: DocumentFormat) -> None:
    if form is DocumentFormat.JSON:
        shown = []
        for tenant, history in sorted(histories.items()):
            current = in_force(history, now())
            newest = history.newest.revision
            shown.append({"tenant": tenant, "newest": newest, "in_force": current and current.revision})
        typer.echo(json.dumps(shown, indent=2))
    else:
        to_people(tenants_table(histories, now()))


def _show_revision(history: EconomyHistory, revision: Revision, form: DocumentFormat) -> None:
    if form is DocumentFormat.JSON:
        document = json.loads(bytes(revision.document))
        typer.echo(json.dumps({"tenant": history.tenant, **revision_as_json(revision), "document": document}, indent=2))
        return
    typer.echo(f"# {history.tenant}, revision {revision.revision}, in effect from {revision.effective_at.isoformat()}")
    typer.echo(as_yaml(revision), nl=False)
