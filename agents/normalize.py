"""The stage `normalize`: records in any source format become canonical events, or dead letters. It has no state.

A JSON array in one record is a batch: each element is an event of its own, and a bad one is refused alone, its dead
letter holding just the bytes of that element. Sending a dead letter again therefore never sends its neighbours again.
"""

from typing import NamedTuple

from pipeline.errors import PoisonEvent
from pipeline.events import (
    FORMAT_HEADER,
    IDENTITY_HEADER,
    TENANT_HEADER,
    TRACE_HEADER,
    actor_key,
    header,
    identity,
)
from pipeline.formats.document import is_batch, split_batch
from pipeline.formats.registry import SourceFormat, format_named, read_event, tenant_hint
from pipeline.partitioner import partitioner
from pipeline.recordbatch.model import Effects, Headers, Record, Run, StageCore, TableView
from sinks.dead_letters import dead_letter

STAGE = "normalize"


class _Element(NamedTuple):
    """One element of a batch, as if it had been sent by itself."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes
    headers: Headers


class _Origin(NamedTuple):
    """What a record says about its value in its headers, or the deployment's settings in their place."""

    source_format: SourceFormat
    tenant: str | None
    traceparent: str | None


class NormalizeStage(StageCore):
    """Validates once, for all stages behind it.

    `events` and `dead_letters` are the topics' full names, `partitions` is the deployment's number. `default_format`
    and `default_tenant` hold for records whose headers name no other.
    """

    def __init__(
        self, events: str, dead_letters: str, partitions: int, default_format: str, default_tenant: str | None
    ) -> None:
        self._events = events
        self._dead_letters = dead_letters
        self._partition_of = partitioner(partitions)
        self._default = _Origin(format_named(default_format), default_tenant, None)

    def process(self, run: Run, tables: dict[str, TableView]) -> Effects:
        effects = Effects(run.partition)
        accepted = 0
        for record in run.records:
            value = record.value
            if value is None or value[:1] == b"{" or not is_batch(value):
                accepted += self._normalize(effects, run, record)
            else:
                accepted += self._normalize_batch(effects, run, record, value)
        if accepted:
            effects.count("accepted", accepted)
        return effects

    def _normalize(self, effects: Effects, run: Run, record: Record, place: str = "") -> bool:
        """Emit the event that a record holds, or its dead letter; return whether it was accepted."""
        origin = self._default
        try:
            if record.headers:
                origin = self._origin(record.headers)
            source_format, tenant, traceparent = origin
            # A tombstone means nothing here: it is as empty as an empty value.
            event, canonical = read_event(source_format, record.value or b"", tenant, record.timestamp, traceparent)
        except PoisonEvent as error:
            tenant = tenant_hint(origin.source_format, record.value, origin.tenant)
            message = place + error.message
            dead_letter(effects, self._dead_letters, run, record, STAGE, error.reason, message, tenant)
            return False
        key = actor_key(event.tenant, event.subject)
        headers: Headers = ((IDENTITY_HEADER, identity(event.tenant, event.source, event.id)),)
        if event.traceparent is not None:
            headers = (*headers, (TRACE_HEADER, event.traceparent.encode()))
        effects.emit(self._events, key, canonical, headers, self._partition_of(key))
        return True

    def _normalize_batch(self, effects: Effects, run: Run, record: Record, value: bytes) -> int:
        """Do so for every element of a batch; one that is no batch after all is refused as a whole."""
        try:
            elements = split_batch(value)
        except PoisonEvent as error:
            dead_letter(effects, self._dead_letters, run, record, STAGE, error.reason, error.message, None)
            return 0
        return sum(
            self._normalize(
                effects,
                run,
                _Element(record.offset, record.timestamp, record.key, element, record.headers),
                f"element {number}: ",
            )
            for number, element in enumerate(elements)
        )

    def _origin(self, headers: Headers) -> _Origin:
        """Return what the headers say.

        Raises:
            PoisonEvent: they name an unknown format.
        """
        default = self._default
        named, tenant = header(headers, FORMAT_HEADER), header(headers, TENANT_HEADER)
        trace = header(headers, TRACE_HEADER)
        return _Origin(
            source_format=default.source_format if named is None else format_named(named.decode(errors="replace")),
            tenant=default.tenant if tenant is None else tenant.decode(errors="replace"),
            traceparent=None if trace is None else trace.decode(errors="replace"),
        )
