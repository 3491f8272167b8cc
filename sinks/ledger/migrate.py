"""Brings a database to this release's schema. Alembic's scripts lie in the package `migrations`."""

from importlib.resources import files
from typing import NamedTuple

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from pipeline.errors import UserError
from sinks.ledger.connection import engine, in_our_words
from sinks.ledger.roles import ensure_roles
from sinks.ledger.schema import SCHEMA

# Any number that no other program in the database uses for its own lock.
_LOCK = 0x706C6175646974  # "plaudit"
_VERSION_MIN = 150_000


class Upgraded(NamedTuple):
    """The schema's revisions before and after; `before` is None if there was none."""

    before: str | None
    after: str | None


def upgrade(database: str, revision: str = "head") -> Upgraded:
    """Bring the database to `revision`, in one transaction; a second call changes nothing.

    Two at once are safe: the second waits for the first and finds nothing to do.

    Raises:
        UserError: the database can't be reached, is too old, was made by a newer release, or the login may not.
    """
    with in_our_words(), engine(database).begin() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        if driver.info.server_version < _VERSION_MIN:
            raise UserError(f"PostgreSQL 15 or later is needed; this is {driver.info.server_version // 10_000}")
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        _ensure_schema(connection)
        ensure_roles(driver)
        before = _revision(connection)
        _run(connection, before, revision)
        return Upgraded(before, _revision(connection))


def _ensure_schema(connection: sa.Connection) -> None:
    """Create the schema if it is missing; asked first, since `IF NOT EXISTS` needs the right to create all the same."""
    if not sa.inspect(connection).has_schema(SCHEMA):
        connection.execute(sa.schema.CreateSchema(SCHEMA))


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA}).get_current_revision()


def _run(connection: sa.Connection, before: str | None, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if before is not None and before not in known:
        raise UserError(f"the database is at revision {before}, which a newer release made; upgrade Plaudit instead")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
