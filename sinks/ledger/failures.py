"""What a failed write to the ledger means: to be tried again, or a promise broken."""

import psycopg

from pipeline.errors import InvariantBroken, PipelineError, TransientError

# Classes of SQLSTATE that say that our data can't be taken: it is complete and checked, so the cause is a defect, here
# or upstream. To leave the batch out would make the ledger and the actors' profiles differ in silence: the worker
# stops.
_BROKEN_CLASSES = frozenset({"21", "22", "23", "44"})

# No such schema, table, column.
_NOT_MIGRATED = frozenset({"3F000", "42P01", "42703"})


def failure(error: psycopg.Error, place: str) -> PipelineError:
    """Return the error to raise for one that the database or its driver reported; `place` says what was being written.

    Everything that an operator or time can mend is transient: the server is away, full, read-only, out of memory, not
    yet migrated, the login lacks a grant, another session holds a lock, a serialization failure, a deadlock.
    """
    state = error.sqlstate or ""
    if state[:2] in _BROKEN_CLASSES:
        return InvariantBroken(f"the ledger refuses {place}: {_told(error)}")
    if state in _NOT_MIGRATED:
        return TransientError(f"the database has no ledger of this release, run `plaudit db upgrade`: {_told(error)}")
    return TransientError(f"the ledger is away ({state or type(error).__name__}): {_told(error)}")


def _told(error: psycopg.Error) -> str:
    parts = (error.diag.message_primary or str(error), error.diag.message_detail)
    return " ".join(" ".join(part.split()) for part in parts if part)
