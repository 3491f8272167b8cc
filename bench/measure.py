"""What a worker did, read from its own metrics and from the operating system."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import psutil
from prometheus_client.parser import text_string_to_metric_families

# A worker needs milliseconds to write its metrics: asked more often, it would measure the question.
_POLL_S = 0.1
_READ_S = 2.0


@dataclass(frozen=True)
class StageResult:
    """One worker over the workload: records, seconds from its first batch to its last, CPU seconds, peak memory.

    `full_rate` is its rate, in records per second, while each of its partitions had records waiting. Actors are
    Zipf-distributed, so one partition holds a third of the records: towards the end the worker waits for the broker
    with that one alone, which says how uneven the partitions are, not what a worker can do.
    """

    stage: str
    records: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    full_rate: float
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


class _Look(NamedTuple):
    """What was seen at one moment: seconds, records finished, CPU seconds, records waiting in the shortest queue."""

    at: float
    done: float
    cpu: float
    shortest: float


def watch(stage: str, url: str, pid: int, records: int, deadline_s: float) -> StageResult:
    """Watch a worker until it has finished `records` records.

    Raises:
        TimeoutError: it did not within the deadline.
    """
    process = psutil.Process(pid)
    end = time.monotonic() + deadline_s
    looks: list[_Look] = []
    peak, done = 0, 0.0
    while time.monotonic() < end:
        steps: dict[str, float] = {}
        waiting: list[float] = []
        done = 0.0
        for name, labels, value in samples(url):
            if name == "plaudit_batch_records_sum":
                done += value
            elif name == "plaudit_stage_batch_seconds_sum":
                steps[labels["step"]] = value
            elif name == "plaudit_lag_records":
                waiting.append(value)
        if done:
            looks.append(_Look(time.monotonic(), done, sum(process.cpu_times()[:2]), min(waiting, default=0)))
        peak = max(peak, process.memory_info().rss)
        if done >= records:
            first, last = looks[0], looks[-1]
            full = [look for look in looks if look.shortest] or looks
            return StageResult(
                stage,
                int(last.done - first.done),
                last.at - first.at,
                last.cpu - first.cpu,
                peak,
                _rate(full) or _rate(looks),
                steps,
            )
        time.sleep(_POLL_S)
    raise TimeoutError(f"{stage} finished {done:.0f} of {records} records in {deadline_s:g} s")


def _rate(looks: Sequence[_Look]) -> float:
    """Return records per second from the first look to the last; 0 if there is but one."""
    seconds = looks[-1].at - looks[0].at
    return (looks[-1].done - looks[0].done) / seconds if seconds else 0.0
