"""A stage's own core and disk and the client's own record batches, driven by nothing, with CPU time by step.

What a core spends in compiled code that it can't do without is told apart from its own Python: the reads of its table
are timed as it does them; its JSON and MessagePack are done once more by themselves, with no Python between two values.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

import msgspec
from aiokafka.record.memory_records import MemoryRecords

from agents.leaderboards import ScoredTransaction
from agents.ledger import LedgerEffects
from pipeline.clock import now_ms
from pipeline.events import decode_event, decode_transaction, encode_json
from pipeline.recordbatch.model import Appendable, Effects, Record, Run, StageCore, TableView
from pipeline.recordbatch.ports import TableSpec
from pipeline.recordbatch.producer import BATCH_BYTES, BrokerBatch
from pipeline.recordbatch.records import FetchedRecord
from pipeline.recordbatch.shards import Shard
from pipeline.recordbatch.store import ShardFolder, packed
from pipeline.topology import EVENTS, FACTS, TRANSACTIONS, Table
from rules.profile import Profile
from sinks.ledger.rows import GENESIS, Rows

_RUN_RECORDS = 2_000
_PART = 500  # transactions, as the sink encodes them
READING, TRANSLATING, LOOKING_UP, JUDGING = "batches in", "codecs", "lookups", "own Python"
ENCODING, LOGGING, STORING = "rows", "batches out", "disk"
STEPS = (READING, TRANSLATING, LOOKING_UP, JUDGING, ENCODING, LOGGING, STORING)

Decode = Callable[[bytes], object]


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


class Clock:
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

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._found: list[bytes] = []
        self.clock = Clock()

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with self.clock.spent(LOOKING_UP):
            values = self._shard.get_many(keys)
        self._found += [value for value in values if value is not None]
        return values

    def taken(self) -> list[bytes]:
        """Hand over what was found, and forget it."""
        found, self._found = self._found, []
        return found

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        return self._shard.items(prefix)


class Stage:
    """A stage's core with its table's disk, if it has one; it reads one partition and keeps its place."""

    def __init__(self, name: str, core: StageCore, disk: ShardFolder, table: Table | None, output: str) -> None:
        self.name = name
        self._core = core
        self._output = output  # the topic that the next stage reads
        self._shards: dict[str, Shard] = {}
        if table is not None:
            self._shards[table.name] = Shard(table.name, 0, disk.open(cast("TableSpec", table), 0))
        self._lookups = {name: _Lookups(shard) for name, shard in self._shards.items()}
        self._views: dict[str, TableView] = dict(self._lookups)
        self._core.partition_opened(0, self._views)
        self._position = 0

    def process(self, sent: Sequence[Appendable], clock: Clock) -> list[Appendable]:
        """Process what was sent to the stage; return what it sends to the next one."""
        for each in self._lookups.values():
            each.clock = clock
        fetched = _batches(sent)
        with clock.spent(READING):
            records = _parsed(fetched, self._position)
        self._position += len(records)
        forwarded: list[Appendable] = []
        for start in range(0, len(records), _RUN_RECORDS):
            run = Run("source", 0, records[start : start + _RUN_RECORDS])
            forwarded += self._process(run, clock).outputs.get((self._output, 0), [])
        return forwarded

    def _process(self, run: Run, clock: Clock) -> Effects:
        with clock.spent(JUDGING):
            effects = self._core.process(run, self._views)
        found = [value for each in self._lookups.values() for value in each.taken()]
        _translate(_CODECS[self.name], run, effects, found, clock)
        if isinstance(effects, LedgerEffects):
            with clock.spent(ENCODING):
                _encode(effects)
        with clock.spent(LOGGING):
            for outputs in effects.outputs.values():
                _batches(outputs)
        self._change(effects, clock, run.records[-1].offset)
        with clock.spent(JUDGING):
            self._core.applied(run, effects)
        return effects

    def _change(self, effects: Effects, clock: Clock, offset: int) -> None:
        for table, changes in effects.changes.items():
            with clock.spent(LOGGING):
                stored = {key: None if value is None else packed(seq, value) for key, (seq, value) in changes.items()}
                _batches([(key, value, ()) for key, value in stored.items()])
            with clock.spent(STORING):
                self._shards[table].store.write(stored, offset)


def _translate(codecs: _Codecs, run: Run, effects: Effects, found: Sequence[bytes], clock: Clock) -> None:
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


def _parsed(batches: Sequence[bytes], position: int) -> list[Record]:
    """Return the records of broker batches, of which the first stands at `position`, as the consumer hands them out."""
    records: list[Record] = []
    for data in batches:
        fetched = MemoryRecords(data)
        while fetched.has_next():
            for each in fetched.next_batch():
                records.append(
                    FetchedRecord(position + len(records), each.timestamp, each.key, each.value, each.headers)
                )
    return records
