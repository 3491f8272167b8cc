"""The line behind which types are trusted: CloudEvents attributes in, a canonical event out, each rule checked once."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import msgspec

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import (
    ACTOR_LENGTH_MAX,
    ANSWER_PREFIX,
    FUTURE_MINUTES_MAX,
    ID_LENGTH_MAX,
    SOURCE_LENGTH_MAX,
    TYPE_LENGTH_MAX,
    Event,
    encode_json,
    from_millis,
)
from pipeline.formats.document import excerpt

Attributes = dict[str, Any]

# The names under which a dialect writes the attributes, for messages its producers understand.
Names = Mapping[str, str]

# Before this year nobody earned points. Producers that mean "no time" write the first instant of year 1, and the
# calendar's arithmetic in time zones and weeks has no room there.
EARLIEST_YEAR = 1900
TENANT_LENGTH_MAX = 63
# What any client stamps on a record: the epoch to the last minutes that the calendar knows.
APPENDED_MS_MAX = 253_402_300_799_999 - FUTURE_MINUTES_MAX * 60_000
# Some numbers grow when written canonically (1E9). What is written must fit into a record of the broker's usual size.
CANONICAL_BYTES_MAX = 900_000

_FUTURE_MAX = timedelta(minutes=FUTURE_MINUTES_MAX)
# Distinct tenants, types and sources whose check is remembered, each. Real streams have few; a flood costs only time.
_REMEMBERED: Final = 4_096

_ATTRIBUTES = frozenset(Event.__struct_fields__)
_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_TYPE = re.compile(r"[a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)*")
_URI_REFERENCE = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_SEMANTIC_VERSION = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*)){2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_EXTENSION_NAME = re.compile(r"[a-z0-9]{1,64}")
_TRACE = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_encode_sorted = msgspec.json.Encoder(order="sorted").encode


def canonical(attributes: Attributes, appended_ms: int, traceparent: str | None, names: Names) -> tuple[Event, bytes]:
    """Return the canonical event with these attributes, and its JSON; an attribute that is None counts as absent.

    A missing `time` is the append time, a missing `id` a hash of the content, so that the same content sent again is a
    duplicate. `traceparent`, from the transport, is used if the event has none. Extension attributes are carried on in
    the JSON. The canonical form of a canonical event is itself.

    Raises:
        PoisonEvent: an attribute breaks its rule.
    """
    get = attributes.get
    if get("specversion") != "1.0":
        raise _unknown_version(get("specversion"))
    # The checks of texts stand in line: a call for each would cost as much as all of them together.
    tenant, type_, source, subject = get("tenant"), get("type"), get("source"), get("subject")
    if not (type(tenant) is str and is_tenant(tenant)):
        raise _refused("tenant", tenant, TENANT_LENGTH_MAX, names, "is no tenant name")
    if not (type(type_) is str and len(type_) <= TYPE_LENGTH_MAX and _is_type(type_)):
        raise _refused(
            "type", type_, TYPE_LENGTH_MAX, names, "is no dotted lower-case name, or one that only Plaudit may use"
        )
    if not (type(source) is str and len(source) <= SOURCE_LENGTH_MAX and _is_uri_reference(source)):
        raise _refused("source", source, SOURCE_LENGTH_MAX, names, "is no URI reference")
    if not (type(subject) is str and 0 < len(subject) <= ACTOR_LENGTH_MAX):
        raise _refused("subject", subject, ACTOR_LENGTH_MAX, names)
    event_id, version, data = get("id"), get("dataversion"), get("data")
    if not (event_id is None or (type(event_id) is str and 0 < len(event_id) <= ID_LENGTH_MAX)):
        raise _refused("id", event_id, ID_LENGTH_MAX, names)
    if not (version is None or (type(version) is str and _is_semantic_version(version))):
        raise _refused("dataversion", version, ID_LENGTH_MAX, names, "is no semantic version")
    if not (data is None or type(data) is dict):
        raise PoisonEvent(Reason.WRONG_TYPE, f"{names.get('data', 'data')}: an object is expected, not {excerpt(data)}")
    event = Event(
        specversion="1.0",
        id=event_id or content_id(attributes),
        source=source,
        type=type_,
        subject=subject,
        tenant=tenant,
        time=_instant(get("time"), appended_ms, names),
        dataversion=version,
        traceparent=_valid_trace(get("traceparent")) or _valid_trace(traceparent),
        data=data or {},
    )
    value = encode_json(event) if attributes.keys() <= _ATTRIBUTES else _with_extensions(event, attributes)
    if len(value) > CANONICAL_BYTES_MAX:
        raise PoisonEvent(Reason.TOO_LARGE, f"{len(value):,} bytes in canonical form; at most {CANONICAL_BYTES_MAX:,}")
    return event, value


def content_id(attributes: Attributes) -> str:
    """Return an id made of an event's content: all that was sent, in any order, save the trace: it differs."""
    content = {k: v for k, v in attributes.items() if v is not None and k not in {"id", "traceparent"}}
    return "content-" + blake2b(_encode_sorted(content), digest_size=16).hexdigest()


@lru_cache(maxsize=_REMEMBERED)
def is_tenant(name: str) -> bool:
    """Whether `name` may be a tenant's."""
    return _TENANT.fullmatch(name) is not None


@lru_cache(maxsize=_REMEMBERED)
def _is_type(name: str) -> bool:
    return _TYPE.fullmatch(name) is not None and not name.startswith(ANSWER_PREFIX)


@lru_cache(maxsize=_REMEMBERED)
def _is_uri_reference(text: str) -> bool:
    return _URI_REFERENCE.fullmatch(text) is not None


@lru_cache(maxsize=_REMEMBERED)
def _is_semantic_version(text: str) -> bool:
    return len(text) <= ID_LENGTH_MAX and _SEMANTIC_VERSION.fullmatch(text) is not None


@lru_cache(maxsize=_REMEMBERED)
def _latest(appended_ms: int) -> datetime:
    """Return the latest instant that an event appended then may have; records of one append share it."""
    return from_millis(appended_ms) + _FUTURE_MAX


def _unknown_version(version: object) -> PoisonEvent:
    if version is None:
        return PoisonEvent(Reason.MISSING_FIELD, "specversion: missing")
    if not isinstance(version, str):
        return PoisonEvent(Reason.WRONG_TYPE, f"specversion: a string is expected, not {excerpt(version)}")
    return PoisonEvent(Reason.UNSUPPORTED_VERSION, f"specversion: 1.0 is expected, not {excerpt(version)}")


def _refused(attribute: str, value: object, length_max: int, names: Names, fault: str = "") -> PoisonEvent:
    """Return what is wrong with a text. Lengths are in characters, whatever bytes they take."""
    name = names.get(attribute, attribute)
    if value is None:
        return PoisonEvent(Reason.MISSING_FIELD, f"{name}: missing")
    if not isinstance(value, str):
        return PoisonEvent(Reason.WRONG_TYPE, f"{name}: a string is expected, not {excerpt(value)}")
    if not 0 < len(value) <= length_max:
        return PoisonEvent(Reason.INVALID_VALUE, f"{name}: {len(value):,} characters; 1 to {length_max} are allowed")
    return PoisonEvent(Reason.INVALID_VALUE, f"{name}: {excerpt(value)} {fault}")


def _instant(text: object, appended_ms: int, names: Names) -> datetime:
    """Return the event's instant in UTC, held against the append time and never against a clock."""
    if not 0 <= appended_ms <= APPENDED_MS_MAX:
        raise PoisonEvent(Reason.INVALID_RECORD, f"the record has no usable append time: {appended_ms}")
    if text is None:
        return from_millis(appended_ms)
    name = names.get("time", "time")
    if type(text) is not str:
        raise PoisonEvent(Reason.WRONG_TYPE, f"{name}: a string is expected, not {excerpt(text)}")
    try:
        instant = msgspec.convert(text, datetime)
        if instant.tzinfo is None:
            raise PoisonEvent(Reason.INVALID_TIME, f"{name}: {excerpt(text)} has no time zone")
        if instant.tzinfo is not UTC:
            instant = instant.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        raise PoisonEvent(Reason.INVALID_TIME, f"{name}: {excerpt(text)} is no instant of RFC 3339") from None
    if instant.year < EARLIEST_YEAR:
        raise PoisonEvent(Reason.INVALID_TIME, f"{name}: {excerpt(text)} lies before the year {EARLIEST_YEAR}")
    if instant > _latest(appended_ms):
        appended = from_millis(appended_ms).isoformat()
        message = f"{name}: {excerpt(text)} lies more than {FUTURE_MINUTES_MAX} minutes after the append at {appended}"
        raise PoisonEvent(Reason.FUTURE_TIME, message)
    return instant


def _valid_trace(text: object) -> str | None:
    """Return a trace context. One that breaks its form is passed over, as W3C Trace Context demands."""
    return text if isinstance(text, str) and _TRACE.fullmatch(text) is not None else None


def _with_extensions(event: Event, attributes: Attributes) -> bytes:
    """Return the event's JSON with the other attributes that it came with, sorted by name."""
    others: Attributes = {}
    for name in sorted(attributes.keys() - _ATTRIBUTES):
        value = attributes[name]
        if value is None:
            continue
        if _EXTENSION_NAME.fullmatch(name) is None:
            message = f"{excerpt(name)} is no name of an attribute: up to 64 lower-case letters and digits"
            raise PoisonEvent(Reason.INVALID_VALUE, message)
        if not isinstance(value, str | int):
            message = f"{name}: a string, integer or boolean is expected, not {excerpt(value)}"
            raise PoisonEvent(Reason.WRONG_TYPE, message)
        others[name] = value
    return encode_json(msgspec.to_builtins(event, builtin_types=(datetime,)) | others)
