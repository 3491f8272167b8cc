"""The stage `match`: which economy and profile an event meets, and what comes out of it."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from agents.match import SOURCE, MatchStage
from pipeline.errors import PoisonEvent, Reason
from pipeline.events import (
    APPENDED_HEADER,
    IDENTITY_HEADER,
    SEQ_HEADER,
    TRACE_HEADER,
    Event,
    actor_key,
    cause_id,
    decode_transaction,
    encode_json,
    identity,
    transfer_id,
)
from pipeline.recordbatch.model import Effects, Output, Run
from pipeline.revisions.documents import compile_document
from rules.economy import Economy
from tables import profiles
from tests.builders import ACTOR, INSTANT, TENANT, event
from tests.memory import MemoryRecord, MemoryTable, step

PREFIX = "plaudit."
APPENDED_MS = 1_795_000_000_000


def economy(revision: int = 1, points: object = 10) -> Economy:
    """Return an economy in which a merge gives `points`."""
    document = {
        "economy": TENANT,
        "currencies": {"xp": {}},
        "rules": [{"id": "merged", "on": "pr.merged", "award": {"xp": points}}],
        "leaderboards": [{"id": "weekly", "currency": "xp", "window": "week"}],
    }
    return compile_document(json.dumps(document).encode(), revision, 0)


class Published:
    """Economies in memory: by tenant, the instant of their effect and themselves, newest last."""

    def __init__(self, economies: Mapping[str, list[tuple[int, Economy]]]) -> None:
        self.economies = economies
        self.asked: list[int] = []

    async def confirmed(self, appended_ms: int) -> None:
        self.asked.append(appended_ms)

    def at(self, tenant: str, appended_ms: int) -> Economy:
        if tenant not in self.economies:
            raise PoisonEvent(Reason.UNKNOWN_TENANT, "nobody knows it")
        effective = [each for since, each in self.economies[tenant] if since <= appended_ms]
        if not effective:
            raise PoisonEvent(Reason.NO_ECONOMY, "too early")
        return effective[-1]


class Match:
    """The stage with its table, run by run."""

    def __init__(self, *economies: tuple[int, Economy]) -> None:
        self.published = Published({TENANT: list(economies or [(0, economy())])})
        self.stage = MatchStage(prefix=PREFIX, economies=self.published)
        self.table = MemoryTable()

    def run(self, *records: MemoryRecord) -> Effects:
        return step(self.stage, records, {profiles.TABLE: self.table}, partition=3)

    def balance(self, actor: str = ACTOR) -> int:
        return profiles.decode(self.table.rows.get(actor_key(TENANT, actor))).balances.get("xp", 0)


def arrived(seq: int, /, *, appended_ms: int = APPENDED_MS, trace: bytes | None = None, **changes: Any) -> MemoryRecord:
    """Return a record of `events.unique`; `changes` are the event's attributes."""
    happened = event(**{"id": f"event-{seq}"} | changes)
    headers = [
        (SEQ_HEADER, b"%d" % seq),
        (APPENDED_HEADER, b"%d" % appended_ms),
        (IDENTITY_HEADER, identity(happened.tenant, happened.source, happened.id)),
    ]
    if trace is not None:
        headers.append((TRACE_HEADER, trace))
    key = actor_key(happened.tenant, happened.subject)
    return MemoryRecord(encode_json(happened), offset=seq + 100, key=key, headers=tuple(headers))


def sent(effects: Effects, topic: str) -> list[Output]:
    """Return what went to a topic, at the partition that was read."""
    return effects.outputs.get((PREFIX + topic, 3), [])


def letters(effects: Effects) -> list[str]:
    """Return the reasons of the dead letters."""
    return [dict(output.headers)["plaudit-reason"].decode() for output in sent(effects, "dead-letters")]


BROKEN = {
    "no sequence": {"headers": ((APPENDED_HEADER, b"1"),)},
    "no append time": {"headers": ((SEQ_HEADER, b"1"),)},
    "a negative sequence": {"headers": ((SEQ_HEADER, b"-1"), (APPENDED_HEADER, b"1"))},
    "an endless sequence": {"headers": ((SEQ_HEADER, b"9" * 5_000), (APPENDED_HEADER, b"1"))},
    "an endless time": {"headers": ((SEQ_HEADER, b"1"), (APPENDED_HEADER, b"9" * 5_000))},
    "no headers": {"headers": ()},
    "no key": {"key": None},
    "another actor's key": {"key": actor_key(TENANT, "someone")},
    "no value": {"value": None},
    "no JSON": {"value": b"{"},
    "no UTF-8": {"value": b"\xff"},
    "no event": {"value": b"{}"},
    "another thing": {"value": b"[[[[[[1]]]]]]"},
}


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN)
def test_a_record_that_is_no_event_is_refused_and_its_neighbours_count(changes: dict[str, Any]) -> None:
    """Only a foreign producer can have put it there."""
    match = Match()
    broken = dataclasses.replace(arrived(2), **changes)

    effects = match.run(arrived(1), broken, arrived(3))

    assert letters(effects) == ["invalid_record"]
    assert match.balance() == 20
    assert effects.counts == {"applied": 2, "invalid_record": 1}


def test_a_poison_event_is_refused_with_its_reason_and_its_neighbours_count() -> None:
    """Unknown tenants, commands and versions, amounts beyond every account, events before the first revision."""
    match = Match((APPENDED_MS, economy(points={"field": "data.points"})))

    effects = match.run(
        arrived(1, data={"points": 5}),
        arrived(2, tenant="nobody"),
        arrived(3, appended_ms=APPENDED_MS - 1),
        arrived(4, type="plaudit.unheard-of"),
        arrived(5, data={"points": 10**30}),
        arrived(6, data={"points": 6}),
    )

    assert letters(effects) == ["unknown_tenant", "no_economy", "unknown_command", "amount_out_of_range"]
    assert [output.key for output in sent(effects, "dead-letters")] == [b"nobody", b"acme", b"acme", b"acme"]
    assert match.balance() == 11


def test_a_refused_event_is_refused_once_by_an_actor_with_a_profile() -> None:
    """Its redelivery after the state was written says nothing new."""
    match = Match()
    match.run(arrived(1))
    poison = arrived(2, type="plaudit.unheard-of")

    first, again = match.run(poison), match.run(poison)

    assert (letters(first), letters(again)) == (["unknown_command"], [])
    assert again.counts == {"redelivered": 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"tenant": "nobody"}, "unknown_tenant"), ({"appended_ms": APPENDED_MS - 1}, "no_economy")],
)
@pytest.mark.parametrize("name", ["spend", "attributes.set", "reverse", "reward.redeem", "reward.cancel"])
def test_a_command_that_no_economy_can_judge_is_answered(changes: dict[str, Any], reason: str, name: str) -> None:
    """Whoever sent it waits for its outcome, not for a dead letter; it makes no profile."""
    match = Match((APPENDED_MS, economy()))

    effects = match.run(arrived(1, id="command-1", type=f"plaudit.{name}", **changes))

    [output] = sent(effects, "outcomes")
    assert output.key == b"command-1"
    assert json.loads(output.value or b"") == {
        "id": "command-1",
        "status": "refused",
        "reason": reason,
        "transfers": [],
        "balances": {},
    }
    assert letters(effects) == []
    assert sent(effects, "transactions") == []
    assert match.table.rows == {}
    assert effects.counts == {"refused": 1}


@pytest.mark.parametrize("name", ["plaudit.unheard-of", "plaudit.answer.stock"])
def test_what_is_no_command_waits_for_no_outcome(name: str) -> None:
    """It is a dead letter, as any other event of a tenant without an economy."""
    effects = Match().run(arrived(1, tenant="nobody", type=name))

    assert letters(effects) == ["unknown_tenant"]
    assert sent(effects, "outcomes") == []


def test_refused_events_make_no_profiles() -> None:
    """Garbage with ever new actors doesn't fill the table."""
    match = Match()

    match.run(arrived(1, tenant="nobody"), arrived(2, type="plaudit.unheard-of"))

    assert match.table.rows == {}


def test_a_redelivered_event_changes_and_emits_nothing() -> None:
    """The profile remembers how far it has come."""
    match = Match()
    match.run(arrived(1), arrived(2))

    effects = match.run(arrived(1), arrived(2))

    assert effects.counts == {"redelivered": 2}
    assert (effects.outputs, effects.changes) == ({}, {})


def test_an_event_that_comes_twice_in_a_run_counts_once() -> None:
    """A redelivery may follow at once."""
    match = Match()

    effects = match.run(arrived(1), arrived(1), arrived(2))

    assert match.balance() == 20
    assert effects.counts == {"applied": 2, "redelivered": 1}


def test_a_run_that_is_repeated_before_its_state_was_written_emits_the_same() -> None:
    """A crash between outputs and state leads to equal records, which others know by their ids."""
    run = (arrived(1), arrived(2, type="plaudit.unheard-of"), arrived(3, trace=b"00-ab-cd-01"))

    assert Match().run(*run) == Match().run(*run)


def test_how_a_history_is_cut_into_runs_does_not_matter() -> None:
    """Batches are a matter of speed only."""
    history = [arrived(seq, subject=f"actor-{seq % 3}") for seq in range(30)]
    whole, single = Match(), Match()

    at_once = whole.run(*history)
    one_by_one = [single.run(record) for record in history]

    assert whole.table.rows == single.table.rows
    assert sent(at_once, "transactions") == [out for each in one_by_one for out in sent(each, "transactions")]


def test_each_profile_is_written_once_with_the_last_sequence() -> None:
    """However many events of an actor a run has."""
    effects = Match().run(arrived(4), arrived(5), arrived(9))

    [(key, change)] = effects.changes[profiles.TABLE].items()
    assert (key, change.seq, profiles.decode(change.value).seq) == (actor_key(TENANT, ACTOR), 9, 9)


def test_an_event_that_meets_no_rule_leaves_no_trace() -> None:
    """It is counted."""
    effects = Match().run(arrived(1, type="star.created"))

    assert effects.counts == {"unmatched": 1}
    assert (effects.outputs, effects.changes) == ({}, {})


def test_the_revision_in_force_at_the_append_judges() -> None:
    """Exactly from its instant, whatever the event's own time is."""
    match = Match((0, economy(1, points=1)), (APPENDED_MS, economy(2, points=100)))
    later = datetime(2030, 1, 1, tzinfo=UTC)

    effects = match.run(arrived(1, appended_ms=APPENDED_MS - 1, time=later), arrived(2, appended_ms=APPENDED_MS))

    posted = [decode_transaction(output.value or b"") for output in sent(effects, "transactions")]
    assert [(each.revision, each.transfers[0].amount) for each in posted] == [(1, 1), (2, 100)]


def test_a_transaction_says_all_that_was_posted() -> None:
    """With ids that follow from the event, under the actor's key, where it was read."""
    effects = Match().run(arrived(7))

    [output] = sent(effects, "transactions")
    transaction = decode_transaction(output.value or b"")
    [transfer] = transaction.transfers
    [score] = transaction.scores
    assert output.key == actor_key(TENANT, ACTOR)
    assert (transaction.tenant, transaction.actor, transaction.event_id) == (TENANT, ACTOR, "event-7")
    assert (transaction.event_type, transaction.revision, transaction.occurred_at) == ("pr.merged", 1, INSTANT)
    who = actor_key(TENANT, ACTOR) + b"\0" + identity(TENANT, transaction.event_source, "event-7")
    assert transfer.id == transfer_id(cause_id(who, 7), 0)
    assert (transfer.debit_account, transfer.credit_account) == ("issued", f"actor:{ACTOR}")
    assert (transfer.amount, transfer.currency, transfer.kind, transfer.cause) == (10, "xp", "award", "merged")
    assert (score.board, score.window, score.points) == ("weekly", "2026-11-16", 10)


def test_one_identity_of_two_actors_makes_two_transfers() -> None:
    """Dedupe sees each in a partition of its own, where both may have the same sequence."""
    ids = [
        decode_transaction(output.value or b"").transfers[0].id
        for actor in ("ada", "bob")
        for output in sent(Match().run(arrived(7, subject=actor)), "transactions")
    ]

    assert len(set(ids)) == 2


def test_a_fact_is_a_cloudevent_about_the_actor() -> None:
    """At the event's own time, with an id that a repeat has too, and no other fact."""
    match = Match()
    facts = [
        msgspec.json.decode(output.value or b"", type=Event)
        for effects in (match.run(arrived(1)), match.run(arrived(2)))
        for output in sent(effects, "facts")
    ]

    assert {(fact.type, fact.source, fact.subject, fact.tenant, fact.time) for fact in facts} == {
        ("points.awarded", SOURCE, ACTOR, TENANT, INSTANT)
    }
    assert len({fact.id for fact in facts}) == len(facts) == 2
    assert facts[1].data["balance"] == 20


@pytest.mark.parametrize("where", ["header", "event", "both"])
def test_everything_derived_carries_sequence_append_time_and_trace(where: str) -> None:
    """Whether the trace stands in the header or in the event."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    record = arrived(
        7,
        trace=None if where == "event" else trace.encode(),
        traceparent=None if where == "header" else trace,
    )

    effects = Match().run(record)

    derived = sent(effects, "transactions") + sent(effects, "facts")
    assert [output.headers for output in derived] == 2 * [
        ((SEQ_HEADER, b"7"), (APPENDED_HEADER, b"%d" % APPENDED_MS), (TRACE_HEADER, trace.encode()))
    ]


def test_a_command_is_answered_under_its_own_id() -> None:
    """With what it posted and the balances after it; nothing else changes for an actor who only sets attributes."""
    match = Match()
    match.run(arrived(1))

    effects = match.run(arrived(2, id="command-1", type="plaudit.attributes.set", data={"tier": "vip"}))

    [output] = sent(effects, "outcomes")
    assert output.key == b"command-1"
    assert json.loads(output.value or b"") == {
        "id": "command-1",
        "status": "applied",
        "reason": None,
        "transfers": [],
        "balances": {"xp": 10},
    }
    assert effects.counts == {"applied": 1}
    assert sent(effects, "transactions") == []


async def test_a_run_waits_for_the_economies_of_its_youngest_event() -> None:
    """Redeliveries bring older events behind younger ones; what names no time waits for nothing."""
    match = Match()
    records = [arrived(1, appended_ms=5), arrived(2, appended_ms=9), arrived(1, appended_ms=5), MemoryRecord(b"")]

    await match.stage.before(Run("source", 0, records))
    await match.stage.before(
        Run("source", 0, [MemoryRecord(b""), MemoryRecord(b"", headers=((APPENDED_HEADER, b"x"),))])
    )

    assert match.published.asked == [9]
