"""`plaudit season`: closes a season, and shows the standings of closed ones."""

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipeline.commands.look import Format
from pipeline.economies import read_histories
from pipeline.errors import UserError
from pipeline.seasons.closing import SeasonCloser
from pipeline.settings import Settings, load_settings
from sinks.ledger.seasons import Closing, Line, closings, lines_of

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="markdown")

_LINES = 10

_Tenant = Annotated[str, typer.Argument(help="The tenant.", show_default=False)]
_Season = Annotated[str, typer.Argument(help="The season's id in the economy.", show_default=False)]
_Format = Annotated[Format, typer.Option("--format", help="`table` for people, `json` for scripts.")]


@app.callback()
def _season() -> None:
    """Close a season, and show the standings of closed ones."""


@app.command()
def close(
    tenant: _Tenant,
    season: _Season,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds until all events must be accounted for.")] = 120,
    output: _Format = Format.TABLE,
) -> None:
    """Freeze the final standing of every leaderboard of a season that is over.

    The workers of the ledger do it by themselves PLAUDIT_SEASON_GRACE_S after a season's end; this does it at once.
    Waits until all events that were appended before are on the boards. A standing that is frozen is never changed: late
    events still correct the boards that the workers keep, not the standing.

    Example: `plaudit season close acme winter-26`
    """
    settings = load_settings()
    database = settings.database.get_secret_value()
    closer = SeasonCloser(settings.broker, settings.topic_prefix, database, settings.web_leaderboards)
    asyncio.run(_close(settings, closer, tenant, season, timeout))
    _show(closings(database, tenant, season), output)


@app.command()
def show(
    tenant: _Tenant,
    season: _Season,
    board: Annotated[str | None, typer.Option(help="The lines of this leaderboard.")] = None,
    split: Annotated[str, typer.Option(help="Which part of a split board, or `league=<league>`.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Lines, at most.")] = _LINES,
    output: _Format = Format.TABLE,
) -> None:
    """Show what was frozen of a closed season, and whether each standing still gives its hash; exit code 0 only then.

    Example: `plaudit season show acme winter-26 --board season-xp`
    """
    database = load_settings().database.get_secret_value()
    frozen = closings(database, tenant, season)
    if not frozen:
        raise UserError(f"season {season!r} of tenant {tenant!r} is not closed")
    if board is None:
        _show(frozen, output)
    elif not any((each.board, each.split) == (board, split) for each in frozen):
        raise UserError(f"no leaderboard {board!r} {split!r} was frozen")
    else:
        _show_lines(lines_of(database, tenant, season, board, split, limit), output)
    if not all(each.holds for each in frozen):
        raise UserError("a standing does not hold: its lines do not give the hash that was kept")


async def _close(settings: Settings, closer: SeasonCloser, tenant: str, season: str, timeout_s: int) -> None:
    history = (await read_histories(settings.broker, settings.topic_prefix)).get(tenant)
    if history is None:
        raise UserError(f"no economy of tenant {tenant!r} is in force")
    await closer.close(history, season, timeout_s)


def _show(frozen: list[Closing], output: Format) -> None:
    if output is Format.JSON:
        typer.echo(json.dumps([each._asdict() | {"closed_at": each.closed_at.isoformat()} for each in frozen]))
        return
    table = Table("leaderboard", "part", "tie", "actors", "closed", "sha256", "holds")
    for each in frozen:
        hold = "yes" if each.holds else "NO"
        closed = each.closed_at.strftime("%Y-%m-%d %H:%M")
        table.add_row(each.board, each.split, each.tie, str(each.actors), closed, each.hash[:16], hold)
    Console(highlight=False).print(table)


def _show_lines(lines: list[Line], output: Format) -> None:
    shown: list[Mapping[str, object]] = [line._asdict() for line in lines]
    if output is Format.JSON:
        typer.echo(json.dumps(shown, ensure_ascii=False))
        return
    table = Table("rank", "actor", "score")
    for line in lines:
        table.add_row(str(line.rank), line.actor, str(line.score))
    Console(highlight=False).print(table)
