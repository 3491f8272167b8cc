"""Closes seasons that are over, beside a worker of the ledger, so that nobody has to think of it.

Every worker of the stage does it, without knowing of the others: a season that two of them close is closed by the one
that the database lets write first. Nothing else waits for it, and what goes wrong is tried again.
"""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

from pipeline.clock import now
from pipeline.errors import TransientError, UserError
from pipeline.logs import get_logger
from pipeline.metrics import SEASONS_OVERDUE
from pipeline.revisions.documents import DocumentRefused
from pipeline.seasons.due import DueSeason, due_seasons
from sinks.ledger.seasons import SeasonClosed
from tables.economies import EconomyHistory, Revision, in_force

# Seconds between two looks. A look costs a comparison for each season of each tenant.
LOOK_S = 10.0
# Seconds before a season that could not be closed is tried again: what is away is not asked without end.
RETRY_S = 60.0
# Seconds for which a closing waits until all events are accounted for.
ACCOUNTED_S = 60.0

_log = get_logger(__name__)


class Histories(Protocol):
    """What has been published, as far as it is known."""

    def tenants(self) -> Collection[str]:
        """Return all tenants for which anything was published."""
        ...

    def history(self, tenant: str) -> EconomyHistory | None:
        """Return a tenant's revisions."""
        ...


class Closer(Protocol):
    """Who closes a season; `pipeline.seasons.closing.SeasonCloser` keeps these promises."""

    async def close(self, history: EconomyHistory, season: str, timeout_s: float) -> None:
        """Freeze the standing of a season.

        Raises:
            SeasonClosed: it is closed.
            UserError: it can't be closed.
            TransientError: it can't be closed now.
        """
        ...


class SeasonKeeper:
    """Looks again and again whether a season is due, and closes it; a companion of a worker."""

    def __init__(
        self, histories: Histories, closer: Closer, grace_s: float, clock: Callable[[], datetime] = now
    ) -> None:
        """Close seasons `grace_s` seconds after they are over."""
        self._histories = histories
        self._closer = closer
        self._grace = timedelta(seconds=grace_s)
        self._clock = clock
        # With the instant at which it was due: new dates under the same id are asked about again.
        self._closed: set[tuple[str, DueSeason]] = set()
        # What is due when, by tenant, of the history and the revision that it was worked out from.
        self._due: dict[str, tuple[EconomyHistory, Revision, list[DueSeason]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look; returns at once."""
        self._task = asyncio.create_task(self._keep(), name="seasons")

    async def stop(self) -> None:
        """Look no more; a standing that is being written is written as a whole or not at all."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> int:
        """Close every season that is due; return how many of them had to stay open."""
        instant, overdue = self._clock(), 0
        for tenant in sorted(self._histories.tenants()):
            history = self._histories.history(tenant)
            revision = None if history is None else in_force(history, instant)
            if history is None or revision is None:
                continue
            for season in self._seasons_of(history, revision):
                if season.due <= instant and (tenant, season) not in self._closed:
                    overdue += not await self._close(history, season)
        SEASONS_OVERDUE.set(overdue)
        return overdue

    async def _close(self, history: EconomyHistory, due: DueSeason) -> bool:
        season = due.season
        try:
            await self._closer.close(history, season, ACCOUNTED_S)
        except SeasonClosed:
            pass
        except (UserError, TransientError, DocumentRefused) as problem:
            _log.warning("a season stays open", tenant=history.tenant, season=season, problem=str(problem))
            return False
        else:
            _log.info("a season is closed", tenant=history.tenant, season=season)
        self._closed.add((history.tenant, due))
        return True

    def _seasons_of(self, history: EconomyHistory, revision: Revision) -> list[DueSeason]:
        known = self._due.get(history.tenant)
        if known is None or known[0] is not history or known[1] is not revision:
            known = self._due[history.tenant] = (history, revision, due_seasons(history, revision, self._grace))
        return known[2]

    async def _keep(self) -> None:
        while True:
            overdue = await self.look()
            await asyncio.sleep(RETRY_S if overdue else LOOK_S)
