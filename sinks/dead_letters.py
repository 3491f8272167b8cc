"""Dead letters: what could not be accepted, unchanged, with where it stood and why. All stages refuse through here."""

from datetime import datetime

from pipeline.errors import Reason
from pipeline.events import EPOCH, DeadLetter, Headers, from_millis
from pipeline.recordbatch.model import Effects, Record, Run

ATTEMPTS_HEADER = "plaudit-attempts"
# The key that the refused record had, so that it can be sent again just as it was. Absent when it had none.
KEY_HEADER = "plaudit-key"
# Long enough for any reason with an excerpt of the culprit, short enough never to matter beside the record itself.
MESSAGE_LENGTH_MAX = 1_000
# Attempts are written by us, but anyone may write a header: more digits than this are no number of attempts.
ATTEMPTS_DIGITS_MAX = 6

_OWN_HEADERS = frozenset(f"plaudit-{name}" for name in (*DeadLetter.__struct_fields__, "key"))


def dead_letter(
    effects: Effects,
    topic: str,
    run: Run,
    record: Record,
    stage: str,
    reason: Reason,
    message: str,
    tenant: str | None,
) -> None:
    """Add to `effects` the dead letter of one record of `run`, and count it under its reason.

    `topic` is the full name of the dead letters' topic. The value is the record's own bytes, the key the tenant (none
    if it isn't known); the record's headers are kept beside the details, its key in `plaudit-key`. A pure function of
    the record, so that a repeat is equal to the first: the time is the record's own, when it was appended.
    """
    details = DeadLetter(
        reason=reason.value,
        message=_text(message[:MESSAGE_LENGTH_MAX]),
        stage=stage,
        topic=run.topic,
        partition=run.partition,
        offset=record.offset,
        time=_instant(record.timestamp),
        attempts=_attempts_before(record) + 1,
    )
    effects.emit(
        topic,
        key=None if tenant is None else _text(tenant).encode(),
        value=record.value,
        headers=(*details.headers(), *_original(record)),
    )
    effects.count(reason.value)


def _original(record: Record) -> Headers:
    kept = tuple((name, value) for name, value in record.headers if name not in _OWN_HEADERS)
    return kept if record.key is None else ((KEY_HEADER, record.key), *kept)


def _attempts_before(record: Record) -> int:
    for name, value in record.headers:
        if name == ATTEMPTS_HEADER and value.isdigit() and len(value) <= ATTEMPTS_DIGITS_MAX:
            return int(value)
    return 0


def _instant(millis: int) -> datetime:
    """Return the instant; the epoch if a producer stamped the record with a time that no calendar holds."""
    try:
        return from_millis(millis)
    except OverflowError:
        return EPOCH


def _text(text: str) -> str:
    """Return text that can be written as UTF-8: an input may hold half a surrogate pair, and its excerpt be quoted."""
    return text.encode("utf-8", "backslashreplace").decode()
