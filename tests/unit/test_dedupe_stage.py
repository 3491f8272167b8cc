"""The stage `dedupe`: the first event of an identity goes on, whatever crashes in between."""

import dataclasses
import json

import pytest

from agents.dedupe import DedupeStage
from pipeline.errors import InvariantBroken, Reason
from pipeline.events import Event, actor_key, encode_json, header, identity
from pipeline.recordbatch.model import Effects, Headers, Output
from tables.seen import Seen, decode_seen, encode_seen, seen_key
from tests.builders import INSTANT, cloudevent, event
from tests.memory import MemoryRecord, MemoryTable, step

UNIQUE, OUTCOMES, DEAD_LETTERS = "t.events.unique", "t.outcomes", "t.dead-letters"
DAY_MS = 86_400_000
NOON_MS = int(INSTANT.timestamp()) * 1_000
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Worker:
    """A dedupe stage with one partition, in memory; it remembers for 30 days."""

    def __init__(self) -> None:
        self.table = MemoryTable()
        self.stage = DedupeStage(unique=UNIQUE, outcomes=OUTCOMES, dead_letters=DEAD_LETTERS, retention_days=30)

    def run(self, *records: MemoryRecord) -> Effects:
        """Process a run to its end."""
        return step(self.stage, records, {"seen": self.table})

    def crash(self, *records: MemoryRecord) -> Effects:
        """Process a run, produce its outputs, and lose the state."""
        return step(self.stage, records, {"seen": _Forgetful(self.table)})


class _Forgetful(MemoryTable):
    """A table whose disk is never written."""

    def __init__(self, table: MemoryTable) -> None:
        super().__init__()
        self.rows = table.rows

    def write(self, effects: Effects, table: str) -> None:
        """Write nothing."""


def appended(seq: int, day: float = 0, canonical: Event | None = None, headers: Headers | None = None) -> MemoryRecord:
    """Return an event as normalize appends it."""
    canonical = canonical or event()
    name = identity(canonical.tenant, canonical.source, canonical.id)
    return MemoryRecord(
        encode_json(canonical),
        offset=seq,
        timestamp=NOON_MS + int(day * DAY_MS),
        key=actor_key(canonical.tenant, canonical.subject),
        headers=(("plaudit-identity", name),) if headers is None else headers,
    )


def forwarded(effects: Effects) -> list[Output]:
    """Return what goes on."""
    return effects.outputs.get((UNIQUE, 0), [])


def sequences(effects: Effects) -> list[int]:
    """Return the sequences of what goes on."""
    return [int(header(output.headers, "plaudit-seq") or b"-1") for output in forwarded(effects)]


def test_a_duplicate_in_a_later_run_is_not_forwarded() -> None:
    """It is counted."""
    worker = Worker()
    worker.run(appended(1))

    effects = worker.run(appended(2, day=29))

    assert sequences(effects) == []
    assert effects.counts == {"duplicate": 1}
    assert effects.changes == {}


def test_a_duplicate_in_the_same_run_is_not_forwarded() -> None:
    """The table doesn't know the first one yet."""
    effects = Worker().run(appended(1), appended(2), appended(3))

    assert sequences(effects) == [1]
    assert effects.counts == {"accepted": 1, "duplicate": 2}


def test_a_redelivered_event_is_forwarded_again() -> None:
    """A crash after the state was written and before the acknowledgement."""
    worker = Worker()
    first = worker.run(appended(1), appended(2))

    again = worker.run(appended(1), appended(2))

    assert forwarded(again) == forwarded(first)
    assert again.counts == {"redelivered": 1, "duplicate": 1}


def test_a_crash_before_the_state_was_written_loses_nothing() -> None:
    """The whole run is computed again, with the same outputs."""
    worker = Worker()

    first = worker.crash(appended(1), appended(2))
    again = worker.run(appended(1), appended(2))

    assert forwarded(again) == forwarded(first)
    assert sequences(again) == [1]


@pytest.mark.parametrize(("days", "goes_on"), [(30, False), (30 + 1 / DAY_MS, True), (-1, False)])
def test_the_two_append_times_decide_whether_an_identity_is_forgotten(days: float, goes_on: bool) -> None:
    """Even while the entry is still there; a broker's clock that went back changes nothing."""
    worker = Worker()
    worker.run(appended(1))

    effects = worker.run(appended(2, day=days))

    assert (sequences(effects) == [2]) is goes_on


def test_a_replaced_entry_counts_from_its_own_append() -> None:
    """The next duplicate is held against the newer one."""
    worker = Worker()
    worker.run(appended(1), appended(2, day=31))

    assert sequences(worker.run(appended(3, day=60))) == []


def test_an_old_delivery_after_a_replacement_is_not_forwarded() -> None:
    """Its outputs were acknowledged before the entry that replaced it could be written."""
    worker = Worker()
    worker.run(appended(1), appended(2, day=31))

    effects = worker.run(appended(1), appended(2, day=31))

    assert sequences(effects) == [2]
    assert effects.counts == {"duplicate": 1, "redelivered": 1}


@pytest.mark.parametrize(
    "other", [event(id="event-2"), event(source="elsewhere"), event(tenant="other", subject="ada")], ids=str
)
def test_events_differ_by_tenant_source_or_id(other: Event) -> None:
    """The identity of an event is all three."""
    effects = Worker().run(appended(1), appended(2, canonical=other))

    assert sequences(effects) == [1, 2]


@pytest.mark.parametrize(("partitions", "sequences_"), [(1, [[1], []]), (2, [[1], [2]])])
def test_an_identity_is_known_in_its_partition_alone(partitions: int, sequences_: list[list[int]]) -> None:
    """Under two actors it is a duplicate only if they share one: the partition is the actor's."""
    workers = [Worker() for _ in range(partitions)]

    found = [
        sequences(workers[number % partitions].run(appended(number + 1, canonical=event(subject=actor))))
        for number, actor in enumerate(("ada", "bob"))
    ]

    assert found == sequences_


def test_an_event_goes_on_byte_for_byte_with_its_place() -> None:
    """Sequence, append time, identity and trace travel in headers."""
    source = appended(7, headers=(("traceparent", TRACE), ("plaudit-identity", b"acme\0s\0i"), ("other", b"x")))

    (output,) = forwarded(Worker().run(source))

    assert (output.key, output.value) == (source.key, source.value)
    assert output.headers == (
        ("plaudit-seq", b"7"),
        ("plaudit-appended", b"%d" % NOON_MS),
        ("traceparent", TRACE),
        ("plaudit-identity", b"acme\0s\0i"),
    )


def test_a_foreign_event_without_an_identity_is_read() -> None:
    """Somebody appended to `events` without the header: the payload says the same."""
    worker = Worker()
    worker.run(appended(1))

    effects = worker.run(
        appended(2, headers=()), appended(3, canonical=event(id="x", traceparent=TRACE.decode()), headers=())
    )

    (output,) = forwarded(effects)
    assert header(output.headers, "plaudit-identity") == identity("acme", "tests/builders", "x")
    assert header(output.headers, "traceparent") == TRACE


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (MemoryRecord(None, key=b"acme|ada", headers=(("plaudit-identity", b"acme\0s\0i"),)), Reason.INVALID_RECORD),
        (MemoryRecord(b"{}", headers=(("plaudit-identity", b"acme\0s\0i"),)), Reason.INVALID_RECORD),
        (MemoryRecord(b"{}", key=b"other|ada", headers=(("plaudit-identity", b"acme\0s\0i"),)), Reason.INVALID_RECORD),
        (MemoryRecord(b"{}", key=b"acme|ada", headers=(("plaudit-identity", b"acme"),)), Reason.INVALID_RECORD),
        (MemoryRecord(None, key=b"acme|ada"), Reason.EMPTY),
        (MemoryRecord(b"\xff", key=b"acme|ada"), Reason.NOT_UTF8),
        (MemoryRecord(json.dumps(cloudevent(id=7)).encode(), key=b"acme|ada"), Reason.WRONG_TYPE),
        (
            MemoryRecord(json.dumps(cloudevent(id=None)).encode(), key=b"acme|ada", timestamp=NOON_MS),
            Reason.INVALID_RECORD,
        ),
        (MemoryRecord(json.dumps(cloudevent()).encode(), key=b"acme|eve", timestamp=NOON_MS), Reason.INVALID_RECORD),
        (MemoryRecord(json.dumps(cloudevent()).encode(), key=None, timestamp=NOON_MS), Reason.INVALID_RECORD),
    ],
)
def test_what_is_no_event_is_refused(record: MemoryRecord, reason: Reason) -> None:
    """With its reason, and without harm to its neighbours."""
    effects = Worker().run(record, appended(1))

    (letter,) = effects.outputs[DEAD_LETTERS, 0]
    assert header(letter.headers, "plaudit-reason") == reason.value.encode()
    assert letter.value == record.value
    assert sequences(effects) == [1]


def test_an_entry_of_another_version_stops_the_worker() -> None:
    """No release wrote it: better no answer than a wrong one."""
    worker = Worker()
    worker.table.rows[seen_key(identity("acme", "tests/builders", "event-1"))] = b"?"

    with pytest.raises(InvariantBroken):
        worker.run(appended(1))


def test_an_entry_is_small_and_its_key_begins_with_the_tenant() -> None:
    """Identities may have more than a thousand bytes; what is remembered of them has not."""
    key = seen_key(identity("acme", "s" * 512, "i" * 256))

    assert key.startswith(b"acme\0")
    assert len(key) == len(b"acme\0") + 16
    assert len(encode_seen(2**62, 2**62)) == 16
    assert decode_seen(encode_seen(7, NOON_MS)) == Seen(7, NOON_MS)


def test_a_repeated_command_is_answered() -> None:
    """Whoever waits for its outcome learns that it was here before; events and answers have no outcome."""
    worker = Worker()
    command = event(id="c-1", type="plaudit.spend", data={"currency": "coins"})
    told = event(id="e-1", data={"note": "plaudit.spend", "type": "plaudit.spend"})
    answer = event(id="a-1", type="plaudit.answer.reversal")
    worker.run(appended(1, canonical=command), appended(2, canonical=told), appended(3, canonical=answer))

    effects = worker.run(*(appended(seq, canonical=each) for seq, each in enumerate((command, told, answer), 4)))

    [output] = effects.outputs[OUTCOMES, 0]
    assert (output.key, json.loads(output.value or b"")) == (
        b"c-1",
        {"id": "c-1", "status": "duplicate", "reason": None, "transfers": [], "balances": {}},
    )
    assert [name for name, _ in output.headers] == ["plaudit-seq", "plaudit-appended"]
    assert effects.counts == {"duplicate": 3}


@pytest.mark.parametrize("name", ["plaudit.unheard-of", "plaudit.answer.stock", "pr.merged"])
def test_what_is_no_command_has_no_outcome_when_it_comes_again(name: str) -> None:
    """Nobody waits for one: the first was a dead letter, or is an answer of the ledger."""
    worker = Worker()
    worker.run(appended(1, canonical=event(type=name)))

    effects = worker.run(appended(2, canonical=event(type=name)))

    assert (effects.counts, effects.outputs) == ({"duplicate": 1}, {})


@pytest.mark.parametrize(
    "value", [b'{"type": "plaudit.spend"', b'"plaudit.spend"', b'{"type": "plaudit.spend"}', b'"plaudit.\xff']
)
def test_what_repeats_a_command_and_is_none_stops_nothing(value: bytes) -> None:
    """Only a foreign producer can have put it there, under an identity that was here before; it is a duplicate."""
    worker = Worker()
    worker.run(appended(1))
    broken = dataclasses.replace(appended(2), value=value)

    effects = worker.run(broken, appended(3, canonical=event(id="next")))

    assert sequences(effects) == [3]
    assert effects.counts == {"accepted": 1, "duplicate": 1}
    assert (OUTCOMES, 0) not in effects.outputs


def test_a_command_delivered_again_after_its_replacement_is_not_called_a_duplicate() -> None:
    """It was none: its outcome has been told, and nobody may be told another one."""
    worker = Worker()
    command = event(id="c-1", type="plaudit.spend", data={"currency": "coins"})
    worker.run(appended(1, canonical=command))
    worker.run(appended(2, day=40, canonical=command))

    effects = worker.run(appended(1, canonical=command))

    assert effects.outputs == {}
    assert effects.counts == {"duplicate": 1}
