"""`plaudit season`: closes a season, and shows the standings of closed ones."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipeline.clock import now
from pipeline.commands.look import Format
from pipeline.drain import drain
from pipeline.economies import read_histories
from pipeline.errors import UserError
from pipeline.events import micros
from pipeline.revisions.documents import compile_document
from pipeline.settings import Settings, load_settings
from pipeline.topology import LEADERBOARDS
from pipeline.workers_client import WorkersClient
from rules.economy import Board, Economy
from sinks.ledger.seasons import Closing, Line, Standing, closings, freeze, lines_of
from tables.economies import in_force

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="markdown")

_PAGE = 200
_READS_MAX = 5
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

    Waits until all events that were appended before are on the boards. A standing that is frozen is never changed: late
    events still correct the boards that the workers keep, not the standing.

    Example: `plaudit season close acme winter-26`
    """
    settings = load_settings()
    boards = _boards_of(_economy(settings, tenant), season)
    database = settings.database.get_secret_value()
    if closings(database, tenant, season):
        raise UserError(f"season {season!r} of tenant {tenant!r} is closed: its standing is final")
    if behind := asyncio.run(drain(settings.broker, settings.topic_prefix, timeout)):
        raise UserError(f"{behind[0].stage} is behind; the season stays open")
    client = WorkersClient(LEADERBOARDS.name, settings.web_leaderboards)
    standings = [standing for board in boards for standing in _standings(client, tenant, board, season)]
    freeze(database, tenant, season, standings, now())
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


def _economy(settings: Settings, tenant: str) -> Economy:
    history = asyncio.run(read_histories(settings.broker, settings.topic_prefix)).get(tenant)
    revision = None if history is None else in_force(history, now())
    if revision is None:
        raise UserError(f"no economy of tenant {tenant!r} is in force")
    return compile_document(bytes(revision.document), revision.revision, 0)


def _boards_of(economy: Economy, season: str) -> list[Board]:
    boards = [board for board in economy.boards.values() if board.window == "season"]
    if not boards:
        raise UserError("no leaderboard counts by season")
    found = next((each for each in boards[0].seasons if each.id == season), None)
    if found is None:
        raise UserError(f"there is no season {season!r}; known: {', '.join(each.id for each in boards[0].seasons)}")
    if micros(now()) < found.until_us:
        raise UserError(f"season {season!r} is not over yet")
    return boards


def _standings(client: WorkersClient, tenant: str, board: Board, season: str) -> Iterator[Standing]:
    """Yield the standing of each part of a board, one that is empty included if the board has no split."""
    splits = list(_splits(client, tenant, board, season))
    for split in splits or ([""] if board.split is None else []):
        yield _settled(client, tenant, board, season, split)


def _splits(client: WorkersClient, tenant: str, board: Board, season: str) -> Iterator[str]:
    query = {"window": season, "limit": str(_PAGE)}
    while True:
        page = client.get(("tables", "boards", tenant, board.id, "splits"), query)["splits"]
        yield from page
        if len(page) < _PAGE:
            return
        query["after"] = page[-1]


def _settled(client: WorkersClient, tenant: str, board: Board, season: str, split: str) -> Standing:
    """Return a standing that two reads in a row agree about: pages of a board that moves fit no single instant."""
    before = None
    for _ in range(_READS_MAX):
        lines = list(_read(client, tenant, board, season, split))
        if lines == before:
            return Standing(board.id, split, board.tie, lines)
        before = lines
    raise UserError(f"leaderboard {board.id!r} keeps changing; close the season once its late events have come")


def _read(client: WorkersClient, tenant: str, board: Board, season: str, split: str) -> Iterator[Line]:
    query = {"window": season, "limit": str(_PAGE)}
    if board.split is not None:
        query["split"] = split
    elif split:
        query["league"] = split.partition("=")[2]
    offset = 0
    while True:
        page = client.get(("tables", "boards", tenant, board.id), query | {"offset": str(offset)})["entries"]
        yield from (Line(entry["rank"], entry["actor"], entry["score"]) for entry in page)
        if len(page) < _PAGE:
            return
        offset += _PAGE


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
