"""A contender: the product or a peer, doing the workload's job on the stand that all of them share."""

import time
from collections.abc import Mapping
from typing import ClassVar, Protocol, TypeVar

import psycopg

from bench.feed import Piece
from bench.workload import Expected

_SHOWN = 5

Key = TypeVar("Key", bound=tuple[str, ...])


class Contender(Protocol):
    """Started once, fed piece by piece. Every transfer becomes a row, committed together with its balance."""

    name: ClassVar[str]
    share: ClassVar[float]  # of each piece that is enough to measure it
    transfers: ClassVar[str]  # the table of its rows, with the columns tenant and event_id
    topic: str
    database: str

    def start(self) -> None:
        """Start its processes; return once they take work."""
        ...

    def processes(self) -> Mapping[str, int]:
        """Return its process ids by name."""
        ...

    def tail(self) -> str:
        """Return the end of what its processes wrote."""
        ...

    def died(self) -> bool:
        """Return whether one of its processes has ended."""
        ...

    def boards_done(self, posting: int) -> bool:
        """Return whether its boards hold the first `posting` events that cause transfers."""
        ...

    def stop_and_compare(self, expected: Expected) -> list[str]:
        """Stop its processes; return in which balances, boards and rows it differs from the model."""
        ...


class Rows:
    """Looks at a contender's rows while it works, without a burden to its database: by primary key or index."""

    def __init__(self, contender: Contender) -> None:
        self._contender = contender
        self._connection = psycopg.connect(contender.database, autocommit=True)

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def has(self, piece: Piece) -> bool:
        """Return whether the rows of the last events that cause any are committed, hence all of the piece.

        Contenders keep the order of each partition.
        """
        found = self._connection.execute(
            f"SELECT count(DISTINCT event_id) FROM {self._contender.transfers} AS t "
            "JOIN unnest(%s::text[], %s::text[]) AS last(tenant, event_id) USING (tenant, event_id)",
            tuple(map(list, zip(*piece.last.values(), strict=True))),
        ).fetchone()
        return found == (len(piece.last),)

    def last_commit(self) -> float:
        """Return when the newest row was committed, in seconds since the epoch."""
        query = f"SELECT extract(epoch FROM max(pg_xact_commit_timestamp(xmin))) FROM {self._contender.transfers}"
        row = self._connection.execute(query).fetchone()
        assert row is not None
        return float(row[0])

    def commits(self, since: float) -> dict[str, float]:
        """Return when the last row of each event was committed, for rows committed after `since`."""
        query = (
            "SELECT event_id, extract(epoch FROM max(pg_xact_commit_timestamp(xmin))) "
            f"FROM {self._contender.transfers} WHERE pg_xact_commit_timestamp(xmin) >= to_timestamp(%s) GROUP BY 1"
        )
        return {name: float(moment) for name, moment in self._connection.execute(query, (since,))}


class ContenderFailed(Exception):
    """A contender died or did not finish in time; the message holds the end of what it wrote."""


def wait_until_done(contender: Contender, rows: Rows, piece: Piece, posting: int, deadline_s: float) -> float:
    """Wait until a contender has finished a piece, its boards too (`posting`: from the first piece on); return when.

    Raises:
        ContenderFailed: it died, or the deadline has passed.
    """
    end = time.monotonic() + deadline_s
    while not rows.has(piece):
        if contender.died():
            raise ContenderFailed(f"{contender.name} ended:\n{contender.tail()}")
        if time.monotonic() > end:
            raise ContenderFailed(f"{contender.name} needs more than {deadline_s:g} s:\n{contender.tail()}")
        time.sleep(0.02)
    seen = 0.0
    while not contender.boards_done(posting):
        seen = time.time()
        if time.monotonic() > end:
            raise ContenderFailed(f"{contender.name}: boards need more than {deadline_s:g} s:\n{contender.tail()}")
        time.sleep(0.02)
    return max(rows.last_commit(), seen)


def differences(
    expected: Expected,
    balances: Mapping[tuple[str, str, str], int],
    boards: Mapping[tuple[str, str, str, str], int],
    transfers: int,
) -> list[str]:
    """Return the first differences between the model and what a contender arrived at; zeros are left out of both."""
    found = [f"transfers: {transfers}, expected {expected.transfers}"] if transfers != expected.transfers else []
    found += _entries("balance", balances, expected.balances)
    found += _entries("board", boards, expected.boards)
    return found


def _entries(name: str, have: Mapping[Key, int], want: Mapping[Key, int]) -> list[str]:
    wrong = sorted(key for key in have.keys() | want.keys() if have.get(key, 0) != want.get(key, 0))
    found = [f"{name} {' '.join(key)}: {have.get(key, 0)}, expected {want.get(key, 0)}" for key in wrong[:_SHOWN]]
    return [*found, f"… {len(wrong)} {name} entries differ"] if len(wrong) > _SHOWN else found
