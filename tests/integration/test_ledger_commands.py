"""Reads of the ledger: a tenant sees its own rows only, and scripts get what is promised."""

import csv
import io
import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pipeline.__main__ import main
from sinks.ledger import queries
from sinks.ledger.connection import reading
from sinks.ledger.sink import LedgerSink
from tests.builders import INSTANT
from tests.ledger import posting, rows, spend

ODD = 'o"d,\nactor'


@pytest.fixture
async def audited(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two tenants whose actors and events have the same names; the environment points to their ledger."""
    sink = LedgerSink(database)
    day = timedelta(days=1)
    await sink.apply(
        0,
        [
            posting(1),
            posting(2, {}, {"currency": "coins", "amount": 3}, occurred_at=INSTANT + day),
            posting(3, actor=ODD, occurred_at=INSTANT + 2 * day),
            posting(4, actor="ada", tenant="other", event_id="event-1"),
        ],
        INSTANT,
    )
    await sink.apply(1, [posting(1, {"amount": 2**62}, actor="bo", event_id="bo")], INSTANT)
    await sink.apply(1, [posting(2, spend(1, "bo"), actor="bo", event_id="bo-2")], INSTANT)
    await sink.close()
    monkeypatch.setenv("PLAUDIT_DATABASE", database)
    return database


class Console:
    """Runs `plaudit` and keeps what it wrote."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error."""
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        out, err = self._capture.readouterr()
        return int(ended.value.code or 0), out, err


@pytest.fixture
def plaudit(capsys: pytest.CaptureFixture[str]) -> Console:
    """The command line."""
    return Console(capsys)


def test_every_view_of_a_tenant_filters_by_it(audited: str) -> None:
    """No tenant sees a row of another, whichever filter is set."""
    with reading(audited) as connection:
        statements: list[str] = []
        sa.event.listen(connection, "before_cursor_execute", lambda *given: statements.append(given[2]))
        other = list(queries.transfers(connection, "other", queries.Filters(actor="ada", event_id="event-1"), None))
        mine = list(queries.transfers(connection, "acme", queries.Filters(), None))
        held = list(queries.balances(connection, "other"))

    assert {row.tenant for row in other} == {"other"}
    assert {row.tenant for row in mine} == {"acme"}
    assert held == [("actor:ada", "xp", 10), ("issued", "xp", -10)]
    assert all("tenant = " in statement for statement in statements)


def test_progress_is_the_last_sequence_of_each_partition(audited: str) -> None:
    """What `plaudit drain` asks."""
    assert queries.progress(audited) == {0: 4, 1: 2}


def test_verify_of_a_ledger_that_holds(audited: str, plaudit: Console) -> None:
    """Exit code 0, and what was verified."""
    code, out, err = plaudit.run("ledger", "verify")

    assert (code, err) == (0, "")
    assert "the ledger holds: 7 transfers in 3 links of 2 partitions" in out


def test_verify_names_the_row_and_fails(audited: str, plaudit: Console) -> None:
    """Exit code 1, and the first row that does not hold."""
    rows(audited, "UPDATE plaudit.transfers SET amount = 1 WHERE partition = 0 AND seq = 2 AND leg = 1")

    code, _, err = plaudit.run("ledger", "verify")

    assert code == 1
    assert "partition 0, seq 2, leg 1" in err


def test_verify_for_scripts(audited: str, plaudit: Console) -> None:
    """The same, as JSON."""
    rows(audited, "UPDATE plaudit.transfers SET cause = 'x' WHERE partition = 0 AND seq = 2 AND leg = 1")

    code, out, _ = plaudit.run("ledger", "verify", "--format", "json")

    found = json.loads(out)
    assert (code, found["holds"], found["transfers"]) == (1, False, 7)
    assert {name: found["findings"][0][name] for name in ("partition", "seq", "leg")} == {
        "partition": 0,
        "seq": 2,
        "leg": 1,
    }


def test_balances_as_csv(audited: str, plaudit: Console) -> None:
    """The header is exact, names are quoted, and system accounts are summed over the partitions."""
    code, out, err = plaudit.run("ledger", "balances", "--tenant", "acme", "--format", "csv")

    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "account,currency,balance"
    assert list(csv.reader(io.StringIO(out)))[1:] == [
        ["actor:ada", "coins", "3"],
        ["actor:ada", "xp", "20"],
        ["actor:bo", "xp", str(2**62 - 1)],
        [f"actor:{ODD}", "xp", "10"],
        ["issued", "coins", "-3"],
        ["issued", "xp", str(-30 - 2**62)],
        ["spent", "xp", "1"],
    ]


def test_balances_as_json_and_table(audited: str, plaudit: Console) -> None:
    """The same rows in each form."""
    _, as_json, _ = plaudit.run("ledger", "balances", "--tenant", "other", "--format", "json")
    _, as_table, _ = plaudit.run("ledger", "balances", "--tenant", "other")

    assert json.loads(as_json)[0] == {"account": "actor:ada", "currency": "xp", "balance": 10}
    assert "actor:ada" in as_table


async def test_balances_beyond_a_bigint_are_exact(audited: str, plaudit: Console) -> None:
    """A system account sums what all actors got: no form cuts it, or writes it as a power of ten."""
    sink = LedgerSink(audited)
    most = {"amount": 2**63 - 1}
    await sink.apply(2, [posting(1, most, actor="cy", event_id="cy"), posting(2, most, event_id="ada")], INSTANT)
    await sink.close()
    issued = -30 - 2**62 - 2 * (2**63 - 1)

    listed = ("ledger", "balances", "--tenant", "acme", "--format")
    found = [plaudit.run(*listed, form)[1] for form in ("csv", "json", "table")]

    assert all(str(issued) in out for out in found)
    assert {"account": "issued", "currency": "xp", "balance": issued} in json.loads(found[1])


def test_tenant_without_rows_has_none(audited: str, plaudit: Console) -> None:
    """An empty answer is an answer."""
    assert plaudit.run("ledger", "balances", "--tenant", "nobody", "--format", "json")[:2] == (0, "[]\n")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["event-3", "event-2", "event-2", "bo-2", "bo", "event-1"]),
        (["--limit", "2"], ["event-3", "event-2"]),
        (["--actor", "ada"], ["event-2", "event-2", "event-1"]),
        (["--event-id", "event-2"], ["event-2", "event-2"]),
        (["--since", "2026-11-17T12:00:00Z"], ["event-3", "event-2", "event-2"]),
        (["--until", "2026-11-17"], ["bo-2", "bo", "event-1"]),
        (["--since", "2026-11-17", "--until", "2026-11-18T14:00:00+02:00"], ["event-2", "event-2"]),
    ],
)
def test_transfers_are_filtered_newest_first(
    audited: str, plaudit: Console, options: list[str], expected: list[str]
) -> None:
    """All filters that are given hold together."""
    code, out, _ = plaudit.run("ledger", "transfers", "--tenant", "acme", "--format", "json", *options)

    assert code == 0
    assert [row["event_id"] for row in json.loads(out)] == expected


def test_transfer_shows_every_column(audited: str, plaudit: Console) -> None:
    """Enough to explain the row without SQL; instants in UTC."""
    _, out, _ = plaudit.run("ledger", "transfers", "--tenant", "acme", "--event-id", "event-1", "--format", "json")

    [row] = json.loads(out)
    assert tuple(row) == queries.TransferRow._fields
    assert (row["amount"], row["occurred_at"], row["seq"]) == (10, "2026-11-16T12:00:00Z", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["balances", "--tenant", "No Tenant"], "can't be a tenant"),
        (["transfers", "--tenant", "acme", "--since", "yesterday"], "no instant"),
        (["transfers", "--tenant", "acme", "--actor", "\udcff"], "no text in UTF-8"),
    ],
)
def test_mistakes_are_said(audited: str, plaudit: Console, arguments: list[str], message: str) -> None:
    """No traceback for a user's mistake, nothing on standard output."""
    code, out, err = plaudit.run("ledger", *arguments)

    assert (code, out) == (1, "")
    assert message in err


def test_database_away_and_not_migrated_are_said(
    empty_database: str, plaudit: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each says what to do, and no password."""
    monkeypatch.setenv("PLAUDIT_DATABASE", empty_database)
    not_migrated = plaudit.run("ledger", "balances", "--tenant", "acme")
    monkeypatch.setenv("PLAUDIT_DATABASE", "postgresql://plaudit:secret@127.0.0.1:1/plaudit")
    away = plaudit.run("ledger", "verify")

    assert not_migrated[0] == away[0] == 1
    assert "plaudit db upgrade" in not_migrated[2]
    assert "database" in away[2]
    assert "secret" not in away[2]


def test_upgrade_from_the_command_line(empty_database: str, plaudit: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Idempotent, and the password stays out of sight."""
    monkeypatch.setenv("PLAUDIT_DATABASE", empty_database)

    first, second = plaudit.run("db", "upgrade"), plaudit.run("db", "upgrade")

    assert (first[0], second[0]) == (0, 0)
    assert "upgraded from nothing" in first[2]
    assert "up to date" in second[2]
    assert ":***@" in first[2]
