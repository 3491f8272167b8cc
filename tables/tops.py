"""The table `tops`: who stood in the top of a window when it was last told of, and what is decided but not told yet.

A row is written before anything of it is told: what was decided is told as it was, whoever does it, and only by a
worker whose decision the changelog took. It lies in the partition of its board's name.
"""

from typing import Literal, NamedTuple

import msgspec


class TopKey(NamedTuple):
    """A window of a board; `split` is empty when the board has none."""

    tenant: str
    board: str
    window: str
    split: str


class RankChange(msgspec.Struct, frozen=True, array_like=True):
    """Who entered which top (3, 10, 100), or left it. A rank that is None lies beyond the last top."""

    actor: str
    change: Literal["entered", "left"]
    top: int
    rank: int | None
    previous_rank: int | None
    score: int | None


class Top(msgspec.Struct, frozen=True, array_like=True):
    """The top of a window, version 1.

    `number` counts the decisions about this window; with it every change has an id of its own. `latest_us` is the
    latest time of a score among all members so far, in microseconds since the epoch. `members` are actors with their
    ranks. A row that is `closed` is not looked at any more.
    """

    version: Literal[1]
    number: int
    latest_us: int
    members: tuple[tuple[str, int], ...]
    untold: tuple[RankChange, ...] = ()
    closed: bool = False


# Before anybody has a score nobody stands anywhere.
NOBODY = Top(1, 0, 0, ())

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Top).decode


def top_key(key: TopKey) -> bytes:
    """Return the table key of a window."""
    return "\0".join(key).encode()


def split_top_key(key: bytes) -> TopKey:
    """Return the parts of a key that `top_key` made."""
    return TopKey(*key.decode().split("\0"))


def board_prefix(tenant: str, board: str) -> bytes:
    """Return what the keys of all windows of a board begin with."""
    return f"{tenant}\0{board}\0".encode()
