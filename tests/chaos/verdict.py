"""Holds a deployment against the model: every event in its one place, every balance, board and profile exact."""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import msgspec

from pipeline.topology import LEADERBOARDS, MATCH, NORMALIZE
from tests.chaos.evidence import Evidence, Place, gather
from tests.chaos.fleet import Fleet
from tests.chaos.model import Model, Verdict
from tests.chaos.readers import Answer
from tests.chaos.workload import TENANTS, Sent

_PAGE = 200
_ANSWER_S = 10.0
_SHOWN = 10


class Judged:
    """The model after all accepted events, what it says of each, and what each actor had after each."""

    def __init__(self, evidence: Evidence) -> None:
        self.model = Model()
        self.verdicts: dict[tuple[str, str], Verdict] = {}
        self.history: dict[tuple[str, str], list[tuple[int, dict[str, int]]]] = defaultdict(list)
        for name, (place, event) in evidence.accepted.items():
            self.verdicts[name] = self.model.add(msgspec.to_builtins(event))
            who = (event.tenant, event.subject)
            if who in self.model.actors:
                self.history[who].append((place.seq, _held(self.model.actors[who].balances)))

    def at(self, tenant: str, actor: str, seq: int) -> dict[str, int] | None:
        """Return what an actor had after the event of that sequence; None before any."""
        history = self.history.get((tenant, actor), [])
        index = bisect_right(history, seq, key=lambda each: each[0])
        return history[index - 1][1] if index else None


def examine(fleet: Fleet, sent: Sequence[Sent], answers: Sequence[Answer]) -> tuple[Evidence, Judged, list[str]]:
    """Return what is there, what the model says, and all that differs; nothing, if the promise was kept."""
    evidence = gather(fleet.environment["PLAUDIT_BROKER"], fleet.prefix, fleet.database)
    judged = Judged(evidence)
    found = list(evidence.complaints)
    found += _arrived(evidence, sent)
    found += _placed(evidence, judged)
    found += _answered(judged, answers)
    found += standing(fleet, judged)
    return evidence, judged, found


def standing(fleet: Fleet, judged: Judged) -> list[str]:
    """Return where balances, profiles and boards, as users see them, differ from the model."""
    found = []
    for tenant in TENANTS:
        balances = {
            (account.removeprefix("actor:"), currency): amount
            for (account, currency), amount in fleet.balances(tenant).items()
            if account.startswith("actor:") and amount
        }
        expected = {
            (actor, currency): amount
            for (owner, actor), state in judged.model.actors.items()
            if owner == tenant
            for currency, amount in _held(state.balances).items()
        }
        found += differing(f"balances of {tenant}", expected, balances)
    for url in fleet.urls(MATCH.name):
        profiles = {who: _profile(url, *who) for who in judged.model.actors}
        states = {who: (_held(state.balances), state.level) for who, state in judged.model.actors.items()}
        found += differing(f"profiles at {url}", states, profiles)
    for url in fleet.urls(LEADERBOARDS.name):
        windows = sorted({key[:3] for key in judged.model.boards})
        boards = {key: score for name in windows for key, score in _board(url, *name)}
        found += differing(f"boards at {url}", dict(judged.model.boards), boards)
    return found


def differing(what: str, expected: Mapping[Any, Any], found: Mapping[Any, Any]) -> list[str]:
    """Return a line for each of the first keys that differ."""
    keys = [key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)]
    lines = [f"{what}: {key}: expected {expected.get(key)}, found {found.get(key)}" for key in sorted(keys)[:_SHOWN]]
    return lines + ([f"{what}: {len(keys)} differences in all"] if len(keys) > _SHOWN else [])


def _arrived(evidence: Evidence, sent: Sequence[Sent]) -> list[str]:
    """What was acknowledged is there, what could be read became an event once, and the rest dead letters."""
    found = []
    names = {(each.key.decode().partition("|")[0], each.id) for each in sent if each.id}
    found += _sets("accepted events", names, set(evidence.accepted))
    broken = {each.value for each in sent if not each.id}
    unreadable = {place for place, value in evidence.raw if value in broken}
    refused = {each.place for each in evidence.refused if each.stage == NORMALIZE.name}
    found += _sets("dead letters of broken records", unreadable, refused)
    found += _sets("events behind dedupe", {each.place for each in evidence.accepted.values()}, evidence.unique)
    found += _sets("who refused", set(), {each.stage for each in evidence.refused} - {NORMALIZE.name, MATCH.name})
    return found


def _placed(evidence: Evidence, judged: Judged) -> list[str]:
    """Return what is in no place, in another, or in more than one."""
    places: dict[Place, tuple[str, str]] = {each.place: name for name, each in evidence.accepted.items()}
    refused = {places.get(each.place): each.reason for each in evidence.refused if each.stage == MATCH.name}
    found = _sets("refused events", set(), {each for each in refused if each not in evidence.accepted})
    found += _sets("transactions of no event", set(), evidence.transactions - places.keys())
    found += _sets("ledger rows of no event", set(), evidence.moved.keys() - evidence.accepted.keys())
    expected: dict[tuple[str, str], Any] = {}
    seen: dict[tuple[str, str], Any] = {}
    for name, (place, event) in evidence.accepted.items():
        verdict = judged.verdicts[name]
        expected[name] = ([verdict.place], verdict.moved, _outcome(event.type, verdict))
        outcomes = evidence.outcomes.get(event.id, set())
        where = ["posted"] if place in evidence.transactions else []
        where += ["refused"] if any(status == "refused" for status, _ in outcomes) else []
        where += ["dead-lettered"] if name in refused else []
        moved = {currency: amount for currency, amount in evidence.moved.get(name, {}).items() if amount}
        seen[name] = (where or ["ignored"], moved, outcomes)
        if verdict.place == "dead-lettered" and refused.get(name) != verdict.reason:
            found.append(f"{name}: refused because of {refused.get(name)}, not {verdict.reason}")
    return found + differing("places of events", expected, seen)


def _outcome(kind: str, verdict: Verdict) -> set[tuple[str, str | None]]:
    if kind != "plaudit.spend":
        return set()
    return {("applied", None)} if verdict.place == "posted" else {("refused", verdict.reason)}


def _answered(judged: Judged, answers: Sequence[Answer]) -> list[str]:
    """Return answers that were never true: each names the event as of which it was given."""
    wrong = [
        f"{each.tenant} {each.actor} as of {each.seq}: answered {each.balances}, the model had {expected}"
        for each in answers
        if _held(each.balances) != (expected := judged.at(each.tenant, each.actor, each.seq))
    ]
    return wrong[:_SHOWN] + ([f"{len(wrong)} wrong answers in all"] if wrong else [])


def _sets(what: str, expected: set[Any], found: set[Any]) -> list[str]:
    missing, more = sorted(expected - found), sorted(found - expected, key=repr)
    lines = [f"{what}: {len(missing)} are missing, such as {missing[:_SHOWN]}"] if missing else []
    return lines + ([f"{what}: {len(more)} are too many, such as {more[:_SHOWN]}"] if more else [])


def _held(balances: Mapping[str, int]) -> dict[str, int]:
    return {currency: amount for currency, amount in balances.items() if amount}


def _profile(url: str, tenant: str, actor: str) -> tuple[dict[str, int], int]:
    try:
        with urlopen(f"{url}/tables/profiles/{tenant}/{actor}", timeout=_ANSWER_S) as answer:
            profile = json.load(answer)
    except HTTPError as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
        return {}, 1  # an actor who never got anything has no profile
    return _held(profile["balances"]), profile["level"]["number"]


def _board(url: str, tenant: str, board: str, window: str) -> Iterable[tuple[tuple[str, str, str, str], int]]:
    query = f"window={window}&limit={_PAGE}"
    with urlopen(f"{url}/tables/boards/{tenant}/{board}?{query}", timeout=_ANSWER_S) as answer:
        entries = json.load(answer)["entries"]
    return [((tenant, board, window, entry["actor"]), entry["score"]) for entry in entries]
