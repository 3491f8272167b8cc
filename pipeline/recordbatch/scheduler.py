"""Delivery order: fetched records leave as runs, partitions in turn."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from faust.types import TP

from pipeline.recordbatch.model import Record


def cut_runs(records: Sequence[Record], records_max: int, bytes_max: int) -> Iterator[Sequence[Record]]:
    """Cut records, in order, into runs of at most `records_max` and `bytes_max` bytes; one record always fits."""
    start = size = 0
    for index, record in enumerate(records):
        length = len(record.value or b"") + len(record.key or b"")
        if index > start and (index - start >= records_max or size + length > bytes_max):
            yield records[start:index]
            start, size = index, 0
        size += length
    if start < len(records):
        yield records[start:]


def run_scheduler(records_max: int, bytes_max: int) -> type:
    """Return a class for Faust's `ConsumerScheduler` setting that yields runs instead of records.

    Faust gives the class what one fetch brought, per partition; `iterate` must go fairly through the partitions.
    """

    class RunScheduler:
        def iterate(self, records: Mapping[TP, Sequence[Any]]) -> Iterator[tuple[TP, Sequence[Record]]]:
            turns = deque((tp, cut_runs(fetched, records_max, bytes_max)) for tp, fetched in records.items())
            while turns:
                tp, runs = turns.popleft()
                run = next(runs, None)
                if run is not None:
                    yield tp, run
                    turns.append((tp, runs))

    return RunScheduler
