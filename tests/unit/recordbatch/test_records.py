"""Batches in place of records, as recovery reads them."""

from collections.abc import Iterable
from itertools import chain
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_UNCOMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from pipeline.recordbatch.records import as_batches, hand_out_batches


def a_batch(base: int, count: int) -> bytearray:
    """Return a broker batch of records whose values are their offsets."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 20)
    for number in range(count):
        assert builder.append(number, 0, b"key", b"%d" % (base + number), []) is not None
    built: bytearray = builder.build()
    built[:8] = base.to_bytes(8, "big")  # which the broker sets, and the checksum leaves out
    return built


def fetched(data: bytes, offset: int, deserializer: Any = as_batches) -> PartitionRecords:
    """Return what the client makes of fetched bytes."""
    hand_out_batches()
    tp = TopicPartition("changelog", 0)
    return PartitionRecords(tp, MemoryRecords(data), [], offset, deserializer, None, True, READ_UNCOMMITTED)


def values(records: Iterable[Any]) -> list[bytes]:
    """Return what stands in records."""
    return [record.value for record in records]


def test_a_fetch_from_within_a_batch_gives_what_was_asked_for() -> None:
    """The broker sends whole batches, with records before the offset that was asked for."""
    found = fetched(bytes(a_batch(0, 3) + a_batch(3, 2)), 2)

    assert values(chain.from_iterable(found)) == [b"2", b"3", b"4"]
    assert found.next_fetch_offset == 5


def test_the_offset_of_the_next_fetch_is_behind_the_batches_that_were_taken() -> None:
    """Whoever stops between two batches goes on with the second."""
    found = fetched(bytes(a_batch(0, 3) + a_batch(7, 2)), 0)
    batches = iter(found)

    assert values(next(batches)) == [b"0", b"1", b"2"]
    assert found.next_fetch_offset == 3
    assert values(next(batches)) == [b"7", b"8"]
    assert found.next_fetch_offset == 9


def test_a_damaged_batch_is_not_handed_out() -> None:
    """And nothing behind it, which would be a gap."""
    damaged = a_batch(0, 2)
    damaged[-1] ^= 1

    with pytest.raises(CorruptRecordException):
        list(fetched(bytes(damaged + a_batch(2, 1)), 0))


def test_other_consumers_are_handed_records() -> None:
    """Only who asks for batches gets them."""
    assert values(iter(fetched(bytes(a_batch(0, 2)), 1, deserializer=None))) == [b"1"]
