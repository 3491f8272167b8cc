"""When a season is due to be closed, and that a worker of the ledger closes it."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.errors import TransientError, UserError
from pipeline.seasons.closing import unchanged
from pipeline.seasons.due import DueSeason, due_seasons
from pipeline.seasons.keeper import SeasonKeeper
from sinks.ledger.seasons import Line, SeasonClosed, Standing
from tables.economies import EconomyHistory, append_revision
from tests.builders import TENANT

MARGIN = timedelta(seconds=5)
GRACE = timedelta(hours=1)
PUBLISHED = datetime(2026, 1, 1, tzinfo=UTC)
WINTER_ENDS = datetime(2026, 3, 1, tzinfo=UTC)
SUMMER_ENDS = datetime(2026, 9, 1, tzinfo=UTC)
WINTER = {"id": "winter", "from": "2025-12-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"}
SUMMER = {"id": "summer", "from": "2026-06-01T00:00:00Z", "until": "2026-09-01T02:00:00+02:00"}
BY_SEASON = [{"id": "xp", "currency": "xp", "window": "all"}, {"id": "s", "currency": "xp", "window": "season"}]


def history(
    *revisions: tuple[datetime, list[dict[str, str]]], boards: list[dict[str, str]] | None = None
) -> EconomyHistory:
    """Return a history with one revision for each instant of publication and its seasons."""
    known: EconomyHistory | None = None
    for published, seasons in revisions:
        document = {"economy": TENANT, "seasons": seasons, "leaderboards": BY_SEASON if boards is None else boards}
        known = append_revision(known, TENANT, json.dumps(document).encode(), published, None, 5_000)
    assert known is not None
    return known


class Recorder:
    """Notes what it is asked to close; `problems` are raised first, one at each call."""

    def __init__(self, *problems: Exception) -> None:
        self.closed: list[tuple[str, str]] = []
        self.asked = 0
        self._problems = list(problems)

    async def close(self, history: EconomyHistory, season: str, timeout_s: float) -> None:
        self.asked += 1
        if self._problems:
            raise self._problems.pop(0)
        self.closed.append((history.tenant, season))


class Published:
    """The histories that a test says are published."""

    def __init__(self, *histories: EconomyHistory) -> None:
        self.by_tenant = {each.tenant: each for each in histories}

    def tenants(self) -> list[str]:
        return list(self.by_tenant)

    def history(self, tenant: str) -> EconomyHistory | None:
        return self.by_tenant.get(tenant)


def keeper(closer: Recorder, published: Published, clock: Callable[[], datetime]) -> SeasonKeeper:
    """Return a keeper that closes seasons an hour after their end."""
    return SeasonKeeper(published, closer, GRACE.total_seconds(), clock)


def test_a_season_is_due_a_grace_after_its_end() -> None:
    """In whatever zone the document writes it."""
    known = history((PUBLISHED, [WINTER, SUMMER]))

    assert due_seasons(known, known.newest, GRACE) == [
        DueSeason("winter", WINTER_ENDS + GRACE),
        DueSeason("summer", SUMMER_ENDS + GRACE),
    ]


def test_a_season_that_was_over_when_it_was_published_has_its_grace_too() -> None:
    """So that a history can be imported; a later revision that says the same does not begin it anew."""
    late = SUMMER_ENDS + timedelta(days=30)
    known = history((PUBLISHED, [WINTER]), (late, [WINTER, SUMMER]), (late + GRACE, [WINTER, SUMMER]))

    assert due_seasons(known, known.newest, GRACE) == [
        DueSeason("winter", WINTER_ENDS + GRACE),
        DueSeason("summer", late + MARGIN + GRACE),
    ]


def test_a_season_that_is_moved_is_due_after_its_new_end() -> None:
    """Be it later or earlier; earlier than the change it can't be."""
    change = WINTER_ENDS - timedelta(days=10)
    longer, shorter = WINTER | {"until": "2026-03-09T00:00:00Z"}, WINTER | {"until": "2026-02-01T00:00:00Z"}

    later = history((PUBLISHED, [WINTER]), (change, [longer]))
    earlier = history((PUBLISHED, [WINTER]), (change, [shorter]))

    assert due_seasons(later, later.newest, GRACE) == [DueSeason("winter", datetime(2026, 3, 9, 1, tzinfo=UTC))]
    assert due_seasons(earlier, earlier.newest, GRACE) == [DueSeason("winter", change + MARGIN + GRACE)]


@pytest.mark.parametrize("boards", [[], BY_SEASON[:1]])
def test_seasons_that_nothing_counts_in_are_not_closed(boards: list[dict[str, str]]) -> None:
    """There is no standing to be frozen."""
    known = history((PUBLISHED, [WINTER]), boards=boards)

    assert due_seasons(known, known.newest, GRACE) == []


async def test_what_is_due_is_closed_once() -> None:
    """Not before its time, and not asked for again."""
    instant = WINTER_ENDS + GRACE - timedelta(microseconds=1)
    closer = Recorder()
    keeps = keeper(closer, Published(history((PUBLISHED, [WINTER, SUMMER]))), lambda: instant)

    assert await keeps.look() == 0
    assert closer.asked == 0
    instant += timedelta(microseconds=1)
    assert [await keeps.look(), await keeps.look()] == [0, 0]

    assert closer.closed == [(TENANT, "winter")]
    assert closer.asked == 1


@pytest.mark.parametrize("problem", [TransientError("away"), UserError("window winter is no longer kept")])
async def test_what_can_not_be_closed_is_tried_again(problem: Exception) -> None:
    """Other seasons do not wait for it; it is counted meanwhile."""
    closer = Recorder(problem)
    published = Published(history((PUBLISHED, [WINTER, SUMMER])))
    keeps = keeper(closer, published, lambda: SUMMER_ENDS + timedelta(days=1))

    assert [await keeps.look(), await keeps.look(), await keeps.look()] == [1, 0, 0]

    assert closer.closed == [(TENANT, "summer"), (TENANT, "winter")]


async def test_a_standing_that_changes_between_two_readings_is_not_frozen() -> None:
    """A worker that was stopped and goes on may have answered the first; the command reads once."""
    old, new = [Standing("xp", "", "first", [Line(1, "ada", score)]) for score in (1, 2)]
    answers = [old, new, new, new, old]

    with pytest.raises(TransientError, match="still changes"):
        await unchanged(lambda: [answers.pop(0)], apart_s=0.001)

    assert await unchanged(lambda: [answers.pop(0)], apart_s=0.001) == [new]
    assert await unchanged(lambda: [answers.pop(0)], apart_s=0) == [old]
    assert answers == []


async def test_what_somebody_else_has_closed_is_left_alone() -> None:
    """Another worker, or a person."""
    closer = Recorder(SeasonClosed("season 'winter' is closed"))
    keeps = keeper(closer, Published(history((PUBLISHED, [WINTER]))), lambda: SUMMER_ENDS)

    assert [await keeps.look(), await keeps.look()] == [0, 0]

    assert (closer.asked, closer.closed) == (1, [])


async def test_a_closed_season_with_new_dates_is_asked_about_again() -> None:
    """An id that is used twice must not pass for closed."""
    again = WINTER | {"from": "2026-12-01T00:00:00Z", "until": "2027-03-01T00:00:00Z"}
    closer, published = Recorder(), Published(history((PUBLISHED, [WINTER])))
    clock = [WINTER_ENDS + GRACE]
    seasons = keeper(closer, published, lambda: clock[0])
    await seasons.look()
    published.by_tenant[TENANT] = history((PUBLISHED, [WINTER]), (SUMMER_ENDS, [again]))
    clock[0] = datetime(2027, 3, 1, 1, tzinfo=UTC)

    assert await seasons.look() == 0
    assert closer.closed == [(TENANT, "winter")] * 2


async def test_a_new_revision_is_taken_note_of() -> None:
    """The economy in force decides, not one that is to come."""
    published = Published(history((PUBLISHED, [])))
    closer: Any = Recorder()
    instant = SUMMER_ENDS
    keeps = keeper(closer, published, lambda: instant)
    await keeps.look()

    published.by_tenant[TENANT] = history((PUBLISHED, []), (SUMMER_ENDS, [WINTER]))
    await keeps.look()
    instant += MARGIN + GRACE
    await keeps.look()

    assert closer.closed == [(TENANT, "winter")]


async def test_a_keeper_looks_by_itself_until_it_is_stopped() -> None:
    """It is a companion of a worker."""
    looked = asyncio.Event()

    class Watched(Published):
        def tenants(self) -> list[str]:
            looked.set()
            return super().tenants()

    keeps = keeper(Recorder(), Watched(), lambda: SUMMER_ENDS)
    await keeps.start()

    await asyncio.wait_for(looked.wait(), 10)
    await keeps.stop()
    await keeps.stop()
