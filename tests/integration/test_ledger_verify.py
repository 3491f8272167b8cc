"""Verification: every way of touching the ledger from outside is found, and the first row that fails is named."""

import pytest

from pipeline.errors import UserError
from sinks.ledger.sink import LedgerSink
from sinks.ledger.verify import verify
from tests.builders import INSTANT
from tests.ledger import posting, rows, spend

FORGED = """
    INSERT INTO plaudit.transfers SELECT (t).* FROM (
        SELECT jsonb_populate_record(transfers, '{"id": "00000000-0000-8000-8000-000000000000", "seq": %s}') AS t
        FROM plaudit.transfers WHERE seq = 21
    ) AS forged
"""


@pytest.fixture
async def audited(database: str) -> str:
    """A ledger with three links in partition 0 (sequences 10 to 12, 20 to 22, 30 to 32) and one in partition 3."""
    sink = LedgerSink(database)
    for start in (10, 20, 30):
        await sink.apply(
            0, [posting(start), posting(start + 1, {}, {"currency": "coins"}), posting(start + 2)], INSTANT
        )
    await sink.apply(3, [posting(1, actor="bo", event_id="bo-1"), posting(2, spend(4, "bo"), actor="bo")], INSTANT)
    await sink.close()
    return database


def test_database_without_a_ledger_is_said(empty_database: str) -> None:
    """No traceback for a database that was not set up."""
    with pytest.raises(UserError, match="plaudit db upgrade"):
        verify(empty_database)


def test_empty_ledger_holds(database: str) -> None:
    """Nothing was recorded, nothing can be wrong."""
    result = verify(database)

    assert (result.holds, result.transfers, result.links, result.heads) == (True, 0, 0, [])


def test_untouched_ledger_holds(audited: str) -> None:
    """Counts and heads say what was verified; the progress is reported to its end."""
    reports: list[tuple[int, int]] = []

    result = verify(audited, lambda done, total: reports.append((done, total)))

    assert result.findings == []
    assert (result.transfers, result.links) == (14, 4)
    assert [(head.partition, head.last_seq) for head in result.heads] == [(0, 32), (3, 2)]
    assert reports[-1] == (14, 14)


@pytest.mark.parametrize(
    "change",
    [
        "amount = amount + 1",
        "actor = 'eve'",
        "cause = 'another'",
        "occurred_at = occurred_at + interval '1 microsecond'",
        "recorded_at = recorded_at + interval '1 second'",
        "id = '00000000-0000-8000-8000-000000000000'",
        "revision = 2",
        "credit_account = 'actor:eve'",
        "tenant = 'other'",
    ],
)
def test_changed_row_is_named(audited: str, change: str) -> None:
    """Whichever column was touched, the row is found among its neighbours in the link."""
    rows(audited, f"UPDATE plaudit.transfers SET {change} WHERE partition = 0 AND seq = 21 AND leg = 1")

    first = verify(audited).findings[0]

    assert (first.check, first.partition, first.seq, first.leg) == ("chain", 0, 21, 1)


def test_changed_row_without_checksums_is_named_by_its_link(audited: str) -> None:
    """Whoever removes the checksums hides which row it was, not that there is one."""
    rows(audited, "DELETE FROM plaudit.row_checksums")
    rows(audited, "UPDATE plaudit.transfers SET amount = 1 WHERE seq = 21 AND leg = 1")

    first = verify(audited).findings[0]

    assert (first.partition, first.seq, first.leg) == (0, 20, 0)
    assert "20 to 22" in first.what


def test_swapped_amounts_are_found_though_the_balances_agree(audited: str) -> None:
    """The chain sees what sums can't."""
    rows(audited, "UPDATE plaudit.transfers SET amount = amount + 1 WHERE partition = 0 AND seq = 10")
    rows(audited, "UPDATE plaudit.transfers SET amount = amount - 1 WHERE partition = 0 AND seq = 12")

    findings = verify(audited).findings

    assert [(finding.check, finding.seq) for finding in findings] == [("chain", 10)]


@pytest.mark.parametrize(
    ("seq", "named", "where"), [(20, 21, "before this one"), (21, 21, "before this one"), (22, 21, "after this one")]
)
def test_deleted_row_is_named_by_its_neighbour(audited: str, seq: int, named: int, where: str) -> None:
    """The row itself is gone: its place is told."""
    rows(audited, "DELETE FROM plaudit.transfers WHERE partition = 0 AND seq = %s AND leg = 0", (seq,))

    first = verify(audited).findings[0]

    assert (first.partition, first.seq) == (0, named)
    assert where in first.what


def test_link_that_lost_all_its_rows_is_named(audited: str) -> None:
    """There is no row left to name."""
    rows(audited, "DELETE FROM plaudit.transfers WHERE partition = 0 AND seq >= 20 AND seq < 30")

    first = verify(audited).findings[0]

    assert (first.partition, first.seq, first.leg) == (0, 20, None)


@pytest.mark.parametrize(("seq", "what"), [(22, "many"), (25, "in no link"), (99, "in no link"), (5, "in no link")])
def test_forged_row_is_named(audited: str, seq: int, what: str) -> None:
    """A row that the sink did not write is found inside a link, between links and outside of them."""
    rows(audited, FORGED.replace("%s", str(seq)).replace("seq = 21", "seq = 21 AND leg = 1"))

    first = verify(audited).findings[0]

    assert (first.partition, first.seq, first.leg) == (0, seq, 1)
    assert what in first.what or "this one was not" in first.what


def test_rows_of_a_partition_without_a_chain_are_named(audited: str) -> None:
    """Rows in no chain at all are found wherever their partition lies."""
    rows(audited, "DELETE FROM plaudit.chain WHERE partition = 3")

    first = verify(audited).findings[0]

    assert (first.partition, first.seq, first.what) == (3, 1, "the row is in no link")


def test_removed_link_is_found_by_the_next_one(audited: str) -> None:
    """Rows and link may both be gone: the next link still points at them."""
    rows(audited, "DELETE FROM plaudit.transfers WHERE partition = 0 AND seq BETWEEN 20 AND 22")
    rows(audited, "DELETE FROM plaudit.chain WHERE partition = 0 AND first_seq = 20")

    first = verify(audited).findings[0]

    assert (first.partition, first.seq) == (0, 30)
    assert "does not follow the link that ends at 12" in first.what


def test_reordered_links_are_found(audited: str) -> None:
    """Two links that change their hashes with each other stand in the wrong order."""
    rows(
        audited,
        """
        UPDATE plaudit.chain SET previous = other.previous, hash = other.hash FROM plaudit.chain AS other
        WHERE chain.partition = 0 AND other.partition = 0
          AND (chain.first_seq, other.first_seq) IN ((10, 20), (20, 10))
        """,
    )

    first = verify(audited).findings[0]

    assert (first.partition, first.seq) == (0, 10)
    assert "does not begin the chain" in first.what


def test_redated_link_is_found(audited: str) -> None:
    """The time of a link is its rows' time."""
    rows(audited, "UPDATE plaudit.chain SET recorded_at = recorded_at - interval '1 day' WHERE first_seq = 20")

    assert [(finding.seq, "recorded_at" in finding.what) for finding in verify(audited).findings] == [(20, True)]


def test_first_finding_of_each_partition_is_told(audited: str) -> None:
    """One broken partition does not hide another."""
    rows(audited, "UPDATE plaudit.transfers SET cause = 'other' WHERE seq IN (2, 12, 31)")

    places = [(finding.partition, finding.seq) for finding in verify(audited).findings]

    assert places == [(0, 12), (3, 2)]


def test_changed_balance_is_named(audited: str) -> None:
    """Balances are what the transfers add up to, and add up to zero."""
    rows(audited, "UPDATE plaudit.account_balances SET credits = credits + 1 WHERE account = 'actor:bo'")

    findings = verify(audited).findings

    assert [finding.check for finding in findings] == ["balances", "zero sum"]
    assert "'actor:bo'" in findings[0].what


def test_lost_balance_is_named(audited: str) -> None:
    """A missing row is a wrong balance too."""
    rows(audited, "DELETE FROM plaudit.account_balances WHERE account = 'actor:bo'")

    assert "stored are debits none" in verify(audited).findings[0].what


def test_progress_behind_the_chain_is_named(audited: str) -> None:
    """A sink that believed it would write rows twice."""
    rows(audited, "UPDATE plaudit.progress SET seq = 21 WHERE partition = 0")

    assert [(finding.check, finding.seq) for finding in verify(audited).findings] == [("progress", 32)]
