"""Valid values: a test states only what matters to it, the rest is filled in here."""

from datetime import UTC, datetime
from typing import Any

from pipeline.events import Event, Score, Transaction, Transfer, actor_key, cause_id, identity, transfer_id
from rules.compiler import compile_economy
from rules.document import validate
from rules.economy import Economy

TENANT = "acme"
ACTOR = "ada"
SOURCE = "tests/builders"
# A Monday, so that days, weeks and months are easy to tell apart.
INSTANT = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)


def event(**changes: Any) -> Event:
    """Return a canonical event; `changes` are its attributes."""
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": "event-1",
        "source": SOURCE,
        "type": "pr.merged",
        "subject": ACTOR,
        "tenant": TENANT,
        "time": INSTANT,
        "data": {},
    }
    return Event(**attributes | changes)


def cloudevent(**changes: Any) -> dict[str, Any]:
    """Return an event as a producer would send it; a change to None leaves the attribute out."""
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": "event-1",
        "source": SOURCE,
        "type": "pr.merged",
        "subject": ACTOR,
        "tenant": TENANT,
        "time": "2026-11-16T12:00:00Z",
        "data": {},
    }
    return {name: value for name, value in (attributes | changes).items() if value is not None}


def transfer(**changes: Any) -> Transfer:
    """Return an award of 10 xp to the builders' actor."""
    fields: dict[str, Any] = {
        "id": transfer_id(cause_id(identity(TENANT, SOURCE, "event-1"), 0), changes.get("leg", 0)),
        "debit_account": "issued",
        "credit_account": f"actor:{ACTOR}",
        "amount": 10,
        "currency": "xp",
        "kind": "award",
        "cause": "merged",
        "leg": 0,
    }
    return Transfer(**fields | changes)


def transaction(**changes: Any) -> Transaction:
    """Return what one event posted: one transfer, and no score unless given. Ids follow the event's identity."""
    fields: dict[str, Any] = {
        "tenant": TENANT,
        "actor": ACTOR,
        "event_source": SOURCE,
        "event_id": "event-1",
        "event_type": "pr.merged",
        "revision": 1,
        "occurred_at": INSTANT,
    } | changes
    if "transfers" not in fields:
        cause = cause_id(identity(fields["tenant"], fields["event_source"], fields["event_id"]), 0)
        fields["transfers"] = (transfer(id=transfer_id(cause, 0), credit_account=f"actor:{fields['actor']}"),)
    return Transaction(**fields)


def score(**changes: Any) -> Score:
    """Return a contribution of 10 points to a weekly board."""
    fields: dict[str, Any] = {"board": "weekly", "window": "2026-11-16", "points": 10}
    return Score(**fields | changes)


def key(tenant: str = TENANT, actor: str = ACTOR) -> bytes:
    """Return the record key of an actor."""
    return actor_key(tenant, actor)


def economy(*rules: dict[str, Any], **sections: Any) -> Economy:
    """Return a compiled economy with the currencies xp, coins, points; a rule needs not say `id`, `on` and `award`."""
    named = [{"id": f"rule-{index}", "on": "pr.merged", "award": {"xp": 10}} | rule for index, rule in enumerate(rules)]
    raw = {"economy": TENANT, "currencies": {"xp": {}, "coins": {"spendable": True}, "points": {}}, "rules": named}
    document = validate(raw | sections)
    assert not isinstance(document, list), document
    return compile_economy(document, revision=1, effective_ms=0)
