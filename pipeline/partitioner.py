"""Which partition a key belongs to: Kafka's default partitioner, so that any producer puts an actor where we do."""

from collections.abc import Callable
from functools import lru_cache
from struct import unpack_from

# Keys whose partition is remembered; about 200 bytes each. A hash costs microseconds in Python, and actors come back.
_REMEMBERED = 65_536

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995
_SEED = 0x9747B28C


def murmur2(key: bytes) -> int:
    """Return the 32-bit MurmurHash2 of a key, as Kafka's clients compute it."""
    length = len(key)
    words = length // 4
    h = _SEED ^ length
    for word in unpack_from(f"<{words}I", key):
        k = word * _M & _MASK
        h = (h * _M & _MASK) ^ ((k ^ k >> 24) * _M & _MASK)
    if rest := key[words * 4 :]:
        h = (h ^ int.from_bytes(rest, "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


def partitioner(partitions: int) -> Callable[[bytes], int]:
    """Return the function from a record's key to its partition; it remembers a bounded number of keys."""

    @lru_cache(maxsize=_REMEMBERED)
    def partition_of(key: bytes) -> int:
        return (murmur2(key) & 0x7FFFFFFF) % partitions

    return partition_of
