"""Records as the client hands them out, made cheaply.

aiokafka makes a frozen dataclass of eleven fields for each record: 0.9 µs, and as much again for sizes and copies, a
sixth of a worker's time. This struct has the fields that anybody here reads and costs 0.13 µs. It replaces the client's
in this process, for every consumer.
"""

from typing import Any

import msgspec
from aiokafka.consumer.fetcher import PartitionRecords


class FetchedRecord(msgspec.Struct, gc=False):
    """A record of the log; a `pipeline.recordbatch.model.Record`. `timestamp` is in milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def _fetched(_: PartitionRecords, tp: Any, record: Any) -> FetchedRecord:
    return FetchedRecord(
        tp.topic,
        tp.partition,
        record.offset,
        record.timestamp,
        record.timestamp_type,
        record.key,
        record.value,
        tuple(record.headers),
    )


def hand_out_cheap_records() -> None:
    """Let aiokafka's consumers in this process make these records. Calling again changes nothing."""
    PartitionRecords._consumer_record = _fetched
