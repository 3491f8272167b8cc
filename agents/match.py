"""The stage `match`: judges each event by the economy in force when it was appended, and keeps the actors' profiles."""

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

import msgspec

from agents.cause import PLACE_HEADERS, Cause, cause_of, event_of, youngest_ms
from pipeline.errors import PoisonEvent
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
from pipeline.recordbatch.model import Effects, Run, StageCore, TableView
from pipeline.topology import DEAD_LETTERS, FACTS, MATCH, OUTCOMES, TRANSACTIONS, topic_name
from rules.decision import Decision
from rules.economy import Economy
from rules.evaluate import apply
from rules.profile import EMPTY, Profile
from sinks.dead_letters import dead_letter
from tables import profiles

# The `source` of every fact: with its id it makes a fact the same fact.
SOURCE = "plaudit/match"


class Economies(Protocol):
    """What match needs to know of the published economies."""

    async def confirmed(self, appended_ms: int) -> None:
        """Return once all that may judge events appended until then is known."""
        ...

    def at(self, tenant: str, appended_ms: int) -> Economy:
        """Return the economy in force for an event of the tenant.

        Raises:
            PoisonEvent: there is none.
        """
        ...


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
        """Judge a run: each profile is read and written once, each event is read once."""
        effects = Effects(run.partition)
        stored = _load(run, tables[profiles.TABLE])
        current = dict(stored)
        outcomes: list[str] = []
        for record in run.records:
            cause, event = None, None
            try:
                cause = cause_of(record)
                profile = current[cause.key]
                if cause.seq <= profile.seq:
                    outcomes.append("redelivered")
                    continue
                event = event_of(record)
                economy = self._economies.at(event.tenant, cause.appended_ms)
                decision = apply(profile, event, economy, cause.seq)
            except PoisonEvent as poison:
                tenant = None if event is None else event.tenant
                dead_letter(effects, self._dead_letters, run, record, MATCH.name, poison.reason, poison.message, tenant)
                if cause is not None:
                    current[cause.key] = _past(current[cause.key], cause.seq)
            else:
                current[cause.key] = decision.profile
                self._emit(effects, cause, event, economy.revision, decision)
                outcomes.append(_what_became(profile, decision))
        for key, profile in current.items():
            if profile is not stored[key]:
                effects.put(profiles.TABLE, key, profiles.encode(profile), profile.seq)
        for outcome, n in Counter(outcomes).items():
            effects.count(outcome, n)
        return effects

    def _emit(self, effects: Effects, cause: Cause, event: Event, revision: int, decision: Decision) -> None:
        """Add what the decision means for others. Every id is a function of the event, so that a repeat is known."""
        if not (decision.postings or decision.facts or decision.outcome):
            return
        headers = cause.headers
        if event.traceparent is not None and len(headers) == PLACE_HEADERS:
            headers = (*headers, (TRACE_HEADER, event.traceparent.encode()))
        origin = cause_id(identity(event.tenant, event.source, event.id), cause.seq)
        transfers = _transfers(origin, decision)
        if transfers or decision.scores:
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


def _what_became(before: Profile, decision: Decision) -> str:
    """Return the one word, of a closed set, under which an event that was not refused is counted."""
    if decision.outcome is not None:
        return decision.outcome.status
    if decision.profile is not before:
        return "applied"
    return decision.skipped[0][1] if decision.skipped else "unmatched"
