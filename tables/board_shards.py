"""The leaderboards of a worker in memory: which windows each shard holds, in which order, how far they have expired.

Rebuilt from the table `boards` when a partition is opened; the stage alone changes it, the web views read it. All of it
is used on the event loop, save `BoardShard.recovered`, which builds a shard nobody else sees yet.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.recordbatch.model import TableView
from rules.periods import ALL
from tables.boards import BESTS, BoardKey, decode_expiry, decode_standing, split_board_key
from tables.order_index import OrderIndex, place_of

# Where nobody stands: the answer for a window without members.
_EMPTY = OrderIndex()


class BoardName(NamedTuple):
    """A leaderboard of a tenant."""

    tenant: str
    board: str


class Move(NamedTuple):
    """A member's place before and after a batch; None: not on the board."""

    old: bytes | None
    new: bytes | None


@dataclass(slots=True)
class BoardWindows:
    """What a shard holds of one board: the order of each window and split, and the last window that has expired."""

    orders: dict[str, dict[str, OrderIndex]] = field(default_factory=dict)
    expired_through: str = ""


@dataclass(slots=True)
class BoardShard:
    """One partition's part of all leaderboards."""

    boards: dict[BoardName, BoardWindows] = field(default_factory=dict)
    # Windows that have expired but whose rows are not all deleted yet, oldest first.
    doomed: list[tuple[BoardName, str]] = field(default_factory=list)

    @classmethod
    def recovered(cls, view: TableView) -> "BoardShard":
        """Build a shard from its rows."""
        shard, places = cls(), dict[tuple[BoardName, str, str], list[bytes]]()
        for raw_key, payload in view.items():
            key = split_board_key(raw_key)
            name = BoardName(key.tenant, key.board)
            if not key.window:
                shard.windows(name).expired_through = decode_expiry(payload).through
            elif key.window != BESTS:
                standing = decode_standing(payload)
                place = place_of(standing.score, standing.reached, key.actor.encode())
                places.setdefault((name, key.window, key.split), []).append(place)
        for (name, window, split), members in places.items():
            windows = shard.windows(name)
            if window > windows.expired_through:
                windows.orders.setdefault(window, {})[split] = OrderIndex(members)
            elif (name, window) not in shard.doomed:
                shard.doomed.append((name, window))
        return shard

    def windows(self, name: BoardName) -> BoardWindows:
        """Return what the shard holds of a board, to be changed."""
        return self.boards.setdefault(name, BoardWindows())

    def order(self, name: BoardName, window: str, split: str) -> OrderIndex:
        """Return the order of a window, to be read only; an empty one if nobody has a score in it."""
        windows = self.boards.get(name)
        return _EMPTY if windows is None else windows.orders.get(window, {}).get(split, _EMPTY)

    def splits(self, name: BoardName, window: str) -> list[str]:
        """Return the splits in which the shard holds scores of a window, in their order; empty: without a split."""
        windows = self.boards.get(name)
        return [] if windows is None else sorted(windows.orders.get(window, {}))

    def windows_of(self, name: BoardName) -> list[str]:
        """Return all windows of a board in which the shard holds scores, in their order."""
        windows = self.boards.get(name)
        return [] if windows is None else sorted(windows.orders)

    def dated_windows(self, name: BoardName) -> set[str]:
        """Return the windows of a board in which the shard holds scores, without the one that never closes."""
        windows = self.boards.get(name)
        return set() if windows is None else {window for window in windows.orders if window != ALL}

    def expired_through(self, name: BoardName) -> str:
        """Return the last window of a board that has expired in this shard; empty if none has."""
        windows = self.boards.get(name)
        return "" if windows is None else windows.expired_through

    def move(self, key: BoardKey, move: Move) -> None:
        """Bring one member to its new place."""
        splits = self.windows(BoardName(key.tenant, key.board)).orders.setdefault(key.window, {})
        order = splits.get(key.split)
        if order is None:
            order = splits[key.split] = OrderIndex()
        order.move(move.old, move.new)

    def expire(self, name: BoardName, through: str) -> None:
        """Drop the windows of a board up to and with `through`; their rows are doomed."""
        windows = self.windows(name)
        windows.expired_through = through
        for window in sorted(window for window in windows.orders if window <= through):
            del windows.orders[window]
            self.doomed.append((name, window))


class BoardShards:
    """The shards that this worker owns and has recovered, by partition."""

    def __init__(self) -> None:
        """Own nothing yet."""
        self._shards: dict[int, BoardShard] = {}

    def __iter__(self) -> Iterator[int]:
        """Iterate over the partitions."""
        return iter(self._shards)

    def __getitem__(self, partition: int) -> BoardShard:
        """Return a partition's shard.

        Raises:
            KeyError: it is not owned, or not recovered.
        """
        return self._shards[partition]

    def open(self, partition: int, shard: BoardShard) -> None:
        """Take over a recovered shard."""
        self._shards[partition] = shard

    def close(self, partition: int) -> None:
        """Forget a shard; one that is not held is no error."""
        self._shards.pop(partition, None)
