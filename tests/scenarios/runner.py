"""Plays a scenario: a table of events in the order of the log, each with what is expected of it.

A scenario file has an `economy` (the sections of a document; `economy`, the tenant, and currencies may be left out)
and `scenarios`. Of an event, `transfers` lists all that it posts (none, if left out), `facts` all facts but
`points.awarded` (not looked at, if left out), each with the fields that matter; `outcome` is a command's status, with
the reason after it; `scores` is what boards get, by their ids, `boards` the same with their parts (`coins
league=gold`), and `windows` in which windows; `bests` are the personal bests that it makes (not looked at, if left
out), written `week 2026-11-16: 12 > 10`. `times` and `apart` repeat an event, with the number of the repetition for
`{n}` in its data; its transfers and facts are those of all repetitions. A row `publish` puts other sections into force.
From a row `ledger: away` on, what is asked of the ledger waits; the row `ledger: back` has what its answers lead to. An
`id` that comes again is dropped before it is judged, and the outcome of such a command is `duplicate`. A transfer from
`issued` to the actor is written `+10 xp award merged`, any other `issued > actor:ada 10 xp award merged`. A profile is
held against at the time of the latest event.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from agents.answers import reversal_answer, stock_answer
from pipeline.events import (
    Event,
    ReversalAsked,
    StockAsked,
    StockReturned,
    decode_event,
    encode_json,
    micros,
)
from rules.compiler import compile_economy
from rules.decision import Decision, Posting
from rules.document import EconomyDocument, validate
from rules.economy import Economy
from rules.evaluate import apply
from rules.profile import EMPTY, Profile
from rules.profile_view import show_profile
from sinks.ledger.asked import Caused
from sinks.ledger.posting import PostedTransaction
from tables import profiles
from tests import builders
from tests.scenarios.held import held
from tests.scenarios.stages import Arrivals, Boards

_CURRENCIES = {"xp": {}, "coins": {"spendable": True}}
_APART = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def compiled(sections: Mapping[str, Any]) -> Economy:
    """Return the economy of a scenario."""
    document = validate({"economy": builders.TENANT, "currencies": _CURRENCIES} | dict(sections))
    assert isinstance(document, EconomyDocument), document
    return compile_economy(document, revision=1, effective_ms=0)


@dataclass
class Play:
    """The actors of a scenario, and how far the log has come."""

    economy: Economy
    actors: dict[str, Profile] = field(default_factory=dict)
    ledger: list[tuple[Event, Posting]] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)
    log: list[Event] = field(default_factory=list)
    boards: Boards = field(default_factory=Boards)
    arrivals: Arrivals = field(default_factory=Arrivals)
    waiting: list[tuple[Event, Decision]] | None = None  # for the ledger, while it is away
    bests: list[str] = field(default_factory=list)
    seq: int = 0
    now: datetime = builders.INSTANT

    def apply(self, event: Event) -> Decision:
        """Apply the next event of the log; the profile passes through its stored form."""
        before = self.actors.get(event.subject, EMPTY)
        decision = apply(before, event, self.economy, self.seq)
        self.log.append(event)
        self.actors[event.subject] = profiles.decode(profiles.encode(decision.profile))
        if decision.scores:
            self.bests += self.boards.bests(event, decision, self.seq)
        self.seq += 1
        self.now = max(self.now, event.time)
        self.ledger += [(decision.event or event, each) for each in decision.postings]
        if isinstance(decision.ask, StockReturned):
            self.taken[decision.ask.reward] -= 1
            return decision
        if decision.ask is None:
            return decision
        if self.waiting is not None:
            self.waiting.append((event, decision))
            return decision
        return self.apply(self.answer(event, decision))

    def ledger_is(self, where: str) -> list[Decision]:
        """Let the ledger be `away`, or come `back`; return what its answers to all that waits then lead to."""
        waiting, self.waiting = self.waiting or [], [] if where == "away" else None
        return [self.apply(self.answer(event, decision)) for event, decision in waiting]

    def answer(self, command: Event, decision: Decision) -> Event:
        """Return what the ledger answers to what a command asks."""
        asking = PostedTransaction(
            tenant=command.tenant,
            actor=command.subject,
            event_source=command.source,
            event_id=command.id,
            event_type=command.type,
            revision=1,
            occurred_at=command.time,
            transfers=(),
        )
        asked = decision.ask
        if isinstance(asked, StockAsked):
            granted = self.taken[asked.reward] < asked.stock
            self.taken[asked.reward] += granted
            return decode_event(encode_json(stock_answer(self.seq, asking, asked, granted=granted)))
        assert isinstance(asked, ReversalAsked)
        caused = [
            Caused(event.type, event.time, each.debit_account, each.credit_account, each.amount, each.currency)
            for event, each in self.ledger
            if (event.subject, event.source, event.id) == (command.subject, asked.source, asked.id)
        ]
        answer = reversal_answer(self.seq, asking, asked, caused)
        return decode_event(encode_json(answer))

    def shown(self, actor: str) -> dict[str, object]:
        """Return an actor's profile as it is shown at the time of the latest event."""
        return show_profile(self.actors.get(actor, EMPTY), self.economy, micros(self.now) // 1_000)


def play(scenario: Mapping[str, Any], shared: Mapping[str, Any]) -> None:
    """Play a scenario under the sections that its file shares, and hold what comes of it against the table."""
    played = Play(
        compiled(dict(shared) | scenario.get("economy", {})), now=datetime.min.replace(tzinfo=builders.INSTANT.tzinfo)
    )
    for number, row in enumerate(scenario["events"]):
        if "publish" in row:
            played.economy = compiled(dict(shared) | scenario.get("economy", {}) | row["publish"])
            continue
        if "ledger" in row:
            decisions = played.ledger_is(row["ledger"])
            outcomes: list[str | None] = []
            where = f"row {number}: ledger {row['ledger']}"
        else:
            decisions, outcomes = sent(played, events(row, number))
            where = f"event {number}: {row['type']} at {row['at']}"
        hold_row(decisions, row, where)
        outcomes += [outcome(decision) for decision in decisions]
        if "outcome" in row:
            assert outcomes == [row["outcome"]] * len(outcomes) != [], where
        bests, played.bests = played.bests, []
        assert bests == row.get("bests", bests), where
        if "profile" in row:
            held(played.shown(row.get("actor", builders.ACTOR)), row["profile"], f"the profile after event {number}")
    if "now" in scenario:
        played.now = datetime.fromisoformat(scenario["now"])
    for actor, expected in scenario.get("profiles", {}).items():
        held(played.shown(actor), expected, f"the profile of {actor}")
    if "profile" in scenario:
        held(played.shown(builders.ACTOR), scenario["profile"], "the profile")


def sent(played: Play, arriving: Iterable[Event]) -> tuple[list[Decision], list[str | None]]:
    """Send events; return what was decided about those that went on, and the outcomes of those that did not."""
    decisions: list[Decision] = []
    outcomes: list[str | None] = []
    for event in arriving:
        is_new, answered = played.arrivals.accepts(event)
        outcomes += answered
        if is_new:
            decisions.append(played.apply(event))
    return decisions, outcomes


def hold_row(decisions: Sequence[Decision], row: Mapping[str, Any], where: str) -> None:
    """Hold what came of a row against what it says."""
    assert [told(each) for decision in decisions for each in decision.postings] == row.get("transfers", []), where
    if "facts" in row:
        facts = [{fact.type: fact.data} for decision in decisions for fact in decision.facts]
        held([each for each in facts if "points.awarded" not in each], row["facts"], where)
    scores = [each for decision in decisions for each in decision.scores]
    if "scores" in row:
        assert {each.board: each.points for each in scores} == row["scores"], where
    if "boards" in row:
        parts = {each.board if each.split is None else f"{each.board} {each.split}": each.points for each in scores}
        assert parts == row["boards"], where
    if "windows" in row:
        assert [each.window for each in scores] == row["windows"], where


def events(row: Mapping[str, Any], number: int) -> Iterator[Event]:
    """Yield the events of a row."""
    apart = row.get("apart", "1d")
    for repetition in range(row.get("times", 1)):
        yield builders.event(
            id=row.get("id", f"event-{number}-{repetition}"),
            type=row["type"],
            subject=row.get("actor", builders.ACTOR),
            time=datetime.fromisoformat(row["at"]) + repetition * int(apart[:-1]) * _APART[apart[-1]],
            data=json.loads(json.dumps(row.get("data", {})).replace("{n}", str(repetition))),
        )


def told(posting: Posting) -> str:
    """Return a posting as scenarios write it."""
    what = f"{posting.amount} {posting.currency} {posting.kind} {posting.cause}"
    if posting.kind in {"award", "bonus"}:
        return f"+{what}"
    return f"{posting.debit_account} > {posting.credit_account} {what}"


def outcome(decision: Decision) -> str | None:
    """Return a command's outcome as scenarios write it."""
    answer = decision.outcome
    return None if answer is None else answer.status if answer.reason is None else f"{answer.status} {answer.reason}"
