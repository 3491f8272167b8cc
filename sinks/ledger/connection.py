"""Connections to the ledger for reading and for set-up, with their errors said in our words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import errors

from pipeline.errors import UserError

CONNECT_TIMEOUT_S = 10
# A server whose machine is gone is noticed after this time, also in the middle of a statement.
TCP_TIMEOUT_MS = 15_000
APPLICATION = "plaudit"

# libpq's parameters, by name.
OPTIONS: dict[str, Any] = {
    "application_name": APPLICATION,
    "client_encoding": "UTF8",
    "connect_timeout": CONNECT_TIMEOUT_S,
    "tcp_user_timeout": TCP_TIMEOUT_MS,
}


def connect(database: str) -> psycopg.Connection:
    """Open a connection; `database` is a URL, or anything else that libpq reads.

    Raises:
        UserError: it can't be reached, or lets nobody in.
    """
    with in_our_words():
        return psycopg.connect(database, **OPTIONS)


def engine(database: str) -> sa.Engine:
    """Return an engine without a pool: each connection is a new one."""
    return sa.create_engine("postgresql+psycopg://", creator=lambda: connect(database), poolclass=sa.NullPool)


@contextmanager
def reading(database: str) -> Iterator[sa.Connection]:
    """Open a read-only transaction that sees one state of the ledger from beginning to end.

    Raises:
        UserError: the database can't be reached, has no ledger yet, or the login may not read it.
    """
    snapshot = engine(database).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with in_our_words(), snapshot.connect() as connection:
        yield connection


@contextmanager
def in_our_words() -> Iterator[None]:
    """Turn what the database says into an error for the user; what is a defect of ours passes unchanged."""
    try:
        yield
    except (sa.exc.DBAPIError, psycopg.Error) as error:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        if (message := _message(cause)) is None:
            raise
        raise UserError(message) from error


def _message(cause: BaseException | None) -> str | None:
    text = " ".join(str(cause).split())
    match cause:
        case errors.UndefinedTable() | errors.InvalidSchemaName() | errors.UndefinedColumn():
            return "the database has no ledger of this release; run `plaudit db upgrade`"
        case errors.InsufficientPrivilege():
            return f"database: {text}; an administrator can `GRANT plaudit_reader TO` this login"
        case psycopg.OperationalError() | psycopg.ProgrammingError() if cause.sqlstate is None:
            return f"database: {text}"  # not reached, refused, or an address that can't be read
        case psycopg.OperationalError():
            return f"database: {text}"
        case _:
            return None
