"""Watches the tops of leaderboards and tells of changes, as facts `leaderboard.changed`.

A rank follows from the shards of all workers, so no shard can tell of it while it folds an event. The worker that owns
the partition of a board's name looks at the board's windows again and again instead, and tells what differs from what
was last told, which it keeps in the table `tops`: whoever owns that partition next goes on from there. What changed
and changed back between two looks is not told. See docs/adr/0013.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

import msgspec

from pipeline.errors import TransientError
from pipeline.events import actor_key, encode_json
from pipeline.logs import get_logger
from pipeline.recordbatch.model import Output, TableView
from pipeline.topology import TOPS
from rules.board_windows import CURRENT, NoWindow, named_window
from rules.economy import Board, Economy
from rules.periods import ALL
from tables.tops import NOBODY, Top, TopKey, board_prefix, decode, encode, split_top_key, top_key
from web.economy import PresentEconomies
from web.problems import Problem
from web.questions import BoardWindow
from web.rank_changes import TOP_MAX, decided, facts
from web.ranking import Ranking, Source
from web.runtime import Runtime

# Seconds between two looks: what a reader of facts waits for, against a page of each current board per look.
LOOK_S = 5.0
# With so many boards that a look takes long, looks become rarer: the worker is there for scores.
PAUSE_FACTOR = 20
# Parts of a split board that are watched, the first by name.
SPLITS_MAX = 200

_log = get_logger(__name__)


class RankWatch:
    """Looks at the windows of all boards whose names lie in this worker's partitions."""

    def __init__(
        self,
        runtime: Runtime,
        economies: PresentEconomies,
        tenants: Callable[[], Collection[str]],
        sources: Callable[[BoardWindow], list[Source]],
        facts: str,
    ) -> None:
        """`tenants` are those that have an economy, `sources` all shards of a window, `facts` the topic's full name."""
        self._runtime = runtime
        self._economies = economies
        self._tenants = tenants
        self._sources = sources
        self._facts = facts
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to watch."""
        self._task = asyncio.create_task(self._watch(), name="rank-watch")

    async def stop(self) -> None:
        """Stop watching; what is decided and not told is told by the next watcher."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> None:
        """Look once at each board, and tell what has changed since it was last told of.

        Raises:
            Problem: a part of the boards can't be read now.
            KeyError: a partition was lost meanwhile; its next owner goes on.
        """
        for tenant in sorted(self._tenants()):
            try:
                economy = await self._economies.find(tenant)
            except Problem:
                continue  # nothing of it is in force
            for board in economy.boards.values():
                home = self._runtime.partition_for(actor_key(tenant, board.id))
                if any(each.partition == home and each.state == "ready" for each in self._runtime.status()):
                    await self._look_at(home, tenant, economy, board)

    async def _look_at(self, home: int, tenant: str, economy: Economy, board: Board) -> None:
        # The shard as it is now: rows decided from it are not written to one that another worker had meanwhile.
        opened = self._runtime.view(TOPS.name, home)
        tops = {split_top_key(key): decode(row) for key, row in opened.items(board_prefix(tenant, board.id))}
        await self._tell(home, opened, tops)
        tops = {key: msgspec.structs.replace(top, untold=()) for key, top in tops.items()}
        current = self._current(economy, board)
        whole = Ranking(self._sources(BoardWindow(tenant, board.id, current or "", "")), board.tie)
        splits = await whole.splits(None, SPLITS_MAX)
        parts = {TopKey(tenant, board.id, current, split) for split in splits} if current else set()
        found: dict[TopKey, Top | None] = {}
        for part in sorted(parts | tops.keys()):
            if part.window != ALL and part.window <= whole.expired_through:
                found |= {part: None} if part in tops else {}
                continue
            top = tops.get(part, NOBODY)
            if top.closed:
                continue
            await asyncio.sleep(0)  # a worker that holds all shards answers without ever giving way
            after = await Ranking(self._sources(BoardWindow(*part)), board.tie).top(TOP_MAX)
            final = current is None or part.window < current
            decision = decided(top, after, final=final)
            if decision is not None:
                found[part] = decision
        if found:
            rows = {top_key(part): None if top is None else encode(top) for part, top in found.items()}
            await self._runtime.keep(home, TOPS.name, opened, rows, {})
            await self._tell(home, opened, {part: top for part, top in found.items() if top is not None})

    def _current(self, economy: Economy, board: Board) -> str | None:
        try:
            return named_window(board.window, board.seasons, CURRENT, self._economies.instant(), economy.zone)
        except NoWindow:
            return None

    async def _tell(self, home: int, opened: TableView, tops: Mapping[TopKey, Top]) -> None:
        """Tell what rows have to tell, and remember that it was told."""
        outputs: dict[tuple[str, int], list[Output]] = defaultdict(list)
        rows: dict[bytes, bytes | None] = {}
        for part, top in tops.items():
            for fact in facts(part, top):
                key = actor_key(fact.tenant, fact.subject)
                place = (self._facts, self._runtime.partition_for(key))
                outputs[place].append(Output(key, encode_json(fact), ()))
            if top.untold:
                rows[top_key(part)] = encode(msgspec.structs.replace(top, untold=()))
        if rows:
            await self._runtime.keep(home, TOPS.name, opened, rows, outputs)

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
