"""Workers with web views and nothing else: a Faust app whose server listens on loopback, and tables in memory."""

import asyncio
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import aiohttp
import faust
from prometheus_client import CollectorRegistry
from yarl import URL

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import actor_key, micros
from pipeline.partitioner import partitioner
from pipeline.recordbatch.model import Output, TableView
from pipeline.topology import TOPS
from rules.economy import Board, Economy, Levels
from rules.profile import Profile
from rules.zones import zone_named
from tables import profiles
from tables.board_shards import BoardShard, BoardShards
from tables.boards import Standing, board_key, encode
from tests.builders import INSTANT, TENANT
from tests.memory import MemoryTable
from web.economy import Economies
from web.views import mount

PARTITIONS = 4
partition_for = partitioner(PARTITIONS)
NOW_MS = micros(INSTANT) // 1_000


class Status(NamedTuple):
    """How far a partition is."""

    partition: int
    state: Literal["recovering", "ready"] = "ready"
    recovered: int = 10
    target: int = 10
    lag: int = 0


@dataclass
class MemoryRuntime:
    """A worker's runtime that is what a test says."""

    stage: str
    owned: dict[int, Status]
    tables: dict[int, MemoryTable]
    owners: dict[int, str] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    tops: dict[int, MemoryTable] = field(default_factory=lambda: defaultdict(MemoryTable))
    told: list[tuple[str, int, Output]] = field(default_factory=list)
    dies_after: list[str] = field(default_factory=list)  # what `keep` does last in each of its next calls, else all

    def partitions(self) -> int:
        return PARTITIONS

    def partition_for(self, key: bytes) -> int:
        return partition_for(key)

    def status(self) -> Sequence[Status]:
        return [self.owned[number] for number in sorted(self.owned)]

    def owner(self, partition: int) -> str | None:
        return self.owners.get(partition)

    def view(self, table: str, partition: int) -> MemoryTable:
        return self.tops[partition] if table == TOPS.name else self.tables[partition]

    async def keep(
        self,
        partition: int,
        table: str,
        opened: TableView,
        rows: Mapping[bytes, bytes | None],
        outputs: Mapping[tuple[str, int], Sequence[Output]],
    ) -> None:
        last = self.dies_after.pop(0) if self.dies_after else "rows"
        if last == "nothing" or self.view(table, partition) is not opened:
            raise KeyError(partition)
        self.told += [(topic, number, each) for (topic, number), records in outputs.items() for each in records]
        if last == "outputs":
            raise KeyError(partition)
        for key, row in rows.items():
            if row is None:
                self.tops[partition].rows.pop(key, None)
            else:
                self.tops[partition].rows[key] = row

    def unready(self) -> Sequence[str]:
        return self.reasons


@dataclass
class MemoryEconomies:
    """The economies that a test says are in force; `known` is not set while the worker does not know them."""

    by_tenant: Mapping[str, Economy]
    known: bool = True

    def at(self, tenant: str, appended_ms: int) -> Economy:
        if tenant not in self.by_tenant:
            raise PoisonEvent(Reason.UNKNOWN_TENANT, f"no economy had been published for tenant {tenant!r}")
        return self.by_tenant[tenant]

    def tenants(self) -> list[str]:
        return list(self.by_tenant)

    def following(self) -> bool:
        return True

    async def confirmed(self, appended_ms: int) -> None:
        if not self.known:
            await asyncio.Event().wait()


def economy(**changes: Any) -> Economy:
    """Return an economy with a weekly board of each kind, in Berlin, and three levels."""
    boards = (
        Board("weekly", "xp", "week", "first", None),
        Board("shared", "xp", "week", "shared", None),
        Board("split", "xp", "day", "first", lambda _: None),
        Board("ever", "xp", "all", "first", None),
    )
    fields: dict[str, Any] = {
        "tenant": TENANT,
        "revision": 1,
        "effective_ms": 0,
        "zone": zone_named("Europe/Berlin"),
        "currencies": frozenset({"xp"}),
        "rules": None,  # views read no rules
        "multipliers": (),
        "stacking": "multiply",
        "levels": Levels("xp", (0, 100, 250), ()),
        "boards": {board.id: board for board in boards},
        "versions": None,
    }
    return Economy(**fields | changes)


@dataclass
class Worker:
    """A worker that serves its web views."""

    runtime: MemoryRuntime
    economies: Economies
    shards: BoardShards
    url: str

    async def get(self, path: str, method: str = "GET", **options: Any) -> tuple[int, Any, Mapping[str, str]]:
        """Ask for a path as it stands; return status, body (decoded if it is JSON) and headers."""
        target = URL(self.url + path, encoded=True)
        async with aiohttp.ClientSession() as session, session.request(method, target, **options) as response:
            body: Any = await response.read()
            if "json" in response.content_type and body:
                body = await response.json(content_type=None)
            return response.status, body, response.headers


@asynccontextmanager
async def serving(stage: str, *partitions: int, economies: Economies | None = None) -> AsyncIterator[Worker]:
    """Serve a worker of a stage that owns these partitions."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    app = faust.App(
        f"{stage}-{port}", broker="kafka://127.0.0.1:1", web_bind="127.0.0.1", web_port=port, autodiscover=False
    )
    runtime = MemoryRuntime(
        stage, {number: Status(number) for number in partitions}, {number: MemoryTable() for number in partitions}
    )
    worker = Worker(
        runtime, economies or MemoryEconomies({TENANT: economy()}), BoardShards(), f"http://127.0.0.1:{port}"
    )
    mount(
        app,
        runtime,
        economies=worker.economies,
        shards=worker.shards if stage == "leaderboards" else None,
        clock=lambda: NOW_MS,
        registry=CollectorRegistry(),
    )
    await app.web.start()
    try:
        yield worker
    finally:
        await app.web.stop()


def with_profiles(workers: Sequence[Worker], profiles_: Mapping[str, Profile]) -> None:
    """Give each profile to the worker that owns its actor."""
    for actor, profile in profiles_.items():
        key = actor_key(TENANT, actor)
        for worker in workers:
            if partition_for(key) in worker.runtime.owned:
                worker.runtime.tables[partition_for(key)].rows[key] = profiles.encode(profile)
    introduce(workers)


def with_scores(workers: Sequence[Worker], scores: Mapping[tuple[str, str, str, str], tuple[int, int]]) -> None:
    """Give each score, by board, window, split and actor, to the worker that owns the actor; then open all shards."""
    for (board, window, split, actor), (score, reached) in scores.items():
        partition = partition_for(actor_key(TENANT, actor))
        for worker in workers:
            if partition in worker.runtime.owned:
                row = board_key(TENANT, board, window, split, actor)
                worker.runtime.tables[partition].rows[row] = encode(Standing(1, score, reached, 1))
    open_shards(workers)
    introduce(workers)


def open_shards(workers: Sequence[Worker]) -> None:
    """Let each worker rebuild its order from its rows."""
    for worker in workers:
        for partition, table in worker.runtime.tables.items():
            worker.shards.open(partition, BoardShard.recovered(table))


def introduce(workers: Sequence[Worker]) -> None:
    """Tell each worker who owns what."""
    owners = {partition: worker.url for worker in workers for partition in worker.runtime.owned}
    for worker in workers:
        worker.runtime.owners = dict(owners)
