"""What actors have in other windows of a board than those that a batch changes: read together, and seldom."""

from collections.abc import Mapping, Sequence

from pipeline.recordbatch.model import TableView
from tables.boards import Standing, board_key, decode_standing, split_board_key

Rows = Mapping[bytes, Standing | None]


def other_prefixes(prefix: bytes, windows: set[str]) -> list[bytes]:
    """Return what keys begin with that differ from keys with `prefix` in their window alone, the latest first."""
    tenant, board, own, split, _ = split_board_key(prefix)
    return [board_key(tenant, board, window, split, "") for window in sorted(windows - {own}, reverse=True)]


class OtherWindows:
    """Reads rows of a shard beside a batch.

    `now` is in each question what the batch has made of its own rows so far: what is in there is not read.
    """

    def __init__(self, view: TableView) -> None:
        """Know of none yet."""
        self._view = view
        self._known: dict[bytes, Standing | None] = {}

    def read_latest(self, seeking: Sequence[tuple[Sequence[bytes], bytes]], now: Rows) -> None:
        """Read, for prefixes and an actor each, the first row that there is; a window a time, for all of them at once.

        Most actors who score have scored in the window before: reading on for the others alone costs about one row for
        each of them, reading all windows would cost as many as are kept.
        """
        turn, known = 0, self._known
        while seeking := [each for each in seeking if turn < len(each[0])]:
            keys = [prefixes[turn] + actor for prefixes, actor in seeking]
            self._read(keys, now)
            seeking = [
                each
                for each, key in zip(seeking, keys, strict=True)
                if (now[key] if key in now else known[key]) is None
            ]
            turn += 1

    def latest(self, prefixes: Sequence[bytes], actor: bytes, now: Rows) -> Standing | None:
        """Return an actor's row under the first of the prefixes under which there is one."""
        for prefix in prefixes:
            key = prefix + actor
            if key not in now and key not in self._known:
                self._read([key], now)
            standing = now[key] if key in now else self._known[key]
            if standing is not None:
                return standing
        return None

    def all(self, prefixes: Sequence[bytes], actor: bytes, now: Rows) -> list[Standing]:
        """Return an actor's rows under these prefixes."""
        keys = [prefix + actor for prefix in prefixes]
        self._read(keys, now)
        rows = (now[key] if key in now else self._known[key] for key in keys)
        return [standing for standing in rows if standing is not None]

    def _read(self, keys: Sequence[bytes], now: Rows) -> None:
        unknown = [key for key in keys if key not in now and key not in self._known]
        for key, payload in zip(unknown, self._view.get_many(unknown) if unknown else (), strict=True):
            self._known[key] = None if payload is None else decode_standing(payload)
