"""The stage `normalize`: every record ends as an event or as a dead letter."""

import json
from typing import Any

from agents.normalize import NormalizeStage
from pipeline.errors import Reason
from pipeline.events import actor_key, decode_event, header, identity
from pipeline.partitioner import partitioner
from pipeline.recordbatch.model import Effects, Output
from tests.builders import cloudevent
from tests.memory import MemoryRecord, step

EVENTS, DEAD_LETTERS, PARTITIONS = "t.events", "t.dead-letters", 8
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
APP_EVENT = {"appId": "finance", "userId": "ada", "eventType": "task_completed", "idempotencyKey": "key-0001"}


def normalize(
    *records: MemoryRecord, default_format: str = "cloudevents", default_tenant: str | None = None
) -> Effects:
    """Return the effects of a run."""
    stage = NormalizeStage(
        events=EVENTS,
        dead_letters=DEAD_LETTERS,
        partitions=PARTITIONS,
        default_format=default_format,
        default_tenant=default_tenant,
    )
    return step(stage, records, {}, partition=3)


def sent(value: object, *headers: tuple[str, bytes], offset: int = 0) -> MemoryRecord:
    """Return a record as a producer sends it, at noon of the builders' day."""
    raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return MemoryRecord(raw, offset=offset, timestamp=1_794_830_400_000, key=b"any", headers=headers)


def events(effects: Effects) -> list[Output]:
    """Return what was emitted to `events`, of all partitions."""
    return [output for (topic, _), outputs in effects.outputs.items() if topic == EVENTS for output in outputs]


def dead_letters(effects: Effects) -> list[Output]:
    """Return what was refused."""
    return effects.outputs.get((DEAD_LETTERS, 3), [])


def reasons(effects: Effects) -> list[str]:
    """Return the reasons of what was refused, in order."""
    return [(header(letter.headers, "plaudit-reason") or b"").decode() for letter in dead_letters(effects)]


def test_a_bad_record_does_not_touch_its_neighbours() -> None:
    """Order is kept, each bad one is refused with its bytes unchanged, and all are counted."""
    effects = normalize(
        sent(cloudevent(id="1")),
        sent(b"\xff", offset=1),
        sent(None, offset=2),
        sent(cloudevent(id="2")),
        sent(cloudevent(id="3", time="2030-01-01T00:00:00Z"), offset=4),
    )

    assert [decode_event(output.value or b"").id for output in events(effects)] == ["1", "2"]
    assert reasons(effects) == [Reason.NOT_UTF8, Reason.EMPTY, Reason.FUTURE_TIME]
    assert [letter.value for letter in dead_letters(effects)][:2] == [b"\xff", None]
    assert effects.counts == {"accepted": 2, "not_utf8": 1, "empty": 1, "future_time": 1}


def test_an_event_goes_to_its_actors_partition_with_its_identity() -> None:
    """Wherever it was appended, the key decides, as in any of Kafka's clients."""
    effects = normalize(sent(cloudevent(subject="grace")), sent(cloudevent(subject="ada")))

    for actor in ("grace", "ada"):
        key = actor_key("acme", actor)
        (output,) = [o for o in effects.outputs[EVENTS, partitioner(PARTITIONS)(key)] if o.key == key]
        assert output.headers == (("plaudit-identity", identity("acme", "tests/builders", "event-1")),)


def test_the_trace_travels_in_a_header() -> None:
    """Stages that don't look at the payload carry it on."""
    effects = normalize(
        sent(cloudevent(traceparent=TRACE.decode())),
        sent(cloudevent(), ("traceparent", TRACE)),
        sent(cloudevent(), ("traceparent", b"\xff")),
    )

    assert [header(output.headers, "traceparent") for output in events(effects)] == [TRACE, TRACE, None]


def test_a_header_chooses_the_format_and_the_tenant() -> None:
    """Headers win over the settings, for that record."""
    effects = normalize(
        sent(APP_EVENT),
        sent(APP_EVENT, ("plaudit-tenant", b"acme")),
        sent(cloudevent(), ("plaudit-format", b"cloudevents")),
        default_format="app",
        default_tenant="fallback",
    )

    assert [decode_event(output.value or b"").tenant for output in events(effects)] == ["fallback", "acme", "acme"]


def test_an_unknown_format_is_refused() -> None:
    """A header that is no text, too."""
    effects = normalize(sent(cloudevent(), ("plaudit-format", b"xml")), sent(cloudevent(), ("plaudit-format", b"\xff")))

    assert reasons(effects) == [Reason.UNKNOWN_FORMAT, Reason.UNKNOWN_FORMAT]


def test_each_event_of_a_batch_stands_for_itself() -> None:
    """A bad one is refused alone, with its own bytes, and the message says which one it was."""
    batch = (
        b"["
        + json.dumps(cloudevent(id="1")).encode()
        + b', {"id" : 7 }, '
        + json.dumps(cloudevent(id="2")).encode()
        + b"]"
    )

    effects = normalize(sent(batch))

    assert [decode_event(output.value or b"").id for output in events(effects)] == ["1", "2"]
    (letter,) = dead_letters(effects)
    assert letter.value == b'{"id" : 7 }'
    assert (header(letter.headers, "plaudit-message") or b"").startswith(b"element 1: ")
    assert effects.counts["accepted"] == 2


def test_a_batch_in_a_batch_is_refused() -> None:
    """An element is one event."""
    assert reasons(normalize(sent([[cloudevent()]]))) == [Reason.NOT_AN_OBJECT]


def test_a_broken_batch_is_refused_as_a_whole() -> None:
    """Where an element ends can't be told."""
    effects = normalize(sent(b"[{}, "), sent(b"[]"))

    assert reasons(effects) == [Reason.NOT_JSON, Reason.EMPTY]
    assert dead_letters(effects)[0].value == b"[{}, "


def test_a_dead_letter_is_given_to_its_tenant() -> None:
    """The key of a dead letter is the tenant as far as it can be told."""
    bad: dict[str, Any] = cloudevent(id=7)

    effects = normalize(
        sent(bad), sent(b"nonsense"), sent({}, ("plaudit-format", b"journey"), ("plaudit-tenant", b"acme"))
    )

    assert [letter.key for letter in dead_letters(effects)] == [b"acme", None, b"acme"]


def test_the_same_event_twice_has_one_identity() -> None:
    """Without an id as well, so that dedupe recognises it."""
    anonymous = cloudevent(id=None, time=None)

    effects = normalize(sent(anonymous), sent(anonymous, offset=1))

    first, second = events(effects)
    assert first.headers == second.headers
