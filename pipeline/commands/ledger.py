"""`plaudit ledger`: reads the ledger, and verifies it."""

import re
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from pipeline.commands.ledger_output import Format, VerifyFormat, print_rows, print_verification
from pipeline.errors import UserError
from pipeline.settings import load_settings
from sinks.ledger import queries
from sinks.ledger.connection import reading
from sinks.ledger.verify import Verification
from sinks.ledger.verify import verify as verify_ledger

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="markdown")

_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

Tenant = Annotated[str, typer.Option(help="The tenant whose ledger it is.")]
FormatOption = Annotated[Format, typer.Option("--format", help="`csv` and `json` for scripts.")]


@app.callback()
def _ledger() -> None:
    """Read the ledger, and verify it."""


@app.command()
def verify(
    form: Annotated[VerifyFormat, typer.Option("--format", help="`json` for scripts.")] = VerifyFormat.TEXT,
) -> None:
    """Recompute hash chain, balances and sums from the rows; exit code 0 only if all of it holds.

    Names the first row of each partition that does not hold. May run while the ledger is written to.

    Example: `plaudit ledger verify`
    """
    result = _verified(load_settings().database.get_secret_value())
    print_verification(result, form)
    if not result.holds:
        raise typer.Exit(1)


@app.command()
def balances(tenant: Tenant, form: FormatOption = Format.TABLE) -> None:
    """List what the tenant's accounts hold, by account and currency.

    Example: `plaudit ledger balances --tenant acme --format csv`
    """
    with reading(load_settings().database.get_secret_value()) as connection:
        rows = queries.balances(connection, checked_tenant(tenant))
        print_rows(queries.Balance._fields, rows, form, right="balance")


@app.command()
def transfers(
    tenant: Tenant,
    actor: Annotated[str | None, typer.Option(help="Only transfers that this actor's events caused.")] = None,
    event_id: Annotated[str | None, typer.Option(help="Only transfers that the event with this id caused.")] = None,
    since: Annotated[str | None, typer.Option(help="Only events from this instant on (RFC 3339, or a date).")] = None,
    until: Annotated[str | None, typer.Option(help="Only events before this instant (RFC 3339, or a date).")] = None,
    limit: Annotated[int, typer.Option(min=0, help="How many, at most; 0: all.")] = 100,
    form: FormatOption = Format.TABLE,
) -> None:
    """List the tenant's transfers, the newest event first.

    Example: `plaudit ledger transfers --tenant acme --actor ada --since 2026-11-16 --format json`
    """
    filters = queries.Filters(_text(actor), _text(event_id), _instant(since), _instant(until))
    with reading(load_settings().database.get_secret_value()) as connection:
        rows = queries.transfers(connection, checked_tenant(tenant), filters, limit or None)
        print_rows(queries.TransferRow._fields, rows, form, right="amount", shown=_SHOWN)


# What fits into a terminal; csv and json have every column.
_SHOWN = ("occurred_at", "kind", "debit_account", "credit_account", "amount", "currency", "cause")


def _verified(database: str) -> Verification:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("verifying", total=None)
        return verify_ledger(database, lambda done, total: bar.update(task, completed=done, total=total))


def checked_tenant(tenant: str) -> str:
    """Return the name of a tenant.

    Raises:
        UserError: no tenant can have it.
    """
    if not _TENANT.fullmatch(tenant):
        raise UserError(f"{tenant!r} can't be a tenant: lower-case letters, digits and hyphens, at most 63")
    return tenant


def _text(value: str | None) -> str | None:
    """Refuse what no stored text can hold: bytes on the command line that are no UTF-8."""
    if value is not None and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UserError(f"{value!r} is no text in UTF-8") from error
    return value


def _instant(text: str | None) -> datetime | None:
    """Read an instant; without an offset it is in UTC."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise UserError(f"{text!r} is no instant; write 2026-11-16 or 2026-11-16T12:00:00Z") from error
