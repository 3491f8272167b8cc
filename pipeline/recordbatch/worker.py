"""The worker's side of an app: its partitions, its shell, and the runs in flight."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from faust.types import TP

from pipeline import metrics
from pipeline.errors import TransientError
from pipeline.logs import get_logger
from pipeline.recordbatch.in_flight import Delivery
from pipeline.recordbatch.model import Change, Effects, Output, Run, StageCore, TableView
from pipeline.recordbatch.partitions import OwnedPartition, Partitions
from pipeline.recordbatch.ports import Ports
from pipeline.recordbatch.shards import Fenced
from pipeline.recordbatch.shell import Shell
from pipeline.recordbatch.waiting import WaitingRuns

if TYPE_CHECKING:
    from pipeline.recordbatch.app import WorkerOptions

log = get_logger(__name__)

# Runs taken at once: while one waits for the broker another computes. Runs of one partition wait for each other, so a
# few of them in a row must not take all places.
_RUNS_AT_ONCE = 16
_CONNECT_RETRY_S = 1.0
# A worker that is told to stop finishes its runs, unless what they wait for is away: then they are broken off.
_FINISH_S = 5.0


# Records for topics, by topic and partition.
Outputs = Mapping[tuple[str, int], Sequence[Output]]


class Companion(Protocol):
    """Something that runs beside a stage's core, from before its first run to after its last."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class RunConsumer(Protocol):
    """What a worker tells and asks the consumer of its runs: `pipeline.recordbatch.consumer.Consumer`."""

    def settle(self, delivery: Delivery, *, finished: bool) -> None: ...
    def highwater(self, tp: TP) -> int | None: ...
    async def rejoin(self) -> None: ...


class Host(Protocol):
    """What a worker lives in: `pipeline.recordbatch.app.BatchApp`."""

    options: "WorkerOptions"
    stage_name: str

    @property
    def consumer(self) -> RunConsumer: ...
    async def crash(self, reason: BaseException) -> None: ...


class StageWorker:
    """The worker's side of an app: its partitions, its shell, and the runs in flight."""

    def __init__(self, app: "Host", core: StageCore, companions: Sequence[Companion], ports: Ports) -> None:
        options = app.options
        self.app = app
        self._services: Sequence[Companion] = (*companions, core)
        self.producer = ports.producer
        self.reader = ports.reader
        self.shell = Shell(options.stage, core, self.producer, self.reader)
        queue = partial(WaitingRuns, options.records_max, options.bytes_max)
        self.partitions = Partitions(core, ports.disk, options.tables, options.changelogs, options.stage, queue)
        self.failed: Exception | None = None
        self.opened = False
        self._opening = asyncio.Lock()
        self._slots = asyncio.Semaphore(_RUNS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._started: list[Companion] = []
        self._stopping = False

    async def _start(self) -> None:
        """Connect, waiting for the broker as long as it takes, and start the core."""
        while True:
            try:
                await self.producer.start()
            except TransientError as error:
                log.warning("waiting for the broker", stage=self.app.stage_name, why=str(error))
                await asyncio.sleep(_CONNECT_RETRY_S)
            else:
                break
        for service in self._services:
            await service.start()
            self._started.append(service)
        self._watching = asyncio.create_task(self._watch_writers())

    async def finish(self) -> None:
        """Take no more runs, and finish those in flight or, after a while, break them off, as in a crash."""
        self._stopping = True
        if self._tasks:
            _, slow = await asyncio.wait(self._tasks, timeout=_FINISH_S)
            await _cancelled(slow)

    async def stop(self) -> None:
        """Close everything; idempotent."""
        await self.finish()
        await _cancelled(task for task in (self._starting, self._watching) if task is not None)
        async with self._opening:  # its thread may still be at work
            self.partitions.close_all()
        while self._started:
            await self._started.pop().stop()
        await self.producer.stop()

    async def open(self, numbers: Sequence[int]) -> None:
        """Own these partitions and recover them."""
        async with self._opening:
            if self._starting is None:
                self._starting = asyncio.create_task(self._start())
            # The next rebalance cancels this call, and the next call must not start everything a second time.
            await asyncio.shield(self._starting)
            try:
                await self.partitions.assign(numbers, self.producer, self.reader)
            except Fenced as fenced:
                log.warning("fenced while recovering", stage=self.app.stage_name, why=str(fenced))
                await self.app.consumer.rejoin()
            else:
                self.opened = True

    async def submit(self, round_: Sequence[Delivery]) -> None:
        """Take a round; returns once each of its runs has a slot. Order within a partition is kept.

        Runs that begin together append together, and the broker gets their outputs in one request: the next stage then
        finds all of them in one fetch, and this stage makes one round trip where it would make one for each partition.
        """
        for delivery in round_:
            await self._slots.acquire()
            partition = self.partitions.owned.get(delivery.run.partition)
            if partition is None:
                self._settle([delivery], finished=False)
                continue
            partition.waiting.add(delivery)
            if not partition.draining:
                partition.draining = True
                task = asyncio.create_task(self._drain(partition))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _drain(self, partition: OwnedPartition) -> None:
        """Process what waits, one run after the other, until nothing does."""
        try:
            while partition.waiting:
                async with partition.lock:
                    run, parts = partition.waiting.take()
                    finished = False
                    try:
                        finished = await self._process(partition, run)
                    finally:
                        self._settle(parts, finished=finished)
        finally:
            partition.draining = False
            self._settle(partition.waiting.take_all(), finished=False)

    def _settle(self, deliveries: Sequence[Delivery], *, finished: bool) -> None:
        """Free the slots of runs that are finished or given up."""
        for delivery in deliveries:
            self.app.consumer.settle(delivery, finished=finished)
            self._slots.release()

    async def keep(
        self, number: int, table: str, opened: TableView, rows: Mapping[bytes, bytes | None], outputs: Outputs
    ) -> None:
        """Append outputs and then write rows of a table, which no run has caused; all is durable when this returns.

        It takes its turn between the runs of the partition. `opened` is the shard that the rows were computed from: a
        shard that was opened again since may hold what another worker has written. The rows' sequence is their place
        in the changelog, so that a worker that lost the shard without noticing never outranks the one that has it.

        Raises:
            KeyError: the partition is not this worker's any more, or not as it was; no row was written.
        """
        task = asyncio.create_task(self._keep(number, table, opened, rows, outputs))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await task

    async def _keep(
        self, number: int, table: str, opened: TableView, rows: Mapping[bytes, bytes | None], outputs: Outputs
    ) -> None:
        partition = self.partitions.owned[number]
        async with partition.lock:
            shard = partition.shards[table]
            lost = partition.fenced or not partition.ready or shard is not opened
            if lost or self._stopping or self.failed is not None:
                raise KeyError(number)
            changes = {key: Change(shard.expected, value) for key, value in rows.items()}
            effects = Effects(number, {place: list(each) for place, each in outputs.items()}, {table: changes})
            try:
                await self.shell.carry_out(effects, partition.shards)
            except Fenced as fenced:
                await self._fence(partition, fenced)
                raise KeyError(number) from fenced
            except Exception as error:
                self.failed = error
                await self.app.crash(error)
                raise

    async def _process(self, partition: OwnedPartition, run: Run) -> bool:
        """Process a run of a partition whose lock is held; return whether it is finished."""
        # A run after one that was not finished must not be processed: state would say that both were.
        if self._stopping or self.failed is not None or partition.fenced or not partition.ready:
            return False
        try:
            await self.shell.process(run, partition.shards)
        except Fenced as fenced:
            await self._fence(partition, fenced)
            return False
        except Exception as error:  # noqa: BLE001 - the one place: whatever is not foreseen stops the worker
            await self._fail(error, run)
            return False
        self._observe_lag(run)
        return True

    async def _fence(self, partition: OwnedPartition, fenced: Fenced) -> None:
        """Process nothing more of a partition, and ask the group whose it is; if it is ours, it is opened again."""
        partition.fenced = True
        metrics.FENCED.labels(self.app.stage_name).inc()
        log.warning("fenced", stage=self.app.stage_name, partition=partition.number, why=str(fenced))
        await self.app.consumer.rejoin()

    async def _fail(self, error: Exception, run: Run) -> None:
        """Stop the worker without acknowledging: a run that can't be processed must not be passed over."""
        self.failed = error
        log.critical(
            "the stage failed; the worker stops",
            stage=self.app.stage_name,
            partition=run.partition,
            first=run.records[0].offset,
            last=run.records[-1].offset,
            exc_info=error,
        )
        await self.app.crash(error)

    def _observe_lag(self, run: Run) -> None:
        highwater = self.app.consumer.highwater(TP(run.topic, run.partition))
        if highwater is not None:
            lag = max(0, highwater - run.records[-1].offset - 1)
            metrics.LAG_RECORDS.labels(self.app.stage_name, str(run.partition)).set(lag)

    async def _watch_writers(self) -> None:
        """Look, on idle partitions too, whether somebody else writes their changelogs."""
        while True:
            await asyncio.sleep(self.app.options.sole_writer_check_s)
            await self._check_writers()

    async def _check_writers(self) -> None:
        for partition in list(self.partitions.owned.values()):
            if not partition.ready or partition.fenced:
                continue
            try:
                async with partition.lock:
                    await self.shell.check_sole_writer(partition.shards)
            except Fenced as fenced:
                await self._fence(partition, fenced)
            except Exception as error:  # noqa: BLE001 - as for runs; a check that ended in silence would be none
                self.failed = error
                await self.app.crash(error)


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for their end."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
