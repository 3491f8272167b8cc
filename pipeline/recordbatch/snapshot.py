"""A table as its changelog has it, for those who only look at it: nothing is opened, no fence is raised."""

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.recordbatch.model import Record
from pipeline.recordbatch.shards import sequence_of_record
from pipeline.recordbatch.store import SEQ_BYTES


class Entry(NamedTuple):
    """What stands under a key, and the sequence that brought it there; no payload: it was deleted."""

    seq: int
    payload: bytes | None


class Snapshot:
    """The newest entries of the keys that begin with `prefix`, by partition and key; the higher sequence is newer."""

    def __init__(self, prefix: bytes) -> None:
        self.entries: dict[tuple[int, bytes], Entry] = {}
        self._prefix = prefix

    def take(self, partition: int, records: Sequence[Record]) -> None:
        """Take records of the changelog, in their order; any of them may be given again."""
        for record in records:
            key = record.key
            if key is None or not key.startswith(self._prefix):
                continue
            known, seq = self.entries.get((partition, key)), sequence_of_record(record)
            if known is None or seq >= known.seq:
                payload = None if record.value is None else record.value[SEQ_BYTES:]
                self.entries[partition, key] = Entry(seq, payload)
