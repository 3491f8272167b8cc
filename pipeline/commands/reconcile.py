"""`plaudit reconcile`: compares what profiles, ledger and leaderboards of a running system say."""

import asyncio
import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from pipeline.commands.ledger import checked_tenant
from pipeline.commands.mistakes import explanation
from pipeline.reconcile.model import Difference, Reconciliation
from pipeline.reconcile.run import Reconciler
from pipeline.settings import load_settings


class Format(StrEnum):
    """How the result is written."""

    TEXT = "text"
    JSON = "json"


_UNKNOWN = 2


def reconcile(
    tenant: Annotated[str, typer.Option(help="The tenant to compare.", show_default=False)],
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait for what is on its way, in all.")] = 120.0,
    output: Annotated[Format, typer.Option("--format", help="`json` for scripts.")] = Format.TEXT,
) -> None:
    """Compare the profiles, the ledger and the leaderboards of a tenant, and print each difference with its events.

    The system may be at work meanwhile. Every profile and every row of a leaderboard says which event it has come to,
    and is compared with what the ledger, or the log, has up to that event. What comes after it may be on its way: it is
    waited for, and is a difference only if it did not arrive.

    Exit code 0: all is equal. 1: something differs. 2: nothing can be said, because something can't be reached, or
    stages are so far behind that what is on its way did not arrive in time.

    Example: `plaudit reconcile --tenant acme`

    Example: `plaudit reconcile --tenant acme --timeout 600 --format json`
    """
    try:
        result = _compared(checked_tenant(tenant), timeout)
    except Exception as error:
        # Not the root's business: its exit code for what could not be done is the one for differences here.
        if (message := explanation(error)) is None:
            raise
        typer.echo(f"plaudit: {message}", err=True)
        raise typer.Exit(_UNKNOWN) from None
    if output is Format.JSON:
        typer.echo(json.dumps(_as_json(tenant, result), ensure_ascii=False))
    else:
        for line in _lines(result):
            typer.echo(line)
    if not result.holds:
        raise typer.Exit(1)


def _compared(tenant: str, timeout_s: float) -> Reconciliation:
    settings = load_settings()
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("comparing", total=None)
        reconciler = Reconciler(
            broker=settings.broker,
            prefix=settings.topic_prefix,
            database=settings.database.get_secret_value(),
            tenant=tenant,
            report=lambda what, done, total: bar.update(
                task, description=f"{what}: {done or total}", completed=done, total=total or None
            ),
        )
        return asyncio.run(reconciler.run(timeout_s))


def _lines(result: Reconciliation) -> Iterator[str]:
    for each in result.differences:
        yield from _difference(each)
    found = f"{len(result.differences)} differences" if result.differences else "nothing differs"
    yield f"{found}: {result.profiles} profiles, {result.balances} balances, {result.rows} rows of leaderboards"
    if result.older:
        yield f"{result.older} rows are older than what `transactions` keeps, and were not compared with it"
    if result.on_their_way:
        yield f"{result.on_their_way} were looked at twice, after what was on its way had arrived"


def _difference(each: Difference) -> Iterator[str]:
    place = f"as of event {each.seq} of partition {each.partition}" if each.seq >= 0 else "is not there"
    yield f"{each.compared}: {each.actor}, {each.of}: {each.stated} {place}; recorded up to there: {each.recorded}"
    for why, event in each.events:
        yield f"  {event.id} ({event.source}), {event.type}, event {event.seq}: {event.amount:+}, {why}"


def _as_json(tenant: str, result: Reconciliation) -> dict[str, object]:
    return {
        "tenant": tenant,
        "holds": result.holds,
        "profiles": result.profiles,
        "balances": result.balances,
        "rows": result.rows,
        "older": result.older,
        "on_their_way": result.on_their_way,
        "differences": [
            each._asdict() | {"events": [{"why": why} | event._asdict() for why, event in each.events]}
            for each in result.differences
        ],
    }
