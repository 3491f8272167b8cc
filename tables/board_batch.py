"""One batch of contributions to leaderboards: rows read once, folded, written once; the order in memory follows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from pipeline.recordbatch.model import Effects, TableView
from pipeline.topology import BOARDS
from rules.periods import ALL
from tables.board_shards import BoardName, BoardShard, Move
from tables.boards import (
    Expiry,
    Standing,
    decode_standing,
    encode,
    expiry_key,
    fold,
    split_board_key,
    window_prefix,
)
from tables.order_index import place_of
from tables.personal_bests import Beaten, BestsOfBatch
from tables.personal_bests import encode as encode_bests

# Rows of expired windows that one batch deletes, so that the end of a window in which a million actors scored does not
# hold up a batch. They are out of sight from the moment at which the window expires.
DELETIONS_MAX = 2_000


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A window (and split) of a board that scores are for; `prefix` and an actor's name make the key of a row.

    `bests` and an actor's name make the key of their personal bests; None: those are not told of.
    """

    prefix: bytes
    name: BoardName
    window: str
    bests: bytes | None = None


# What one event adds to one row: its key, the window it belongs to, points. A plain tuple, since there are so many.
Contribution = tuple[bytes, Target, int]


class BoardBatch:
    """The work of one run on one shard. The shard itself stays as it is until `apply`."""

    def __init__(self, shard: BoardShard, windows_kept: int, view: TableView) -> None:
        """Begin a batch; of each board the newest `windows_kept` + 1 windows are kept."""
        self._shard = shard
        self._windows_max = windows_kept + 1
        self._view = view
        self._before: dict[bytes, Standing | None] = {}
        self._now: dict[bytes, Standing | None] = {}
        self._open: set[Target] = set()  # windows known to be kept
        self._windows: dict[BoardName, set[str]] = {}
        self._expiries: dict[BoardName, Expiry] = {}
        self._emptied = 0
        self._seq = -1
        self._moves: dict[bytes, Move] = {}
        self._bests = BestsOfBatch()
        # Personal bests that the events added so far have beaten, for the caller to take.
        self.beaten: list[Beaten] = []

    def read(self, brought: Iterable[Sequence[Contribution]]) -> None:
        """Read the rows that the batch will touch, all at once, in the order in which it comes to them."""
        rows: dict[bytes, None] = {}
        of_bests: dict[bytes, None] = {}
        for contributions in brought:
            for key, target, _ in contributions:
                rows[key] = None
                if target.bests is not None:
                    of_bests[target.bests + key[len(target.prefix) :]] = None
        wanted, bests = list(rows), list(of_bests)
        payloads = self._view.get_many(wanted + bests)
        self._before = {
            key: None if payload is None else decode_standing(payload)
            for key, payload in zip(wanted, payloads, strict=False)
        }
        self._now = dict(self._before)
        self._bests.take(bests, payloads[len(wanted) :])

    def add(self, contributions: Sequence[Contribution], event_time: int, seq: int) -> str:
        """Fold all of an event's contributions, or none. Return what became of it, for the counts.

        Raises:
            PoisonEvent: a score would leave its range; nothing was changed.
        """
        self._seq = max(self._seq, seq)
        now, changed = self._now, []
        for key, target, points in contributions:
            standing = now[key]
            folded = fold(standing, points, event_time, seq)
            if folded is not standing:
                changed.append((key, target, folded))
        expired = False
        for key, target, folded in changed:
            if target in self._open or self._admits(target, seq):
                now[key] = folded
                if target.bests is not None and folded is not None:
                    self._note(key, target, target.bests, folded.score, seq)
            else:
                expired = True
        if expired:
            return "window_expired"
        return "accepted" if changed or not contributions else "redelivered"

    def finish(self, effects: Effects) -> None:
        """Add the changed rows to `effects`, and the deletion of some that have expired.

        The changelog may be cut between any two of them. So first the personal bests, which follow from scores as they
        were before the run. Then how far boards have expired: were a row of a new window there and the expiry that it
        causes not yet, a worker that recovers would know the event, and what has expired would stay in sight.
        """
        for key, bests in self._bests.changed():
            effects.put(BOARDS.name, key, encode_bests(bests), bests.seq)
        for name, expiry in self._expiries.items():
            effects.put(BOARDS.name, expiry_key(*name), encode(expiry), expiry.seq)
        for key, standing in self._now.items():
            before = self._before[key]
            if standing is None or standing is before:
                continue
            actor = key[key.rindex(0) + 1 :]
            old = None if before is None else place_of(before.score, before.reached, actor)
            self._moves[key] = Move(old, place_of(standing.score, standing.reached, actor))
            effects.put(BOARDS.name, key, encode(standing), standing.seq)
        self._delete_expired(effects)

    def apply(self) -> None:
        """Bring the shard to where its rows are now; called once they are on disk."""
        shard = self._shard
        for key, move in self._moves.items():
            shard.move(split_board_key(key), move)
        del shard.doomed[: self._emptied]
        for name, expiry in self._expiries.items():
            shard.expire(name, expiry.through)

    def _note(self, key: bytes, target: Target, prefix: bytes, score: int, seq: int) -> None:
        """Hold a new score against the actor's personal best, and say in `beaten` if it beats it."""
        bests = self._bests.of(prefix + key[len(target.prefix) :], seq)
        if bests is None:
            return
        previous = bests.note(target.window, score, seq, self._expired_through(target.name))
        if previous is not None:
            self.beaten.append(Beaten(split_board_key(key), score, previous))

    def _dated_windows(self, name: BoardName) -> set[str]:
        """Return the windows of a board that are kept, as far as the batch has come."""
        windows = self._windows.get(name)
        if windows is None:
            windows = self._windows[name] = self._shard.dated_windows(name)
        return windows

    def _expired_through(self, name: BoardName) -> str:
        """Return the last window of a board that has expired, as far as the batch has come."""
        expiry = self._expiries.get(name)
        return self._shard.expired_through(name) if expiry is None else expiry.through

    def _admits(self, target: Target, seq: int) -> bool:
        """Return whether a window counts. One that is new may make the oldest expire, which may be itself."""
        name, window = target.name, target.window
        if window != ALL and not self._keeps(name, window, seq):
            return False
        self._open.add(target)
        return True

    def _keeps(self, name: BoardName, window: str, seq: int) -> bool:
        windows = self._dated_windows(name)
        if window <= self._expired_through(name):
            return False
        windows.add(window)
        while len(windows) > self._windows_max:
            oldest = min(windows)
            windows.remove(oldest)
            self._expiries[name] = Expiry(1, oldest, seq)
            self._open.clear()
        return window in windows

    def _delete_expired(self, effects: Effects) -> None:
        """Delete rows of windows that expired in earlier batches, at most `DELETIONS_MAX`."""
        if self._seq < 0:
            return
        left = DELETIONS_MAX
        for name, window in self._shard.doomed:
            rows = list(islice(self._view.items(window_prefix(*name, window)), left))
            for key, payload in rows:
                # Above the row's own sequence, even if an old run is delivered again: in recovery the higher one wins.
                effects.put(BOARDS.name, key, None, max(self._seq, decode_standing(payload).seq + 1))
            left -= len(rows)
            if left == 0:
                return
            self._emptied += 1
