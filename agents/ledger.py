"""The stage `ledger`: brings transactions to PostgreSQL, each sequence once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pipeline.clock import now
from pipeline.errors import InvariantBroken, PoisonEvent, Reason
from pipeline.events import SEQ_HEADER, header
from pipeline.metrics import LEDGER_TRANSFERS
from pipeline.recordbatch.model import Effects, Record, Run, StageCore, TableView
from pipeline.topology import LEDGER
from sinks.dead_letters import dead_letter
from sinks.ledger.posting import SEQ_MAX, Posting, decode_posted
from sinks.ledger.sink import Applied


class Ledger(Protocol):
    """Where transactions go; `sinks.ledger.sink.LedgerSink` keeps these promises."""

    async def apply(self, partition: int, batch: list[Posting], recorded_at: datetime) -> Applied:
        """Commit what is new of a batch; idempotent by sequence."""
        ...

    async def close(self) -> None:
        """Give back what is held."""
        ...


@dataclass(slots=True)
class LedgerEffects(Effects):
    """The effects of a run, with the transactions that go to the ledger, in the order of the log."""

    postings: list[Posting] = field(default_factory=list)


class LedgerStage(StageCore):
    """Checks transactions in `process`, commits them in `deliver`. What can't be read or held becomes a dead letter."""

    def __init__(self, *, dead_letters: str, sink: Ledger, clock: Callable[[], datetime] = now) -> None:
        """`dead_letters` is the full name of that topic; `clock` says when a batch was recorded."""
        self._dead_letters = dead_letters
        self._sink = sink
        self._clock = clock

    async def stop(self) -> None:
        """Close the sink."""
        await self._sink.close()

    def process(self, run: Run, tables: dict[str, TableView]) -> LedgerEffects:
        """Decode and check the run's transactions. An invalid one leaves no trace in the ledger."""
        effects = LedgerEffects(run.partition)
        for record in run.records:
            try:
                effects.postings.append(_posting(record))
            except PoisonEvent as poison:
                reason, message = poison.reason, poison.message
                dead_letter(effects, self._dead_letters, run, record, LEDGER.name, reason, message, _tenant(record))
        return effects

    async def deliver(self, run: Run, effects: Effects) -> None:
        """Commit the run's transactions; safe to repeat.

        Raises:
            TransientError: the database can't take them now.
            InvariantBroken: the database refuses them for good.
        """
        if not isinstance(effects, LedgerEffects):
            raise InvariantBroken("the ledger was given effects of another stage")
        applied = await self._sink.apply(run.partition, effects.postings, self._clock())
        LEDGER_TRANSFERS.inc(applied.transfers)
        if applied.transactions:
            effects.count("accepted", applied.transactions)
        if applied.repeated:
            effects.count("redelivered", applied.repeated)


def _tenant(record: Record) -> str | None:
    tenant, bar, _ = (record.key or b"").partition(b"|")
    return tenant.decode() if bar and tenant.isascii() else None


def _posting(record: Record) -> Posting:
    text = header(record.headers, SEQ_HEADER)
    if text is None or not text.isdigit() or len(text) > len(str(SEQ_MAX)) or (seq := int(text)) > SEQ_MAX:
        raise PoisonEvent(Reason.INVALID_RECORD, f"the header {SEQ_HEADER} is missing or no sequence")
    if record.value is None:
        raise PoisonEvent(Reason.INVALID_RECORD, "the transaction is empty")
    return Posting(seq, decode_posted(record.value))
