"""The partitioner: Kafka's."""

import pytest

from pipeline.partitioner import murmur2, partitioner


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_that_of_kafkas_clients(key: bytes, signed: int) -> None:
    """The values are those of the Java client's own test; Java's integers have a sign."""
    assert murmur2(key) == signed % 2**32


def test_a_key_always_has_the_same_partition() -> None:
    """An actor's events keep their order, whoever appends them."""
    first, second = partitioner(8), partitioner(8)

    partitions = [first(b"acme|actor-%d" % n) for n in range(1_000)]

    assert partitions == [second(b"acme|actor-%d" % n) for n in range(1_000)]
    assert set(partitions) == set(range(8))
