"""Tenants never mix: what one gets does not depend on whether others send the same names, identities and times."""

import json
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from agents.dedupe import DedupeStage
from agents.match import MatchStage
from pipeline.events import IDENTITY_HEADER, actor_key, encode_json, identity
from pipeline.revisions.documents import compile_document
from pipeline.topology import PROFILES, SEEN
from rules.economy import Economy
from tests.builders import event
from tests.memory import MemoryRecord, MemoryTable, step

TENANTS = ("acme", "acme-2")  # one name begins with the other
PREFIX = "p."
Sent = tuple[str, str, str, int]  # tenant, actor, event id, amount

sent = st.lists(
    st.tuples(
        st.sampled_from(TENANTS),
        st.sampled_from(("ada", "2|ada", "grace")),
        st.sampled_from(("1", "2", "3")),
        st.integers(1, 30),
    ),
    max_size=30,
)


class Economies:
    """The same game for every tenant."""

    def __init__(self) -> None:
        limited = {"id": "buy", "on": "purchase.completed", "award": {"xp": {"field": "data.amount"}}}
        limited["limit"] = {"amount": 50, "of": "xp", "per": "day"}
        self._economies = {
            tenant: compile_document(
                json.dumps({"economy": tenant, "currencies": {"xp": {}}, "rules": [limited]}).encode(), 1, 0
            )
            for tenant in TENANTS
        }

    async def confirmed(self, appended_ms: int) -> None:
        """Everything is known."""

    def at(self, tenant: str, appended_ms: int) -> Economy:
        return self._economies[tenant]


ECONOMIES = Economies()


def posted(events: Sequence[Sent]) -> list[tuple[bytes | None, bytes | None]]:
    """Return what follows from the events that have a tenant; the others leave their offsets empty."""
    dedupe = DedupeStage(unique="unique", outcomes="outcomes", dead_letters="dead", retention_days=30)
    match = MatchStage(prefix=PREFIX, economies=ECONOMIES)
    records = [record(number, one) for number, one in enumerate(events) if one[0]]
    if not records:
        return []
    unique = step(dedupe, records, {SEEN.name: MemoryTable()}).outputs.get(("unique", 0), [])
    forwarded = [MemoryRecord(each.value, key=each.key, headers=each.headers) for each in unique]
    transactions = step(match, forwarded, {PROFILES.name: MemoryTable()}).outputs.get((f"{PREFIX}transactions", 0), [])
    return [(each.key, each.value) for each in transactions]


def record(number: int, one: Sent) -> MemoryRecord:
    """Return an event as it stands on `events`, at an offset that does not depend on other tenants' events."""
    tenant, actor, event_id, amount = one
    sent_event = event(
        tenant=tenant, subject=actor, id=event_id, source="till", type="purchase.completed", data={"amount": amount}
    )
    headers = ((IDENTITY_HEADER, identity(tenant, "till", event_id)),)
    return MemoryRecord(encode_json(sent_event), offset=number, key=actor_key(tenant, actor), headers=headers)


@given(sent)
def test_a_tenant_among_others_gets_what_it_gets_alone(events: list[Sent]) -> None:
    """The transactions of each tenant are the same, byte for byte, with and without the others' events."""
    together = posted(events)

    for tenant in TENANTS:
        hidden = [one if one[0] == tenant else ("", *one[1:]) for one in events]
        alone = posted(hidden)
        assert [each for each in together if each[0] and each[0].startswith(f"{tenant}|".encode())] == alone
