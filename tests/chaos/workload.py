"""What is sent in a chaos run: an endless stream of events drawn from a seed, some twice, some late, some broken."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pipeline.events import actor_key, encode_json

TENANTS = ("north", "south")
ACTORS = 150
TYPES = 8
START = datetime(2026, 3, 2, tzinfo=UTC)
# Event time runs through so many days and begins again: all windows are written all the time. With the late ones that
# is fewer days than limits remember, so that none is too old.
DAYS = 27
_STEP = timedelta(seconds=97)
LATE, LATE_DAYS_MAX = 0.1, 3
DUPLICATES = 0.05
SPENDS = 0.08
BROKEN = 0.01
UNJUDGED = 0.01
TIMES_PER_DAY = 5
AMOUNT_PER_DAY = 40
BONUS_FROM = 60
BONUSES = 4
THRESHOLDS = (0, 50, 200, 500, 1_000, 2_000, 5_000)
LEVEL_AWARD = 10


class Sent(NamedTuple):
    """A record for `events.raw`; `id` is empty if no event can be read from it."""

    key: bytes
    value: bytes
    id: str


def economy(tenant: str) -> dict[str, Any]:
    """Return a tenant's economy: limits by times and by amount, levels with awards, boards of all kinds."""
    rules: list[dict[str, Any]] = []
    for n in range(TYPES):
        rule: dict[str, Any] = {"id": f"base-{n}", "on": f"action.t{n}", "award": {"xp": 1 + n % 5}}
        if n % 2 == 0:
            rule["limit"] = {"times": TIMES_PER_DAY, "per": "day"}
        rules.append(rule)
    for n in range(BONUSES):
        rule = {
            "id": f"bonus-{n}",
            "on": f"action.t{n}",
            "when": {"field": "data.amount", "op": "gte", "value": BONUS_FROM},
            "award": {"xp": {"field": "data.amount", "per": 10}, "coins": 1},
        }
        if n % 2 == 1:
            rule["limit"] = {"amount": AMOUNT_PER_DAY, "of": "xp", "per": "day"}
        rules.append(rule)
    return {
        "economy": tenant,
        "currencies": {"xp": {}, "coins": {"spendable": True}},
        "rules": rules,
        "levels": {"currency": "xp", "thresholds": list(THRESHOLDS), "award": {"coins": LEVEL_AWARD}},
        "leaderboards": [
            {"id": "daily", "currency": "xp", "window": "day"},
            {"id": "weekly", "currency": "xp", "window": "week", "tie": "shared"},
            {"id": "rich", "currency": "coins", "window": "all"},
            {"id": "busy", "count": {"on": "action.t1"}, "window": "day"},
        ],
    }


def stream(seed: int) -> Iterator[Sent]:
    """Yield the records of a run, for ever; the same for the same seed."""
    chance = random.Random(seed)
    former: list[Sent] = []
    number = 0
    while True:
        if former and chance.random() < DUPLICATES:
            yield former[chance.randrange(len(former))]
            continue
        sent = _record(chance, number)
        number += 1
        former.append(sent)
        yield sent


def _record(chance: random.Random, number: int) -> Sent:
    tenant = chance.choice(TENANTS)
    # Squared: some actors have many events, most have few.
    actor = f"actor-{int(ACTORS * chance.random() ** 2)}"
    name = f"e{number}"
    time = START + number * _STEP % timedelta(days=DAYS)
    if chance.random() < LATE:
        time -= timedelta(days=chance.random() * LATE_DAYS_MAX)
    drawn = chance.random()
    if drawn < BROKEN:
        incomplete = f'{{"id": "{name}"}}'.encode()
        broken = chance.choice([b"{", b'{"specversion": "1.0"}', b"\xff\xfe", b'"text"', incomplete])
        return Sent(actor_key(tenant, actor), broken, "")
    if drawn < BROKEN + UNJUDGED:
        kind, data = "plaudit.unheard-of", {}
    elif drawn < BROKEN + UNJUDGED + SPENDS:
        kind = "plaudit.spend"
        data = {"currency": "coins", "amount": chance.randrange(1, 15), "reason": "chaos"}
    else:
        # One type more than the economy has rules for.
        kind, data = f"action.t{chance.randrange(TYPES + 1)}", {"amount": chance.randrange(100)}
    value = encode_json(
        {
            "specversion": "1.0",
            "id": name,
            "source": "chaos",
            "type": kind,
            "subject": actor,
            "tenant": tenant,
            "time": time,
            "data": data,
        }
    )
    return Sent(actor_key(tenant, actor), value, name)
