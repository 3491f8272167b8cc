"""`plaudit import`: real histories as events."""

import asyncio
import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from pipeline.clock import now_ms
from pipeline.commands.import_report import EXIT_INTERRUPTED, ImportReport, Refusals, progress
from pipeline.errors import UserError
from pipeline.formats.canonical import Attributes, is_tenant
from pipeline.formats.registry import FORMATS, format_named
from pipeline.importers.csv_rows import CsvRows, Layout
from pipeline.importers.git import GitHistory
from pipeline.importers.jsonl import JsonLines, count_lines
from pipeline.importers.model import Refuse, Unread
from pipeline.importers.producer import produce_events
from pipeline.settings import Settings, load_settings

# Whose the events of a repository are when nobody says: the tenant of the demonstration.
DEMO_TENANT = "demo"

imports = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="markdown")


class Form(StrEnum):
    """How the summary is written."""

    TEXT = "text"
    JSON = "json"


TenantOption = Annotated[
    str | None, typer.Option(help="The tenant that the events belong to. Default: PLAUDIT_SOURCE_TENANT.")
]
FormOption = Annotated[Form, typer.Option("--format", help="How the summary is written; `json` for scripts.")]
SummaryOption = Annotated[Form, typer.Option("--summary", help="How the summary is written; `json` for scripts.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="Stop at the first that is no event.")]


@imports.callback()
def _imports() -> None:
    """Append real histories to the raw events. A second run changes nothing: each event has an id of its own."""


@imports.command("git")
def import_git(
    path: Annotated[Path, typer.Argument(help="A git repository, or a folder in one.")],
    tenant: TenantOption = None,
    show_names: Annotated[
        bool, typer.Option("--show-names", help="Actors are the authors' names instead of hashes of their addresses.")
    ] = False,
    since: Annotated[str | None, typer.Option(help="Only commits after this date, as git understands it.")] = None,
    strict: StrictOption = False,
    form: FormOption = Form.TEXT,
) -> None:
    """Import the commits of a repository, oldest first.

    A commit is `commit.authored` with `files`, `insertions` and `deletions`; a merge is `pr.merged`.

    Example: `plaudit import git . --tenant acme --since 2026-01-01`
    """
    settings = load_settings()
    chosen = _tenant(settings, tenant) or DEMO_TENANT
    history = GitHistory(path, chosen, now_ms(), show_names=show_names, since=since)
    _run(settings, history, history.count(), strict=strict, form=form)


@imports.command("jsonl")
def import_jsonl(
    file: Annotated[Path, typer.Argument(help="A file with one event a line, in JSON.")],
    source_format: Annotated[
        str | None,
        typer.Option("--format", help=f"Format of the events: {', '.join(FORMATS)}. Default: PLAUDIT_SOURCE_FORMAT."),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="The tenant that all events belong to, whatever they say themselves.")
    ] = None,
    strict: StrictOption = False,
    form: SummaryOption = Form.TEXT,
) -> None:
    """Import the lines of a file. A line that is no event is named here and goes to the dead letters, unchanged.

    Example: `plaudit import jsonl events.jsonl --tenant acme`
    """
    settings = load_settings()
    name = source_format or settings.source_format
    chosen = _tenant(settings, tenant) if tenant is not None or name != "cloudevents" else None
    lines = JsonLines(file, format_named(name), chosen, now_ms())
    _run(settings, lines, count_lines(file), strict=strict, form=form)


@imports.command("csv")
def import_csv(
    file: Annotated[Path, typer.Argument(help="A file with one event a row.")],
    mapping: Annotated[
        list[str],
        typer.Option(
            "--map",
            help="`target=column`, `target=column:conversion` or `target==constant`. Targets: actor, type, time, id, "
            "source, data.<name>. Conversions: of data int, number, cents, bool; of time unix, unix_ms, or a format "
            "such as %Y%m%d (default: RFC 3339).",
        ),
    ],
    tenant: TenantOption = None,
    delimiter: Annotated[str, typer.Option(help="What separates cells.")] = ",",
    no_header: Annotated[bool, typer.Option("--no-header", help="The first row is data; columns are 1, 2, 3…")] = False,
    timezone: Annotated[str, typer.Option(help="Time zone of times without one.")] = "UTC",
    strict: StrictOption = False,
    form: FormOption = Form.TEXT,
) -> None:
    """Import the rows of a file. Times are exact to the day or better; `cents` is a hundred times an amount, exactly.

    Example: `plaudit import csv sales.csv --tenant acme --map actor=customer --map type==purchase.completed
    --map time=date:%Y%m%d --map data.amount_cents=price:cents`
    """
    settings = load_settings()
    chosen = _tenant(settings, tenant)
    if chosen is None:
        raise UserError("whose events are these? Name the tenant: --tenant, or PLAUDIT_SOURCE_TENANT")
    if len(delimiter) != 1:
        raise UserError("--delimiter is one character")
    layout = Layout(delimiter=delimiter, header=not no_header, zone=_zone(timezone))
    rows = CsvRows(file, mapping, chosen, now_ms(), layout)
    _run(settings, rows, count_lines(file), strict=strict, form=form)


Reader = GitHistory | JsonLines | CsvRows


def _run(settings: Settings, reader: Reader, total: int | None, *, strict: bool, form: Form) -> None:
    """Append what the reader finds, with a progress bar and a summary."""
    refusals = Refusals(strict=strict)
    events: Iterator[Attributes | Unread] = _iterator(reader, refusals.add)
    start = perf_counter()
    sent = 0
    interrupted = False
    with progress(total) as advance:

        def on_progress(acknowledged: int) -> None:
            nonlocal sent
            sent = acknowledged
            advance(acknowledged)

        try:
            asyncio.run(
                produce_events(settings.broker, settings.topic_prefix, settings.partitions, events, on_progress)
            )
        except KeyboardInterrupt:
            interrupted = True
    report = ImportReport.of(sent, perf_counter() - start, refusals)
    typer.echo(json.dumps(report.as_document(), indent=2) if form is Form.JSON else report.as_text())
    if interrupted:
        typer.echo("plaudit: interrupted; run it again for the rest, nothing is counted twice", err=True)
        raise typer.Exit(EXIT_INTERRUPTED)


def _iterator(reader: Reader, refuse: Refuse) -> Iterator[Attributes | Unread]:
    yield from reader.events(refuse)


def _tenant(settings: Settings, named: str | None) -> str | None:
    """Return the tenant that the user or the settings name.

    Raises:
        UserError: that is no tenant's name.
    """
    tenant = named if named is not None else settings.source_tenant or None
    if tenant is not None and not is_tenant(tenant):
        raise UserError(f"{tenant!r} is no tenant name: up to 63 lower-case letters, digits and dashes")
    return tenant


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UserError(f"there is no time zone {name!r}; write one such as Europe/Berlin") from None
