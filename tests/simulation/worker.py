"""One worker: the product's own, in a host that does what the Faust app does around it, in the same order."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from faust.types import TP

from agents.dedupe import DedupeStage
from agents.leaderboards import LeaderboardsStage
from agents.ledger import LedgerStage
from agents.match import MatchStage
from agents.normalize import NormalizeStage
from pipeline.economies import EconomyFollower
from pipeline.events import from_millis
from pipeline.recordbatch.app import WorkerOptions
from pipeline.recordbatch.in_flight import Delivery, InFlight, Round
from pipeline.recordbatch.model import Run, StageCore
from pipeline.recordbatch.ports import Ports
from pipeline.recordbatch.scheduler import cut_rounds
from pipeline.recordbatch.worker import Companion, StageWorker
from pipeline.topology import (
    DEAD_LETTERS,
    DEDUPE,
    ECONOMIES,
    EVENTS,
    EVENTS_UNIQUE,
    FACTS,
    LEADERBOARDS,
    LEDGER,
    MATCH,
    NORMALIZE,
    OUTCOMES,
    Stage,
    changelog_name,
)
from sinks.ledger.parallel import ParallelSink
from tables.board_shards import BoardShards
from tests.simulation.boards_client import owners, views_of
from tests.simulation.broker import Broker, Client, MemoryEconomyReader
from tests.simulation.closing import Closings, Keeper
from tests.simulation.database import Database
from tests.simulation.disk import MemoryDisk
from tests.simulation.group import Group
from tests.simulation.process import Process
from tests.simulation.session import connect
from tests.simulation.watch import Watch
from web.board_views import BoardViews

PARTITIONS = 2
MARGIN_S = 2.0
RETENTION_DAYS = 30
WINDOWS_KEPT = 2
_COMMIT_S = 0.7
_HEARTBEAT_S = 1.6


class Outside(NamedTuple):
    """What workers share: the world, as far as it is none of theirs."""

    broker: Broker
    database: Database
    groups: dict[str, Group]
    tell: Callable[[str], None]
    failed: Callable[[str], None]
    check_s: float  # how often a worker looks whether it is alone
    watched: bool  # whether leaderboards workers watch the ranks
    closings: Closings | None  # how the ledger's workers close seasons, if they do


class Host:
    """A worker's process from its start to its end; a `pipeline.recordbatch.worker.Host`."""

    def __init__(self, stage: Stage, process: Process, disk: MemoryDisk, outside: Outside) -> None:
        self.name = process.name
        self.stage_name = stage.name
        self.process = process
        self.signal = asyncio.Event()
        self.outside = outside
        self.group = outside.groups[stage.name]
        self.shards = BoardShards()
        self._skew_ms = process.chance.randint(-300, 300)
        self.consumer = self
        self.options = WorkerOptions(
            stage=stage.name,
            app_id=stage.name,
            broker="",
            source=stage.reads.name,
            folder=Path(),
            tables=stage.tables,
            changelogs={table.name: changelog_name("", stage, table) for table in stage.tables},
            sole_writer_check_s=outside.check_s,
        )
        client = Client(outside.broker, process, batch_records=process.chance.randint(1, 4))
        self.watch: Watch | None = None
        self.keeper: Keeper | None = None
        self.views: BoardViews | None = None
        self.assignor = self
        core, companions = self._core(stage)
        self.worker = StageWorker(self, core, companions, Ports(client, client, disk.of(process)))
        self._records_max = process.chance.randint(1, 6)
        self._generation = -1
        self._in_flight: dict[int, InFlight] = {}
        self._committed: dict[int, int] = {}
        self._open: set[Round] = set()
        self._idle = asyncio.Event()
        self._leaving = False

    def _core(self, stage: Stage) -> tuple[StageCore, list[Companion]]:
        letters = DEAD_LETTERS.name
        if stage is NORMALIZE:
            return NormalizeStage(EVENTS.name, letters, PARTITIONS, "cloudevents", None), []
        if stage is DEDUPE:
            unique, outcomes = EVENTS_UNIQUE.name, OUTCOMES.name
            return DedupeStage(unique, outcomes=outcomes, dead_letters=letters, retention_days=RETENTION_DAYS), []
        if stage is MATCH:
            economies = self._follower()
            return MatchStage(prefix="", economies=economies), [economies]
        if stage is LEDGER:
            sink = ParallelSink("", connect=lambda _: connect(self.outside.database, self.process))
            ledger = LedgerStage(events=EVENTS.name, dead_letters=letters, sink=sink, clock=self._now)
            return ledger, self._closing()
        assert stage is LEADERBOARDS
        core = LeaderboardsStage(facts=FACTS.name, dead_letters=letters, windows_kept=WINDOWS_KEPT, shards=self.shards)
        if not self.outside.watched and self.outside.closings is None:
            return core, []
        economies = self._follower()
        if self.outside.closings is not None:
            self.views = views_of(self, PARTITIONS, economies, self.outside.closings)
        else:
            self.watch = Watch(self, PARTITIONS, economies)
        return core, [economies]

    def _closing(self) -> list[Companion]:
        if self.outside.closings is None:
            return []
        economies = self._follower()
        self.keeper = Keeper(self, PARTITIONS, economies, self.outside.closings)
        return [economies]

    def _follower(self) -> EconomyFollower:
        reader = MemoryEconomyReader(self.outside.broker, self.process, ECONOMIES.name)
        return EconomyFollower(reader, margin_s=MARGIN_S, clock=self.now_ms)

    def now_ms(self) -> int:
        """Return the time by this worker's clock, in milliseconds since the epoch."""
        return self.outside.broker.now_ms() + self._skew_ms

    def _now(self) -> datetime:
        return from_millis(self.outside.broker.now_ms())

    # What the product's worker asks of its app and consumer.

    def settle(self, delivery: Delivery, *, finished: bool) -> None:
        if delivery.settle(finished=finished):
            self._open.discard(delivery.round)
        if not self._open:
            self._idle.set()

    def highwater(self, tp: TP) -> int | None:
        return self.outside.broker.log(tp.topic, tp.partition).end

    def processed(self, _tp: TP) -> int | None:
        return None  # nobody asks here how far behind a worker is

    @property
    def _external_tps_url(self) -> dict[TP, str]:
        return owners(self, PARTITIONS)

    async def rejoin(self) -> None:
        self.outside.tell(f"{self.name} is fenced")
        self.group.rebalance()

    async def crash(self, reason: BaseException) -> None:
        self.outside.failed(f"{self.name} stopped itself: {type(reason).__name__}: {reason}")

    # What the app does.

    def start(self) -> None:
        """Run until the process ends."""
        self.process.spawn(self._live())
        for beside in (self.watch, self.keeper):
            if beside is not None:
                self.process.spawn(beside.run())

    def leave(self) -> None:
        """Stop in good order, as under SIGTERM."""
        self._leaving = True
        self.signal.set()

    async def _live(self) -> None:
        committing = asyncio.create_task(self._commit_regularly())
        while not self._leaving:
            generation, numbers = await self.group.sync(self)
            await self.process.between("read")
            self._generation = generation
            self._in_flight.clear()
            self._committed = {}
            # First the shards, then the committed offset: what was committed before the fence is then in the state.
            if await self._unless_signalled(self.worker.open(numbers)):
                feeding = asyncio.create_task(self._feed(numbers))
                await self.signal.wait()
                await asyncio.sleep(max(0.0, self.process.chance.random() - 0.5) * _HEARTBEAT_S)
                await self.process.between("read")
                feeding.cancel()
                await self._finish_rounds()
                await self._commit()
        await self.worker.finish()
        await self._commit()
        self.group.leave(self)
        committing.cancel()
        await self.worker.stop()
        self.process.kill()

    async def _unless_signalled(self, opening: Coroutine[Any, Any, None]) -> bool:
        """Do something unless the next rebalance comes first, which breaks it off; return whether it was done."""
        done, signalled = asyncio.ensure_future(opening), asyncio.ensure_future(self.signal.wait())
        await asyncio.wait([done, signalled], return_when=asyncio.FIRST_COMPLETED)
        finished = done.done()
        for task in (done, signalled):
            task.cancel()
        await asyncio.wait([done, signalled])
        if finished:
            done.result()
        return finished

    async def _feed(self, numbers: Sequence[int]) -> None:
        """Fetch from all partitions at once, and hand on what came in rounds."""
        source, broker = self.options.source, self.outside.broker
        positions = {number: self.group.position(number) for number in numbers}
        while True:
            await broker.more(source, positions)
            await self.process.between("read")
            await self.process.latency()
            await self.process.between("read")
            fetched = {TP(source, number): broker.after(source, number, at, 10) for number, at in positions.items()}
            for _, runs in cut_rounds(fetched, self._records_max, 1 << 20):
                for run in runs:
                    positions[run.partition] = run.records[-1].offset + 1
                # Faust's agent takes in what it has begun to, whatever happens to the fetching.
                await asyncio.shield(asyncio.ensure_future(self.worker.submit(self._delivered(runs))))

    def _delivered(self, runs: Sequence[Run]) -> list[Delivery]:
        """Do what the consumer does with a round when it hands it on."""
        round_ = Round(len(runs))
        self._open.add(round_)
        self._idle.clear()
        deliveries = [Delivery(run, round_) for run in runs]
        for delivery in deliveries:
            self._in_flight.setdefault(delivery.run.partition, InFlight()).deliver(delivery)
        return deliveries

    async def _finish_rounds(self) -> None:
        if self._open:
            await self._idle.wait()

    async def _commit_regularly(self) -> None:
        while True:
            await asyncio.sleep(_COMMIT_S * (0.5 + self.process.chance.random()))
            await self._commit()

    async def _commit(self) -> None:
        offsets = {number: offset for number, each in self._in_flight.items() if (offset := each.committable())}
        generation = self._generation
        if not offsets or offsets == self._committed:
            return
        await self.process.between("commit")
        if not self.outside.broker.away:
            if self.group.commit(self, generation, offsets):
                self._committed = offsets
            await self.process.between("commit")
