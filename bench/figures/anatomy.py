"""Where each stage's CPU time goes, event by event: reading, judging, writing, in one process and without a broker.

The stages' own cores and disks and the client's own record batches, driven by nothing: no sockets, no event loop, no
Faust. So the sum is a floor: what a stage costs before it talks to anybody. What a worker costs beyond it is the price
of talking.
"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from aiokafka.record.memory_records import MemoryRecords

from agents.dedupe import DedupeStage
from agents.leaderboards import LeaderboardsStage
from agents.ledger import Ledger, LedgerEffects, LedgerStage
from agents.match import MatchStage
from agents.normalize import NormalizeStage
from bench.workload import Workload
from pipeline.clock import now_ms
from pipeline.economies import EconomyFollower
from pipeline.recordbatch.model import Appendable, Effects, Record, Run, StageCore, TableView
from pipeline.recordbatch.ports import TableSpec
from pipeline.recordbatch.producer import BATCH_BYTES, BrokerBatch
from pipeline.recordbatch.records import FetchedRecord
from pipeline.recordbatch.run import collect_seldom
from pipeline.recordbatch.shards import Shard
from pipeline.recordbatch.store import ShardFolder, StoreOptions, packed
from pipeline.topology import BOARDS, EVENTS, EVENTS_UNIQUE, PROFILES, SEEN, TRANSACTIONS, Table
from rules.compiler import compile_economy
from rules.document import validate
from rules.economy import Economy
from rules.schema import EconomyDocument
from sinks.ledger.rows import GENESIS, Rows
from tables.board_shards import BoardShards

_RUN_RECORDS = 2_000
_PART = 500  # transactions, as the sink encodes them
READING, JUDGING, ENCODING, LOGGING, STORING = "reading", "judging", "rows", "appending", "disk"
STEPS = (READING, JUDGING, ENCODING, LOGGING, STORING)

Report = Callable[[str], None]


class _Economies:
    """Every tenant's economy, known from the beginning."""

    def __init__(self, work: Workload) -> None:
        self._known = {
            name: compile_economy(cast("EconomyDocument", validate(work.economy(name))), 1, 0)
            for name in work.tenant_names()
        }

    def at(self, tenant: str, _appended_ms: int) -> Economy:
        return self._known[tenant]


class _Clock:
    """CPU time by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def spent(self, step: str) -> Iterator[None]:
        begun = time.process_time()
        yield
        self.seconds[step] += time.process_time() - begun


def measure(work: Workload, rounds: int, report: Report) -> dict[str, Any]:
    """Return CPU microseconds an event of each step of each stage, the best of some rounds."""
    best: dict[str, dict[str, float]] = {}
    collect_seldom()  # as in a worker
    for _ in range(rounds):
        for stage, clock in _round(work).items():
            known = best.setdefault(stage, {})
            for step, seconds in clock.seconds.items():
                known[step] = min(known.get(step, seconds), seconds)
    stages = [
        {"stage": stage, "steps": {step: best[stage].get(step, 0.0) / work.events * 1e6 for step in STEPS}}
        for stage in best
    ]
    for each in stages:
        report(f"{each['stage']}: {sum(cast('dict[str, float]', each['steps']).values()):.1f} CPU µs an event at least")
    return {"events": work.events, "actors": work.actors, "seed": work.seed, "rounds": rounds, "stages": stages}


def _round(work: Workload) -> dict[str, _Clock]:
    clocks: dict[str, _Clock] = defaultdict(_Clock)
    boards = BoardShards()
    cores: list[tuple[str, StageCore, Table | None, str]] = [
        ("normalize", NormalizeStage(EVENTS.name, "dead", 1, "cloudevents", None), None, EVENTS.name),
        ("dedupe", DedupeStage(EVENTS_UNIQUE.name, "outcomes", "dead", 30), SEEN, EVENTS_UNIQUE.name),
        (
            "match",
            MatchStage(prefix="", economies=cast("EconomyFollower", _Economies(work))),
            PROFILES,
            TRANSACTIONS.name,
        ),
    ]
    readers: list[tuple[str, StageCore, Table | None]] = [
        ("ledger", LedgerStage(events=EVENTS.name, dead_letters="dead", sink=cast("Ledger", None)), None),
        ("leaderboards", LeaderboardsStage(facts="facts", dead_letters="dead", windows_kept=8, shards=boards), BOARDS),
    ]
    with tempfile.TemporaryDirectory() as folder:
        disk = ShardFolder(Path(folder), StoreOptions())
        records: list[Appendable] = [(key, value, ()) for key, value in (each.record() for each in work.sent())]
        for name, core, table, output in cores:
            records = _through(core, clocks[name], disk, table, records, output)
        for name, core, table in readers:
            _through(core, clocks[name], disk, table, records, "")
    return clocks


def _through(
    core: StageCore,
    clock: _Clock,
    disk: ShardFolder,
    table: Table | None,
    sent: Sequence[Appendable],
    output: str,
) -> list[Appendable]:
    """Let a stage process what was sent to it; return what it appends to the topic `output`."""
    shards: dict[str, Shard] = {}
    if table is not None:
        shards[table.name] = Shard(table.name, 0, disk.open(cast("TableSpec", table), 0))
    views: dict[str, TableView] = dict(shards)
    core.partition_opened(0, views)
    fetched = _batches(sent)
    with clock.spent(READING):
        records = _parsed(fetched)
    forwarded: list[Appendable] = []
    for start in range(0, len(records), _RUN_RECORDS):
        run = Run("source", 0, records[start : start + _RUN_RECORDS])
        with clock.spent(JUDGING):
            effects = core.process(run, views)
        if isinstance(effects, LedgerEffects):
            with clock.spent(ENCODING):
                _encode(effects)
        with clock.spent(LOGGING):
            for outputs in effects.outputs.values():
                _batches(outputs)
        _change(effects, shards, clock, run.records[-1].offset)
        with clock.spent(JUDGING):
            core.applied(run, effects)
        forwarded += effects.outputs.get((output, 0), [])
    return forwarded


def _change(effects: Effects, shards: dict[str, Shard], clock: _Clock, offset: int) -> None:
    for table, changes in effects.changes.items():
        with clock.spent(LOGGING):
            stored = {key: None if value is None else packed(seq, value) for key, (seq, value) in changes.items()}
            _batches([(key, value, ()) for key, value in stored.items()])
        with clock.spent(STORING):
            shards[table].store.write(stored, offset)


def _encode(effects: LedgerEffects) -> None:
    rows = Rows(0, datetime.now(UTC), GENESIS)
    for start in range(0, len(effects.postings), _PART):
        rows.add(effects.postings[start : start + _PART])


def _batches(records: Sequence[Appendable]) -> list[bytes]:
    """Build broker batches as the producer does; return them as they go over the wire."""
    built, start, stamp = [], 0, now_ms()
    while start < len(records):
        batch = BrokerBatch(BATCH_BYTES, 0)
        start += batch.fill(records, start, stamp)
        built.append(bytes(batch._builder.build()))  # noqa: SLF001 - as the client sends them
    return built


def _parsed(batches: Sequence[bytes]) -> list[Record]:
    """Return the records of broker batches as the consumer hands them out."""
    records: list[Record] = []
    for data in batches:
        fetched = MemoryRecords(data)
        while fetched.has_next():
            for each in fetched.next_batch():
                records.append(FetchedRecord(len(records), each.timestamp, each.key, each.value, each.headers))
    return records
