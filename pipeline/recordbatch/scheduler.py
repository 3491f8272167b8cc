"""Delivery order: what one fetch brought leaves in rounds, a run of each partition at a time."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import zip_longest

from faust.types import TP

from pipeline.recordbatch.model import Record, Run


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


def cut_rounds(
    fetched: Mapping[TP, Sequence[Record]], records_max: int, bytes_max: int
) -> Iterator[tuple[TP, Sequence[Run]]]:
    """Cut what a fetch brought into rounds, each with the partition that its first run is of.

    The first round has the first run of every partition, the second has the second of those that have one, and so on.
    """
    runs = [
        map(partial(Run, tp.topic, tp.partition), cut_runs(records, records_max, bytes_max))
        for tp, records in fetched.items()
    ]
    for each in zip_longest(*runs):
        round_ = [run for run in each if run is not None]
        yield TP(round_[0].topic, round_[0].partition), round_


def round_scheduler(records_max: int, bytes_max: int) -> type:
    """Return a class for Faust's `ConsumerScheduler` setting that yields rounds instead of records."""

    class RoundScheduler:
        def iterate(self, fetched: Mapping[TP, Sequence[Record]]) -> Iterator[tuple[TP, Sequence[Run]]]:
            return cut_rounds(fetched, records_max, bytes_max)

    return RoundScheduler
