"""Closes one season: waits until all is accounted for, reads its standing, and freezes it in the ledger's database."""

import asyncio
from dataclasses import dataclass

from pipeline.clock import now
from pipeline.drain import drain
from pipeline.errors import TransientError, UserError
from pipeline.revisions.documents import compile_document
from pipeline.seasons.standings import boards_of, standings
from pipeline.topology import LEADERBOARDS
from pipeline.workers_client import WorkersClient
from sinks.ledger.seasons import freeze, is_closed, refuse_closed
from tables.economies import EconomyHistory, in_force


@dataclass(frozen=True, slots=True)
class SeasonCloser:
    """Closes seasons of one deployment. `leaderboards` are its workers' base URLs, separated by commas."""

    broker: str
    prefix: str
    database: str
    leaderboards: str

    async def close(self, history: EconomyHistory, season: str, timeout_s: float) -> None:
        """Freeze the standing of every leaderboard of a season that is over, as the economy in force names them.

        All events that were appended before the call are in it. Safe to repeat and to do by several at once: the
        database lets one of them write, all of it or nothing.

        Raises:
            SeasonClosed: it has been closed before, or by somebody else meanwhile.
            UserError: there is no such season, it is not over, or its windows are not kept any more.
            TransientError: something is away, or events are not accounted for within `timeout_s`; it stays open.
        """
        tenant = history.tenant
        if await asyncio.to_thread(is_closed, self.database, tenant, season):
            refuse_closed(tenant, season)
        if behind := await drain(self.broker, self.prefix, timeout_s):
            raise TransientError(f"{behind[0].stage} is behind; the season stays open")
        await asyncio.to_thread(self._freeze, history, season)

    def _freeze(self, history: EconomyHistory, season: str) -> None:
        tenant, instant = history.tenant, now()
        revision = in_force(history, instant)
        if revision is None:
            raise UserError(f"no economy of tenant {tenant!r} is in force")
        boards = boards_of(compile_document(bytes(revision.document), revision.revision, 0), season, instant)
        client = WorkersClient(LEADERBOARDS.name, self.leaderboards)
        found = [standing for board in boards for standing in standings(client, tenant, board, season)]
        freeze(self.database, tenant, season, found, instant)
