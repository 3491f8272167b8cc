"""What a stage sees: runs of records in, effects out. Nothing here knows Faust, a broker or a disk.

A stage computes its effects from a run and its state; the shell (`pipeline.recordbatch.shell`) carries them out in the
one order that loses nothing: deliver, produce outputs, produce changelog, write state, acknowledge.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from pipeline.errors import InvariantBroken

Headers = Sequence[tuple[str, bytes]]

# Half the price of a named tuple's own constructor, which is Python code; a stage makes several for each event.
_new = tuple.__new__


class Record(Protocol):
    """A record as the broker gave it. `timestamp` is in milliseconds since the epoch."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class Run(NamedTuple):
    """Consecutive records of one partition, oldest first; never empty, bounded in records and bytes."""

    topic: str
    partition: int
    records: Sequence[Record]


class Output(NamedTuple):
    """A record to produce."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()


# An `Output` where it counts that a plain tuple is made several times faster.
Appendable = tuple[bytes | None, bytes | None, Headers]


class TableView(Protocol):
    """One partition's shard of a table, as its last acknowledged batch left it."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of `keys` in their order; None where there is none. Keys may repeat."""
        ...

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Iterate over the shard's entries whose key begins with `prefix`, in key order."""
        ...


class Change(NamedTuple):
    """The new value of a key; None deletes. `seq` is the sequence that caused it: in recovery the higher one wins."""

    seq: int
    value: bytes | None


@dataclass(slots=True)
class Effects:
    """What a batch does to the world. Outputs keep the order in which they were emitted, per topic and partition."""

    partition: int
    outputs: dict[tuple[str, int], list[Output]] = field(default_factory=dict)
    changes: dict[str, dict[bytes, Change]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def emit(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = (), partition: int | None = None
    ) -> None:
        """Add an output; without `partition` it goes to the number of the partition that is read."""
        place = (topic, self.partition if partition is None else partition)
        outputs = self.outputs.get(place)
        if outputs is None:
            outputs = self.outputs[place] = []
        outputs.append(_new(Output, (key, value, headers)))

    def emit_all(self, topic: str, outputs: Iterable[Output]) -> None:
        """Add outputs in their order, to the number of the partition that is read."""
        added = self.outputs.setdefault((topic, self.partition), [])
        added.extend(outputs)
        if not added:
            del self.outputs[topic, self.partition]

    def put(self, table: str, key: bytes, value: bytes | None, seq: int) -> None:
        """Set a key's value (None deletes it); a later call for the same key replaces the earlier one."""
        changes = self.changes.get(table)
        if changes is None:
            changes = self.changes[table] = {}
        changes[key] = _new(Change, (seq, value))

    def put_all(self, table: str, changes: Mapping[bytes, Change]) -> None:
        """Set the values of keys, as `put` does for one."""
        if changes:
            self.changes.setdefault(table, {}).update(changes)

    def count(self, what: str, n: int = 1) -> None:
        """Count `n` records under a name from a closed set, for the metrics: `accepted`, `duplicate`, a reason code."""
        self.counts[what] = self.counts.get(what, 0) + n


class StageCore:
    """One stage. Override what the stage needs; the defaults do nothing.

    The shell calls, for each run of a partition and never two at a time for the same partition: `before`, `process`,
    `deliver`, then carries out the effects, then calls `applied`.
    """

    async def start(self) -> None:
        """Open what the stage needs beside its tables; called once, before the first run."""

    async def stop(self) -> None:
        """Close it; called once, after the last run."""

    async def before(self, run: Run) -> None:
        """Wait until the run can be judged (for example until the economies are known up to its time)."""

    def process(self, run: Run, tables: dict[str, TableView]) -> Effects:
        """Compute the effects of a run. Pure: no clock, no input or output save reading `tables`."""
        raise InvariantBroken("a stage must say what it does with a run")

    async def deliver(self, run: Run, effects: Effects) -> None:
        """Bring the run to a destination outside the log; returns once it is durable there.

        Raises:
            TransientError: the destination is away; the shell tries again, for ever, with a capped back-off.
        """

    def applied(self, run: Run, effects: Effects) -> None:
        """Called after the state is on disk, to follow it in memory."""

    def partition_opened(self, partition: int, tables: dict[str, TableView]) -> None:
        """Called when a partition's state is recovered and before its first run; may be slow, runs in a thread."""

    def partition_closed(self, partition: int) -> None:
        """Called when a partition is taken away."""
