"""The final standing of a season, read from the leaderboards workers over their web views."""

from collections.abc import Iterator
from datetime import datetime

from pipeline.errors import TransientError, UserError
from pipeline.events import micros
from pipeline.workers_client import WorkersClient
from rules.economy import Board, Economy
from sinks.ledger.seasons import Line, Standing

_PAGE = 200
_READS_MAX = 5


def boards_of(economy: Economy, season: str, now: datetime) -> list[Board]:
    """Return the leaderboards that count by season.

    Raises:
        UserError: there is none, no such season, or it is not over yet.
    """
    boards = [board for board in economy.boards.values() if board.window == "season"]
    if not boards:
        raise UserError("no leaderboard counts by season")
    found = next((each for each in boards[0].seasons if each.id == season), None)
    if found is None:
        raise UserError(f"there is no season {season!r}; known: {', '.join(each.id for each in boards[0].seasons)}")
    if micros(now) < found.until_us:
        raise UserError(f"season {season!r} is not over yet")
    return boards


def standings(client: WorkersClient, tenant: str, board: Board, season: str) -> Iterator[Standing]:
    """Yield the standing of each part of a board; an empty one if nobody has a score.

    Raises:
        UserError: the window is not kept any more.
        TransientError: no worker can answer now, or the board keeps changing.
    """
    for split in list(_splits(client, tenant, board, season)) or [""]:
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
    raise TransientError(f"leaderboard {board.id!r} keeps changing; close the season once its late events have come")


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
