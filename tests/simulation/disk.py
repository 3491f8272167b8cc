"""Disks in memory. They outlive processes, and may lose their last writes or everything."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple

from pipeline.recordbatch.ports import TableSpec
from tests.simulation.process import Process

_KEPT = 4  # states of a shard that a power failure may bring back


class State(NamedTuple):
    """A shard's rows and the changelog offset that they reach, as one atomic write left them."""

    rows: dict[bytes, bytes]
    offset: int


_EMPTY = State({}, -1)


class MemoryDisk:
    """The disk of one worker's folder: for each shard its last states, newest last."""

    def __init__(self) -> None:
        self.shards: dict[tuple[str, int], list[State]] = {}

    def fail(self, how: str, chance: Random) -> None:
        """Lose everything (`emptied`) or, shard by shard, some of the last writes (`power`)."""
        if how == "emptied":
            self.shards.clear()
        elif how == "power":
            for states in self.shards.values():
                del states[chance.randint(1, len(states)) :]

    def of(self, process: Process) -> "MountedDisk":
        """Return the disk as a process sees it."""
        return MountedDisk(self, process)


class MountedDisk:
    """A disk in the hands of a process."""

    def __init__(self, disk: MemoryDisk, process: Process) -> None:
        self._disk = disk
        self._process = process

    def open(self, table: TableSpec, partition: int) -> "MemoryStore":
        return MemoryStore(self._disk.shards.setdefault((table.name, partition), [_EMPTY]), self._process)


class MemoryStore:
    """A shard's store; a `pipeline.recordbatch.ports.Store`."""

    def __init__(self, states: list[State], process: Process) -> None:
        self._states = states
        self._process = process

    def offset(self) -> int:
        return self._states[-1].offset

    def empty(self) -> bool:
        return self._states[-1] == _EMPTY

    def entries(self) -> int:
        return len(self._states[-1].rows)

    def begin_filling(self) -> None:
        """Nothing is cheaper here."""

    def end_filling(self) -> None:
        """Nothing was held back."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        rows = self._states[-1].rows
        return [rows.get(key) for key in keys]

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        rows = self._states[-1].rows
        keys = sorted(rows)
        for key in keys[bisect_left(keys, prefix) :]:
            if not key.startswith(prefix):
                return
            yield key, rows[key]

    def write(self, changes: Mapping[bytes, bytes | None], offset: int) -> None:
        if not self._process.boundary("disk"):
            return
        rows = dict(self._states[-1].rows)
        for key, value in changes.items():
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
        self._states.append(State(rows, offset))
        del self._states[:-_KEPT]
        self._process.boundary("disk")

    def clear(self) -> None:
        if not self._process.dead:
            self._states[:] = [_EMPTY]

    def close(self) -> None:
        """Nothing is held."""
