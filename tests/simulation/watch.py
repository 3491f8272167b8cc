"""A leaderboards worker's look at ranks: over all workers that can be asked, again and again."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from pipeline.economies import EconomyFollower
from pipeline.errors import TransientError
from pipeline.recordbatch.runtime import WorkerRuntime
from pipeline.topology import FACTS
from web.economy import PresentEconomies
from web.problems import Problem
from web.questions import Answer, BoardWindow, Question, ShardRequest, answer
from web.rank_watch import RankWatch
from web.ranking import Source

if TYPE_CHECKING:
    from tests.simulation.worker import Host

_LOOK_S = 0.5


class Watch:
    """The watch of one host, with the world's own way to other workers."""

    def __init__(self, host: "Host", partitions: int, economies: EconomyFollower) -> None:
        self._host = host
        self.runtime = WorkerRuntime(host, partitions)  # type: ignore[arg-type]  # what it asks of an app, a host has
        self._partitions = partitions
        present = PresentEconomies(economies, host.now_ms)
        self._watch = RankWatch(self.runtime, present, economies.tenants, self._sources, FACTS.name)

    async def run(self) -> None:
        """Look again and again, as `RankWatch` does in a life of its own, which nothing here could kill."""
        while True:
            await asyncio.sleep(_LOOK_S * (1 + self._host.process.chance.random()))
            await self._host.process.between("read")
            try:
                await self._watch.look()
            except (Problem, TransientError, KeyError):
                continue

    def _sources(self, of: BoardWindow) -> list[Source]:
        return [_Shard(self._host, of, number) for number in range(self._partitions)]


class _Shard:
    """One partition of a window, on whichever worker says that it owns it."""

    def __init__(self, asking: "Host", of: BoardWindow, number: int) -> None:
        self._asking, self._of, self._number = asking, of, number

    async def ask(self, question: Question) -> Answer:
        await self._asking.process.latency()
        await self._asking.process.between("read")
        members: Sequence[Host] = self._asking.group.members  # type: ignore[assignment]  # hosts are what joins
        for host in members:
            owned = host.worker.partitions.owned.get(self._number)
            if owned is not None and owned.ready and not owned.fenced and host.process.stopped_at is None:
                assert host.watch is not None
                return answer(ShardRequest(self._of, (self._number,), question), host.shards, host.watch.runtime)
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "nobody", f"nobody serves partition {self._number}")
