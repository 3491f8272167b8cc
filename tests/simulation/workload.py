"""What happens in a simulated world, drawn from its seed: economies, what actors do, and how producers send it."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from pipeline.events import actor_key, encode_json
from tests.simulation.broker import BEGINNING_MS

TENANTS = {"acme": "Europe/Berlin", "beta": "UTC"}
NOBODYS = "nobodys"  # a tenant without an economy
ACTORS = ("ada", "bob", "cleo", "dan")
SOURCE = "sim"
_TYPES = ("a.x", "a.x", "a.y", "b", "b", "c")
_TEAMS = ("red", "blue", "green")
_GARBAGE = (b"\xff", b"{", b'{"specversion": "1.0"}', b"[1]")
_BEGINNING = datetime.fromtimestamp(BEGINNING_MS / 1000, UTC)
# Days of which windows and limits hold several, so that events are late for one and not for another.
_DAYS_BACK = 12
_BURSTS = 6


class Sent(NamedTuple):
    """A record for `events.raw`, and the moment at which it is sent, in seconds."""

    at: float
    key: bytes | None
    value: bytes
    identity: tuple[str, str, str] | None  # tenant, source, id; None for what is no event


def document(chance: Random, tenant: str) -> dict[str, Any]:
    """Return an economy in which nearly every event means something."""
    per = ["hour", "day", "week", "month", "ever"]
    economy: dict[str, Any] = {
        "economy": tenant,
        "timezone": TENANTS[tenant],
        "currencies": {"xp": {}, "coins": {}},
        "rules": [
            {
                "id": "often",
                "on": "a.*",
                "award": {"xp": chance.randint(1, 9)},
                "limit": {"times": chance.randint(1, 4), "per": chance.choice(per)},
            },
            {
                "id": "big",
                "on": ["a.x", "b"],
                "when": {"field": "data.n", "op": "gte", "value": chance.randint(2, 6)},
                "award": {"xp": {"field": "data.n", "per": 2}, "coins": 1},
                "multipliers": chance.random() < 0.5,
            },
            {
                "id": "rare",
                "on": "b",
                "award": {"coins": chance.randint(2, 5)},
                "cooldown": f"{chance.choice([30, 600])}m",
            },
            {
                "id": "capped",
                "on": "*",
                "award": {"coins": chance.randint(1, 4)},
                "limit": {"amount": chance.randint(5, 12), "of": "coins", "per": chance.choice(per)},
            },
        ],
        "multipliers": [
            {"id": "vip", "factor": "1.5", "when": {"field": "actor.tier", "op": "eq", "value": "vip"}},
            {
                "id": "red",
                "currency": "xp",
                "factor": "0.7",
                "when": {"field": "data.team", "op": "eq", "value": "red"},
            },
        ],
        "stacking": chance.choice(["multiply", "highest", "add"]),
        "levels": {"currency": "xp", "thresholds": [0, 10, 25, 60], "award": {"coins": 2, "xp": 3}},
        "leaderboards": [
            {"id": "weekly", "currency": "xp", "window": "week"},
            {"id": "teams", "currency": "coins", "window": "day", "split": "data.team"},
            {"id": "ever", "currency": "xp", "window": "all"},
        ],
    }
    chance.shuffle(economy["rules"])
    return economy


def sendings(chance: Random, seconds: float) -> list[Sent]:
    """Return what producers send in the first `seconds`: events, some of them twice, in an order of their own."""
    count = chance.randint(12, 30)
    sent: list[Sent] = []
    for number in range(count):
        at = chance.randint(0, _BURSTS) * seconds / _BURSTS
        if chance.random() < 0.04:
            sent.append(Sent(at, None, chance.choice(_GARBAGE), None))
            continue
        event = _event(chance, number)
        tenant, actor = event["tenant"], event["subject"]
        # Most producers send an actor's events to one partition; some know of no keys.
        key = actor_key(tenant, actor) if chance.random() < 0.8 else None
        first = Sent(at, key, encode_json(event), (tenant, SOURCE, event["id"]))
        sent.append(first)
        while chance.random() < 0.25:  # from another producer, or the same one, which had heard no answer
            later = at + chance.choice([0.0, 0.1, 5.0, seconds]) * chance.random()
            sent.append(first._replace(at=later, key=chance.choice([key, None])))
    return sorted(sent, key=lambda each: each.at)


def _event(chance: Random, number: int) -> dict[str, Any]:
    tenant = NOBODYS if chance.random() < 0.03 else chance.choice(sorted(TENANTS))
    time = _BEGINNING - timedelta(minutes=15 * chance.randint(0, 4 * 24 * _DAYS_BACK if chance.random() < 0.5 else 8))
    event: dict[str, Any] = {
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
    if chance.random() < 0.08:
        attributes = [{"tier": "vip"}, {"tier": None}, {"timezone": "America/New_York"}, {"timezone": "Mars/Olympus"}]
        event |= {"type": "plaudit.attributes.set", "data": chance.choice(attributes)}
    return event
