"""Strict JSON: bytes in, a document out in which nothing was lost, overwritten or bent on the way.

A plain decoder keeps the last of two equal keys, takes a NUL that PostgreSQL refuses later, and nests as deep as the
stack allows. Here each of these is refused with its own reason. The common case pays for one decode, one encode and
a few searches in C; the exact, slow checks run only where a search found that they might fail.
"""

import binascii
import json
import re
from base64 import b64decode
from typing import Any

import msgspec

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import DATA_BYTES_MAX, DATA_DEPTH_MAX, encode_json

# Beside its data an event has a few attributes: more than this is no event, and is not even parsed.
RECORD_BYTES_MAX = DATA_BYTES_MAX + 64 * 1024
# As many as the gateway takes in one request. It also bounds how many dead letters one record can cause.
BATCH_EVENTS_MAX = 1_000
EXCERPT_LENGTH_MAX = 60

_BOM = b"\xef\xbb\xbf"
_COLON_ESCAPE = re.compile(rb"\\u003a", re.IGNORECASE)
_SURROGATE_ESCAPE = re.compile(rb"\\ud[89a-f]", re.IGNORECASE)

_decode = msgspec.json.Decoder().decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def excerpt(value: object) -> str:
    """Return a value as it may stand in a message: readable and short."""
    text = repr(value)
    return text if len(text) <= EXCERPT_LENGTH_MAX else text[: EXCERPT_LENGTH_MAX - 1] + "…"


def decode_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object that `raw` is. A leading byte order mark is passed over, as RFC 8259 allows.

    Integers keep their value whatever their size; no key stood twice in one object, at any level; no string holds a
    NUL; every number is finite.

    Raises:
        PoisonEvent: it is none, or can't be represented.
    """
    if len(raw) > RECORD_BYTES_MAX:
        raise PoisonEvent(Reason.TOO_LARGE, f"{len(raw):,} bytes; an event has at most {RECORD_BYTES_MAX:,}")
    try:
        document = _decode(raw)
        # Equal keys: the decoder drops members, and a colon with each. Every other colon stands in a string and comes
        # back, unless it was written as an escape. So the counts are equal exactly if nothing was dropped.
        escapes = b"\\" in raw
        if encode_json(document).count(b":") != raw.count(b":") or (escapes and _COLON_ESCAPE.search(raw) is not None):
            _refuse_duplicate_keys(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        if raw.startswith(_BOM):
            return decode_object(raw[len(_BOM) :])
        raise _why_not(raw, error) from None
    except RecursionError:
        raise PoisonEvent(Reason.TOO_DEEP, "nested hundreds of levels deep") from None
    if type(document) is not dict:
        raise PoisonEvent(Reason.NOT_AN_OBJECT, f"a JSON object is expected, not {excerpt(document)}")
    if escapes and b"\\u0000" in raw:
        _refuse_null_characters(document)
    return document


def is_batch(raw: bytes) -> bool:
    """Whether `raw` looks like a JSON array rather than one event."""
    return raw[:1] != b"{" and raw.removeprefix(_BOM).lstrip()[:1] == b"["


def split_batch(raw: bytes) -> list[bytes]:
    """Return the elements of a JSON array, each just as it was sent and not yet validated.

    Raises:
        PoisonEvent: it is no array, is empty, or has more elements than a batch may have.
    """
    raw = raw.removeprefix(_BOM)
    try:
        elements = _split(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _why_not(raw, error) from None
    except RecursionError:
        raise PoisonEvent(Reason.TOO_DEEP, "nested hundreds of levels deep") from None
    if not elements:
        raise PoisonEvent(Reason.EMPTY, "a batch without an event")
    if len(elements) > BATCH_EVENTS_MAX:
        raise PoisonEvent(Reason.TOO_LARGE, f"a batch of {len(elements):,} events; at most {BATCH_EVENTS_MAX:,}")
    return [bytes(element) for element in elements]


def decode_base64(text: object) -> dict[str, Any]:
    """Return the JSON object that a base64 text (`data_base64`) encodes, as strictly as `decode_object`.

    Raises:
        PoisonEvent: it encodes none.
    """
    if not isinstance(text, str):
        raise PoisonEvent(Reason.WRONG_TYPE, f"data_base64: a string is expected, not {excerpt(text)}")
    try:
        raw = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise PoisonEvent(Reason.INVALID_VALUE, "data_base64: not base64") from None
    try:
        return decode_object(raw)
    except PoisonEvent as error:
        raise PoisonEvent(error.reason, f"data_base64: {error.message}") from None


def check_size(raw: bytes, member: str) -> None:
    """Refuse a document whose `member` has more bytes, as sent, than an event's data may have.

    Raises:
        PoisonEvent: it has.
    """
    data = _members(raw.removeprefix(_BOM)).get(member)
    if data is not None and (size := len(bytes(data))) > DATA_BYTES_MAX:
        raise PoisonEvent(Reason.TOO_LARGE, f"{member}: {size:,} bytes; at most {DATA_BYTES_MAX:,}")


def check_depth(data: dict[str, Any], member: str) -> None:
    """Refuse data that is nested deeper than an event's may be; `{}` is one level, `{"a": []}` two.

    Raises:
        PoisonEvent: it is.
    """
    level: list[Any] = [data]
    for _ in range(DATA_DEPTH_MAX):
        level = [inner for outer in level for inner in _values(outer) if isinstance(inner, dict | list)]
        if not level:
            return
    raise PoisonEvent(Reason.TOO_DEEP, f"{member}: more than {DATA_DEPTH_MAX} levels")


def _values(container: Any) -> Any:
    return container.values() if isinstance(container, dict) else container


def _refuse_duplicate_keys(raw: bytes) -> None:
    """Look at every object; the decoder's counts differ, or an escape may hide that they do."""

    def unique(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise PoisonEvent(Reason.DUPLICATE_KEY, f"the key {excerpt(key)} stands twice in one object")
            seen.add(key)

    # Numbers are not looked at: kept as text, they can't fail.
    json.loads(raw, object_pairs_hook=unique, parse_int=str, parse_float=str)


def _refuse_null_characters(document: Any) -> None:
    level: list[Any] = [document]
    while level:
        inner: list[Any] = []
        for value in level:
            if isinstance(value, str):
                if "\0" in value:
                    raise PoisonEvent(Reason.NULL_CHARACTER, f"a string holds the null character: {excerpt(value)}")
            elif isinstance(value, dict):
                inner += value
                inner += value.values()
            elif isinstance(value, list):
                inner += value
        level = inner


def _why_not(raw: bytes, error: Exception) -> PoisonEvent:
    """Return what keeps `raw` from being read; the decoder's own words don't tell the cases apart."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as cause:
        return PoisonEvent(Reason.NOT_UTF8, f"byte {cause.start} is not UTF-8")
    if not text.strip():
        return PoisonEvent(Reason.EMPTY, "the record is empty")
    if isinstance(error, msgspec.ValidationError):
        return PoisonEvent(Reason.INVALID_VALUE, "a number is larger than can be represented")
    if _SURROGATE_ESCAPE.search(raw) and _is_lenient_json(text):
        return PoisonEvent(Reason.INVALID_VALUE, "a string holds half of a surrogate pair, which is no character")
    return PoisonEvent(Reason.NOT_JSON, f"not JSON: {error}")


def _is_lenient_json(text: str) -> bool:
    """Whether text is JSON for a reader that takes half a surrogate pair for a character."""
    try:
        json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True
