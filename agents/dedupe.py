"""The stage `dedupe`: of all events with the same identity, the first goes on, byte for byte.

What is remembered of an identity is the sequence and append time of the event that first brought it. For an event with
the same identity there are four cases:

- *the same sequence*: the stage was stopped between its outputs and its acknowledgement, and the event is delivered
  again. It is forwarded again: a plain mark "seen" would lose the event whose forwarding failed. `match` drops
  repeats.
- *a higher sequence, within the retention*: a duplicate. Not forwarded.
- *a higher sequence, after the retention*: a new event that replaces the entry. The two append times alone decide this,
  not whether the entry has expired by now, so that a repeated run decides the same.
- *a lower sequence*: an old delivery repeated after a later event had replaced the entry. An entry is written only once
  the outputs of its batch, and so of everything before it in the partition, are acknowledged. Whatever this event was
  then, it has had its effect: not forwarded.
"""

from typing import NamedTuple

import msgspec

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import (
    COMMAND_PREFIX,
    IDENTITY_HEADER,
    TRACE_HEADER,
    CommandOutcome,
    Headers,
    actor_key,
    decode_event,
    derived_headers,
    encode_json,
    identity,
)
from pipeline.formats.canonical import is_tenant
from pipeline.formats.registry import CLOUDEVENTS, read_event
from pipeline.recordbatch.model import Change, Effects, Output, Record, Run, StageCore, TableView
from rules.commands import is_command
from sinks.dead_letters import dead_letter
from tables.seen import NAME as SEEN
from tables.seen import Seen, decode_seen, encode_seen, seen_key

STAGE = "dedupe"

_MS_PER_DAY = 86_400_000
# In the payload of every command, and of hardly anything else: only such a duplicate is read at all.
_COMMAND_MARK = f'"{COMMAND_PREFIX}'.encode()

# Half the price of a named tuple's own constructor, which is Python code.
_new = tuple.__new__


class _Arrival(NamedTuple):
    """An event as dedupe needs it: the payload is not looked at where a header names the identity."""

    record: Record
    seen_key: bytes
    headers: Headers


class DedupeStage(StageCore):
    """Recognises repeated events for `retention_days` of append time. Topics are given by their full names."""

    def __init__(self, unique: str, outcomes: str, dead_letters: str, retention_days: int) -> None:
        self._unique = unique
        self._outcomes = outcomes
        self._dead_letters = dead_letters
        self._retention_ms = retention_days * _MS_PER_DAY

    def process(self, run: Run, tables: dict[str, TableView]) -> Effects:
        effects = Effects(run.partition)
        arrivals = self._arrivals(effects, run)
        keys = [key for _, key, _ in arrivals]
        entries = {
            key: decode_seen(value)
            for key, value in zip(keys, tables[SEEN].get_many(keys), strict=True)
            if value is not None
        }
        unique: list[Output] = []
        changes: dict[bytes, Change] = {}
        accepted = 0
        for record, key, headers in arrivals:
            seq, appended_ms = record.offset, record.timestamp
            entry = entries.get(key)
            if entry is None or (seq > entry[0] and appended_ms - entry[1] > self._retention_ms):
                entries[key] = _new(Seen, (seq, appended_ms))
                changes[key] = _new(Change, (seq, encode_seen(seq, appended_ms)))
                accepted += 1
            elif seq != entry[0]:
                if seq > entry[0]:  # what is delivered late again has had its answer, perhaps another one
                    self._answer_repeated(effects, record, headers)
                continue
            unique.append(_new(Output, (record.key, record.value, headers)))
        effects.emit_all(self._unique, unique)
        effects.put_all(SEEN, changes)
        self._count(effects, accepted, len(unique) - accepted, len(arrivals) - len(unique))
        return effects

    def _answer_repeated(self, effects: Effects, record: Record, headers: Headers) -> None:
        """Tell whoever waits for the outcome of a command that the command was here before."""
        if record.value is None or _COMMAND_MARK not in record.value:
            return
        try:
            command = decode_event(record.value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return  # of a foreign producer, under an identity that was here before: a duplicate all the same
        if is_command(command.type):
            outcome = CommandOutcome(id=command.id, status="duplicate")
            effects.emit(self._outcomes, command.id.encode(), encode_json(outcome), headers[:-1])

    @staticmethod
    def _count(effects: Effects, accepted: int, redelivered: int, duplicate: int) -> None:
        for what, n in (("accepted", accepted), ("redelivered", redelivered), ("duplicate", duplicate)):
            if n:
                effects.count(what, n)

    def _arrivals(self, effects: Effects, run: Run) -> list[_Arrival]:
        """Return the events of a run in order; what is none becomes a dead letter."""
        arrivals = []
        for record in run.records:
            try:
                arrivals.append(_arrival(record))
            except PoisonEvent as error:
                dead_letter(
                    effects, self._dead_letters, run, record, STAGE, error.reason, error.message, _tenant(record)
                )
        return arrivals


def _arrival(record: Record) -> _Arrival:
    """Return who an event is.

    A record without the identity header was appended by somebody else than normalize or the gateway: it is validated as
    normalize would, must be canonical already, and its identity is taken from it.

    Raises:
        PoisonEvent: it is no event, or its key is not that of its actor, whose state would be in another partition.
    """
    named = trace = None
    for pair in record.headers:
        if pair[0] == IDENTITY_HEADER:
            named = pair
        elif pair[0] == TRACE_HEADER:
            trace = pair[1]
    if named is None:
        named, trace = _read_foreign(record)
    name, key = named[1], record.key
    end = name.find(b"\0")
    if end < 0 or name.find(b"\0", end + 1) < 0 or not record.value or not key or key[: end + 1] != name[:end] + b"|":
        raise PoisonEvent(Reason.INVALID_RECORD, "the record's key, value and identity do not belong together")
    headers = (*derived_headers(record.offset, record.timestamp, trace), named)
    return _new(_Arrival, (record, seen_key(name), headers))


def _read_foreign(record: Record) -> tuple[tuple[str, bytes], bytes | None]:
    """Return the identity, as a header, and the trace of an event whose headers name none.

    Raises:
        PoisonEvent: it is no canonical event, or not its actor's key.
    """
    event, _ = read_event(CLOUDEVENTS, record.value or b"", None, record.timestamp)
    try:
        trusted = decode_event(record.value or b"")
    except msgspec.MsgspecError as error:
        raise PoisonEvent(Reason.INVALID_RECORD, f"not a canonical event: {error}") from None
    if trusted != event:
        raise PoisonEvent(Reason.INVALID_RECORD, "not a canonical event: its plain reading differs")
    if record.key != actor_key(event.tenant, event.subject):
        raise PoisonEvent(Reason.INVALID_RECORD, "the key is not the event's tenant and actor")
    trace = event.traceparent
    named = (IDENTITY_HEADER, identity(event.tenant, event.source, event.id))
    return named, None if trace is None else trace.encode()


def _tenant(record: Record) -> str | None:
    """Return whose a refused record is, as far as its key tells."""
    tenant = (record.key or b"").partition(b"|")[0].decode(errors="replace")
    return tenant if is_tenant(tenant) else None
