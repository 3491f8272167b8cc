"""The one shell that all stages share: it carries out a batch's effects in the order that loses nothing.

For each run of a partition: wait until it can be judged, compute, deliver to the sink, produce the outputs and wait for
them, produce the changelog and wait for it, write the disk, and only then acknowledge. The disk is never ahead of its
changelog, the changelog never ahead of the outputs, the committed offset never ahead of either. A crash between any two
of them leads to computing again, which the sequences in the state make harmless.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import TypeVar

from prometheus_client import Counter

from pipeline import metrics
from pipeline.errors import TransientError
from pipeline.logs import get_logger
from pipeline.recordbatch.model import Effects, Run, StageCore, TableView
from pipeline.recordbatch.ports import ChangelogReader, Log
from pipeline.recordbatch.shards import Shard

log = get_logger(__name__)

T = TypeVar("T")

_RETRY_DELAY_S = 0.1
_RETRY_DELAY_S_MAX = 5.0


class Shell:
    """Runs one stage's core. Partitions are independent; runs of one partition must come one after the other."""

    def __init__(self, name: str, core: StageCore, log_: Log, reader: ChangelogReader) -> None:
        self.name = name
        self.core = core
        self._log = log_
        self._reader = reader
        self.waiting_for: dict[str, str] = {}  # what is being retried and why, for readiness
        # Looked up once: finding a metric by its labels takes longer than counting with it.
        self._seconds = {step: metrics.STAGE_BATCH_SECONDS.labels(name, step) for step in metrics.STEPS}
        self._records = metrics.BATCH_RECORDS.labels(name)
        self._outcomes: dict[str, Counter] = {}

    async def process(self, run: Run, shards: Mapping[str, Shard]) -> None:
        """Process a run to its end; returns once everything it caused is durable.

        Raises:
            Fenced: another worker owns the partition; nothing was written to the disk and the run must not be acked.
            InvariantBroken: a defect; the worker must stop.
        """
        tables: dict[str, TableView] = dict(shards)
        with self._timed("before"):
            await self.core.before(run)
        with self._timed("process"):
            effects = self.core.process(run, tables)
        with self._timed("deliver"):
            await self._retrying("sink", lambda: self.core.deliver(run, effects))
        await self.carry_out(effects, shards)
        self.core.applied(run, effects)
        self._count(run, effects)

    async def carry_out(self, effects: Effects, shards: Mapping[str, Shard]) -> None:
        """Produce outputs, then change the state; returns once all of it is durable.

        Raises:
            Fenced: another worker owns the partition; nothing was written to the disk.
            InvariantBroken: a defect; the worker must stop.
        """
        with self._timed("produce"):
            await self._produce(effects)
        await self._change_state(effects, shards)

    async def _produce(self, effects: Effects) -> None:
        if not effects.outputs:
            return
        await asyncio.gather(
            *(
                self._retrying("broker", partial(self._log.append, topic, partition, records))
                for (topic, partition), records in effects.outputs.items()
            )
        )

    async def _change_state(self, effects: Effects, shards: Mapping[str, Shard]) -> None:
        for table, changes in effects.changes.items():
            shard = shards[table]
            with self._timed("changelog"):
                stored = await self._retrying("broker", partial(shard.log_changes, changes, self._log, self._reader))
            with self._timed("write"):
                shard.write(stored)

    async def check_sole_writer(self, shards: Mapping[str, Shard]) -> None:
        """Make sure that nobody else writes the changelogs of an idle partition.

        Raises:
            Fenced: somebody does, and owns it.
        """
        for shard in shards.values():
            await self._retrying("broker", partial(shard.check_sole_writer, self._log, self._reader))

    async def _retrying(self, what: str, act: Callable[[], Awaitable[T]]) -> T:
        """Act until it succeeds. Work waits for what is away: it is not lost, nor given to a worker no better off."""
        delay = _RETRY_DELAY_S
        try:
            while True:
                try:
                    return await act()
                except TransientError as error:
                    if what not in self.waiting_for:
                        log.warning("waiting for something outside", stage=self.name, what=what, why=str(error))
                    self.waiting_for[what] = str(error)
                    (metrics.SINK_RETRIES if what == "sink" else metrics.PRODUCE_RETRIES).labels(self.name).inc()
                    await asyncio.sleep(delay)
                    delay = min(2 * delay, _RETRY_DELAY_S_MAX)
        finally:  # also when a rebalance breaks it off: nobody might come by again to say that the wait is over
            if self.waiting_for.pop(what, None) is not None:
                log.info("waiting no more", stage=self.name, what=what)

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self._seconds[step].observe(perf_counter() - start)

    def _count(self, run: Run, effects: Effects) -> None:
        self._records.observe(len(run.records))
        for outcome, n in effects.counts.items():
            if outcome not in self._outcomes:
                self._outcomes[outcome] = metrics.STAGE_RECORDS.labels(self.name, outcome)
            self._outcomes[outcome].inc(n)
