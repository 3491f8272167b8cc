"""`plaudit db`: the ledger's database."""

import typer

from pipeline.settings import load_settings, without_password
from sinks.ledger.migrate import upgrade as upgrade_ledger

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="markdown")


@app.callback()
def _db() -> None:
    """Set up the ledger's database."""


@app.command()
def upgrade() -> None:
    """Create or update the ledger's tables, views and roles; changes nothing when they are up to date.

    Safe to run at any time, also twice at once. The login needs the right to create a schema, and, the first time on a
    server, to create roles.

    Example: `PLAUDIT_DATABASE=postgresql://owner@db/plaudit plaudit db upgrade`
    """
    database = load_settings().database.get_secret_value()
    before, after = upgrade_ledger(database)
    place = without_password(database)
    if before == after:
        typer.echo(f"{place} is up to date (revision {after})", err=True)
    else:
        typer.echo(f"{place} upgraded from {before or 'nothing'} to revision {after}", err=True)
