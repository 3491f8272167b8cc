"""The stage `match`: judges each event by the economy in force when it was appended, and keeps the actors' profiles."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

import msgspec

from agents.cause import PLACE_HEADERS, Cause, cause_of, event_of, youngest_ms
from pipeline.errors import PoisonEvent, Reason
from pipeline.events import (
    TRACE_HEADER,
    CommandOutcome,
    Event,
    Transaction,
    Transfer,
    cause_id,
    encode_json,
    identity,
    transfer_id,
)
from pipeline.recordbatch.model import Effects, Record, Run, StageCore, TableView
from pipeline.topology import DEAD_LETTERS, FACTS, MATCH, OUTCOMES, TRANSACTIONS, topic_name
from rules.commands import is_command
from rules.decision import Decision, Outcome, RefusalReason
from rules.economy import Economy
from rules.evaluate import apply
from rules.profile import EMPTY, Profile
from sinks.dead_letters import dead_letter
from tables import profiles

# The `source` of every fact: with its id it makes a fact the same fact.
SOURCE = "plaudit/match"
# Where no economy is in force, a command has an outcome all the same: its sender waits for one, not for a dead letter.
_NOTHING_IN_FORCE: Mapping[Reason, RefusalReason] = {
    Reason.UNKNOWN_TENANT: "unknown_tenant",
    Reason.NO_ECONOMY: "no_economy",
}
_NO_REVISION = 0


class Economies(Protocol):
    """What match needs to know of the published economies."""

    async def confirmed(self, appended_ms: int) -> None:
        """Return once all that may judge events appended until then is known."""
        ...

    def at(self, tenant: str, appended_ms: int) -> Economy:
        """Return the economy in force for an event of the tenant.

        Raises:
            PoisonEvent: there is none (`unknown_tenant`, `no_economy`).
        """
        ...


class _Arrival(NamedTuple):
    """A record as far as it could be read; `poison` says why not to its end."""

    record: Record
    cause: Cause | None
    event: Event | None
    poison: PoisonEvent | None


class _Verdict(NamedTuple):
    """What was decided about an event, and whether that changed its actor's profile."""

    cause: Cause
    event: Event
    revision: int
    decision: Decision
    changed: bool


# Half the price of a named tuple's own constructor, which is Python code.
_new = tuple.__new__


class MatchStage(StageCore):
    """Applies the rules to a run of events, per actor in their order.

    A profile remembers the last sequence that changed it: an event at or below it has been applied, is counted as
    `redelivered` and does nothing. An event that changes nothing leaves no mark, since judging it again gives the same.
    A refused event marks a profile that exists, so that it is refused once. It never makes one, or garbage would fill
    the table; it may then be refused again, under the same place in the log, if the worker dies before its commit.
    """

    def __init__(self, *, prefix: str, economies: Economies) -> None:
        """Write to the topics of the deployment with `prefix`, judge by `economies`."""
        self._transactions = topic_name(prefix, TRANSACTIONS)
        self._facts = topic_name(prefix, FACTS)
        self._outcomes = topic_name(prefix, OUTCOMES)
        self._dead_letters = topic_name(prefix, DEAD_LETTERS)
        self._economies = economies

    async def before(self, run: Run) -> None:
        """Wait until the economies are known up to the youngest event of the run."""
        youngest = youngest_ms(run.records)
        if youngest is not None:
            await self._economies.confirmed(youngest)

    def process(self, run: Run, tables: dict[str, TableView]) -> Effects:
        """Judge a run: each profile is read and written once, each event is read once.

        In three passes, read, judge, tell: the code of each stays in the processor's caches, which takes a fifth off
        the time of one pass that does all three for each event (21.5 against 26.2 µs an event).
        """
        effects = Effects(run.partition)
        arrivals = [_arrival(record) for record in run.records]
        stored = _load(run, tables[profiles.TABLE])
        current = dict(stored)
        verdicts = [self._judge(arrival, current) for arrival in arrivals]
        for arrival, verdict in zip(arrivals, verdicts, strict=True):
            if isinstance(verdict, _Verdict):
                self._emit(effects, verdict)
            elif verdict is not None:
                tenant = None if arrival.event is None else arrival.event.tenant
                reason, message = verdict.reason, verdict.message
                dead_letter(effects, self._dead_letters, run, arrival.record, MATCH.name, reason, message, tenant)
        for key, profile in current.items():
            if profile is not stored[key]:
                effects.put(profiles.TABLE, key, profiles.encode(profile), profile.seq)
        judged = (verdict for verdict in verdicts if not isinstance(verdict, PoisonEvent))
        for outcome, n in Counter(map(_what_became, judged)).items():
            effects.count(outcome, n)
        return effects

    def _judge(self, arrival: _Arrival, current: dict[bytes, Profile]) -> _Verdict | PoisonEvent | None:
        """Decide about an event, and bring its actor's profile in `current` past it; None if that was done before."""
        _, cause, event, poison = arrival
        if cause is None:
            return poison
        profile = current[cause.key]
        if cause.seq <= profile.seq:
            return None
        if event is not None:
            try:
                economy = self._economies.at(event.tenant, cause.appended_ms)
                decision = apply(profile, event, economy, cause.seq)
            except PoisonEvent as refused:
                if refused.reason in _NOTHING_IN_FORCE and is_command(event.type):
                    answer = Decision(profile, outcome=Outcome("refused", _NOTHING_IN_FORCE[refused.reason]))
                    return _new(_Verdict, (cause, event, _NO_REVISION, answer, False))
                poison = refused
            else:
                current[cause.key] = decision.profile
                return _new(_Verdict, (cause, event, economy.revision, decision, decision.profile is not profile))
        current[cause.key] = _past(profile, cause.seq)
        return poison

    def _emit(self, effects: Effects, verdict: _Verdict) -> None:
        """Add what the decision means for others. Every id is a function of the event, so that a repeat is known."""
        cause, event, revision, decision, _ = verdict
        if not (decision.postings or decision.facts or decision.scores or decision.outcome or decision.ask):
            return
        if decision.event is not None:
            event = decision.event
        headers = cause.headers
        if event.traceparent is not None and len(headers) == PLACE_HEADERS:
            headers = (*headers, (TRACE_HEADER, event.traceparent.encode()))
        # With the actor: two partitions may hold the same identity at the same sequence, each for an actor of its own.
        origin = cause_id(cause.key + b"\0" + identity(event.tenant, event.source, event.id), cause.seq)
        transfers = _transfers(origin, decision)
        if transfers or decision.scores or decision.ask:
            transaction = Transaction(
                tenant=event.tenant,
                actor=event.subject,
                event_source=event.source,
                event_id=event.id,
                event_type=event.type,
                revision=revision,
                occurred_at=event.time,
                transfers=transfers,
                scores=decision.scores,
                ask=decision.ask,
            )
            effects.emit(self._transactions, cause.key, encode_json(transaction), headers)
        if decision.facts:
            for fact in _facts(origin, event, decision):
                effects.emit(self._facts, cause.key, encode_json(fact), headers)
        if decision.outcome is not None:
            outcome = CommandOutcome(
                id=event.id,
                status=decision.outcome.status,
                reason=decision.outcome.reason,
                transfers=transfers,
                balances=decision.profile.balances,
            )
            effects.emit(self._outcomes, event.id.encode(), encode_json(outcome), headers)


def _arrival(record: Record) -> _Arrival:
    cause = event = poison = None
    try:
        cause = cause_of(record)
        event = event_of(record)
    except PoisonEvent as error:
        poison = error
    return _new(_Arrival, (record, cause, event, poison))


def _load(run: Run, table: TableView) -> dict[bytes, Profile]:
    keys = list({record.key: None for record in run.records if record.key is not None})
    return {key: profiles.decode(value) for key, value in zip(keys, table.get_many(keys), strict=True)}


def _past(profile: Profile, seq: int) -> Profile:
    """Return a profile that exists with the sequence of a refused event; one that doesn't exist stays so."""
    return profile if profile is EMPTY or seq <= profile.seq else msgspec.structs.replace(profile, seq=seq)


def _transfers(origin: str, decision: Decision) -> tuple[Transfer, ...]:
    return tuple(
        [
            Transfer(
                id=transfer_id(origin, leg),
                debit_account=posting.debit_account,
                credit_account=posting.credit_account,
                amount=posting.amount,
                currency=posting.currency,
                kind=posting.kind,
                cause=posting.cause,
                leg=leg,
            )
            for leg, posting in enumerate(decision.postings)
        ]
    )


def _facts(origin: str, event: Event, decision: Decision) -> Iterator[Event]:
    """Return the facts as CloudEvents, at the time of the event that made them true."""
    for index, fact in enumerate(decision.facts):
        yield Event(
            specversion="1.0",
            id=f"{origin}-{index}",
            source=SOURCE,
            type=fact.type,
            subject=event.subject,
            tenant=event.tenant,
            time=event.time,
            traceparent=event.traceparent,
            data=fact.data,
        )


def _what_became(verdict: _Verdict | None) -> str:
    """Return the one word, of a closed set, under which an event is counted; dead letters count themselves."""
    if verdict is None:
        return "redelivered"
    decision = verdict.decision
    if decision.outcome is not None:
        return decision.outcome.status
    if verdict.changed and not (decision.skipped and decision.skipped[0][1] == "abuse"):
        return "applied"
    if decision.ask is not None:
        return "asked"
    if decision.scores:
        return "applied"
    return decision.skipped[0][1] if decision.skipped else "unmatched"
