"""What a worker did, read from its own metrics and from the operating system."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import urlopen

import psutil
from prometheus_client.parser import text_string_to_metric_families

# A worker needs milliseconds to write its metrics: asked more often, it would measure the question.
_POLL_S = 0.1
_READ_S = 2.0


@dataclass(frozen=True)
class StageResult:
    """One worker over the workload: records, seconds from its first batch to its last, CPU seconds, peak memory."""

    stage: str
    records: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    steps: dict[str, float]  # seconds in each step of a batch; steps of different partitions overlap

    @property
    def rate(self) -> float:
        """Records per second of the wall clock."""
        return self.records / self.seconds

    @property
    def cpu_per_million(self) -> float:
        """CPU seconds of the worker per million records."""
        return self.cpu_seconds / self.records * 1e6


def samples(url: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield the worker's metrics: name, labels, value. Nothing while it does not answer."""
    with suppress(URLError, ConnectionError, TimeoutError), urlopen(f"{url}/metrics", timeout=_READ_S) as answer:
        for family in text_string_to_metric_families(answer.read().decode()):
            for sample in family.samples:
                yield sample.name, sample.labels, sample.value


def watch(stage: str, url: str, pid: int, records: int, deadline_s: float) -> StageResult:
    """Watch a worker until it has finished `records` records.

    Raises:
        TimeoutError: it did not within the deadline.
    """
    process = psutil.Process(pid)
    end = time.monotonic() + deadline_s
    first: tuple[float, float, float] | None = None
    peak, done = 0, 0.0
    while time.monotonic() < end:
        steps: dict[str, float] = {}
        done = 0.0
        for name, labels, value in samples(url):
            if name == "plaudit_batch_records_sum":
                done += value
            elif name == "plaudit_stage_batch_seconds_sum":
                steps[labels["step"]] = value
        now, cpu = time.monotonic(), sum(process.cpu_times()[:2])
        peak = max(peak, process.memory_info().rss)
        if done and first is None:
            first = (now, done, cpu)
        if first is not None and done >= records:
            then, before, cpu_before = first
            return StageResult(stage, int(done - before), now - then, cpu - cpu_before, peak, steps)
        time.sleep(_POLL_S)
    raise TimeoutError(f"{stage} finished {done:.0f} of {records} records in {deadline_s:g} s")
