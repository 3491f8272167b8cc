"""The ledger's two roles. They belong to the whole server: another database's set-up may make them right now."""

import psycopg
from psycopg import errors, sql

from pipeline.errors import UserError
from sinks.ledger.schema import READER_ROLE, SINK_ROLE

# Two set-ups of two databases that grant the same role at once: PostgreSQL refuses one of them, which then tries again.
_TRIES = 10
# From this version on, membership and the right to become the role are two things.
_SET_OPTION_VERSION = 160_000


def ensure_roles(connection: psycopg.Connection) -> None:
    """Create the roles that are missing, and let this login become the sink's; a second call changes nothing.

    Runs inside the caller's transaction.

    Raises:
        UserError: a role is missing and the login may not create it; the message says what to run instead.
    """
    for role in (SINK_ROLE, READER_ROLE):
        if not _exists(connection, role):
            _create(connection, role)
    if not may_become(connection, SINK_ROLE):
        _grant_to_self(connection, SINK_ROLE)


def may_become(connection: psycopg.Connection, role: str) -> bool:
    """Return whether this login may `SET ROLE` to an existing role."""
    return _flag(connection, *becoming(role, connection.info.server_version))


def becoming(role: str, server_version: int) -> tuple[str, tuple[str, str]]:
    """Return the query, and its parameters, that asks whether the login may become a role; no row if there is none."""
    privilege = "SET" if server_version >= _SET_OPTION_VERSION else "MEMBER"
    return "SELECT pg_has_role(session_user, oid, %s) FROM pg_roles WHERE rolname = %s", (privilege, role)


def _exists(connection: psycopg.Connection, role: str) -> bool:
    return _flag(connection, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", (role,))


def _create(connection: psycopg.Connection, role: str) -> None:
    try:
        with connection.transaction():
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    except (errors.DuplicateObject, errors.UniqueViolation):
        pass  # another database's set-up was faster
    except errors.InsufficientPrivilege as error:
        raise UserError(
            f"the role {role} does not exist and this login may not create it; let an administrator run "
            f"`CREATE ROLE {SINK_ROLE} NOLOGIN; CREATE ROLE {READER_ROLE} NOLOGIN; "
            f"GRANT {SINK_ROLE} TO {connection.info.user};`"
        ) from error


def _grant_to_self(connection: psycopg.Connection, role: str) -> None:
    """Make the login a member where it may; the sink's login may be another one, so it is no mistake if it may not."""
    grant = sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(connection.info.user))
    for left in reversed(range(_TRIES)):
        try:
            with connection.transaction():
                connection.execute(grant)
        except errors.InsufficientPrivilege:
            return
        except errors.InternalError_:  # "tuple concurrently updated"
            if not left:
                raise
        else:
            return


def _flag(connection: psycopg.Connection, query: str, parameters: tuple[str, ...]) -> bool:
    row = connection.execute(query, parameters).fetchone()
    return row is not None and bool(row[0])
