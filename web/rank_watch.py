"""Watches the tops of leaderboards and tells of changes, as facts `leaderboard.changed`.

A rank follows from the shards of all workers, so no shard can tell of it while it folds an event. The worker that owns
partition 0 looks at every current window again and again instead, and tells what differs from the look before. What
changed and changed back between two looks is not told, nor is what changed while nobody watched: the first look at a
board after a start is where telling begins. Scores are never told in this way, they stand on the boards.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Protocol

from pipeline.errors import TransientError
from pipeline.events import Event, actor_key, encode_json
from pipeline.logs import get_logger
from pipeline.recordbatch.model import Output
from rules.board_windows import CURRENT, NoWindow, named_window
from rules.economy import Board, Economy
from web.economy import PresentEconomies
from web.problems import Problem
from web.questions import BoardWindow
from web.rank_changes import TOP_MAX, Ranked, rank_changes
from web.ranking import Ranking, Source
from web.runtime import Runtime

# Seconds between two looks: what a reader of facts waits for, against a page of each current board per look.
LOOK_S = 5.0
# With so many boards that a look takes long, looks become rarer: the worker is there for scores.
PAUSE_FACTOR = 20
# Parts of a split board that are watched, the first by name.
SPLITS_MAX = 200

_log = get_logger(__name__)


class Facts(Protocol):
    """The topic `facts`."""

    async def append(self, partition: int, records: Sequence[Output]) -> None:
        """Append records; they are durable when this returns.

        Raises:
            TransientError: the broker is away.
        """
        ...

    async def stop(self) -> None:
        """Close it."""
        ...


class RankWatch:
    """Looks at all current windows of all tenants, and remembers their tops."""

    def __init__(
        self,
        runtime: Runtime,
        economies: PresentEconomies,
        tenants: Callable[[], Collection[str]],
        sources: Callable[[BoardWindow], list[Source]],
        facts: Facts,
    ) -> None:
        """`tenants` are those that have an economy, `sources` all shards of a window."""
        self._runtime = runtime
        self._economies = economies
        self._tenants = tenants
        self._sources = sources
        self._facts = facts
        self._tops: dict[BoardWindow, list[Ranked]] = {}
        self._boards: set[tuple[str, str]] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to watch."""
        self._task = asyncio.create_task(self._watch(), name="rank-watch")

    async def stop(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._facts.stop()

    async def look(self) -> None:
        """Look once at every current window, and tell what has changed since the look before.

        Does nothing, and forgets what it saw, while another worker owns partition 0.

        Raises:
            Problem: a part of the boards can't be read now.
            TransientError: a fact could not be told; the next look tells it.
        """
        if not any(status.partition == 0 and status.state == "ready" for status in self._runtime.status()):
            self._tops.clear()
            self._boards.clear()
            return
        seen: set[BoardWindow] = set()
        for tenant in sorted(self._tenants()):
            try:
                economy = await self._economies.find(tenant)
            except Problem:
                continue  # nothing of it is in force
            for board in economy.boards.values():
                seen.update(await self._look_at(tenant, economy, board))
        for gone in self._tops.keys() - seen:
            del self._tops[gone]

    async def _look_at(self, tenant: str, economy: Economy, board: Board) -> list[BoardWindow]:
        now = self._economies.instant()
        try:
            window = named_window(board.window, board.seasons, CURRENT, now, economy.zone)
        except NoWindow:
            return []
        whole = BoardWindow(tenant, board.id, window, "")
        splits = await Ranking(self._sources(whole), board.tie).splits(None, SPLITS_MAX)
        parts = [BoardWindow(tenant, board.id, window, split) for split in splits]
        known = (tenant, board.id) in self._boards
        for part in parts:
            await asyncio.sleep(0)  # a worker that holds all shards answers without ever giving way
            after = await Ranking(self._sources(part), board.tie).top(TOP_MAX)
            # What began while this watches was empty before; what was there before is where telling begins.
            before = self._tops.get(part, [] if known else after)
            await self._tell(list(rank_changes(part, before, after)))
            self._tops[part] = after
        self._boards.add((tenant, board.id))
        return parts

    async def _tell(self, changes: Sequence[Event]) -> None:
        for fact in changes:
            key = actor_key(fact.tenant, fact.subject)
            await self._facts.append(self._runtime.partition_for(key), [Output(key, encode_json(fact), ())])

    async def _watch(self) -> None:
        loop, pause = asyncio.get_running_loop(), LOOK_S
        while True:
            await asyncio.sleep(pause)
            begun = loop.time()
            try:
                await self.look()
            except (Problem, TransientError, KeyError) as problem:
                # A rebalance, a worker that recovers, a broker away: the next look is as good.
                _log.info("the leaderboards can't be watched now", problem=str(problem))
            pause = max(LOOK_S, (loop.time() - begun) * PAUSE_FACTOR)
