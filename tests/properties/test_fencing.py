"""The fence protocol against everything that owners, zombies, the network and compaction may do."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipeline.errors import TransientError
from pipeline.recordbatch.model import Change
from pipeline.recordbatch.shards import Fenced, Shard
from tests.recordbatch.memory_log import TOPIC, MemoryLog, new_store, recover_from

KEYS = (b"ada", b"bob", b"cleo")
WORKERS = st.sampled_from([0, 1, 0, 1, 2])
# Working is repeated, since it happens more often than everything else.
STEPS = st.sampled_from(
    ["does_a_whole_run"] * 4
    + ["computes_and_produces", "logs", "writes_and_acknowledges"] * 2
    + ["opens", "is_assigned_again", "dies", "events_arrive", "a_late_request_arrives", "the_changelog_is_compacted"]
)
TROUBLE = st.lists(st.sampled_from(["ok", "ok", "refused", "unheard", "twice", "late"]), max_size=4)

T = TypeVar("T")


class Sum(msgspec.Struct, frozen=True):
    """A key's state: the sum of its events' sequences, and the last of them."""

    total: int = 0
    last: int = -1


class Worker:
    """A process with one shard, which reads the source from `position` and carries out its effects in steps."""

    def __init__(self, shard: Shard, position: int) -> None:
        self.shard = shard
        self.position = position
        self.changes: dict[bytes, Change] | None = None
        self.stored: dict[bytes, bytes | None] | None = None
        self.end = position


class Fencing(RuleBasedStateMachine):
    """Three workers, of which the last one that was opened is the owner and the others are zombies or dead."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.loop = asyncio.new_event_loop()
        self.log = MemoryLog(batch_records=2)
        self.source: list[bytes] = [*KEYS, *KEYS]
        self.outputs: list[tuple[int, int]] = []  # (sequence, the key's total after it), as produced
        self.committed = 0
        self.workers: dict[int, Worker] = {}
        self.owner: int | None = None
        self.opens(0, [])

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(doing)

    @rule(
        what=STEPS,
        number=WORKERS,
        count=st.integers(1, 4),
        keys=st.lists(st.sampled_from(KEYS), max_size=6),
        trouble=TROUBLE,
    )
    def something_happens(self, what: str, number: int, count: int, keys: list[bytes], trouble: list[str]) -> None:
        """One rule for all: Hypothesis would leave most rules out of most examples, and the holes need many kinds."""
        arguments: dict[str, tuple[Any, ...]] = {
            "events_arrive": (keys,),
            "a_late_request_arrives": (),
            "opens": (number, trouble),
            "computes_and_produces": (number, count),
            "logs": (number, trouble),
            "does_a_whole_run": (number, count, trouble),
            "the_changelog_is_compacted": (),
        }
        getattr(self, what)(*arguments.get(what, (number,)))

    # What happens outside.

    def events_arrive(self, keys: list[bytes]) -> None:
        self.source += keys

    def a_late_request_arrives(self) -> None:
        self.log.arrive()

    # Owning.

    def opens(self, number: int, trouble: list[str]) -> None:
        """The group gives the partition to a worker, which starts, or starts again; nobody is asked."""
        self.dies(number)
        self.log.trouble = list(trouble)
        shard = Shard(TOPIC, 0, new_store(self.folder / str(number)))
        try:
            self.run(recover_from(self.log, shard))
        except Fenced:  # a late request behind our fence, read as somebody's
            shard.store.close()
            return
        # The position is asked for once the shard is recovered: what was committed by then is in it.
        self.workers[number] = Worker(shard, self.committed)
        self.owner = number

    def is_assigned_again(self, number: int) -> None:
        """The group gives the partition to a worker that still has it open, and may have lost it meanwhile."""
        worker = self.workers.get(number)
        if worker is None:
            return
        self.log.trouble = []
        try:
            self.run(worker.shard.check_sole_writer(self.log, self.log))
        except Fenced:
            self.opens(number, [])
        else:
            worker.position, worker.changes, worker.stored = self.committed, None, None
            self.owner = number

    def dies(self, number: int) -> None:
        worker = self.workers.pop(number, None)
        if worker is not None:
            worker.shard.store.close()
        if self.owner == number:
            self.owner = None

    # Working: each effect on its own, so that others come in between.

    def computes_and_produces(self, number: int, count: int) -> None:
        worker = self.workers.get(number)
        if worker is None or worker.changes is not None or worker.position >= len(self.source):
            return
        worker.end = min(len(self.source), worker.position + count)
        worker.changes = {}
        keys = self.source[worker.position : worker.end]
        state = {
            key: Sum() if value is None else msgspec.msgpack.decode(value, type=Sum)
            for key, value in zip(keys, worker.shard.get_many(keys), strict=True)
        }
        for seq, key in enumerate(keys, worker.position):
            if seq <= state[key].last:
                continue
            state[key] = Sum(state[key].total + seq, seq)
            self.outputs.append((seq, state[key].total))
            worker.changes[key] = Change(seq, msgspec.msgpack.encode(state[key]))

    def logs(self, number: int, trouble: list[str]) -> None:
        worker = self.workers.get(number)
        if worker is None or worker.changes is None or worker.stored is not None:
            return
        self.log.trouble = list(trouble)
        try:
            worker.stored = self.run(worker.shard.log_changes(worker.changes, self.log, self.log))
        except TransientError:
            pass  # the shell tries again: another `logs` does
        except Fenced:
            self.dies(number)

    def writes_and_acknowledges(self, number: int) -> None:
        worker = self.workers.get(number)
        if worker is None or worker.stored is None:
            return
        if worker.stored:
            worker.shard.write(worker.stored)
        worker.position, worker.changes, worker.stored = worker.end, None, None
        if number == self.owner:  # the broker refuses the commits of others
            self.committed = max(self.committed, worker.position)

    def does_a_whole_run(self, number: int, count: int, trouble: list[str]) -> None:
        self.computes_and_produces(number, count)
        self.logs(number, trouble)
        self.writes_and_acknowledges(number)

    def the_changelog_is_compacted(self) -> None:
        """Its minimum lag is longer than an owner takes to look for other writers."""
        worker = self.workers.get(self.owner) if self.owner is not None else None
        if worker is None or self.owner is None or worker.changes is not None:
            return
        self.log.trouble = []
        try:
            self.run(worker.shard.check_sole_writer(self.log, self.log))
        except Fenced:
            self.dies(self.owner)
        else:
            self.log.compact()

    @invariant()
    def outputs_are_exact(self) -> None:
        """Dropping repeated sequences gives each sequence once, in order, with what a plain loop computes."""
        if not hasattr(self, "outputs"):
            return
        expected = self._plain_loop(len(self.source))
        highest = -1
        for seq, total in self.outputs:
            assert total == expected[seq], f"sequence {seq} came out as {total}, not {expected[seq]}"
            if seq > highest:
                assert seq == highest + 1, f"sequence {seq} follows {highest}"
                highest = seq
        assert self.committed <= highest + 1

    def _plain_loop(self, end: int) -> list[int]:
        totals = dict.fromkeys(KEYS, 0)
        after = []
        for seq, key in enumerate(self.source[:end]):
            totals[key] += seq
            after.append(totals[key])
        return after

    def teardown(self) -> None:
        """Whatever happened: a worker with an empty disk goes on from the compacted changelog, and all is exact."""
        if not hasattr(self, "workers"):
            return
        for number in list(self.workers):
            self.dies(number)
        self.opens(1, [])  # repairs
        self.dies(1)
        self.log.arrive()
        self.opens(1, [])
        self.log.compact()
        self.dies(1)
        shutil.rmtree(self.folder / "2", ignore_errors=True)
        self.opens(2, [])
        while self.workers[2].position < len(self.source):
            self.computes_and_produces(2, 5)
            self.logs(2, [])
            self.writes_and_acknowledges(2)
        self.outputs_are_exact()
        assert self.committed == len(self.source)
        self.dies(2)
        shutil.rmtree(self.folder)
        self.loop.close()


Fencing.TestCase.settings = settings(
    max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestFencing = Fencing.TestCase
