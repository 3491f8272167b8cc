"""When a score in one window of a board beats all that its actor had in the others: a personal best. Pure.

An actor has one row for it beside those of the windows, which outlives them. What is told follows from that row and the
score alone, and a run writes it before the scores and before the expiry of windows (`tables.board_batch`). So wherever
the changelog is cut: either the row knows the event, and the fact was told before; or nothing knows it, and what comes
again finds all as it was.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec

from tables.boards import BESTS, BoardKey, board_key

# Among the windows of a row: all that have expired.
_EXPIRED = ""


class Bests(msgspec.Struct, array_like=True):
    """An actor's scores in all windows of a board, or of one part of a split board, version 1.

    `scores` are by window, that of windows that have expired the highest among them. `told` are the windows in which
    there is nothing to tell any more. `seq` is the last sequence that was noted.
    """

    version: Literal[1]
    scores: dict[str, int]
    told: list[str]
    seq: int

    def note(self, window: str, score: int, seq: int, expired_through: str) -> int | None:
        """Note an actor's score in a window; return the previous best if this beats it, the first time in the window.

        An actor's first window beats nothing, and has nothing to tell later: others are held against it.
        """
        scores = self.scores
        if window not in scores:
            self._forget(expired_through)
        scores[window], self.seq = score, seq
        if window in self.told:
            return None
        best = max((each for name, each in scores.items() if name != window), default=None)
        if best is not None and score <= best:
            return None
        self.told.append(window)
        return best

    def _forget(self, expired_through: str) -> None:
        """Keep of windows that have expired, whose scores change no more, the highest alone."""
        expired = [self.scores.pop(window) for window in list(self.scores) if window <= expired_through]
        if expired:
            self.scores[_EXPIRED] = max(expired)
            self.told = [window for window in self.told if window > expired_through]


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Bests).decode


class Beaten(NamedTuple):
    """Whose score in which window has beaten the previous best, the first time in this window."""

    key: BoardKey
    score: int
    previous: int


class BestsOfBatch:
    """The rows that a batch may change: read once, followed event by event, written once."""

    def __init__(self) -> None:
        """Know none yet."""
        self._rows: dict[bytes, tuple[Bests, int]] = {}  # with the sequence up to which a row was when it was read

    def take(self, keys: Sequence[bytes], payloads: Sequence[bytes | None]) -> None:
        """Take rows as they were read; None: the actor has none."""
        for key, payload in zip(keys, payloads, strict=True):
            bests = Bests(1, {}, [], -1) if payload is None else decode(payload)
            self._rows[key] = bests, bests.seq

    def of(self, key: bytes, seq: int) -> Bests | None:
        """Return a row, to note what an event scored; None if it knew the event when it was read: that was told of."""
        bests, known = self._rows[key]
        return None if seq <= known else bests

    def changed(self) -> Iterator[tuple[bytes, Bests]]:
        """Iterate over the rows to be written, in the order in which they were taken."""
        return ((key, bests) for key, (bests, known) in self._rows.items() if bests.seq != known)


def bests_prefix(tenant: str, board: str, split: str | None) -> bytes:
    """Return what with an actor's name makes the key of their row."""
    return board_key(tenant, board, BESTS, split, "")
