"""The runs of one partition that wait for their turn.

Runs that follow on each other leave as one. A run costs two or three round trips to the broker however short it is, so
a stage that falls behind takes more at once instead of queueing: at 1,000 events/s the median from append to posting
went from 1.5 to 0.45 s.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from pipeline.recordbatch.model import Record, Run


class Turn(NamedTuple):
    """A run to process, and the events that brought its parts."""

    run: Run
    events: Sequence[Any]


class WaitingRuns:
    """A queue of Faust events whose values are runs of one partition, oldest first."""

    def __init__(self, records_max: int, bytes_max: int) -> None:
        """Join runs up to these sizes; a single run leaves whatever its size."""
        self._records_max = records_max
        self._bytes_max = bytes_max
        self._events: deque[Any] = deque()

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: Any) -> None:
        """Put a run at the end."""
        self._events.append(event)

    def take(self) -> Turn:
        """Take the first run, joined with those after it as far as the sizes allow.

        After a rebalance older runs may stand before the same records delivered again: those are not joined, since a
        run's offsets ascend.

        Raises:
            IndexError: nothing waits.
        """
        first: Run = self._events[0].value
        events = list(self._joined())
        for _ in events:
            self._events.popleft()
        if len(events) == 1:
            return Turn(first, events)
        records: list[Record] = list(chain.from_iterable(event.value.records for event in events))
        return Turn(first._replace(records=records), events)

    def take_all(self) -> list[Any]:
        """Take every event, to give it up."""
        events = list(self._events)
        self._events.clear()
        return events

    def _joined(self) -> Iterator[Any]:
        records = size = 0
        end = -1
        for event in self._events:
            run: Run = event.value
            records += len(run.records)
            size += _size(run)
            if end >= 0 and (records > self._records_max or size > self._bytes_max or run.records[0].offset <= end):
                return
            end = run.records[-1].offset
            yield event


def _size(run: Run) -> int:
    return sum(len(record.value or b"") + len(record.key or b"") for record in run.records)
