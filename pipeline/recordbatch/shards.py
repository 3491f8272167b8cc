"""The shards of a worker's tables: their changelogs, their recovery, and the fence against a second writer.

Faust's own tables write the local disk first, the changelog later and the offset later still; its recovery handles a
record at a time. Here a shard is opened in three steps: append a *fence* (a record with this opening's writer id) to
the changelog, read the changelog up to that fence, then serve.

The fence decides who owns a shard, by the order of the log alone. A writer knows the offset that its next append must
get. Another offset means that somebody else wrote in between: a foreign fence means that the shard was taken over, and
this worker stops before it touches its disk (`Fenced`); other records without a fence are those of a worker that was
taken over and does not know it yet, or delayed requests of this one, and the values of those keys are written again.
Recovery does the same for keys whose last record is not their newest. See docs/adr/0003.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence

from aiokafka import TopicPartition

from pipeline.errors import PipelineError
from pipeline.logs import get_logger
from pipeline.recordbatch.model import Appendable, Change, Record
from pipeline.recordbatch.ports import Log, RangeReader, Store
from pipeline.recordbatch.store import SEQ_BYTES, packed, sequence_of

log = get_logger(__name__)

# Table keys begin with a tenant, never with NUL: these are the protocol's own.
_OWN_KEYS = b"\0"
FENCE_KEY = b"\0fence"
_MARK_KEY = b"\0mark"
WRITER_HEADER = "plaudit-writer"
_SEQ_HEADER = "plaudit-seq"
_FIRST_KEY = b"\x01"  # of a table
# Sequences as they are stored, which compare as bytes: below all there are, and above.
_NOTHING, _ANYTHING = bytes(SEQ_BYTES), b"\xff" * SEQ_BYTES


class Fenced(PipelineError):
    """Another worker has opened this shard; this one must not write its disk again."""


class Shard:
    """One partition of one table, open on this worker."""

    def __init__(self, topic: str, partition: int, store: Store) -> None:
        self.topic = topic
        self.partition = partition
        self.store = store
        self.writer = secrets.token_bytes(8)
        self._headers = ((WRITER_HEADER, self.writer),)
        self._overwritten: set[bytes] = set()  # keys whose last record in the changelog may be older than our value
        # In recovery: the sequences of deleted keys, of which the disk holds nothing; what none exceeds.
        self._buried: dict[bytes, bytes] = {}
        self._highest = _NOTHING if store.empty() else _ANYTHING
        self.expected = -1  # the offset that this writer's next append must get
        self.fence = -1  # the offset of this opening's fence
        self.position = store.offset() + 1  # the next changelog offset to be applied
        self._opened_at = self.position

    @property
    def tp(self) -> TopicPartition:
        """The changelog partition."""
        return TopicPartition(self.topic, self.partition)

    # Reading: the view that stages get.

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return payloads in the order of `keys`; None where there is none."""
        return [None if value is None else value[SEQ_BYTES:] for value in self.store.get_many(keys)]

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Iterate over keys and payloads in key order."""
        for key, value in self.store.items(prefix):
            yield key, value[SEQ_BYTES:]

    # Opening.

    async def raise_fence(self, log_: Log) -> None:
        """Append this opening's fence. After it, every record that is not this writer's is a late one."""
        appended = await log_.append(self.topic, self.partition, [(FENCE_KEY, self.writer, self._headers)])
        self.fence = appended[-1].base
        self.expected = self.fence + 1
        if self.position > self.fence:
            log.warning(
                "the disk is ahead of its changelog, which is a new one: starting from an empty disk", topic=self.topic
            )
            self.store.clear()
            self.position = self._opened_at = 0
            self._highest = _NOTHING

    @property
    def recovered(self) -> bool:
        """Whether everything up to the fence is on the disk."""
        return self.position > self.fence

    def apply(self, records: Iterable[Record], last: int) -> None:
        """Bring the changelog's records up to offset `last` to the disk.

        Of two values for a key, the one with the higher sequence stays. A key whose last record is not the one that
        stays is remembered for `repair`.
        """
        changes, tombstones, doubted = self._newest(records)
        for key, stored in zip(doubted, self.store.get_many(doubted) if doubted else [], strict=True):
            known = self._buried.get(key) if stored is None else stored[:SEQ_BYTES]
            value = changes[key]
            if known is not None and known > (tombstones[key] if value is None else value[:SEQ_BYTES]):
                self._overwritten.add(key)
                del changes[key]
        self._buried.update((key, seq) for key, seq in tombstones.items() if changes.get(key, b"") is None)
        # Whoever opens this disk next must come across what is still to be repaired, should we not get so far.
        reached = self._opened_at - 1 if self._overwritten else last
        self.store.write(changes, reached)
        self.position = last + 1

    def _newest(self, records: Iterable[Record]) -> tuple[dict[bytes, bytes | None], dict[bytes, bytes], list[bytes]]:
        """Return each key's newest value, the sequences of those that delete, the keys that the disk may know better.

        Hardly any record has a sequence below one before it, and only such a one can be older than what the disk holds:
        to look for the others, too, took 0.8 to 1.4 µs a record.
        """
        changes: dict[bytes, bytes | None] = {}
        tombstones: dict[bytes, bytes] = {}
        doubted: dict[bytes, None] = {}
        overwritten, before, highest = self._overwritten, self._highest, self._highest
        for record in records:
            key = record.key
            if key is None or key < _FIRST_KEY:
                continue
            value = record.value
            seq = _tombstone_sequence(record) if value is None else value[:SEQ_BYTES]
            if seq >= highest:
                highest = seq
            elif key in changes:
                newer = changes[key]
                if seq < (tombstones[key] if newer is None else newer[:SEQ_BYTES]):
                    overwritten.add(key)
                    continue
            elif seq < before:
                doubted[key] = None
            changes[key] = value
            if value is None:
                tombstones[key] = seq
            if overwritten:
                overwritten.discard(key)
        self._highest = highest
        return changes, tombstones, list(doubted)

    async def repair(self, log_: Log, reader: RangeReader) -> None:
        """Write again, after recovery, the values behind which an older one stands in the changelog.

        Compaction keeps a key's last record, whatever its sequence: the next recovery would take the older one.

        Raises:
            Fenced: another worker has opened this shard meanwhile.
            TransientError: the broker is away; calling again is harmless.
        """
        if self._overwritten:
            await self._append([], log_, reader)
            self.store.write({}, self.expected - 1)
        self._buried.clear()

    # Writing.

    async def log_changes(
        self, changes: Mapping[bytes, Change], log_: Log, reader: RangeReader
    ) -> dict[bytes, bytes | None]:
        """Append changes to the changelog and return them as the disk takes them.

        Raises:
            Fenced: another worker opened this shard; nothing may be written to the disk.
            TransientError: the broker is away; calling again is harmless.
        """
        headers = self._headers
        stored = {key: None if payload is None else packed(seq, payload) for key, (seq, payload) in changes.items()}
        records: list[Appendable] = [
            self._tombstone(key, changes[key].seq) if value is None else (key, value, headers)
            for key, value in stored.items()
        ]
        if records:
            await self._append(records, log_, reader)
        return stored

    def write(self, stored: Mapping[bytes, bytes | None]) -> None:
        """Write logged changes to the disk, atomically with the changelog offset they reach."""
        self.store.write(stored, self.expected - 1)

    async def check_sole_writer(self, log_: Log, reader: RangeReader) -> None:
        """Append a mark, which finds a second writer even while there is nothing to write.

        Raises:
            Fenced: another worker opened this shard.
            TransientError: the broker is away; calling again is harmless.
        """
        await self._append([(_MARK_KEY, self.writer, self._headers)], log_, reader)

    async def _append(self, records: Sequence[Appendable], log_: Log, reader: RangeReader) -> None:
        """Append `records`, and then once more the values of keys that were written between our own appends.

        Whoever wrote in between, a worker that lost this shard or a delayed request of our own, may have left a key's
        older value as its last record. What was found stays noted until it is repaired, over failures too.
        """
        pending = records or self._present_values(records)
        while pending:
            appended = await log_.append(self.topic, self.partition, pending)
            start = 0
            for base, count in appended:
                if base != self.expected:
                    self._overwritten |= await self._keys_between(base, reader)
                self.expected = base + count
                if self._overwritten:
                    self._overwritten.difference_update(key for key, _, _ in pending[start : start + count])
                start += count
            pending = self._present_values(records)
            if pending:
                log.warning("writing again what another writer overwrote", topic=self.topic, records=len(pending))

    def _present_values(self, records: Sequence[Appendable]) -> list[Appendable]:
        """Return the overwritten keys with what the disk holds of them, or will hold once `records` are written."""
        if not self._overwritten:
            return []
        mine = {record[0]: record for record in records}
        keys = sorted(self._overwritten)
        return [
            mine[key] if key in mine else self._tombstone(key, 0) if value is None else (key, value, self._headers)
            for key, value in zip(keys, self.store.get_many(keys), strict=True)
        ]

    async def _keys_between(self, base: int, reader: RangeReader) -> set[bytes]:
        """Return the keys that were written from the expected offset up to `base`, exclusive.

        Raises:
            Fenced: a fence is among them, or what was there can't be known any more.
        """
        where = f"{self.topic}[{self.partition}]"
        if base < self.expected:
            raise Fenced(f"{where} has lost records: {base} was the next offset, not {self.expected}")
        records = await reader.read(self.topic, self.partition, self.expected, base - 1)
        for record in records:
            if record.key == FENCE_KEY and record.value != self.writer:
                raise Fenced(f"{where} was opened by another worker at offset {record.offset}")
        if len(records) < base - self.expected:
            # Compaction removes the older of two fences, too.
            raise Fenced(f"{where} was compacted before it was known who wrote up to offset {base - 1}")
        return {r.key for r in records if r.key is not None and not r.key.startswith(_OWN_KEYS)}

    def _tombstone(self, key: bytes, seq: int) -> Appendable:
        return (key, None, (*self._headers, (_SEQ_HEADER, b"%d" % seq)))


def sequence_of_record(record: Record) -> int:
    """Return the sequence of a changelog record, which a tombstone carries in a header."""
    if record.value is not None:
        return sequence_of(record.value)
    return int.from_bytes(_tombstone_sequence(record), "big")


def _tombstone_sequence(record: Record) -> bytes:
    return int(dict(record.headers).get(_SEQ_HEADER, b"0")).to_bytes(SEQ_BYTES, "big")
