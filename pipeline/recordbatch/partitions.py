"""What a worker owns: for each assigned partition its shards, and how far their recovery is."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from time import perf_counter

from pipeline import metrics
from pipeline.errors import TransientError
from pipeline.logs import get_logger
from pipeline.recordbatch.model import StageCore, TableView
from pipeline.recordbatch.ports import ChangelogReader, Disk, Log, TableSpec
from pipeline.recordbatch.recovery import in_thread, recover
from pipeline.recordbatch.shards import Fenced, Shard
from pipeline.recordbatch.waiting import WaitingRuns

log = get_logger(__name__)

_RETRY_DELAY_S = 0.5


class OwnedPartition:
    """An assigned partition of the stage's source topic."""

    def __init__(self, number: int, shards: dict[str, Shard], waiting: WaitingRuns) -> None:
        self.number = number
        self.shards = shards
        self.waiting = waiting
        self.draining = False  # a task processes what waits
        self.ready = False
        self.fenced = False
        self.lock = asyncio.Lock()  # runs of a partition are processed one after the other
        self._start = {name: shard.position for name, shard in shards.items()}

    @property
    def target(self) -> int:
        """Changelog records that had to be read when the partition was opened."""
        return sum(max(0, shard.fence + 1 - self._start[name]) for name, shard in self.shards.items())

    @property
    def recovered(self) -> int:
        """Changelog records that have been read of them."""
        return min(self.target, sum(max(0, s.position - self._start[name]) for name, s in self.shards.items()))


class Partitions:
    """Opens, recovers and closes the partitions of one stage on one worker."""

    def __init__(
        self,
        core: StageCore,
        disk: Disk,
        tables: Sequence[TableSpec],
        changelogs: Mapping[str, str],
        stage: str,
        queue: Callable[[], WaitingRuns],
    ) -> None:
        """Prepare to own; `queue` makes the queue of a partition's runs."""
        self._core = core
        self._disk = disk
        self._tables = tables
        self._changelogs = changelogs
        self._stage = stage
        self._queue = queue
        self.owned: dict[int, OwnedPartition] = {}

    async def assign(self, numbers: Iterable[int], log_: Log, reader: ChangelogReader) -> None:
        """Own exactly these partitions: close what went, open and recover what came or was fenced.

        A partition that stays keeps its state, if nobody else had it meanwhile. Returns once all are ready; waits for
        the broker as long as it takes.

        Raises:
            Fenced: another worker has opened one of them meanwhile.
        """
        wanted = set(numbers)
        for number in list(self.owned):
            if number not in wanted or self.owned[number].fenced or not self.owned[number].ready:
                self.close(number)
        await asyncio.gather(*(self._check(number, log_, reader) for number in list(self.owned)))
        fresh = [self._open(number) for number in sorted(wanted - self.owned.keys())]
        if not fresh:
            return
        self._count()
        begun = perf_counter()
        await self._recover(fresh, log_, reader)
        for partition in fresh:
            shards: dict[str, TableView] = dict(partition.shards)
            await in_thread(self._core.partition_opened, partition.number, shards)
            partition.ready = True
        log.info(
            "partitions ready",
            stage=self._stage,
            partitions=sorted(self.owned),
            recovered_records=sum(partition.target for partition in fresh),
            seconds=round(perf_counter() - begun, 3),
        )

    async def _check(self, number: int, log_: Log, reader: ChangelogReader) -> None:
        """Close a partition that was another worker's since its last run, which this worker may have slept through.

        Its state would be older than the offset from which it is now to be read, and outputs computed from it wrong.
        """
        partition = self.owned[number]
        try:
            async with partition.lock:
                for shard in partition.shards.values():
                    await self._retrying(partial(shard.check_sole_writer, log_, reader))
        except Fenced as fenced:
            log.warning(
                "the partition was elsewhere; recovering it", stage=self._stage, partition=number, why=str(fenced)
            )
            self.close(number)

    async def _recover(self, fresh: Sequence[OwnedPartition], log_: Log, reader: ChangelogReader) -> None:
        shards = [shard for partition in fresh for shard in partition.shards.values()]

        async def attempt() -> None:
            # A fence that is raised again after a failure is one more record, no harm.
            await asyncio.gather(*(shard.raise_fence(log_) for shard in shards))
            await recover(reader, shards, lambda: self._report(fresh))
            await asyncio.gather(*(shard.repair(log_, reader) for shard in shards))

        await self._retrying(attempt)

    async def _retrying(self, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await act()
            except TransientError as error:
                log.warning("recovery waits for the broker", stage=self._stage, why=str(error))
                await asyncio.sleep(_RETRY_DELAY_S)

    def _open(self, number: int) -> OwnedPartition:
        shards = {}
        for table in self._tables:
            shards[table.name] = Shard(self._changelogs[table.name], number, self._disk.open(table, number))
        partition = self.owned[number] = OwnedPartition(number, shards, self._queue())
        return partition

    def close(self, number: int) -> None:
        """Give a partition up; its disk stays, for the case that it comes back."""
        partition = self.owned.pop(number)
        if partition.ready:
            partition.ready = False
            self._core.partition_closed(number)
        for shard in partition.shards.values():
            shard.store.close()
        self._count()

    def close_all(self) -> None:
        """Give all partitions up, when the worker stops."""
        for number in list(self.owned):
            self.close(number)

    def _count(self) -> None:
        metrics.PARTITIONS_OWNED.labels(self._stage).set(len(self.owned))
        metrics.REBALANCES.labels(self._stage).inc()

    def _report(self, fresh: Sequence[OwnedPartition]) -> None:
        for partition in fresh:
            for name, shard in partition.shards.items():
                remaining = max(0, shard.fence + 1 - shard.position)
                metrics.RECOVERY_REMAINING_RECORDS.labels(self._stage, name, str(partition.number)).set(remaining)
