"""A dead letter: the refused bytes unchanged, and everything that is needed to understand and repeat them."""

import pytest

from pipeline.errors import Reason
from pipeline.events import TRACE_HEADER
from pipeline.recordbatch.model import Effects, Output, Run
from sinks.dead_letters import MESSAGE_LENGTH_MAX, dead_letter
from tests.memory import MemoryRecord

TOPIC = "plaudit.dead-letters"


def refused(record: MemoryRecord, message: str = "no", tenant: str | None = "acme") -> tuple[Output, Effects]:
    """Return the dead letter of a record, and the effects that it became part of."""
    effects = Effects(partition=3)
    run = Run("plaudit.events.raw", 3, [record])
    dead_letter(effects, TOPIC, run, record, "normalize", Reason.NOT_JSON, message, tenant)
    [output] = effects.outputs[TOPIC, 3]
    return output, effects


def test_the_bytes_are_unchanged() -> None:
    """Whatever it was can be looked at, and sent again."""
    output, _ = refused(MemoryRecord(b"\xff\x00{"))

    assert output.value == b"\xff\x00{"


def test_a_record_without_a_value_is_a_dead_letter_too() -> None:
    """A tombstone where an event should stand is not dropped silently."""
    output, _ = refused(MemoryRecord(None))

    assert output.value is None


def test_a_dead_letter_says_where_the_record_was_and_why_it_was_refused() -> None:
    """Reason code, readable message, stage, source topic, partition, offset, time, attempts."""
    output, effects = refused(MemoryRecord(b"x", offset=7, timestamp=1_794_000_000_123), message="line 1: no value")

    assert dict(output.headers) == {
        "plaudit-reason": b"not_json",
        "plaudit-message": b"line 1: no value",
        "plaudit-stage": b"normalize",
        "plaudit-topic": b"plaudit.events.raw",
        "plaudit-partition": b"3",
        "plaudit-offset": b"7",
        "plaudit-time": b"2026-11-06T21:20:00.123000+00:00",
        "plaudit-attempts": b"1",
    }
    assert effects.counts == {"not_json": 1}


def test_the_key_is_the_tenant_if_it_is_known() -> None:
    """A tenant's dead letters can be found by their key."""
    assert refused(MemoryRecord(b"x"))[0].key == b"acme"
    assert refused(MemoryRecord(b"x"), tenant=None)[0].key is None


def test_the_record_can_be_sent_again_just_as_it_was() -> None:
    """Its key and its headers are kept."""
    output, _ = refused(MemoryRecord(b"x", key=b"\xffkey", headers=((TRACE_HEADER, b"00-1"), ("own", b"\xff"))))

    kept = [pair for pair in output.headers if pair[0] in {"plaudit-key", TRACE_HEADER, "own"}]
    assert kept == [("plaudit-key", b"\xffkey"), (TRACE_HEADER, b"00-1"), ("own", b"\xff")]


def test_attempts_go_on_counting_when_a_record_was_sent_again() -> None:
    """The details of the former dead letter give way to the new ones."""
    former, _ = refused(MemoryRecord(b"x", key=b"k"))

    again, _ = refused(MemoryRecord(b"x", offset=9, key=b"k", headers=former.headers))

    assert len(again.headers) == len(former.headers)
    assert (dict(again.headers)["plaudit-attempts"], dict(again.headers)["plaudit-offset"]) == (b"2", b"9")


@pytest.mark.parametrize("attempts", [b"", b"-1", b"many", b"\xff", b"9" * 5_000])
def test_a_senseless_number_of_attempts_counts_as_none(attempts: bytes) -> None:
    """Anyone may write a header."""
    output, _ = refused(MemoryRecord(b"x", headers=(("plaudit-attempts", attempts),)))

    assert dict(output.headers)["plaudit-attempts"] == b"1"


@pytest.mark.parametrize("timestamp", [-1, 2**62, -(2**62)])
def test_a_time_that_no_calendar_holds_stops_nothing(timestamp: int) -> None:
    """Producers stamp what they like."""
    output, _ = refused(MemoryRecord(b"x", timestamp=timestamp))

    assert dict(output.headers)["plaudit-time"].startswith((b"1969-12-31", b"1970-01-01"))


def test_a_message_is_short_and_can_be_written() -> None:
    """It may quote an input of any length, with half a surrogate pair."""
    output, _ = refused(MemoryRecord(b"x"), message="\ud800" + "x" * 1_000_000)

    message = dict(output.headers)["plaudit-message"].decode()
    assert message.startswith("\\ud800x")
    assert len(message) < MESSAGE_LENGTH_MAX + 10
