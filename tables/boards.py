"""The table `boards`: each actor's score in one window of one leaderboard, as changed by transactions.

A board's rows are sharded by the partition of the actor. Besides scores a shard keeps, per board, how far its windows
have expired: a row whose window, split and actor are empty; and, of boards that tell of personal bests, a row for each
actor whose window is `BESTS` (`tables.personal_bests`).
"""

from typing import Literal, NamedTuple

import msgspec

from pipeline.errors import PoisonEvent, Reason

# What PostgreSQL's bigint holds, and what the order index packs into eight bytes.
SCORE_MAX = 2**63 - 1
SCORE_MIN = -(2**63)

# The `source` of every fact about boards: with its id it makes a fact the same fact.
FACTS_SOURCE = "plaudit/leaderboards"

# No window is called so: they are named by a day, or `all`.
BESTS = "best"

_PARTS = 5


class BoardKey(NamedTuple):
    """Whose score in which window. `split` is empty when the board has no split."""

    tenant: str
    board: str
    window: str
    split: str
    actor: str


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """An actor's score in one window, version 1.

    `reached` is the latest event time (microseconds since the epoch) among the events that make up the score: when it
    was complete. It does not depend on the order in which the events arrived: a late event adds its points, but nobody
    had that score before its last part. `seq` is the last sequence that was folded in.
    """

    version: Literal[1]
    score: int
    reached: int
    seq: int


class Expiry(msgspec.Struct, frozen=True, array_like=True):
    """How far a board's windows have expired in a shard, version 1: none at or before `through` counts any more."""

    version: Literal[1]
    through: str
    seq: int


encode = msgspec.msgpack.Encoder().encode
decode_standing = msgspec.msgpack.Decoder(Standing).decode
decode_expiry = msgspec.msgpack.Decoder(Expiry).decode


def board_key(tenant: str, board: str, window: str, split: str | None, actor: str) -> bytes:
    """Return the table key of an actor's score; no part may contain NUL."""
    return f"{tenant}\0{board}\0{window}\0{split or ''}\0{actor}".encode()


def is_board_key(key: bytes) -> bool:
    """Return whether a key made by `board_key` can be split again: none of its parts contained NUL."""
    return key.count(0) == _PARTS - 1


def split_board_key(key: bytes) -> BoardKey:
    """Return the parts of a key for which `is_board_key` holds."""
    return BoardKey(*key.decode().split("\0"))


def expiry_key(tenant: str, board: str) -> bytes:
    """Return the key under which a board's expiry is kept."""
    return f"{tenant}\0{board}\0\0\0".encode()


def window_prefix(tenant: str, board: str, window: str) -> bytes:
    """Return what the keys of all scores of one window begin with, over all splits."""
    return f"{tenant}\0{board}\0{window}\0".encode()


def fold(standing: Standing | None, points: int, event_time: int, seq: int) -> Standing | None:
    """Return the standing after an event that brought `points` (may be negative) at `event_time`, in microseconds.

    Idempotent: a sequence at or below the standing's own changes nothing. No points change nothing either, and bring
    nobody onto a board.

    Raises:
        PoisonEvent: the score would leave the range of 64 bits.
    """
    if points == 0 or (standing is not None and seq <= standing.seq):
        return standing
    score, reached = points, event_time
    if standing is not None:
        score, reached = standing.score + points, max(standing.reached, event_time)
    if not SCORE_MIN <= score <= SCORE_MAX:
        raise PoisonEvent(Reason.AMOUNT_OUT_OF_RANGE, "the actor's score would leave the range of 64 bits")
    return Standing(1, score, reached, seq)
