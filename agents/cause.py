"""What a derived record says of its cause: the event's place in `events`, in headers, and the event itself."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import APPENDED_HEADER, SEQ_HEADER, TRACE_HEADER, Event, Headers, actor_key, decode_event
from pipeline.recordbatch.model import Record

# Offsets are 63 bits wide; milliseconds of 13 digits last until the year 2286.
SEQ_DIGITS_MAX = 18
APPENDED_DIGITS_MAX = 13
# Sequence and append time; a trace follows where there is one.
PLACE_HEADERS = 2

_ABSENT = ("", b"")
# Half the price of a named tuple's own constructor, which is Python code.
_new = tuple.__new__


class Cause(NamedTuple):
    """An event's key, sequence and append time, and the headers that everything derived from it carries."""

    key: bytes
    seq: int
    appended_ms: int
    headers: Headers


def cause_of(record: Record) -> Cause:
    """Return where an event came from; of headers with the same name the last one counts, as it was added last.

    Raises:
        PoisonEvent: the record doesn't say; only a foreign producer leaves that out.
    """
    seq = appended = trace = _ABSENT
    for pair in record.headers:
        name = pair[0]
        if name == SEQ_HEADER:
            seq = pair
        elif name == APPENDED_HEADER:
            appended = pair
        elif name == TRACE_HEADER:
            trace = pair
    if record.key is None:
        raise PoisonEvent(Reason.INVALID_RECORD, "the record has no key")
    if not seq[1].isdigit() or len(seq[1]) > SEQ_DIGITS_MAX:
        raise PoisonEvent(Reason.INVALID_RECORD, f"the header {SEQ_HEADER} is missing or not a sequence")
    if not appended[1].isdigit() or len(appended[1]) > APPENDED_DIGITS_MAX:
        raise PoisonEvent(Reason.INVALID_RECORD, f"the header {APPENDED_HEADER} is missing or not a time")
    headers = (seq, appended) if trace is _ABSENT else (seq, appended, trace)
    return _new(Cause, (record.key, int(seq[1]), int(appended[1]), headers))


def youngest_ms(records: Sequence[Record]) -> int | None:
    """Return the latest append time that a record of a run names; None if no record does."""
    # A run holds few distinct times: the events of one broker batch share theirs.
    times = {value for record in records for name, value in record.headers if name == APPENDED_HEADER}
    return max((int(time) for time in times if time.isdigit() and len(time) <= APPENDED_DIGITS_MAX), default=None)


def event_of(record: Record) -> Event:
    """Return the canonical event that a record carries.

    Raises:
        PoisonEvent: it carries none, or one of another actor than its key says, whose state lives elsewhere.
    """
    if record.value is None:
        raise PoisonEvent(Reason.INVALID_RECORD, "the record is empty")
    try:
        event = decode_event(record.value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PoisonEvent(Reason.INVALID_RECORD, f"not a canonical event: {error}") from error
    if record.key != actor_key(event.tenant, event.subject):
        raise PoisonEvent(Reason.INVALID_RECORD, "the key is not the event's tenant and actor")
    return event
