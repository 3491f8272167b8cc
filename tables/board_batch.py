"""One batch of contributions to leaderboards: rows read once, folded, written once; the order in memory follows."""

from collections.abc import Mapping, Sequence
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
from tables.other_windows import OtherWindows, other_prefixes
from tables.personal_bests import Beaten, begin, challenge

# Rows of expired windows that one batch deletes, so that the end of a window in which a million actors scored does not
# hold up a batch. They are out of sight from the moment at which the window expires.
DELETIONS_MAX = 2_000


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A window (and split) of a board that scores are for; `prefix` and an actor's name make the key of a row.

    `bests`: whether personal bests are told of, which a window without others has none of.
    """

    prefix: bytes
    name: BoardName
    window: str
    bests: bool = False


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
        self._elsewhere = OtherWindows(view)
        self._prefixes: dict[Target, list[bytes]] = {}
        # Personal bests that the events added so far have beaten, for the caller to take.
        self.beaten: list[Beaten] = []

    def read(self, rows: Mapping[bytes, Target]) -> None:
        """Read the rows that the batch will touch, and of actors without one the latest in another window."""
        wanted = list(rows)
        payloads = self._view.get_many(wanted)
        self._before = {
            key: None if payload is None else decode_standing(payload)
            for key, payload in zip(wanted, payloads, strict=True)
        }
        self._now = dict(self._before)
        self._elsewhere.read_latest(
            [
                (self._others(target), key[len(target.prefix) :])
                for key, target in rows.items()
                if target.bests and self._before[key] is None
            ],
            self._now,
        )

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
                now[key] = self._challenged(key, target, folded) if target.bests and folded is not None else folded
            else:
                expired = True
        if expired:
            return "window_expired"
        return "accepted" if changed or not contributions else "redelivered"

    def finish(self, effects: Effects) -> None:
        """Add the changed rows to `effects`, and the deletion of some that have expired.

        First how far boards have expired: were a row of a new window in the changelog and the expiry that it causes not
        yet, a worker that recovers would know the event, and what has expired would stay in sight.
        """
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

    def _challenged(self, key: bytes, target: Target, standing: Standing) -> Standing:
        """Return a standing with what it has to beat, and tell, in `beaten`, if it has."""
        prefixes, actor = self._others(target), key[len(target.prefix) :]
        if self._now[key] is None:
            standing = begin(standing, self._elsewhere.latest(prefixes, actor, self._now))
        if standing.to_beat is None or standing.score <= standing.to_beat:
            return standing
        challenged, previous = challenge(standing, self._elsewhere.all(prefixes, actor, self._now))
        if previous is not None:
            self.beaten.append(Beaten(split_board_key(key), standing.score, previous))
        return challenged

    def _others(self, target: Target) -> Sequence[bytes]:
        """Return what the keys of rows in the board's other windows begin with."""
        prefixes = self._prefixes.get(target)
        if prefixes is None:
            prefixes = self._prefixes[target] = other_prefixes(target.prefix, self._dated_windows(target.name))
        return prefixes

    def _dated_windows(self, name: BoardName) -> set[str]:
        """Return the windows of a board that are kept, as far as the batch has come."""
        windows = self._windows.get(name)
        if windows is None:
            windows = self._windows[name] = self._shard.dated_windows(name)
        return windows

    def _admits(self, target: Target, seq: int) -> bool:
        """Return whether a window counts. One that is new may make the oldest expire, which may be itself."""
        name, window = target.name, target.window
        if window != ALL and not self._keeps(name, window, seq):
            return False
        self._open.add(target)
        return True

    def _keeps(self, name: BoardName, window: str, seq: int) -> bool:
        windows = self._dated_windows(name)
        expiry = self._expiries.get(name)
        if window <= (self._shard.expired_through(name) if expiry is None else expiry.through):
            return False
        if window not in windows:
            windows.add(window)
            self._prefixes.clear()
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
