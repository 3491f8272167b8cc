"""What must come out: a loop over the distinct events in the order of the log, told plainly and slowly.

It shares nothing with the rules: it reads the log's JSON, and keeps whole lists where the product keeps sums.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Who = tuple[str, str]  # tenant, actor


class Publication(NamedTuple):
    """A record of the topic `economies`: a revision, as its publisher meant it and when it came. Milliseconds."""

    tenant: str
    number: int
    published: int
    effective: int
    appended: int
    document: dict[str, Any]


class Posted(NamedTuple):
    """A transfer from `issued` to the actor."""

    event_id: str
    actor: str
    currency: str
    amount: int
    kind: str
    cause: str
    revision: int


@dataclass
class Actor:
    """All that an actor ever did and got."""

    attributes: dict[str, Any] = field(default_factory=dict)
    balances: Counter[str] = field(default_factory=Counter)
    level: int = 1
    awarded: list[tuple[str, datetime]] = field(default_factory=list)  # rule, time of the event
    used: list[tuple[str, str, str, int]] = field(default_factory=list)  # rule, what is limited, period, how much


class Known(NamedTuple):
    """An actor after the event of a sequence: what a profile must say then."""

    balances: dict[str, int]
    level: int
    attributes: dict[str, Any]


@dataclass
class Expected:
    """What must be, of one partition of `events`."""

    transfers: dict[tuple[int, int], Posted] = field(default_factory=dict)  # sequence, leg
    refused: dict[int, str] = field(default_factory=dict)  # sequence: reason
    outcomes: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    unique: list[int] = field(default_factory=list)
    actors: dict[Who, Actor] = field(default_factory=lambda: defaultdict(Actor))
    history: dict[Who, list[tuple[int, Known]]] = field(default_factory=lambda: defaultdict(list))
    boards: dict[tuple[str, str], dict[tuple[str, str, str], tuple[int, datetime]]] = field(
        default_factory=lambda: defaultdict(dict)
    )  # tenant, board: (window, split, actor): score, reached
    expired: dict[tuple[str, str], str] = field(default_factory=dict)


class Oracle:
    """Knows the publications, and the settings that decide: the margin, the retention, how many windows are kept."""

    def __init__(
        self, publications: Iterable[Publication], margin_ms: int, retention_days: int, windows_kept: int
    ) -> None:
        self._revisions: dict[str, list[Publication]] = defaultdict(list)
        self._margin_ms = margin_ms
        self._retention_ms = retention_days * 86_400_000
        self._windows_max = windows_kept + 1
        for said in publications:
            known = self._revisions[said.tenant]
            if any(earlier.number >= said.number for earlier in known):
                continue  # another publisher was faster
            late = said.effective - said.appended < margin_ms * 3 / 4
            as_arrived = said._replace(published=said.appended, effective=said.appended + margin_ms)
            known.append(as_arrived if late else said)

    def expect(self, log: Iterable[tuple[int, int, bytes]]) -> Expected:
        """Return what follows from the records of a partition: offset, append time in milliseconds, value."""
        expected = Expected()
        first: dict[tuple[str, str, str], int] = {}
        for seq, appended, value in log:
            event = json.loads(value)
            name = (event["tenant"], event["source"], event["id"])
            if name in first and appended - first[name] <= self._retention_ms:
                if event["type"].startswith("plaudit."):
                    expected.outcomes[seq] = ("duplicate", None)
                continue
            first[name] = appended
            expected.unique.append(seq)
            self._judge(expected, seq, appended, event)
        return expected

    def _judge(self, expected: Expected, seq: int, appended: int, event: dict[str, Any]) -> None:
        tenant = event["tenant"]
        revisions = self._revisions[tenant]
        in_force = [each for each in revisions if each.effective <= appended]
        if not in_force:
            heard = [each for each in revisions if each.published <= appended - self._margin_ms]
            expected.refused[seq] = "no_economy" if heard else "unknown_tenant"
            return
        revision = max(in_force, key=lambda each: (each.effective, each.number))
        who = (tenant, event["subject"])
        actor = expected.actors[who]
        if event["type"] == "plaudit.attributes.set":
            expected.outcomes[seq] = _set_attributes(actor, event["data"])
            if expected.outcomes[seq][0] == "applied":
                expected.history[who].append((seq, _known(actor)))
            return
        posted = _play(actor, event, revision.document)
        for leg, (currency, amount, kind, cause) in enumerate(posted):
            expected.transfers[seq, leg] = Posted(event["id"], who[1], currency, amount, kind, cause, revision.number)
        if posted:
            expected.history[who].append((seq, _known(actor)))
            self._score(expected, event, revision.document, posted)

    def _score(
        self, expected: Expected, event: dict[str, Any], document: Mapping[str, Any], posted: list["_Award"]
    ) -> None:
        time = datetime.fromisoformat(event["time"])
        for board in document["leaderboards"]:
            points = sum(amount for currency, amount, _, _ in posted if currency == board["currency"])
            split = event["data"].get("team") if "split" in board else ""
            if points and split is not None:
                window = period(board["window"], time, document["timezone"])
                self._add(expected, (event["tenant"], board["id"]), (window, split, event["subject"]), points, time)

    def _add(
        self, expected: Expected, name: tuple[str, str], row: tuple[str, str, str], points: int, time: datetime
    ) -> None:
        rows, window = expected.boards[name], row[0]
        if window != "all":
            if window <= expected.expired.get(name, ""):
                return
            windows = sorted({dated for dated, _, _ in rows if dated != "all"} | {window})
            for oldest in windows[: -self._windows_max]:
                expected.expired[name] = oldest
                for gone in [each for each in rows if each[0] == oldest]:
                    del rows[gone]
            if window <= expected.expired.get(name, ""):
                return
        score, reached = rows.get(row, (0, time))
        rows[row] = (score + points, max(reached, time))


_Award = tuple[str, int, str, str]  # currency, amount, kind, cause


def _known(actor: Actor) -> Known:
    balances = {currency: amount for currency, amount in actor.balances.items() if amount}
    return Known(balances, actor.level, dict(actor.attributes))


def _set_attributes(actor: Actor, changes: dict[str, Any]) -> tuple[str, str | None]:
    try:
        ZoneInfo(changes.get("timezone", "UTC"))
    except ZoneInfoNotFoundError:
        return "refused", "invalid_timezone"
    actor.attributes = {name: value for name, value in (actor.attributes | changes).items() if value is not None}
    return "applied", None


def _play(actor: Actor, event: dict[str, Any], document: Mapping[str, Any]) -> list[_Award]:
    """Apply an event to an actor; return what it gives, in order."""
    before = {"data": event["data"], "actor": dict(actor.attributes)}
    posted: list[_Award] = []
    for rule in document["rules"]:
        on = [rule["on"]] if isinstance(rule["on"], str) else rule["on"]
        if any(_is_about(pattern, event["type"]) for pattern in on) and _holds(rule, before):
            posted += _award(actor, rule, event, before, document)
    if posted:
        posted += _climb(actor, document["levels"])
    return posted


def _is_about(pattern: str, event_type: str) -> bool:
    return pattern in {"*", event_type} or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))


def _holds(part: Mapping[str, Any], roots: Mapping[str, Any]) -> bool:
    if "when" not in part:
        return True
    root, name = part["when"]["field"].split(".")
    value = roots[root].get(name)
    wanted = part["when"]["value"]
    if part["when"]["op"] == "eq":
        return bool(value == wanted)
    assert part["when"]["op"] == "gte"
    return value is not None and bool(value >= wanted)


def _award(
    actor: Actor, rule: Mapping[str, Any], event: dict[str, Any], before: dict[str, Any], document: Mapping[str, Any]
) -> list[_Award]:
    time = datetime.fromisoformat(event["time"])
    mine = [then for each, then in actor.awarded if each == rule["id"]]
    if mine and "cooldown" in rule and abs(time - max(mine)) < timedelta(minutes=int(rule["cooldown"][:-1])):
        return []
    limit = rule.get("limit", {})
    zone = actor.attributes.get("timezone", document["timezone"])
    now = period(limit.get("per", "ever"), time, zone)
    what = f"{limit.get('per')}:{limit.get('of', 'times')}"
    used = sum(amount for each, kind, then, amount in actor.used if (each, kind, then) == (rule["id"], what, now))
    if "times" in limit and used >= limit["times"]:
        return []
    given: dict[str, int] = {}
    for currency, award in rule["award"].items():
        amount = award if isinstance(award, int) else event["data"]["n"] // award["per"]
        if rule.get("multipliers", True):
            amount = int(amount * _factor(currency, before, document))
        if limit.get("of") == currency:
            amount = min(amount, max(0, limit["amount"] - used))
        if amount:
            given[currency] = amount
    if given:
        actor.balances.update(given)
        actor.awarded.append((rule["id"], time))
        uses = 1 if "times" in limit else given.get(limit.get("of", ""), 0)
        if uses:
            actor.used.append((rule["id"], what, now, uses))
    return [(currency, amount, "award", rule["id"]) for currency, amount in given.items()]


def _factor(currency: str, before: dict[str, Any], document: Mapping[str, Any]) -> Fraction:
    running = [each for each in document["multipliers"] if each.get("currency", currency) == currency]
    factors = [Fraction(each["factor"]) for each in running if _holds(each, before)]
    if document["stacking"] == "highest":
        return max(factors, default=Fraction(1))
    if document["stacking"] == "add":
        return max(Fraction(0), 1 + sum((each - 1 for each in factors), Fraction(0)))
    product = Fraction(1)
    for each in factors:
        product *= each
    return product


def _climb(actor: Actor, levels: Mapping[str, Any]) -> list[_Award]:
    posted: list[_Award] = []
    thresholds = levels["thresholds"]
    while actor.level < len(thresholds) and actor.balances[levels["currency"]] >= thresholds[actor.level]:
        actor.level += 1
        for currency, amount in levels["award"].items():
            actor.balances[currency] += amount
            posted.append((currency, amount, "bonus", f"level:{actor.level}"))
    return posted


def period(kind: str, instant: datetime, zone: str) -> str:
    """Return a name of the period that holds an instant; names of later periods of a kind are greater."""
    local = instant.astimezone(ZoneInfo(zone))
    day: date = local.date()
    if kind == "hour":
        past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        return (instant - past).astimezone(UTC).isoformat()
    if kind == "week":
        return (day - timedelta(days=day.weekday())).isoformat()
    if kind == "month":
        return day.replace(day=1).isoformat()
    return day.isoformat() if kind == "day" else "all"
