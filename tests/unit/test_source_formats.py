"""Source formats: what becomes an event, and with which reason the rest is refused."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import DATA_BYTES_MAX, Event, decode_event, from_millis
from pipeline.formats.document import BATCH_EVENTS_MAX, split_batch
from pipeline.formats.registry import (
    APP,
    CLOUDEVENTS,
    ENVELOPE,
    JOURNEY,
    SourceFormat,
    format_named,
    read_event,
    tenant_hint,
)
from tests.builders import INSTANT, cloudevent

APPENDED_MS = int(INSTANT.timestamp()) * 1_000
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def raw(document: object) -> bytes:
    """Return a document as a producer would send it."""
    return json.dumps(document, ensure_ascii=False).encode()


def read(value: bytes, source_format: SourceFormat = CLOUDEVENTS, tenant: str | None = None) -> Event:
    """Return the event that a value is."""
    return read_event(source_format, value, tenant, APPENDED_MS)[0]


def refusal(value: bytes, source_format: SourceFormat = CLOUDEVENTS, tenant: str | None = None) -> PoisonEvent:
    """Return why a value is refused."""
    with pytest.raises(PoisonEvent) as caught:
        read(value, source_format, tenant)
    return caught.value


def with_data(text: str) -> bytes:
    """Return an event whose data is this JSON text, just as it stands."""
    return raw(cloudevent(data="DATA")).replace(b'"DATA"', text.encode())


def nested(levels: int) -> str:
    """Return JSON of that many levels."""
    return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", Reason.EMPTY),
        (b" \n", Reason.EMPTY),
        (b"\xef\xbb\xbf", Reason.EMPTY),
        (b"\xff\xfe{\x00}\x00", Reason.NOT_UTF8),
        (raw(cloudevent(subject="Zoë")).replace("ë".encode(), b"\xeb"), Reason.NOT_UTF8),
        (b"hello", Reason.NOT_JSON),
        (b"{'id': 1}", Reason.NOT_JSON),
        (raw(cloudevent())[:-1], Reason.NOT_JSON),
        (raw(cloudevent()) + b"{}", Reason.NOT_JSON),
        (with_data('{"a": NaN}'), Reason.NOT_JSON),
        (with_data('{"a": -Infinity}'), Reason.NOT_JSON),
        (with_data('{"a": "\n"}'), Reason.NOT_JSON),
        (b"17", Reason.NOT_AN_OBJECT),
        (b"null", Reason.NOT_AN_OBJECT),
        (b'"text"', Reason.NOT_AN_OBJECT),
        (b"[" * 100_000, Reason.TOO_DEEP),
        (b'{"a":' * 50_000, Reason.TOO_DEEP),
        (with_data("[" * 100_000 + "]" * 100_000), Reason.TOO_DEEP),
        (with_data(nested(33)), Reason.TOO_DEEP),
        (with_data('{"a": "' + "x" * DATA_BYTES_MAX + '"}'), Reason.TOO_LARGE),
        (with_data('{"a": 1' + " " * 330_000 + "}"), Reason.TOO_LARGE),
        (with_data('{"a": [' + ",".join(["1E15"] * 52_000) + "]}"), Reason.TOO_LARGE),
        (b'{"id": "1",' + raw(cloudevent())[1:], Reason.DUPLICATE_KEY),
        (with_data('{"a": 1, "a" : 1}'), Reason.DUPLICATE_KEY),
        (with_data('{"l": [{"a": 1, "b": {"c": 1, "c": 2}}]}'), Reason.DUPLICATE_KEY),
        (with_data('{"a": 1, "\\u0061": 2}'), Reason.DUPLICATE_KEY),
        (with_data('{"a": 1, "a": "\\u003a"}'), Reason.DUPLICATE_KEY),
        (with_data('{"a": "x\\u0000"}'), Reason.NULL_CHARACTER),
        (with_data('{"l": [{"\\u0000": 1}]}'), Reason.NULL_CHARACTER),
        (raw(cloudevent(subject="a\0b")), Reason.NULL_CHARACTER),
        (with_data('{"a": "\\ud800"}'), Reason.INVALID_VALUE),
        (with_data('{"a": "\\udc00x"}'), Reason.INVALID_VALUE),
        (with_data('{"a": 1e400}'), Reason.INVALID_VALUE),
        (with_data('{"a": ' + "9" * 5_000 + "}"), Reason.INVALID_VALUE),
    ],
)
def test_what_is_no_sound_json_object_is_refused_with_its_own_reason(value: bytes, reason: Reason) -> None:
    """Every kind of damage has its own code, so that a producer knows what to mend."""
    assert refusal(value).reason is reason


@pytest.mark.parametrize(
    ("changes", "reason", "culprit"),
    [
        ({"specversion": None}, Reason.MISSING_FIELD, "specversion"),
        ({"specversion": 1.0}, Reason.WRONG_TYPE, "specversion"),
        ({"specversion": "0.3"}, Reason.UNSUPPORTED_VERSION, "specversion"),
        ({"id": ""}, Reason.INVALID_VALUE, "id"),
        ({"id": 17}, Reason.WRONG_TYPE, "id"),
        ({"id": "x" * 257}, Reason.INVALID_VALUE, "id"),
        ({"source": None}, Reason.MISSING_FIELD, "source"),
        ({"source": "two words"}, Reason.INVALID_VALUE, "source"),
        ({"source": "100%"}, Reason.INVALID_VALUE, "source"),
        ({"source": "s" * 513}, Reason.INVALID_VALUE, "source"),
        ({"type": None}, Reason.MISSING_FIELD, "type"),
        ({"type": "PR.Merged"}, Reason.INVALID_VALUE, "type"),
        ({"type": "pr..merged"}, Reason.INVALID_VALUE, "type"),
        ({"type": "pr.merged\n"}, Reason.INVALID_VALUE, "type"),
        ({"type": "t" * 129}, Reason.INVALID_VALUE, "type"),
        ({"subject": None}, Reason.MISSING_FIELD, "subject"),
        ({"subject": ""}, Reason.INVALID_VALUE, "subject"),
        ({"subject": ["ada"]}, Reason.WRONG_TYPE, "subject"),
        ({"subject": "ä" * 257}, Reason.INVALID_VALUE, "subject"),
        ({"tenant": None}, Reason.MISSING_FIELD, "tenant"),
        ({"tenant": "Acme"}, Reason.INVALID_VALUE, "tenant"),
        ({"tenant": "-acme"}, Reason.INVALID_VALUE, "tenant"),
        ({"tenant": "a" * 64}, Reason.INVALID_VALUE, "tenant"),
        ({"tenant": "a|b"}, Reason.INVALID_VALUE, "tenant"),
        ({"time": 1_794_830_400}, Reason.WRONG_TYPE, "time"),
        ({"time": "yesterday"}, Reason.INVALID_TIME, "time"),
        ({"time": "2026-11-16"}, Reason.INVALID_TIME, "time"),
        ({"time": "2026-11-16T12:00:00"}, Reason.INVALID_TIME, "time"),
        ({"time": "0000-01-01T00:00:00Z"}, Reason.INVALID_TIME, "time"),
        ({"time": "0001-01-01T00:00:00Z"}, Reason.INVALID_TIME, "time"),
        ({"time": "0001-01-01T00:00:00+14:00"}, Reason.INVALID_TIME, "time"),
        ({"time": "2016-12-31T23:59:60Z"}, Reason.INVALID_TIME, "time"),
        ({"time": "2026-02-29T00:00:00Z"}, Reason.INVALID_TIME, "time"),
        ({"time": "2026-11-16T12:05:00.000001Z"}, Reason.FUTURE_TIME, "time"),
        ({"time": "2026-11-16T12:00:00-00:06"}, Reason.FUTURE_TIME, "time"),
        ({"time": "9999-12-31T23:59:59.999999Z"}, Reason.FUTURE_TIME, "time"),
        ({"dataversion": "2"}, Reason.INVALID_VALUE, "dataversion"),
        ({"dataversion": 2}, Reason.WRONG_TYPE, "dataversion"),
        ({"data": "text"}, Reason.WRONG_TYPE, "data"),
        ({"data": []}, Reason.WRONG_TYPE, "data"),
        ({"data_base64": "e30="}, Reason.INVALID_VALUE, "data_base64"),
        ({"data": None, "data_base64": "e3"}, Reason.INVALID_VALUE, "data_base64"),
        ({"data": None, "data_base64": 7}, Reason.WRONG_TYPE, "data_base64"),
        ({"data": None, "data_base64": "W10="}, Reason.NOT_AN_OBJECT, "data_base64"),
        ({"data": None, "data_base64": base64.b64encode(nested(33).encode()).decode()}, Reason.TOO_DEEP, "data_base64"),
        ({"datacontenttype": "text/xml"}, Reason.INVALID_VALUE, "datacontenttype"),
        ({"datacontenttype": 1}, Reason.WRONG_TYPE, "datacontenttype"),
        ({"user_id": "ada"}, Reason.INVALID_VALUE, "user_id"),
        ({"extension": {"a": 1}}, Reason.WRONG_TYPE, "extension"),
        ({"extension": 1.5}, Reason.WRONG_TYPE, "extension"),
    ],
)
def test_a_broken_attribute_is_refused_and_named(changes: dict[str, Any], reason: Reason, culprit: str) -> None:
    """The message begins with, or quotes, the name that the producer wrote."""
    error = refusal(raw(cloudevent(**changes)))

    assert error.reason is reason
    assert culprit in error.message


@pytest.mark.parametrize("appended_ms", [-1, 2**62])
def test_a_record_without_a_usable_append_time_is_refused(appended_ms: int) -> None:
    """A producer may stamp a record with anything; no calendar holds it, and no worker stops for it."""
    with pytest.raises(PoisonEvent) as caught:
        read_event(CLOUDEVENTS, raw(cloudevent()), None, appended_ms)

    assert caught.value.reason is Reason.INVALID_RECORD


def test_a_plain_event_is_written_canonically() -> None:
    """Time is in UTC, members have one order, and what defaults say is left out."""
    document = cloudevent(
        time="2026-11-16T13:00:00.5+01:00", data={"b": 1, "a": [True, None, 1.5]}, dataversion="1.2.0-rc.1"
    )

    event, value = read_event(CLOUDEVENTS, raw(document), None, APPENDED_MS)

    assert event.time == INSTANT + timedelta(milliseconds=500)
    assert value == (
        b'{"specversion":"1.0","id":"event-1","source":"tests/builders","type":"pr.merged","subject":"ada",'
        b'"tenant":"acme","time":"2026-11-16T12:00:00.500000Z","dataversion":"1.2.0-rc.1",'
        b'"data":{"b":1,"a":[true,null,1.5]}}'
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "i" * 256, "source": "s" * 512, "type": "t" * 128, "tenant": "a" * 63},
        {"subject": "😀" * 256},
        {"subject": "\u202e\u0301 \ufeff👩‍👩‍👧|x"},
        {"source": "https://example.org/a%20b?c=d#e"},
        {"type": "task_completed"},
        {"time": "2026-11-16T12:05:00Z"},
        {"time": "1900-01-01T00:00:00Z"},
        {"time": "2026-11-16t12:00:00z"},
    ],
)
def test_values_at_the_limits_are_accepted(changes: dict[str, Any]) -> None:
    """Lengths are counted in characters, and five minutes ahead is not yet the future."""
    document = cloudevent(**changes)

    event = read(raw(document))

    assert (event.id, event.source, event.type, event.subject) == tuple(
        document[name] for name in ("id", "source", "type", "subject")
    )


def test_data_at_the_limits_is_accepted() -> None:
    """32 levels and 256 KiB, counted as sent."""
    text = '{"a": "' + "x" * (DATA_BYTES_MAX - len('{"a": ""}')) + '"}'

    assert len(read(with_data(text)).data["a"]) == len(text) - len('{"a": ""}')
    assert read(with_data(nested(32))).data != {}


def test_integers_keep_their_value_whatever_their_size() -> None:
    """Amounts are integers: neither 53 nor 64 bits bound them here."""
    numbers = [2**53 + 1, 2**64, -(2**63) - 1, 10**400]

    event, value = read_event(CLOUDEVENTS, with_data(json.dumps({"n": numbers})), None, APPENDED_MS)

    assert event.data["n"] == numbers
    assert json.loads(value)["data"]["n"] == numbers


@pytest.mark.parametrize(
    "text",
    [
        '{"a:b": ":", "c": "\\":"}',
        '{"a": "\\u003a", "b": "\\\\u0000"}',
        '{"a": {"x": 1}, "b": {"x": 1}}',
        '{"a":"\\u00fc"}',
    ],
)
def test_what_only_resembles_damage_is_accepted(text: str) -> None:
    """Colons in strings, escapes, equal keys of different objects; a backslash that is escaped begins no escape."""
    assert read(with_data(text)).data == json.loads(text)


def test_a_byte_order_mark_is_passed_over() -> None:
    """RFC 8259 allows readers to, and editors on Windows write one."""
    assert read(b"\xef\xbb\xbf" + raw(cloudevent())).id == "event-1"


def test_a_missing_time_is_the_append_time() -> None:
    """The broker's, never the worker's clock: a repeated run decides the same."""
    assert read(raw(cloudevent(time=None))).time == from_millis(APPENDED_MS)


def test_an_event_without_an_id_gets_one_from_its_content() -> None:
    """The same content sent again, later, in another order and trace, is the same event; other content is another."""
    document = cloudevent(id=None, time=None, data={"a": 1, "b": 2})
    again = dict(reversed(document.items())) | {"data": {"b": 2, "a": 1}, "traceparent": TRACE}

    first = read(raw(document)).id
    second = read_event(CLOUDEVENTS, raw(again), None, APPENDED_MS + 60_000)[0].id
    other = read(raw(document | {"data": {"a": 1}})).id

    assert first == second
    assert first.startswith("content-")
    assert other != first


def test_extension_attributes_are_carried_on() -> None:
    """Who reads the history with another CloudEvents client finds what was sent; null means absent."""
    document = cloudevent(
        partitionkey="p", sequence=7, sampled=True, dataschema="urn:x", datacontenttype="application/json"
    )

    event, value = read_event(CLOUDEVENTS, raw(document | {"nothing": None}), None, APPENDED_MS)

    written = json.loads(value)
    assert {name: written.get(name) for name in ("partitionkey", "sequence", "sampled", "dataschema")} == {
        "partitionkey": "p",
        "sequence": 7,
        "sampled": True,
        "dataschema": "urn:x",
    }
    assert "datacontenttype" not in written
    assert "nothing" not in written
    assert decode_event(value) == event


def test_data_may_come_as_base64_of_json() -> None:
    """Senders that see data as bytes write it so."""
    document = cloudevent(data=None, data_base64=base64.b64encode(b'{"n": 1}').decode())

    assert read(raw(document)).data == {"n": 1}


@pytest.mark.parametrize(
    ("own", "transported", "carried"),
    [
        (TRACE, None, TRACE),
        (None, TRACE, TRACE),
        ("nonsense", TRACE, TRACE),
        ("ff" + TRACE[2:], None, None),
        ("00-" + "0" * 32 + TRACE[35:], None, None),
        (17, None, None),
    ],
)
def test_a_broken_trace_is_passed_over(own: object, transported: str | None, carried: str | None) -> None:
    """W3C Trace Context demands it; an event is not lost for its tracing."""
    event, _ = read_event(CLOUDEVENTS, raw(cloudevent(traceparent=own)), None, APPENDED_MS, transported)

    assert event.traceparent == carried


def test_the_envelope_dialect() -> None:
    """Its type stands beside the payload or in it, and is written like a constant; the signature is not carried on."""
    document = {
        "event_id": "e-1",
        "source": "netguardian scanner",
        "timestamp": "2026-11-16T11:00:00Z",
        "actor_id": "ada",
        "payload": {"event": "PR_MERGED", "labels": ["security"]},
        "signature": "00ff",
    }

    event = read(raw(document), ENVELOPE, "acme")

    assert event == Event(
        specversion="1.0",
        id="e-1",
        source="netguardian%20scanner",
        type="pr.merged",
        subject="ada",
        tenant="acme",
        time=datetime(2026, 11, 16, 11, tzinfo=UTC),
        data=document["payload"],  # type: ignore[arg-type]
    )


def test_the_journey_dialect() -> None:
    """The journey is the source, and `data.journey` for boards that split by it."""
    document = {
        "id": "0b3e",
        "type": "health.metric.recorded",
        "journey": "health",
        "userId": "ada",
        "timestamp": "2026-11-16T11:00:00.000Z",
        "version": "1.0.0",
        "payload": {"metricType": "steps", "value": 9000},
        "metadata": {"app": "ios"},
    }

    event = read(raw(document), JOURNEY, "acme")

    assert (event.source, event.dataversion, event.subject) == ("health", "1.0.0", "ada")
    assert event.data == {"metricType": "steps", "value": 9000, "journey": "health", "metadata": {"app": "ios"}}


def test_the_app_dialect() -> None:
    """An app is a tenant there: it names the tenant where neither the record nor the settings do."""
    document = {
        "appId": "finance-demo",
        "userId": "user-1",
        "eventType": "task_completed",
        "metadata": {"difficulty": "hard"},
    }

    event = read(raw(document), APP)

    assert (event.tenant, event.source, event.subject) == ("finance-demo", "app:finance-demo", "user-1")
    assert event.type == "task_completed"
    assert event.time == INSTANT
    assert event.id.startswith("content-")
    assert read(raw(document | {"idempotencyKey": "key-0001"}), APP, "acme").tenant == "acme"
    assert read(raw(document | {"idempotencyKey": "key-0001"}), APP, "acme").id == "key-0001"


@pytest.mark.parametrize(
    ("source_format", "document", "reason", "culprit"),
    [
        (ENVELOPE, {"payload": []}, Reason.WRONG_TYPE, "payload"),
        (ENVELOPE, {"source": "s", "actor_id": "a", "payload": {}}, Reason.MISSING_FIELD, "type"),
        (ENVELOPE, {"source": "s", "event": "x", "payload": {}}, Reason.MISSING_FIELD, "actor_id"),
        (JOURNEY, {"type": "a.b", "userId": "a"}, Reason.MISSING_FIELD, "journey"),
        (JOURNEY, {"type": "a.b", "journey": 1, "userId": "a"}, Reason.WRONG_TYPE, "journey"),
        (JOURNEY, {"metadata": 1}, Reason.WRONG_TYPE, "metadata"),
        (JOURNEY, {"type": "a.b", "journey": "j", "userId": "a", "version": "v1"}, Reason.INVALID_VALUE, "version"),
        (APP, {"appId": "a", "eventType": "camelCase", "userId": "u"}, Reason.INVALID_VALUE, "eventType"),
        (APP, {"appId": "a", "eventType": "x"}, Reason.MISSING_FIELD, "userId"),
        (APP, {"eventType": "x", "userId": "u"}, Reason.MISSING_FIELD, "appId"),
    ],
)
def test_a_dialect_is_refused_in_its_own_words(
    source_format: SourceFormat, document: dict[str, Any], reason: Reason, culprit: str
) -> None:
    """A producer that never heard of CloudEvents reads the names that it wrote."""
    error = refusal(raw(document), source_format, "acme")

    assert error.reason is reason
    assert error.message.startswith(culprit)


def test_a_dialect_without_a_tenant_is_refused() -> None:
    """Neither the record nor the settings name one."""
    document = {"event_id": "1", "source": "s", "actor_id": "a", "event": "x", "payload": {}}

    assert refusal(raw(document), ENVELOPE).reason is Reason.MISSING_FIELD


def test_an_unknown_format_is_refused() -> None:
    """The message lists what there is."""
    with pytest.raises(PoisonEvent, match="envelope") as caught:
        format_named("xml")

    assert caught.value.reason is Reason.UNKNOWN_FORMAT


def test_a_batch_is_split_into_the_bytes_that_were_sent() -> None:
    """An element that is refused is kept just as it was."""
    assert split_batch(b' [ {"a" : 1} , 2,"\xff" ]') == [b'{"a" : 1}', b"2", b'"\xff"']


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"[]", Reason.EMPTY),
        (b"[{}", Reason.NOT_JSON),
        (b"[" * 100_000, Reason.TOO_DEEP),
        (b"[" + b"1," * BATCH_EVENTS_MAX + b"1]", Reason.TOO_LARGE),
    ],
)
def test_what_is_no_batch_is_refused_as_a_whole(value: bytes, reason: Reason) -> None:
    """One record can't cause more dead letters than a batch may have events."""
    with pytest.raises(PoisonEvent) as caught:
        split_batch(value)

    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("source_format", "value", "tenant", "hint"),
    [
        (CLOUDEVENTS, b'{"tenant": "acme", "id": 7}', "other", "acme"),
        (CLOUDEVENTS, b'{"tenant": "Not One"}', None, None),
        (CLOUDEVENTS, b"\xff", None, None),
        (CLOUDEVENTS, None, None, None),
        (APP, b'{"appId": "finance"}', None, "finance"),
        (ENVELOPE, b"nonsense", "acme", "acme"),
        (ENVELOPE, b"nonsense", "NOT", None),
    ],
)
def test_a_refused_record_is_given_to_its_tenant_where_that_can_be_told(
    source_format: SourceFormat, value: bytes | None, tenant: str | None, hint: str | None
) -> None:
    """Its tenant finds it among the dead letters."""
    assert tenant_hint(source_format, value, tenant) == hint
