"""What is said to a user instead of a traceback, when the cause lies outside the program."""

import sys

from pydantic import ValidationError

from pipeline.errors import PoisonEvent, TransientError, UserError
from pipeline.logs import without_passwords

# Errors of client libraries that mean "what you point at is not there, or lets nobody in": module, class, what.
# By name, so that a command that uses none of them does not import them.
_UNREACHABLE = (
    ("psycopg", "OperationalError", "database"),
    ("sqlalchemy.exc", "OperationalError", "database"),
    ("aiokafka.errors", "KafkaConnectionError", "broker"),
    ("aiokafka.errors", "KafkaTimeoutError", "broker"),
)


def explanation(error: Exception) -> str | None:
    """Return one line that says what is wrong, without secrets; None if the error is a defect of the program."""
    match error:
        case UserError() | TransientError() | PoisonEvent():
            text = str(error)
        case ValidationError():
            details = error.errors(include_input=False, include_url=False)
            text = "; ".join(f"{'.'.join(map(str, each['loc'])) or error.title}: {each['msg']}" for each in details)
        case OSError() if error.strerror:
            text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        case _:
            text = _unreachable(error)
    return without_passwords(text) if text else None


def _unreachable(error: Exception) -> str:
    for module, name, what in _UNREACHABLE:
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            cause = getattr(error, "orig", None) or error  # SQLAlchemy's own text adds a link to its documentation
            return f"{what}: {' '.join(str(cause).split()) or type(cause).__name__}"
    return ""
