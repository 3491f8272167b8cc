"""Where each stage's CPU time goes, event by event: reading, judging, writing, in one process and without a broker.

The stages' own cores and disks and the client's own record batches, driven by nothing: no sockets, no event loop, no
Faust. So the sum is a floor: what a stage costs before it talks to anybody. What a worker costs beyond it is the price
of talking.

What a core spends in compiled code that it can't do without is told apart from its own Python: the reads of its table
are timed as it does them; its JSON and MessagePack are done once more by themselves, with no Python between two values.
"""

import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
from aiokafka.record.memory_records import MemoryRecords

from agents.dedupe import DedupeStage
from agents.leaderboards import LeaderboardsStage, ScoredTransaction
from agents.ledger import Ledger, LedgerEffects, LedgerStage
from agents.match import MatchStage
from agents.normalize import NormalizeStage
from bench.workload import Workload
from pipeline.clock import now_ms
from pipeline.economies import EconomyFollower
from pipeline.events import decode_event, decode_transaction, encode_json
from pipeline.recordbatch.model import Appendable, Effects, Record, Run, StageCore, TableView
from pipeline.recordbatch.ports import TableSpec
from pipeline.recordbatch.producer import BATCH_BYTES, BrokerBatch
from pipeline.recordbatch.records import FetchedRecord
from pipeline.recordbatch.run import collect_seldom
from pipeline.recordbatch.shards import Shard
from pipeline.recordbatch.store import ShardFolder, StoreOptions, packed
from pipeline.topology import BOARDS, EVENTS, EVENTS_UNIQUE, FACTS, PROFILES, SEEN, TRANSACTIONS, Table
from rules.compiler import compile_economy
from rules.document import validate
from rules.economy import Economy
from rules.profile import Profile
from rules.schema import EconomyDocument
from sinks.ledger.rows import GENESIS, Rows
from tables.board_shards import BoardShards

_RUN_RECORDS = 2_000
_PART = 500  # transactions, as the sink encodes them
READING, TRANSLATING, LOOKING_UP, JUDGING = "batches in", "codecs", "lookups", "own Python"
ENCODING, LOGGING, STORING = "rows", "batches out", "disk"
STEPS = (READING, TRANSLATING, LOOKING_UP, JUDGING, ENCODING, LOGGING, STORING)

Report = Callable[[str], None]
Decode = Callable[[bytes], object]


class _Economies:
    """Every tenant's economy, known from the beginning."""

    def __init__(self, work: Workload) -> None:
        self._known = {
            name: compile_economy(cast("EconomyDocument", validate(work.economy(name))), 1, 0)
            for name in work.tenant_names()
        }

    def at(self, tenant: str, _appended_ms: int) -> Economy:
        return self._known[tenant]


@dataclass(frozen=True, slots=True)
class _Codecs:
    """How a stage's input is read, what it writes to topics, what its table holds: each by how it is decoded."""

    value: Decode | None = None
    outputs: Mapping[str, Decode] = field(default_factory=dict)
    stored: Decode | None = None


_CODECS = {
    "normalize": _Codecs(msgspec.json.Decoder().decode, {EVENTS.name: decode_event}),
    "dedupe": _Codecs(),  # looks at headers, and packs its table's values itself
    "match": _Codecs(
        decode_event,
        {TRANSACTIONS.name: decode_transaction, FACTS.name: decode_event},
        msgspec.msgpack.Decoder(Profile).decode,
    ),
    "ledger": _Codecs(decode_transaction),
    # Without a type, since its table holds standings and the ends of windows.
    "leaderboards": _Codecs(msgspec.json.Decoder(ScoredTransaction).decode, stored=msgspec.msgpack.Decoder().decode),
}
_pack = msgspec.msgpack.Encoder().encode


class _Clock:
    """CPU time by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def spent(self, step: str) -> Iterator[None]:
        begun = time.process_time()
        yield
        self.seconds[step] += time.process_time() - begun


class _Lookups:
    """A shard whose reads are timed, and remembered for a run."""

    def __init__(self, shard: Shard, clock: _Clock) -> None:
        self._shard = shard
        self._clock = clock
        self.found: list[bytes] = []

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with self._clock.spent(LOOKING_UP):
            values = self._shard.get_many(keys)
        self.found += [value for value in values if value is not None]
        return values

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        return self._shard.items(prefix)


def measure(work: Workload, rounds: int, report: Report) -> dict[str, Any]:
    """Return CPU microseconds an event of each step of each stage, the best of some rounds."""
    best: dict[str, dict[str, float]] = {}
    collect_seldom()  # as in a worker
    for _ in range(rounds):
        for stage, clock in _round(work).items():
            known = best.setdefault(stage, {})
            for step, seconds in clock.seconds.items():
                known[step] = min(known.get(step, seconds), seconds)
    for known in best.values():
        known[JUDGING] -= known.get(TRANSLATING, 0.0) + known.get(LOOKING_UP, 0.0)
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
            records = _through(name, core, clocks[name], disk, table, records, output)
        for name, core, table in readers:
            _through(name, core, clocks[name], disk, table, records, "")
    return clocks


def _through(
    name: str,
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
    lookups = {name: _Lookups(shard, clock) for name, shard in shards.items()}
    views: dict[str, TableView] = dict(lookups)
    core.partition_opened(0, views)
    fetched = _batches(sent)
    with clock.spent(READING):
        records = _parsed(fetched)
    forwarded: list[Appendable] = []
    for start in range(0, len(records), _RUN_RECORDS):
        run = Run("source", 0, records[start : start + _RUN_RECORDS])
        with clock.spent(JUDGING):
            effects = core.process(run, views)
        _translate(_CODECS[name], run, effects, [value for each in lookups.values() for value in each.found], clock)
        for each in lookups.values():
            each.found.clear()
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


def _translate(codecs: _Codecs, run: Run, effects: Effects, found: Sequence[bytes], clock: _Clock) -> None:
    """Do a run's JSON and MessagePack once more, and nothing else."""
    sent = [
        codecs.outputs[topic](output.value)
        for (topic, _), outputs in effects.outputs.items()
        if topic in codecs.outputs
        for output in outputs
        if output.value is not None
    ]
    kept: list[object] = []
    if codecs.stored is not None:
        changes = (change for changes in effects.changes.values() for change in changes.values())
        kept = [codecs.stored(change.value) for change in changes if change.value is not None]
    with clock.spent(TRANSLATING):
        if codecs.value is not None:
            _exhaust(map(codecs.value, [record.value for record in run.records if record.value is not None]))
        _exhaust(map(encode_json, sent))
        if codecs.stored is not None:
            _exhaust(map(codecs.stored, found))
        _exhaust(map(_pack, kept))


def _exhaust(results: Iterable[object]) -> None:
    deque(results, maxlen=0)


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
