"""The table `seen`: for each event identity, the event that first brought it.

The key is the tenant, NUL, and 128 bits of BLAKE2b over the identity: 16 bytes where an identity may have 1,600. Two
identities of one tenant that share a digest would make an event look like a duplicate; among 10^12 of them the chance
of one such pair is about 10^-15, and nobody can construct one.
"""

from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

from pipeline.errors import InvariantBroken
from pipeline.topology import SEEN

NAME = SEEN.name

# Version 1 of the value: 16 bytes, big-endian. Another version must have another length.
_VALUE = Struct(">qq")


class Seen(NamedTuple):
    """The event that first brought an identity: its sequence, and its append time in milliseconds since the epoch."""

    seq: int
    appended_ms: int


_HASH = blake2b(digest_size=16)


def seen_key(identity: bytes) -> bytes:
    """Return the table's key of an event identity (`tenant NUL source NUL id`)."""
    hashed = _HASH.copy()  # half the price of making one with its parameters
    hashed.update(identity)
    return identity[: identity.index(b"\0") + 1] + hashed.digest()


def encode_seen(seq: int, appended_ms: int) -> bytes:
    """Return the stored form of a `Seen`."""
    return _VALUE.pack(seq, appended_ms)


def decode_seen(value: bytes) -> Seen:
    """Return what `encode_seen` stored.

    Raises:
        InvariantBroken: no release wrote this.
    """
    if len(value) != _VALUE.size:
        raise InvariantBroken(f"a value of {len(value)} bytes in the table {NAME}")
    return Seen._make(_VALUE.unpack(value))
