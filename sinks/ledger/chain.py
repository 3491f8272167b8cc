"""Recomputes the hash chain from the rows of the ledger, and names the first row of a partition that does not hold."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple
from zlib import crc32

import psycopg

from sinks.ledger.rows import COLUMNS, COPY_END, COPY_HEADER, GENESIS, PLACE, RECORDED_AT

_LINKS_PER_FETCH = 2_000

# The rows in the order of the chain, as the bytes that were hashed. The primary key has this order.
_ROWS = f"""
    COPY (SELECT {", ".join(COLUMNS)} FROM plaudit.transfers ORDER BY partition, seq, leg) TO STDOUT (FORMAT BINARY)
"""  # names of our own columns

# The links, with the checksums of their rows where these are still there.
_LINKS = """
    SELECT partition, first_seq, last_seq, transfers, previous, hash, recorded_at, checksums
    FROM plaudit.chain LEFT JOIN plaudit.row_checksums USING (partition, last_seq)
    ORDER BY partition, last_seq
"""


class Finding(NamedTuple):
    """What does not hold, and where: a row if `seq` and `leg` are known, a link or an account otherwise."""

    check: str
    what: str
    partition: int | None = None
    seq: int | None = None
    leg: int | None = None

    def __str__(self) -> str:
        places = (("partition", self.partition), ("seq", self.seq), ("leg", self.leg))
        place = ", ".join(f"{name} {value}" for name, value in places if value is not None)
        return f"{self.check}: {place}: {self.what}" if place else f"{self.check}: {self.what}"


class Row(NamedTuple):
    """A row's place and its bytes."""

    partition: int
    seq: int
    leg: int
    body: bytes


class Link(NamedTuple):
    """A link as it is stored."""

    partition: int
    first_seq: int
    last_seq: int
    transfers: int
    previous: bytes
    hash: bytes
    recorded_at: datetime
    checksums: bytes | None


class ChainReader:
    """Walks through rows and links side by side. The counts say how far it is, `heads` where each chain ends."""

    def __init__(self, rows: psycopg.Connection, links: psycopg.Connection) -> None:
        """Read rows and links from two connections that see the same state."""
        self.rows = 0
        self.links = 0
        self.heads: dict[int, tuple[int, bytes]] = {}
        # One row ahead, to see where a link ends.
        self._stream = _stream(rows)
        self._ahead = next(self._stream, None)
        self._links = links
        self._broken: set[int] = set()

    def findings(self) -> Iterator[Finding | None]:
        """Yield after each link what is wrong with it, or None; of each partition only what comes first."""
        with self._links.cursor("links") as cursor:
            cursor.itersize = _LINKS_PER_FETCH
            previous = None
            for values in cursor.execute(_LINKS):
                link = Link(*values)
                if previous is None or previous.partition != link.partition:
                    previous = None
                while (row := self._next((link.partition, link.first_seq))) is not None:
                    yield self._first(_outside(row))
                recomputed = self._recompute(link)
                yield self._first(_misplaced(link, previous) or recomputed)
                previous = link
                self.links += 1
                self.heads[link.partition] = (link.last_seq, link.hash)
        while (row := self._next(None)) is not None:
            yield self._first(_outside(row))

    def _next(self, end: tuple[int, int] | None) -> Row | None:
        """Take and count the next row if it lies before `end` (partition, sequence; None: the end of the ledger)."""
        row = self._ahead
        if row is None or (end is not None and (row.partition, row.seq) >= end):
            return None
        self.rows += 1
        self._ahead = next(self._stream, None)
        return row

    def _first(self, finding: Finding | None) -> Finding | None:
        if finding is None or finding.partition is None or finding.partition in self._broken:
            return None
        self._broken.add(finding.partition)
        return finding

    def _recompute(self, link: Link) -> Finding | None:
        """Hash the link's rows. If it differs, the first row with another checksum is the one that was touched."""
        hashed, count = sha256(link.previous), 0
        first: Row | None = None
        last: Row | None = None
        differing: Row | None = None
        while (row := self._next((link.partition, link.last_seq + 1))) is not None:
            hashed.update(row.body)
            if differing is None and link.checksums is not None and _checksum(row) != _stored(link.checksums, count):
                differing = row
            first, last = first or row, row
            count += 1
        if hashed.digest() == link.hash and count == link.transfers:
            return _dated(link, first)
        return _differing(link, count, differing, first, last)


def _stream(connection: psycopg.Connection) -> Iterator[Row]:
    place = PLACE.unpack_from
    with connection.cursor() as cursor, cursor.copy(_ROWS) as copy:
        # The protocol promises one row per message; the header comes with the first.
        for message in copy:
            body = bytes(message).removeprefix(COPY_HEADER)
            if body and body != COPY_END:
                partition, seq, leg = place(body)
                yield Row(partition, seq, leg, body)


def _differing(link: Link, count: int, differing: Row | None, first: Row | None, last: Row | None) -> Finding:
    """Say what is wrong with the rows of a link, at the first of them that is not what it was."""
    name = f"the link {link.first_seq} to {link.last_seq}"
    if count < link.transfers:
        what = f"{name} has lost {link.transfers - count} of {link.transfers} rows, the first of them right "
        at, what = (differing, what + "before this one") if differing else (last, what + "after this one")
    elif count > link.transfers:
        at, what = differing, f"{name} has {count} rows, {link.transfers} were recorded; this one was not"
    elif differing:
        at, what = differing, f"the row is not the one that was recorded in {name}"
    else:
        at, what = first, f"rows of {name}, which begins here, are not the ones that were recorded"
    if at is None:
        return Finding("chain", f"{name} has {link.transfers} rows, there are none", link.partition, link.first_seq)
    return Finding("chain", what, link.partition, at.seq, at.leg)


def _misplaced(link: Link, previous: Link | None) -> Finding | None:
    expected = GENESIS if previous is None else previous.hash
    if link.previous != expected:
        what = (
            "does not begin the chain"
            if previous is None
            else f"does not follow the link that ends at {previous.last_seq}"
        )
        return Finding("chain", f"the link {link.first_seq} to {link.last_seq} {what}", link.partition, link.first_seq)
    if previous is not None and link.first_seq <= previous.last_seq:
        what = f"the link {link.first_seq} to {link.last_seq} overlaps the one that ends at {previous.last_seq}"
        return Finding("chain", what, link.partition, link.first_seq)
    return None


def _dated(link: Link, first: Row | None) -> Finding | None:
    """Hold the link's only column that is not hashed against its rows, which all carry the same instant."""
    if first is None or _recorded_at(first.body) == link.recorded_at:
        return None
    what = f"the link {link.first_seq} to {link.last_seq} has another recorded_at than its rows"
    return Finding("chain", what, link.partition, link.first_seq)


def _outside(row: Row) -> Finding:
    return Finding("chain", "the row is in no link", row.partition, row.seq, row.leg)


def _checksum(row: Row) -> bytes:
    return crc32(row.body).to_bytes(4, "big")


def _stored(checksums: bytes, index: int) -> bytes:
    return checksums[4 * index : 4 * index + 4]


_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def _recorded_at(body: bytes) -> datetime:
    micros = int.from_bytes(body[RECORDED_AT], "big", signed=True)
    return _POSTGRES_EPOCH + timedelta(microseconds=micros)
