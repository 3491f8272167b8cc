"""Whether a ledger follows from a log already."""

import psycopg

from sinks.ledger.connection import connect, in_our_words

# No tenant: the question is about the log as a whole, before any tenant's data is touched.
_HAS_PROGRESS = "SELECT EXISTS (SELECT FROM plaudit.progress WHERE seq >= 0)"


def has_progress(database: str) -> bool:
    """Return whether anything was ever posted to the ledger in this database; False if there is no ledger at all.

    Raises:
        UserError: the database can't be reached.
    """
    with in_our_words(), connect(database) as connection:
        try:
            row = connection.execute(_HAS_PROGRESS).fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return False
        return row == (True,)
