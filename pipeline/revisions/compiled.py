"""Chooses the economy that judges an event, and keeps compiled what is chosen."""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import from_millis, micros
from pipeline.revisions.documents import DocumentRefused, compile_document
from rules.economy import Economy
from tables.economies import EconomyHistory, Revision, in_force, superseded_at

# Compiled economies kept at the same time; one of thirty rules takes about a hundred kilobytes.
COMPILED_MAX: Final = 512
_FOR_EVER: Final = 1 << 62


class _Span(NamedTuple):
    """The economy that judges events appended at `from_ms` or later and before `until_ms`."""

    from_ms: int
    until_ms: int
    economy: Economy


class CompiledEconomies:
    """The economies of `histories`, compiled when an event first needs them; those longest unused are forgotten."""

    def __init__(
        self, histories: Mapping[str, EconomyHistory], margin_ms: int, compiled_max: int = COMPILED_MAX
    ) -> None:
        """Read `histories`, which may grow; `changed` must be told of it."""
        self._histories = histories
        self._margin_ms = margin_ms
        self._compiled_max = compiled_max
        # The span that was used last, by tenant: nearly every event falls into it.
        self._spans: dict[str, _Span] = {}
        self._compiled: OrderedDict[tuple[str, int, str], Economy | PoisonEvent] = OrderedDict()

    def changed(self, tenant: str) -> None:
        """Take note that the tenant's history has another revision, or is gone."""
        self._spans.pop(tenant, None)

    def at(self, tenant: str, appended_ms: int) -> Economy:
        """Return the economy in force for an event of the tenant that was appended at `appended_ms`.

        Raises:
            PoisonEvent: UNKNOWN_TENANT when nothing had been published for the tenant a margin before that, NO_ECONOMY
                when what had been published was not in force yet, or its document is none that this release can use.
        """
        span = self._spans.get(tenant)
        if span is not None and span.from_ms <= appended_ms < span.until_ms:
            return span.economy
        history = self._histories.get(tenant)
        revision = None if history is None else in_force(history, from_millis(appended_ms))
        if history is None or revision is None:
            raise self._nothing_in_force(tenant, history, appended_ms)
        economy = self._economy(tenant, revision)
        ends = superseded_at(history, revision)
        until_ms = _FOR_EVER if ends is None else _millis(ends)
        self._spans[tenant] = _Span(_millis(revision.effective_at), until_ms, economy)
        return economy

    def _nothing_in_force(self, tenant: str, history: EconomyHistory | None, appended_ms: int) -> PoisonEvent:
        # What was published within the margin may or may not be known yet: both must lead to the same reason.
        sure = from_millis(appended_ms - self._margin_ms)
        if history is None or all(each.published_at > sure for each in history.revisions):
            return PoisonEvent(Reason.UNKNOWN_TENANT, f"no economy had been published for tenant {tenant!r}")
        first = min(each.effective_at for each in history.revisions)
        return PoisonEvent(
            Reason.NO_ECONOMY, f"no economy of tenant {tenant!r} was in force before {first.isoformat()}"
        )

    def _economy(self, tenant: str, revision: Revision) -> Economy:
        key = (tenant, revision.revision, revision.sha256)
        kept = self._compiled.get(key)
        if kept is None:
            kept = self._compiled[key] = _compiled_or_why_not(tenant, revision)
            if len(self._compiled) > self._compiled_max:
                (forgotten, _, _), _ = self._compiled.popitem(last=False)
                self._spans.pop(forgotten, None)
        else:
            self._compiled.move_to_end(key)
        if isinstance(kept, PoisonEvent):
            raise PoisonEvent(kept.reason, kept.message)
        return kept


def _compiled_or_why_not(tenant: str, revision: Revision) -> Economy | PoisonEvent:
    try:
        return compile_document(bytes(revision.document), revision.revision, _millis(revision.effective_at))
    except DocumentRefused as error:
        message = f"revision {revision.revision} of tenant {tenant!r} can't be used: {error}"
        return PoisonEvent(Reason.NO_ECONOMY, message)


def _millis(instant: datetime) -> int:
    return micros(instant) // 1_000
