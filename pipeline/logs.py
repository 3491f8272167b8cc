"""Logging: a constant message and fields, one line each, on standard error; secrets never.

Libraries that log through the standard library (Faust, aiokafka, SQLAlchemy) come out in the same form.
"""

import logging
import re
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN = "***"
# Fields whose value is a secret, whatever they are part of.
_SECRET_FIELD = re.compile(r"password|secret|token|authorization|api_?key|credential", re.IGNORECASE)
# The password inside a URL: scheme://name:password@host. Up to the last @ before the path, since an unescaped @ in a
# password is a common mistake and must not uncover the rest of it.
_URL_PASSWORD = re.compile(r"(?<=://)([^\s/:@]*):[^\s/]*@")
# What libraries report at `info` is about their own insides.
_CHATTY = ("aiokafka", "alembic", "asyncio", "faust", "kafka", "mode", "sqlalchemy")


def configure(level: str, format: Literal["json", "console"]) -> None:  # noqa: A002 - the setting's own name
    """Send the logs of this process to standard error; a second call replaces the first.

    Libraries are heard from `warning` upwards, and in full at `debug`.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # loggers live in modules; a cached one would outlive the configuration
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Never the traceback with local variables: they hold connection strings.
                structlog.processors.format_exc_info,
                hide_secrets,
                *_renderer(format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _CHATTY:
        library = logging.getLogger(name)
        library.handlers = []
        library.propagate = True
        library.setLevel(logging.DEBUG if level == "debug" else logging.WARNING)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module; it follows `configure`, whenever that is called."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def without_passwords(text: str) -> str:
    """Return a text with the password of every URL in it hidden."""
    return _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", text) if "://" in text else text


def hide_secrets(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    """Replace the value of secret fields, and passwords inside URLs anywhere in a text."""
    for name, value in fields.items():
        if _SECRET_FIELD.search(name):
            fields[name] = HIDDEN
        elif isinstance(value, str):
            fields[name] = without_passwords(value)
        elif not isinstance(value, (bool, int, float, type(None))):
            text = str(value)
            hidden = without_passwords(text)
            if hidden != text:
                fields[name] = hidden
    return fields


def _renderer(form: Literal["json", "console"]) -> list[Processor]:
    if form == "json":
        return [
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(),  # ASCII only: no text of an event can break a line or the encoding
        ]
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="time")]
