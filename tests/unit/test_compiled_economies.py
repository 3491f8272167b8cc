"""Which compiled economy judges an event, as histories grow, and how many are kept."""

import json
from datetime import datetime, timedelta

import pytest

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import from_millis
from pipeline.revisions.compiled import CompiledEconomies
from tables.economies import EconomyHistory, append_revision

MARGIN_MS = 5_000
# Milliseconds at which the histories below begin.
START_MS = 1_795_000_000_000
START = from_millis(START_MS)


def published(
    tenant: str, *instants: datetime, known: EconomyHistory | None = None, **changes: object
) -> EconomyHistory:
    """Return a history with one publication at each instant; `changes` are the document's."""
    history = known
    document = json.dumps({"economy": tenant, "currencies": {"xp": {}}, "rules": []} | changes).encode()
    for instant in instants:
        history = append_revision(history, tenant, document, instant, None, MARGIN_MS)
    assert history is not None
    return history


def test_a_document_that_cannot_be_used_refuses_its_events_with_the_reason() -> None:
    """Every time, although it is tried once; what is right about it is judged as always."""
    compiled = CompiledEconomies({"acme": published("acme", START, unheard=1)}, MARGIN_MS)

    for _ in range(2):
        with pytest.raises(
            PoisonEvent, match="revision 1 of tenant 'acme' can't be used: unheard: unknown key"
        ) as poison:
            compiled.at("acme", START_MS + MARGIN_MS)
        assert poison.value.reason is Reason.NO_ECONOMY


def test_a_new_revision_is_chosen_as_soon_as_it_is_told_of() -> None:
    """What was chosen last is not kept beyond its end."""
    histories = {"acme": published("acme", START)}
    compiled = CompiledEconomies(histories, MARGIN_MS)
    later_ms = START_MS + 60_000
    assert compiled.at("acme", later_ms + MARGIN_MS).revision == 1

    histories["acme"] = published("acme", from_millis(later_ms), known=histories["acme"])
    compiled.changed("acme")

    assert compiled.at("acme", later_ms + MARGIN_MS).revision == 2
    assert compiled.at("acme", later_ms + MARGIN_MS - 1).revision == 1
    assert compiled.at("acme", later_ms + MARGIN_MS).effective_ms == later_ms + MARGIN_MS


def test_a_tenant_that_is_gone_is_unknown() -> None:
    """Nothing that was compiled for it judges any more."""
    histories = {"acme": published("acme", START)}
    compiled = CompiledEconomies(histories, MARGIN_MS)
    compiled.at("acme", START_MS + MARGIN_MS)

    del histories["acme"]
    compiled.changed("acme")

    with pytest.raises(PoisonEvent) as poison:
        compiled.at("acme", START_MS + MARGIN_MS)
    assert poison.value.reason is Reason.UNKNOWN_TENANT


def test_few_are_kept_and_all_are_right() -> None:
    """However many tenants there are, memory holds a fixed number of economies."""
    tenants = [f"tenant-{number}" for number in range(20)]
    histories = {tenant: published(tenant, START, START + timedelta(minutes=1)) for tenant in tenants}
    compiled = CompiledEconomies(histories, MARGIN_MS, compiled_max=3)

    for _ in range(2):
        for tenant in tenants:
            chosen = [compiled.at(tenant, START_MS + ms) for ms in (MARGIN_MS, 60_000 + MARGIN_MS, MARGIN_MS)]
            assert [(each.tenant, each.revision) for each in chosen] == [(tenant, 1), (tenant, 2), (tenant, 1)]

    assert len(compiled._compiled) == 3
    assert len(compiled._spans) <= 3
