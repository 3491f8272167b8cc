"""A table and records in memory, to run a stage without a broker or a disk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.events import SEQ_HEADER
from pipeline.recordbatch.model import Effects, Headers, Run, StageCore, TableView


class MemoryTable:
    """A shard of a table. `write` applies a batch's changes; of two changes of a key the higher sequence wins."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.seqs: dict[bytes, int] = {}

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.rows.get(key) for key in keys]

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        yield from sorted(item for item in self.rows.items() if item[0].startswith(prefix))

    def write(self, effects: Effects, table: str) -> None:
        for key, change in effects.changes.get(table, {}).items():
            if change.seq < self.seqs.get(key, -1):
                continue
            self.seqs[key] = change.seq
            if change.value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = change.value


@dataclass(frozen=True)
class MemoryRecord:
    """A record as a broker would give it."""

    value: bytes | None
    offset: int = 0
    timestamp: int = 1_794_000_000_000
    key: bytes | None = None
    headers: Headers = ()


def sequenced(value: bytes, seq: int) -> MemoryRecord:
    """Return a record that was derived from the event at `seq`."""
    return MemoryRecord(value, offset=seq, headers=((SEQ_HEADER, b"%d" % seq),))


def step(
    stage: StageCore, records: Sequence[MemoryRecord], tables: dict[str, MemoryTable], partition: int = 0
) -> Effects:
    """Let a stage process one run, write its changes and tell it so."""
    run = Run("source", partition, records)
    views: dict[str, TableView] = dict(tables)
    effects = stage.process(run, views)
    for name, table in tables.items():
        table.write(effects, name)
    stage.applied(run, effects)
    return effects
