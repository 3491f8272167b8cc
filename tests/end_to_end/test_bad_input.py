"""Whatever is sent, no worker stops: it is accepted, or in the dead letters under a reason of its own."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.recordbatch.model import Output
from pipeline.recordbatch.producer import BatchProducer
from pipeline.topology import EVENTS_RAW, topic_name
from tests.end_to_end.deployment import Deployment
from tests.end_to_end.shop import TENANT, Purchases


def event(**changes: Any) -> bytes:
    """Return a valid purchase with some attributes changed; None removes one."""
    valid = {
        "specversion": "1.0",
        "id": "odd",
        "source": "till",
        "type": "purchase.completed",
        "subject": "customer",
        "tenant": TENANT,
        "time": "2026-03-01T12:00:00Z",
        "data": {"amount_cents": 100},
    }
    return json.dumps({k: v for k, v in (valid | changes).items() if v is not None}).encode()


def nested(levels: int) -> Any:
    """Return an object that is `levels` deep."""
    value: Any = 1
    for _ in range(levels):
        value = {"in": value}
    return value


REFUSED = [
    ("not_json", b"{"),
    ("not_utf8", b'{"id": "\xff"}'),
    ("not_an_object", b'"text"'),
    ("duplicate_key", event(id="twice")[:-1] + b', "id": "again"}'),
    ("null_character", event(subject="nul\0")),
    ("too_large", event(data={"text": "x" * 300_000})),
    ("too_deep", event(data=nested(40))),
    ("missing_field", event(type=None)),
    ("wrong_type", event(subject=17)),
    ("invalid_value", event(tenant="No Tenant!")),
    ("invalid_time", event(time="yesterday")),
    ("future_time", event(time="2999-01-01T00:00:00Z")),
    ("unknown_tenant", event(tenant="nobody")),
    ("unknown_command", event(id="command", type="plaudit.unheard-of")),
    ("amount_out_of_range", event(id="huge", data={"amount_cents": 10**40})),
]
UNICODE_ACTOR = "🏆" * 256
ACCEPTED = [
    event(id="unicode", subject=UNICODE_ACTOR),
    event(id="big", subject="big", data={"amount_cents": 500, "serial": 2**80}),
    event(id="no-time", subject="timeless", time=None),
]


async def send(broker: str, topic: str, values: list[bytes]) -> None:
    """Append values as they are."""
    producer = BatchProducer(broker, client_id="test")
    await producer.start()
    await producer.append(topic, 0, [Output(None, value) for value in values])
    await producer.stop()


@pytest.mark.timeout(240)
def test_rubbish_among_good_events_stops_nothing(shop: Deployment, tmp_path: Path) -> None:
    """Every kind of bad input ends in the dead letters with its reason, its neighbours are unaffected."""
    purchases = Purchases(tmp_path, count=300)
    rubbish = [value for _, value in REFUSED]
    asyncio.run(send(shop.environment["PLAUDIT_BROKER"], topic_name(shop.prefix, EVENTS_RAW), [*rubbish, *ACCEPTED]))
    shop.plaudit("import", "jsonl", str(purchases.file))
    shop.drain()

    letters = shop.json("dlq", "list", "--limit", "1000")
    assert sorted(letter["reason"] for letter in letters) == sorted(reason for reason, _ in REFUSED)
    assert shop.points() == purchases.by_actor() | {UNICODE_ACTOR: 1, "big": 5, "timeless": 1}
    shop.plaudit("ledger", "verify")
    shop.assert_running()
