"""What happens in a simulated world, drawn from its seed: what actors do and ask for, and how producers send it."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from pipeline.events import actor_key, encode_json
from tests.simulation.boards import CREWS, LEAGUES
from tests.simulation.broker import BEGINNING_MS
from tests.simulation.economies import BADGES, QUESTS, REWARDS, STREAKS, TENANTS

NOBODYS = "nobodys"  # a tenant without an economy
ACTORS = ("ada", "bob", "cleo", "dan")
SOURCE = "sim"
_TYPES = ("a.x", "a.x", "a.y", "b", "b", "c")
_VERSIONS = ("1.0.0", "1.4.2", "2.0.0", "3.1.0")  # of which no economy knows the last
_TEAMS = ("red", "blue", "green")
_GARBAGE = (b"\xff", b"{", b'{"specversion": "1.0"}', b"[1]")
_BEGINNING = datetime.fromtimestamp(BEGINNING_MS / 1000, UTC)
# Days of which windows and limits hold several, so that events are late for one and not for another.
_DAYS_BACK = 12
_BURSTS = 6
_REDEEM = "plaudit.reward.redeem"
_OPENED = 2  # the burst by which the economies are in force

_Event = dict[str, Any]


class Sent(NamedTuple):
    """A record for `events.raw`, and the moment at which it is sent, in seconds."""

    at: float
    key: bytes | None
    value: bytes
    identity: tuple[str, str, str] | None  # tenant, source, id; None for what is no event


def sendings(chance: Random, seconds: float) -> list[Sent]:
    """Return what producers send in the first `seconds`: events, some of them twice, in an order of their own."""
    # Actors play, play and ask for this and that, or all want the same few things.
    commanding, shopping = chance.choice([(0.0, 1), (0.5, 1), (0.9, 15)])
    crowded = shopping > 1
    first = _OPENED if crowded else 0
    moments = sorted(chance.randint(first, _BURSTS) for _ in range(chance.randint(12, 30)))
    events: list[_Event] = []
    sent: list[Sent] = []
    for burst in moments:
        at = burst * seconds / _BURSTS
        if chance.random() < 0.04:
            sent.append(Sent(at, None, chance.choice(_GARBAGE), None))
            continue
        event = _event(chance, len(events), crowded=crowded)
        if chance.random() < commanding and burst >= _OPENED:
            event |= _command(chance, event, events, shopping)
        events.append(event)
        sent += _sendings_of(chance, event, at, seconds)
    return sorted(sent, key=lambda each: each.at)


def _sendings_of(chance: Random, event: _Event, at: float, seconds: float) -> list[Sent]:
    tenant, actor = event["tenant"], event["subject"]
    # Most producers send an actor's events to one partition; some know of no keys.
    key = actor_key(tenant, actor) if chance.random() < 0.8 else None
    first = Sent(at, key, encode_json(event), (tenant, SOURCE, event["id"]))
    sent = [first]
    while chance.random() < 0.25:  # from another producer, or the same one, which had heard no answer
        later = at + chance.choice([0.0, 0.1, 5.0, seconds]) * chance.random()
        sent.append(first._replace(at=later, key=chance.choice([key, None])))
    return sent


def _event(chance: Random, number: int, *, crowded: bool) -> _Event:
    tenants = sorted(TENANTS)
    tenant = NOBODYS if chance.random() < 0.03 else tenants[0] if crowded else chance.choice(tenants)
    time = _BEGINNING - timedelta(minutes=15 * chance.randint(0, 4 * 24 * _DAYS_BACK if chance.random() < 0.5 else 8))
    event: _Event = {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": SOURCE,
        "type": chance.choice(_TYPES),
        "subject": chance.choice(ACTORS),
        "tenant": tenant,
        "time": time.isoformat(),
        "data": {"n": chance.randint(0, 12)},
    }
    if chance.random() < 0.8:
        event["data"]["team"] = chance.choice(_TEAMS)
    if chance.random() < 0.4:
        event["dataversion"] = chance.choice(_VERSIONS)
    if chance.random() < 0.12:
        attributes = [{"tier": "vip"}, {"tier": None}, {"timezone": "America/New_York"}, {"timezone": "Mars/Olympus"}]
        attributes += [{"league": chance.choice(LEAGUES), "crew": chance.choice(CREWS)}] * 4 + [{"league": None}]
        event |= {"type": "plaudit.attributes.set", "data": chance.choice(attributes)}
    return event


def _command(chance: Random, event: _Event, events: list[_Event], shopping: int) -> _Event:
    """Return type and data of a command by the actor of an event; where it names another one, it is mostly theirs."""
    mine = [each for each in events if (each["tenant"], each["subject"]) == (event["tenant"], event["subject"])]
    given = {"type": "plaudit.adjust", "data": {"currency": "coins", "amount": chance.randint(5, 20), "reason": "gift"}}
    if not any(each["type"] == given["type"] for each in mine):
        return given  # so that there is something to spend
    wishes = [{"type": _REDEEM, "data": {"reward": chance.choice(REWARDS)}}] * shopping
    wishes += [
        {"type": "plaudit.spend", "data": {"currency": "coins", "amount": chance.randint(0, 4)}},
        {"type": "plaudit.spend", "data": {"currency": chance.choice(["xp", "gems"]), "amount": 1}},
        {"type": "plaudit.adjust", "data": {"currency": "coins", "amount": chance.randint(-3, 6), "reason": "by hand"}},
        {"type": "plaudit.adjust", "data": {"currency": "xp", "amount": chance.randint(-9, 12)}},
        {"type": "plaudit.streak.freeze", "data": {"streak": chance.choice(STREAKS)}},
        {"type": "plaudit.quest.start", "data": {"quest": chance.choice(QUESTS)}},
        {"type": "plaudit.badge.award", "data": {"badge": chance.choice(BADGES)}},
        {"type": "plaudit.badge.award", "data": {"badge": "starter", "tier": chance.choice(["silver", "platinum"])}},
    ]
    for undone in mine[-3:] or events[-1:]:
        wishes += [{"type": "plaudit.reverse", "data": {"source": SOURCE, "id": undone["id"]}}] * (2 + shopping // 5)
    redeemed = [each["id"] for each in mine if each["type"] == _REDEEM]
    if redeemed:  # the earlier ones are the more likely to have been settled
        cancel = {"type": "plaudit.reward.cancel", "data": {"redemption": chance.choice(redeemed[:3])}}
        wishes += [cancel] * 3 * shopping
    return chance.choice(wishes)
