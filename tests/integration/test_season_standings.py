"""Final standings of seasons in a real PostgreSQL: written once, and any change of them is noticed."""

import json
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from pipeline.errors import UserError
from pipeline.seasons.closing import SeasonCloser
from sinks.ledger.schema import SINK_ROLE
from sinks.ledger.seasons import (
    Line,
    SeasonClosed,
    Standing,
    closings,
    freeze,
    is_closed,
    lines_of,
    standing_hash,
)
from tables.economies import append_revision
from tests.builders import INSTANT, TENANT
from tests.ledger import rows

WINTER = "winter-26"
LINES = [Line(1, "ada", 30), Line(1, "bob\tÄ", 30), Line(3, "cleo", -4)]
STANDINGS = [
    Standing("xp", "", "shared", LINES),
    Standing("xp", "league=gold", "shared", LINES[:1]),
    Standing("b", "", "first", []),
]


def test_a_frozen_standing_is_read_as_it_was(database: str) -> None:
    """Every line, in its order; a board without anybody, too."""
    freeze(database, TENANT, WINTER, STANDINGS, INSTANT)

    found = closings(database, TENANT, WINTER)

    assert [(each.board, each.split, each.tie, each.actors, each.holds) for each in found] == [
        ("b", "", "first", 0, True),
        ("xp", "", "shared", 3, True),
        ("xp", "league=gold", "shared", 1, True),
    ]
    assert {each.closed_at for each in found} == {INSTANT}
    assert lines_of(database, TENANT, WINTER, "xp", "", 10) == LINES
    assert lines_of(database, TENANT, WINTER, "xp", "", 2) == LINES[:2]
    assert closings(database, "other", WINTER) == closings(database, TENANT, "summer") == []


def test_a_season_is_closed_once(database: str) -> None:
    """The second closing writes nothing, not even a board that the first one had not."""
    assert not is_closed(database, TENANT, WINTER)
    freeze(database, TENANT, WINTER, STANDINGS[:1], INSTANT)

    with pytest.raises(SeasonClosed, match="is closed"):
        freeze(database, TENANT, WINTER, STANDINGS[2:], INSTANT)

    assert is_closed(database, TENANT, WINTER)
    assert not is_closed(database, TENANT, "summer")
    assert [each.board for each in closings(database, TENANT, WINTER)] == ["xp"]


async def test_an_id_that_was_closed_is_not_closed_for_another_season(database: str) -> None:
    """Its standing would be taken for the new one's, which would be frozen nowhere."""
    freeze(database, TENANT, WINTER, STANDINGS, INSTANT)
    closer = SeasonCloser("127.0.0.1:1", "plaudit.", database, "http://127.0.0.1:1")
    until = {"over": INSTANT - timedelta(days=1), "next year's": INSTANT + timedelta(days=365)}
    refused = {}
    for name, instant in until.items():
        season = {"id": WINTER, "from": "2026-01-01T00:00:00Z", "until": instant.isoformat()}
        document = json.dumps({"economy": TENANT, "seasons": [season]}).encode()
        published = append_revision(None, TENANT, document, datetime(2020, 1, 1, tzinfo=UTC), None, 0)
        with pytest.raises(UserError) as refusal:
            await closer.close(published, WINTER, 1)
        refused[name] = refusal.value

    assert isinstance(refused["over"], SeasonClosed)
    assert not isinstance(refused["next year's"], SeasonClosed)
    assert "takes a new id" in str(refused["next year's"])


def test_a_season_that_several_close_at_once_is_closed_by_one(database: str) -> None:
    """Also when they saw different boards: the standing is that of a single one of them, all of it."""
    seen = [[Standing(f"b-{number}", "", "first", LINES), STANDINGS[number % 3]] for number in range(6)]

    with ThreadPoolExecutor(len(seen)) as workers:
        tried = [workers.submit(freeze, database, TENANT, WINTER, each, INSTANT) for each in seen]

    [winner] = [number for number, each in enumerate(tried) if each.exception() is None]
    assert all(lost(each) for number, each in enumerate(tried) if number != winner)
    found = closings(database, TENANT, WINTER)
    assert {(each.board, each.split) for each in found} == {(each.board, each.split) for each in seen[winner]}
    assert all(each.holds for each in found)


def lost(attempt: Future[None]) -> bool:
    """Return whether an attempt was told that the season is closed."""
    return isinstance(attempt.exception(), SeasonClosed)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE plaudit.season_standings SET score = 31 WHERE actor = 'ada'",
        "UPDATE plaudit.season_standings SET actor = 'eve' WHERE actor = 'cleo'",
        "DELETE FROM plaudit.season_standings WHERE actor = 'cleo'",
        "UPDATE plaudit.season_closings SET tie = 'first'",
        "UPDATE plaudit.season_closings SET actors = 4",
    ],
)
def test_a_change_is_noticed(database: str, change: str) -> None:
    """By the hash over all that a standing says."""
    freeze(database, TENANT, WINTER, STANDINGS[:1], INSTANT)

    rows(database, change)

    assert [each.holds for each in closings(database, TENANT, WINTER)] == [False]


@pytest.mark.parametrize("table", ["season_closings", "season_standings"])
def test_the_sinks_role_can_change_nothing(database: str, table: str) -> None:
    """Only add."""
    with psycopg.connect(database) as connection:
        connection.execute(f"SET ROLE {SINK_ROLE}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"DELETE FROM plaudit.{table}")


def test_parts_of_a_standing_can_not_be_mistaken_for_each_other() -> None:
    """What looks alike written one after the other has another hash."""
    alike = [
        standing_hash("a", "b", Standing("c", "", "first", [Line(1, "x", 23)])),
        standing_hash("a", "b", Standing("c", "", "first", [Line(1, "x2", 3)])),
        standing_hash("ab", "", Standing("c", "", "first", [Line(1, "x", 23)])),
        standing_hash("a", "b", Standing("", "c", "first", [Line(1, "x", 23)])),
    ]

    assert len(set(alike)) == len(alike)
