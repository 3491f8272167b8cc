"""A stage as a Faust app: one agent over one topic, whose events are rounds of runs.

Faust keeps what it is good at: membership, assignment, rebalance, supervision of the agent, web views. Its tables and
their recovery are replaced (`partitions`), its consumer's accounting corrected (`consumer`), its per-record path not
taken.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import faust
from aiokafka.errors import KafkaError
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from yarl import URL

from pipeline import metrics
from pipeline.logs import get_logger
from pipeline.recordbatch.consumer import Transport
from pipeline.recordbatch.model import StageCore
from pipeline.recordbatch.ports import Ports, TableSpec
from pipeline.recordbatch.producer import BatchProducer
from pipeline.recordbatch.recovery import KafkaReader
from pipeline.recordbatch.scheduler import round_scheduler
from pipeline.recordbatch.schema import RoundSchema
from pipeline.recordbatch.store import ShardFolder, StoreOptions
from pipeline.recordbatch.worker import Companion, StageWorker

log = get_logger(__name__)

# Rounds waiting for the agent, of up to `batch_bytes_max` a partition; Faust stops fetching when four fifths of the
# places are taken. With 2 runs of each partition match waited for 40 % of one run, with 8 for 3 to 6 % of two.
_ROUNDS_BUFFERED = 8
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
    fetch_pause_s: float = 0.02
    store: StoreOptions = field(default_factory=StoreOptions)
    web_host: str = "127.0.0.1"
    web_port: int = 6066
    web_url: str = ""


class BatchRecovery(Recovery):
    """Faust's recovery service; before streams resume it opens the assigned partitions' shards."""

    async def _resume_streams(self, generation_id: int = 0) -> None:
        """Open what is assigned, read on from what is committed, and let the runs flow.

        In this order: what was committed before the fence of a shard stood in its changelog, so its state is never
        behind the offset that is read from. `_wait` gives up when the next rebalance begins; this begins again then.
        """
        app: BatchApp = self.app
        app.in_recovery = True
        assigned = [tp.partition for tp in app.consumer.assignment() if tp.topic == app.options.source]
        await self._wait(app.worker.open(assigned))
        await self._wait(self._seek())
        if app.consumer_generation_id != generation_id:
            return
        app.in_recovery = False
        app.consumer.resume_partitions(app.consumer.assignment())
        self.completed.set()
        app.flow_control.resume()
        app.consumer.resume_flow()
        await app._fetcher.maybe_start()
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()

    async def _seek(self) -> None:
        """Seek as long as it takes; the stock one gives up after a while, and with it recovery, for ever."""
        while self.app.consumer.assignment():
            try:
                await self.app.consumer.perform_seek()
            except KafkaError as error:
                log.warning("waiting for the broker", stage=self.app.stage_name, why=repr(error))
                await asyncio.sleep(_CONNECT_RETRY_S)
            else:
                return


class BatchTableManager(TableManager):
    """Manages no Faust tables, but has Faust's assignor, which is sticky and knows every worker's URL, assign."""

    _batch_recovery: BatchRecovery | None = None

    async def on_start(self) -> None:
        """Begin at once; the stock one sleeps for a second first, of the two that a worker needs to be up."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()

    @property
    def changelog_topics(self) -> set[str]:
        """Return the changelog topics of the stage; non-empty, since Faust would otherwise choose another assignor."""
        return set(self.app.options.changelogs.values()) or {f"{self.app.options.app_id}-no-table-changelog"}

    @property
    def recovery(self) -> Recovery:
        """The recovery service."""
        if self._batch_recovery is None:
            self._batch_recovery = self._recovery = BatchRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._batch_recovery


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
            ConsumerScheduler=round_scheduler(options.records_max, options.bytes_max),
            TableManager=BatchTableManager,
            stream_buffer_maxsize=_ROUNDS_BUFFERED,
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
            web_router_enabled=False,  # Faust's own routes would show tables that we do not use, to anybody
            web_tables_enabled=False,
        )
        ports = Ports(
            producer=BatchProducer(options.broker, client_id=options.app_id),
            reader=KafkaReader(options.broker),
            disk=ShardFolder(options.folder, options.store),
        )
        self.worker = StageWorker(self, core, companions, ports)
        for table in options.tables:
            entries = metrics.TABLE_ENTRIES.labels(options.stage, table.name)
            entries.set_function(partial(self._entries, table.name))
        topic = self.topic(options.source, schema=RoundSchema(), internal=False)

        @self.agent(topic, name=options.stage, concurrency=1)
        async def process_runs(stream: Any) -> None:
            async for event in stream.noack().events():
                await self.worker.submit(event.value)

    async def on_stop(self) -> None:
        """Finish what is in flight, let Faust commit it and stop consuming, then stop the stage."""
        await self.worker.finish()
        await super().on_stop()
        await self.worker.stop()

    def _entries(self, table: str) -> int:
        """Return about how many entries of a table this worker serves; the disks of others are being reopened."""
        owned = self.worker.partitions.owned.values()
        return sum(partition.shards[table].store.entries() for partition in owned if partition.ready)

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker, self, loop=self.loop)
