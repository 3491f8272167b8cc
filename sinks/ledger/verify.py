"""Verifies the ledger from its rows: the hash chain, the balances, the sums. Trusts nothing that the sink has computed.

Everything is read from one snapshot, so a ledger that is being written to is verified as it stood at one instant. Rows
are streamed: memory does not grow with the ledger.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

import psycopg
from psycopg import sql

from sinks.ledger import audits
from sinks.ledger.chain import ChainReader, Finding
from sinks.ledger.connection import connect, in_our_words

# How often `report` is called.
_REPORT_EVERY_ROWS = 50_000


class Head(NamedTuple):
    """Where a partition's chain ends. Kept outside the database, it proves later that nothing was cut off."""

    partition: int
    last_seq: int
    hash: bytes


@dataclass(slots=True)
class Verification:
    """What was found: the first row of each partition, the first accounts and sums that do not hold."""

    transfers: int = 0
    links: int = 0
    heads: list[Head] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def _say_nothing(_done: int, _total: int) -> None: ...


def verify(database: str, report: Callable[[int, int], None] = _say_nothing) -> Verification:
    """Recompute chain, balances and sums; `report(done, total)` is called now and then with rows, `total` estimated.

    Raises:
        UserError: the database can't be reached, has no ledger, or the login may not read it.
    """
    with in_our_words(), ExitStack() as stack:
        rows, links = stack.enter_context(connect(database)), stack.enter_context(connect(database))
        _share_snapshot(rows, links)
        total = audits.estimated_transfers(rows)
        result = Verification()
        reader = ChainReader(rows, links)
        for finding in _reported(reader, report, total):
            result.findings.append(finding)
        result.transfers, result.links = reader.rows, reader.links
        result.heads = [Head(partition, *end) for partition, end in sorted(reader.heads.items())]
        result.findings += audits.progress_findings(links)
        result.findings += audits.balance_findings(links)
        result.findings += audits.sum_findings(links)
        report(reader.rows, reader.rows)
        return result


def _reported(reader: ChainReader, report: Callable[[int, int], None], total: int) -> Iterator[Finding]:
    next_report = 0
    for finding in reader.findings():
        if finding is not None:
            yield finding
        if reader.rows >= next_report:
            report(reader.rows, max(total, reader.rows))
            next_report = reader.rows + _REPORT_EVERY_ROWS


def _share_snapshot(first: psycopg.Connection, second: psycopg.Connection) -> None:
    """Begin a read-only transaction on both connections that sees the same state."""
    for connection in (first, second):
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
    row = first.execute("SELECT pg_export_snapshot()").fetchone()
    assert row is not None
    second.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(row[0]))
