"""The ledger's schema: migrations on any starting point, the roles, the columns that others write SQL against."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from pipeline.errors import UserError
from sinks.ledger.connection import engine
from sinks.ledger.migrate import upgrade
from sinks.ledger.schema import KINDS, METADATA, SCHEMA
from sinks.ledger.sink import LedgerSink
from sinks.ledger.verify import verify
from tests.builders import INSTANT
from tests.ledger import balances, in_server_of, posting, rows, seqs, spend
from tests.stack import Postgres

HEAD = "0005"
COLUMNS = """
    SELECT table_name, column_name, data_type FROM information_schema.columns
    WHERE table_schema = 'plaudit' AND table_name = ANY(%s)
"""
TEXT, NUMBER, INT, INSTANT_TYPE = "text", "bigint", "integer", "timestamp with time zone"
# What is published, word for word.
PUBLISHED = {
    "transfers": {
        "id": "uuid",
        **dict.fromkeys(("tenant", "debit_account", "credit_account", "currency", "kind", "actor"), TEXT),
        **dict.fromkeys(("event_source", "event_id", "event_type", "cause"), TEXT),
        **dict.fromkeys(("amount", "seq"), NUMBER),
        **dict.fromkeys(("revision", "partition", "leg"), INT),
        **dict.fromkeys(("occurred_at", "recorded_at"), INSTANT_TYPE),
    },
    "balances": {
        **dict.fromkeys(("tenant", "account", "currency"), TEXT),
        **dict.fromkeys(("debits", "credits", "balance"), NUMBER),
    },
    "chain": {
        **dict.fromkeys(("partition", "transfers"), INT),
        **dict.fromkeys(("first_seq", "last_seq"), NUMBER),
        **dict.fromkeys(("previous", "hash"), "bytea"),
        "recorded_at": INSTANT_TYPE,
    },
    "progress": {"partition": INT, "seq": NUMBER},
    "entries": {
        "transfer_id": "uuid",
        **dict.fromkeys(("tenant", "account", "currency"), TEXT),
        "amount": NUMBER,
    },
}


def test_database_away_is_said() -> None:
    """No traceback for an address that nobody answers at."""
    with pytest.raises(UserError, match="database"):
        upgrade("postgresql://nobody@127.0.0.1:1/nothing")


def test_newer_database_is_refused(database: str) -> None:
    """An older release keeps its hands off a schema that it does not know."""
    rows(database, "UPDATE plaudit.alembic_version SET version_num = '9999'")

    with pytest.raises(UserError, match="9999"):
        upgrade(database)


def test_second_upgrade_changes_nothing(database: str) -> None:
    """`plaudit db upgrade` may run at every start."""
    assert upgrade(database) == (HEAD, HEAD)


def test_two_upgrades_at_once_are_safe(empty_database: str) -> None:
    """The second waits for the first and finds nothing to do."""
    done = _upgraded_at_once([empty_database] * 2)

    assert sorted(before or "" for before, _ in done) == ["", HEAD]
    assert {after for _, after in done} == {HEAD}


def test_upgrades_of_two_databases_at_once_share_the_roles(own_postgres: Postgres) -> None:
    """Roles belong to the server: whoever is second finds them."""
    databases = [own_postgres.empty_database() for _ in range(2)]

    done = _upgraded_at_once(databases)

    assert done == [(None, HEAD)] * 2


async def test_login_without_the_right_to_create_roles_is_told_what_to_do(own_postgres: Postgres) -> None:
    """An administrator makes the roles once; then the owner of the database can do the rest, and the sink its work."""
    admin = own_postgres.empty_database()
    rows(admin, "CREATE ROLE plain LOGIN PASSWORD 'plain'")
    name = admin.rpartition("/")[2]
    rows(admin, f"ALTER DATABASE {name} OWNER TO plain")
    plain = in_server_of(admin, name, "plain:plain")

    with pytest.raises(UserError, match="CREATE ROLE plaudit_sink NOLOGIN"):
        upgrade(plain)
    for statement in ("CREATE ROLE plaudit_sink", "CREATE ROLE plaudit_reader", "GRANT plaudit_sink TO plain"):
        rows(admin, statement)

    assert upgrade(plain) == (None, HEAD)
    sink = LedgerSink(plain)
    await sink.apply(0, [posting(1)], INSTANT)
    await sink.close()
    assert verify(plain).holds


async def test_old_schema_with_data_is_brought_up(empty_database: str) -> None:
    """Rows that an older release wrote are there after the upgrade, and still hold."""
    upgrade(empty_database, "0002")
    sink = LedgerSink(empty_database)
    await sink.apply(0, [posting(1), posting(2, spend(3))], INSTANT)

    assert upgrade(empty_database) == ("0002", HEAD)

    await sink.apply(0, [posting(3)], INSTANT)
    await sink.close()
    assert seqs(empty_database) == [1, 2, 3]
    assert balances(empty_database)["actor:ada", "xp"] == 17
    assert verify(empty_database).findings == []


def test_metadata_says_what_migrations_made(database: str) -> None:
    """Queries are written against the metadata: it must be the database's."""
    with engine(database).connect() as connection:
        options = {
            "version_table_schema": SCHEMA,
            "include_schemas": True,
            "compare_type": True,
            "include_name": lambda name, kind, _: kind != "table" or name != "alembic_version",
        }
        context = MigrationContext.configure(connection, opts=options)

        assert compare_metadata(context, METADATA) == []


def test_columns_are_the_published_ones(database: str) -> None:
    """Dashboards and scripts are written against these names and types."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in rows(database, COLUMNS, (list(PUBLISHED),)):
        found.setdefault(table, {})[column] = kind

    assert found == PUBLISHED


def test_entries_are_the_two_lines_of_a_transfer(database: str) -> None:
    """What one account loses the other gets."""
    _insert(database)

    entries = rows(database, "SELECT account, amount FROM plaudit.entries ORDER BY amount")

    assert entries == [("issued", -10), ("actor:ada", 10)]


@pytest.mark.parametrize(
    ("column", "value", "constraint"),
    [
        ("amount", 0, "amount_positive"),
        ("amount", -1, "amount_positive"),
        ("kind", "gift", "kind_known"),
        ("credit_account", "issued", "accounts_differ"),
    ],
)
def test_impossible_transfers_are_refused(database: str, column: str, value: object, constraint: str) -> None:
    """The database keeps its promises against every writer, not only against ours."""
    with pytest.raises(psycopg.errors.CheckViolation, match=constraint):
        _insert(database, **{column: value})


def test_every_kind_is_known_to_the_database(database: str) -> None:
    """The list of kinds in the code is the constraint's."""
    for number, kind in enumerate(KINDS):
        _insert(database, kind=kind, seq=number)

    assert len(seqs(database)) == len(KINDS)


def test_reader_may_read_everything_and_write_nothing(database: str) -> None:
    """Dashboards get a role that can't do harm."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET ROLE plaudit_reader")
        for table in (*PUBLISHED, "account_balances", "row_checksums"):
            connection.execute(f"SELECT * FROM plaudit.{table}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO plaudit.progress VALUES (0, 0)")


def _upgraded_at_once(databases: list[str]) -> list[tuple[str | None, str | None]]:
    """Upgrade each in a process of its own, as several deployments would."""
    with ProcessPoolExecutor(len(databases), mp_context=get_context("spawn")) as pool:
        return [tuple(done) for done in pool.map(upgrade, databases)]


def _insert(database: str, **changes: object) -> None:
    transaction = posting(1).transaction
    transfer = transaction.transfers[0]
    values = {name: getattr(transfer, name) for name in transfer.__struct_fields__}
    values |= {
        name: getattr(transaction, name) for name in transaction.__struct_fields__ if name not in {"transfers", "ask"}
    }
    values |= {"recorded_at": INSTANT, "partition": 0, "seq": 1} | changes
    if "seq" in changes:
        values["id"] = sa.Uuid().python_type(int=int(str(changes["seq"])))
    names = ", ".join(values)
    slots = ", ".join(["%s"] * len(values))
    rows(database, f"INSERT INTO plaudit.transfers ({names}) VALUES ({slots})", list(values.values()))
