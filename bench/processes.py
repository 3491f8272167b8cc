"""CPU time and memory of processes with all their children, from the operating system."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

import psutil

_SAMPLE_S = 0.1


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds (user and system) of a process, its living children and those it has waited for."""
    total = 0.0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = each.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process and its children; shared pages count in each."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += each.memory_info().rss
    return total


class StolenTime:
    """Measures while it is entered what a shared host took: `share` of the machine's CPU time, 0 where none is told."""

    def __init__(self) -> None:
        self.share = 0.0
        self.before = psutil.cpu_times()

    def __enter__(self) -> Self:
        self.before = psutil.cpu_times()
        return self

    def __exit__(self, *_: object) -> None:
        now = psutil.cpu_times()
        spent = sum(now) - sum(self.before)
        stolen = getattr(now, "steal", 0.0) - getattr(self.before, "steal", 0.0)
        self.share = stolen / spent if spent else 0.0


class PeakMemory:
    """Samples the resident memory of processes ten times a second while it is entered; `peaks` by name, in bytes."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self.peaks = dict.fromkeys(pids, 0)
        self._pids = pids
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="peak-memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            for name, pid in self._pids.items():
                self.peaks[name] = max(self.peaks[name], resident_bytes(pid))
