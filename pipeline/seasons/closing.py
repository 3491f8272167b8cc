"""Closes one season: waits until all is accounted for, reads its standing, and freezes it in the ledger's database."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.clock import now
from pipeline.drain import drain
from pipeline.errors import TransientError, UserError
from pipeline.revisions.documents import compile_document
from pipeline.seasons.due import end_of
from pipeline.seasons.standings import boards_of, standings
from pipeline.topology import LEADERBOARDS
from pipeline.workers_client import WorkersClient
from sinks.ledger.seasons import Standing, closed_at, freeze, refuse_closed
from tables.economies import EconomyHistory, in_force

# A leaderboards worker that was stopped for longer than its session, and goes on, finds out within half a minute that
# its partitions are another's; until then it answers from what it had.
STALE_S = 40.0


@dataclass(frozen=True, slots=True)
class SeasonCloser:
    """Closes seasons of one deployment. `leaderboards` are its workers' base URLs, separated by commas.

    With `apart_s` a standing is read once more so many seconds later, and must be the same: after `STALE_S` no worker
    answers from what it had before it was stopped. `clock` says what is over, and dates what is frozen.
    """

    broker: str
    prefix: str
    database: str
    leaderboards: str
    apart_s: float = 0.0
    clock: Callable[[], datetime] = now

    async def close(self, history: EconomyHistory, season: str, timeout_s: float) -> None:
        """Freeze the standing of every leaderboard of a season that is over, as the economy in force names them.

        All events that were appended before the call are in it. Safe to repeat and to do by several at once: the
        database lets one of them write, all of it or nothing.

        Raises:
            SeasonClosed: it has been closed before, or by somebody else meanwhile.
            UserError: there is no such season, it is not over, its windows are not kept any more, or another season
                was closed under its id.
            TransientError: something is away, events are not accounted for within `timeout_s`, or the standing still
                changes; the season stays open.
        """
        tenant = history.tenant
        closed = await asyncio.to_thread(closed_at, self.database, tenant, season)
        if closed is not None:
            _refuse_reused(history, season, closed, self.clock())
            refuse_closed(tenant, season)
        if behind := await drain(self.broker, self.prefix, timeout_s):
            raise TransientError(f"{behind[0].stage} is behind; the season stays open")
        found = await unchanged(lambda: self._read(history, season), self.apart_s)
        await asyncio.to_thread(freeze, self.database, tenant, season, found, self.clock())

    def _read(self, history: EconomyHistory, season: str) -> list[Standing]:
        tenant, instant = history.tenant, self.clock()
        revision = in_force(history, instant)
        if revision is None:
            raise UserError(f"no economy of tenant {tenant!r} is in force")
        boards = boards_of(compile_document(bytes(revision.document), revision.revision, 0), season, instant)
        client = WorkersClient(LEADERBOARDS.name, self.leaderboards)
        return [standing for board in boards for standing in standings(client, tenant, board, season)]


def _refuse_reused(history: EconomyHistory, season: str, closed: datetime, instant: datetime) -> None:
    """Refuse a season whose id was closed before the end that it has now.

    Raises:
        UserError: it was; its standing is that of another time, and what came since is frozen nowhere.
    """
    revision = in_force(history, instant)
    end = None if revision is None else end_of(revision, season)
    if end is not None and closed < end:
        raise UserError(
            f"season {season!r} of tenant {history.tenant!r} was closed at {closed.astimezone(UTC).isoformat()}, "
            "before the end that it has now: that standing is final, and a new season takes a new id"
        )


async def unchanged(read: Callable[[], list[Standing]], apart_s: float) -> list[Standing]:
    """Return what `read` returns, in a thread; with `apart_s` once it has returned the same so many seconds later.

    Raises:
        TransientError: it returned something else then.
    """
    found = await asyncio.to_thread(read)
    if apart_s:
        await asyncio.sleep(apart_s)
        if await asyncio.to_thread(read) != found:
            raise TransientError("the standing still changes; the season stays open")
    return found
