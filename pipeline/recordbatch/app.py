"""A stage as a Faust app: one agent over one topic, whose events are runs.

Faust keeps what it is good at: membership, assignment, rebalance, supervision of the agent, web views. Its tables and their
recovery are replaced (`partitions`), its consumer's accounting corrected (`consumer`), its per-record path not taken.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import faust
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP
from yarl import URL

from pipeline import metrics
from pipeline.errors import TransientError
from pipeline.logs import get_logger
from pipeline.recordbatch.consumer import Transport
from pipeline.recordbatch.model import Run, StageCore
from pipeline.recordbatch.partitions import OwnedPartition, Partitions
from pipeline.recordbatch.producer import BatchProducer
from pipeline.recordbatch.recovery import KafkaReader
from pipeline.recordbatch.scheduler import run_scheduler
from pipeline.recordbatch.schema import RunSchema
from pipeline.recordbatch.shards import Fenced, TableSpec
from pipeline.recordbatch.shell import Shell
from pipeline.recordbatch.store import StoreOptions

log = get_logger(__name__)

# Runs waiting for the agent. Each holds up to `batch_bytes_max`; more only uses memory.
_RUNS_BUFFERED = 8
# Runs being processed at once, of different partitions: while one waits for the broker another computes.
_RUNS_AT_ONCE = 4
_CONNECT_RETRY_S = 1.0


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """How a stage's worker runs. Names are full topic names; sizes are per run."""

    stage: str
    app_id: str
    broker: str
    source: str
    folder: Path
    tables: Sequence[TableSpec] = ()
    changelogs: dict[str, str] = field(default_factory=dict)
    records_max: int = 2_000
    bytes_max: int = 1 << 20
    session_timeout_s: float = 10.0
    commit_interval_s: float = 1.0
    sole_writer_check_s: float = 30.0
    store: StoreOptions = StoreOptions()
    web_host: str = "127.0.0.1"
    web_port: int = 6066
    web_url: str = ""


class BatchRecovery(Recovery):
    """Faust's recovery service; before streams resume it opens the assigned partitions' shards."""

    async def _resume_streams(self, generation_id: int = 0) -> None:
        app: BatchApp = self.app
        app.in_recovery = True
        assigned = [tp.partition for tp in app.consumer.assignment() if tp.topic == app.options.source]
        # `_wait` gives up when the next rebalance begins; the opening is begun again for what is assigned then.
        await self._wait(app.worker.open(assigned))
        app.in_recovery = False
        await super()._resume_streams(generation_id=generation_id)


class BatchTableManager(TableManager):
    """Manages no Faust tables, but lets Faust's assignor, which is sticky and knows every worker's URL, do the assigning."""

    @property
    def changelog_topics(self) -> set[str]:
        """Return the changelog topics of the stage; non-empty, since Faust would otherwise choose another assignor."""
        return set(self.app.options.changelogs.values()) or {f"{self.app.options.app_id}-no-table-changelog"}

    @property
    def recovery(self) -> Recovery:
        """The recovery service."""
        if self._recovery is None:
            self._recovery = BatchRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery


class Companion(Protocol):
    """Something that runs beside a stage's core, from before its first run to after its last."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class BatchApp(faust.App):
    """A Faust app that runs one stage."""

    def __init__(self, options: WorkerOptions, core: StageCore, companions: Sequence[Companion] = ()) -> None:
        self.options = options
        self.stage_name = options.stage
        super().__init__(
            options.app_id,
            broker=[URL(f"kafka://{address}") for address in options.broker.split(",")],
            autodiscover=False,
            store="memory://",
            datadir=str(options.folder),
            topic_allow_declare=False,  # `plaudit topics create` declares; workers never do
            topic_disable_leader=True,
            ConsumerScheduler=run_scheduler(options.records_max, options.bytes_max),
            TableManager=BatchTableManager,
            stream_buffer_maxsize=_RUNS_BUFFERED,
            stream_wait_empty=True,
            broker_commit_interval=options.commit_interval_s,
            broker_session_timeout=options.session_timeout_s,
            broker_heartbeat_interval=options.session_timeout_s / 4,
            broker_request_timeout=max(30.0, options.session_timeout_s * 2),
            broker_max_poll_interval=86_400.0,  # work waits for what is away; the session timeout finds dead workers
            consumer_max_fetch_size=1 << 20,
            consumer_auto_offset_reset="earliest",
            web_bind=options.web_host,
            web_host=options.web_host,
            web_port=options.web_port,
            canonical_url=options.web_url or f"http://{options.web_host}:{options.web_port}",
            web_in_thread=False,
        )
        self.worker = StageWorker(self, core, companions)
        topic = self.topic(options.source, schema=RunSchema(), internal=False)

        @self.agent(topic, name=options.stage, concurrency=1)
        async def process_runs(stream: Any) -> None:
            async for event in stream.noack().events():
                await self.worker.submit(event)

    async def on_stop(self) -> None:
        """Stop the stage after Faust has stopped consuming."""
        await super().on_stop()
        await self.worker.stop()

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker, self, loop=self.loop)


class StageWorker:
    """The worker's side of an app: its partitions, its shell, and the runs in flight."""

    def __init__(self, app: BatchApp, core: StageCore, companions: Sequence[Companion]) -> None:
        options = app.options
        self.app = app
        self._services: Sequence[Companion] = (*companions, core)
        self.producer = BatchProducer(options.broker, client_id=options.app_id)
        self.reader = KafkaReader(options.broker)
        self.shell = Shell(options.stage, core, self.producer, self.reader)
        self.partitions = Partitions(
            core, options.broker, options.folder, options.tables, options.changelogs, options.store, options.stage
        )
        self.failed: BaseException | None = None
        self.opened = False
        self._opening = asyncio.Lock()
        self._slots = asyncio.Semaphore(_RUNS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None

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
        self._watching = asyncio.create_task(self._watch_writers())

    async def stop(self) -> None:
        """Finish. Runs still in flight are broken off, as in a crash: their partition's next owner does them again."""
        if self._watching is None:
            return
        tasks = [self._watching, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.partitions.close_all()
        for service in reversed(self._services):
            await service.stop()
        await self.producer.stop()

    async def open(self, numbers: Sequence[int]) -> None:
        """Own these partitions and recover them."""
        async with self._opening:
            if self._watching is None:
                await self._start()
            await self.partitions.assign(numbers, self.producer)
            self.opened = True

    async def submit(self, event: Any) -> None:
        """Take a run; returns as soon as a slot is free, so that partitions overlap. Order within a partition is kept."""
        await self._slots.acquire()
        task = asyncio.create_task(self._process(event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _process(self, event: Any) -> None:
        run: Run = event.value
        try:
            partition = self.partitions.owned.get(run.partition)
            if partition is None or partition.fenced:
                self.app.consumer.abandon(event.message)
                return
            async with partition.lock:
                if partition.fenced:
                    self.app.consumer.abandon(event.message)
                    return
                await self.shell.process(run, partition.shards)
            self.app.consumer.ack(event.message)
            self._observe_lag(run)
        except Fenced as fenced:
            self._fence(self.partitions.owned[run.partition], fenced)
            self.app.consumer.abandon(event.message)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - the one place: whatever is not foreseen stops the worker
            await self._fail(error, run)
        finally:
            self._slots.release()

    def _fence(self, partition: OwnedPartition, fenced: Fenced) -> None:
        partition.fenced = True
        metrics.FENCED.labels(self.app.stage_name).inc()
        log.warning("fenced", stage=self.app.stage_name, partition=partition.number, why=str(fenced))

    async def _fail(self, error: BaseException, run: Run) -> None:
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
                self._fence(partition, fenced)
