"""Seasons closed by the ledger's workers: the product's own keeper and closer, with the world's way to all they ask."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from aiokafka.errors import KafkaConnectionError

from pipeline import drain
from pipeline.drain import Behind
from pipeline.economies import EconomyFollower
from pipeline.events import from_millis
from pipeline.seasons import closing
from pipeline.seasons.closing import SeasonCloser
from pipeline.seasons.keeper import SeasonKeeper
from pipeline.topology import EVENTS, EVENTS_RAW, Stage
from sinks.ledger import seasons
from tables.economies import EconomyHistory
from tests.simulation.blocking import connect_blocking
from tests.simulation.boards_client import BoardsClient
from tests.simulation.replaced import replaced
from tests.simulation.threads import WAITS

if TYPE_CHECKING:
    from tests.simulation.worker import Host, Outside

_LOOK_S = 1.5


class Closings(NamedTuple):
    """How a tenant's seasons are closed in a world. `boards` are the leaderboards workers that are there."""

    tenant: str
    grace_s: float
    apart_s: float
    boards: "Callable[[], Sequence[Host]]"


class Call(NamedTuple):
    """One try to close a season: who makes it, and where `events.raw` and `events` ended when it began."""

    host: "Host"
    outside: "Outside"
    closings: Closings
    raw: tuple[int, ...]
    events: tuple[int, ...]


class Keeper:
    """The keeper of seasons beside one worker of the ledger; `looked` is when its last whole look began."""

    def __init__(self, host: "Host", partitions: int, economies: EconomyFollower, closings: Closings) -> None:
        self._host = host
        self._numbers = range(partitions)
        self._closings = closings
        self._economies = economies
        self._keeper = SeasonKeeper(self, self, closings.grace_s, self._now)
        self.looked = -1.0

    async def run(self) -> None:
        """Look again and again, as `SeasonKeeper` does in a life of its own, which nothing here could kill."""
        WAITS.set(True)
        while True:
            await asyncio.sleep(_LOOK_S * (1 + self._host.process.chance.random()))
            await self._host.process.between("read")
            begun = asyncio.get_running_loop().time()
            try:
                await self._keeper.look()
            except Exception as defect:  # noqa: BLE001 - whatever it is, the product's keeper would be gone
                self._host.outside.failed(f"the keeper of {self._host.name} fails: {type(defect).__name__}: {defect}")
            self.looked = begun

    def tenants(self) -> list[str]:
        """Return the tenant whose seasons are closed, once anything is known of it."""
        return [each for each in self._economies.tenants() if each == self._closings.tenant]

    def history(self, tenant: str) -> EconomyHistory | None:
        """Return a tenant's revisions."""
        return self._economies.history(tenant)

    async def close(self, history: EconomyHistory, season: str, timeout_s: float) -> None:
        """Close a season by the product's closer."""
        outside = self._host.outside
        raw, events = (
            tuple(outside.broker.log(topic.name, number).end for number in self._numbers)
            for topic in (EVENTS_RAW, EVENTS)
        )
        call = Call(self._host, outside, self._closings, raw, events)
        closer = SeasonCloser(call, "", call, call, self._closings.apart_s, self._now)  # type: ignore[arg-type]  # see `in_memory`
        await closer.close(history, season, timeout_s)

    def _now(self) -> datetime:
        return from_millis(self._host.now_ms())


def in_memory() -> AbstractContextManager[None]:
    """Let the closer find broker, clock, boards and database in the world: a `Call` stands for each of them."""
    return replaced(
        (drain, "_stage_log", _stage_log),
        (drain, "time", _Timers),
        (closing, "WorkersClient", BoardsClient),
        (seasons, "connect", connect_blocking),
    )


class _Timers:
    """What a deadline is measured with."""

    @staticmethod
    def monotonic() -> float:
        return asyncio.get_running_loop().time()


class _StageLog:
    """A stage's input seen through its group."""

    def __init__(self, call: Call, stage: Stage) -> None:
        self._call, self._stage = call, stage
        self._ends: dict[int, int] = {}

    async def take_ends(self) -> None:
        await self._ask()
        numbers = range(len(self._call.events))
        self._ends = {each: self._call.outside.broker.log(self._stage.reads.name, each).end for each in numbers}

    async def behind(self) -> Behind:
        await self._ask()
        committed = self._call.outside.groups[self._stage.name].committed
        left = {number: end - committed.get(number, 0) for number, end in self._ends.items()}
        return Behind(self._stage.name, {number: records for number, records in left.items() if records > 0})

    async def _ask(self) -> None:
        await self._call.host.process.between("read")
        if self._call.outside.broker.away:
            raise KafkaConnectionError("the broker is away")


@asynccontextmanager
async def _stage_log(call: Call, _prefix: str, stage: Stage) -> AsyncIterator[_StageLog]:
    yield _StageLog(call, stage)
