"""Final standings of seasons: written once, never changed, each with a hash over all that it says."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple, NoReturn

import psycopg
from psycopg.rows import class_row

from pipeline.errors import UserError
from sinks.ledger.connection import connect, in_our_words
from sinks.ledger.roles import may_become
from sinks.ledger.schema import SINK_ROLE

# Whoever is second waits here, and then sees what the first has written, whichever boards that were.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_CLOSED = "SELECT EXISTS (SELECT FROM plaudit.season_closings WHERE tenant = %s AND season = %s)"
_CLOSED_AT = "SELECT min(closed_at) FROM plaudit.season_closings WHERE tenant = %s AND season = %s"
_CLOSE = """
    INSERT INTO plaudit.season_closings (tenant, season, board, split, tie, actors, hash, closed_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_COPY = "COPY plaudit.season_standings (tenant, season, board, split, place, rank, actor, score) FROM STDIN"


class SeasonClosed(UserError):
    """A season that was to be closed is closed."""


class Line(NamedTuple):
    """One line of a standing."""

    rank: int
    actor: str
    score: int


class Standing(NamedTuple):
    """A leaderboard of a season: its split is empty if it has none; lines in their order."""

    board: str
    split: str
    tie: str
    lines: Sequence[Line]


class Closing(NamedTuple):
    """What was frozen of a leaderboard. `holds`: the lines still give the hash that was kept."""

    board: str
    split: str
    tie: str
    actors: int
    hash: str
    closed_at: datetime
    holds: bool


class _Row(NamedTuple):
    board: str
    split: str
    tie: str
    actors: int
    hash: bytes
    closed_at: datetime


def standing_hash(tenant: str, season: str, standing: Standing) -> bytes:
    """Return SHA-256 over the canonical text of a standing.

    The parts of the head, then rank, actor and score of each line, every part with its length in bytes before it:
    `4:acme`. So no two standings have the same text.
    """
    digest = sha256()
    for part in (tenant, season, standing.board, standing.split, standing.tie):
        digest.update(_part(part))
    for line in standing.lines:
        digest.update(_part(str(line.rank)) + _part(line.actor) + _part(str(line.score)))
    return digest.digest()


def freeze(database: str, tenant: str, season: str, standings: Iterable[Standing], closed_at: datetime) -> None:
    """Write the final standings of a season, all or none. Of several who do it at once, one does it.

    Raises:
        SeasonClosed: the season has been closed before.
        UserError: the database can't be written.
    """
    with in_our_words(), connect(database) as connection:
        if may_become(connection, SINK_ROLE):
            connection.execute(f"SET ROLE {SINK_ROLE}")
        connection.execute(_LOCK, (f"season {tenant} {season}",))
        if _is_closed(connection, tenant, season):
            refuse_closed(tenant, season)
        for standing in standings:
            _write(connection, tenant, season, standing, closed_at)


def is_closed(database: str, tenant: str, season: str) -> bool:
    """Return whether a season is closed.

    Raises:
        UserError: the database can't be read.
    """
    with in_our_words(), connect(database) as connection:
        return _is_closed(connection, tenant, season)


def closed_at(database: str, tenant: str, season: str) -> datetime | None:
    """Return when a season was closed; None if it is open.

    Raises:
        UserError: the database can't be read.
    """
    with in_our_words(), connect(database) as connection:
        row = connection.execute(_CLOSED_AT, (tenant, season)).fetchone()
    return None if row is None else row[0]


def refuse_closed(tenant: str, season: str) -> NoReturn:
    """Refuse to close a season again.

    Raises:
        SeasonClosed: always.
    """
    raise SeasonClosed(f"season {season!r} of tenant {tenant!r} is closed: its standing is final")


def closings(database: str, tenant: str, season: str) -> list[Closing]:
    """Return what was frozen of a season, with whether it still holds; empty if it isn't closed."""
    with in_our_words(), connect(database) as connection:
        query = """
            SELECT board, split, tie, actors, hash, closed_at FROM plaudit.season_closings
            WHERE tenant = %s AND season = %s ORDER BY board, split
        """
        rows = connection.cursor(row_factory=class_row(_Row)).execute(query, (tenant, season)).fetchall()
        return [_checked(connection, tenant, season, row) for row in rows]


def lines_of(database: str, tenant: str, season: str, board: str, split: str, limit: int) -> list[Line]:
    """Return the first lines of a frozen standing."""
    with in_our_words(), connect(database) as connection:
        return _lines(connection, tenant, season, board, split, limit)


def _is_closed(connection: psycopg.Connection, tenant: str, season: str) -> bool:
    return connection.execute(_CLOSED, (tenant, season)).fetchone() == (True,)


def _write(connection: psycopg.Connection, tenant: str, season: str, standing: Standing, closed_at: datetime) -> None:
    board = (tenant, season, standing.board, standing.split)
    digest = standing_hash(tenant, season, standing)
    connection.execute(_CLOSE, (*board, standing.tie, len(standing.lines), digest, closed_at))
    with connection.cursor() as cursor, cursor.copy(_COPY) as rows:
        for place, line in enumerate(standing.lines, 1):
            rows.write_row((*board, place, *line))


def _checked(connection: psycopg.Connection, tenant: str, season: str, row: _Row) -> Closing:
    lines = _lines(connection, tenant, season, row.board, row.split, None)
    found = standing_hash(tenant, season, Standing(row.board, row.split, row.tie, lines))
    holds = found == row.hash and len(lines) == row.actors
    return Closing(row.board, row.split, row.tie, row.actors, row.hash.hex(), row.closed_at, holds)


def _lines(
    connection: psycopg.Connection, tenant: str, season: str, board: str, split: str, limit: int | None
) -> list[Line]:
    query = """
        SELECT rank, actor, score FROM plaudit.season_standings
        WHERE tenant = %s AND season = %s AND board = %s AND split = %s ORDER BY place LIMIT %s
    """
    cursor = connection.cursor(row_factory=class_row(Line))
    return cursor.execute(query, (tenant, season, board, split, limit)).fetchall()


def _part(text: str) -> bytes:
    encoded = text.encode()
    return b"%d:%b" % (len(encoded), encoded)
