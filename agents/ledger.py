"""The stage `ledger`: brings transactions to PostgreSQL, each sequence once, and answers what match asks of it.

An answer is looked up once everything that comes before the question in the partition is in the ledger.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol, assert_never

from agents.answers import answer_headers, reversal_answer, stock_answer
from pipeline.clock import now
from pipeline.errors import InvariantBroken, PoisonEvent, Reason
from pipeline.events import (
    SEQ_HEADER,
    TRACE_HEADER,
    Ask,
    ReversalAsked,
    StockAsked,
    StockReturned,
    actor_key,
    encode_json,
    header,
)
from pipeline.metrics import LEDGER_TRANSFERS
from pipeline.recordbatch.model import Effects, Output, Record, Run, StageCore, TableView
from pipeline.topology import LEDGER
from sinks.dead_letters import dead_letter
from sinks.ledger.asked import Caused
from sinks.ledger.parts import Applied
from sinks.ledger.posting import SEQ_MAX, Posting, decode_posted


class Ledger(Protocol):
    """Where transactions go; `sinks.ledger.sink.LedgerSink` keeps these promises."""

    async def apply(self, partition: int, batch: list[Posting], recorded_at: datetime) -> Applied:
        """Commit what is new of a batch; idempotent by sequence."""
        ...

    async def caused_by(self, partition: int, tenant: str, actor: str, source: str, event_id: str) -> list[Caused]:
        """Return what an event moved, all batches included that were applied."""
        ...

    async def claim_piece(self, partition: int, tenant: str, actor: str, reward: str, stock: int, claim: str) -> bool:
        """Return whether a claim gets one of so many pieces; the same again if it is asked again."""
        ...

    async def return_piece(self, partition: int, tenant: str, reward: str, claim: str) -> None:
        """Make the piece of a claim free again, once."""
        ...

    async def close(self) -> None:
        """Give back what is held."""
        ...


class Asking(NamedTuple):
    """A transaction that asks something, and the trace it belongs to."""

    posting: Posting
    ask: Ask
    trace: bytes | None


@dataclass(slots=True)
class LedgerEffects(Effects):
    """The effects of a run, with the transactions that go to the ledger, in the order of the log."""

    postings: list[Posting] = field(default_factory=list)
    asking: list[Asking] = field(default_factory=list)


class LedgerStage(StageCore):
    """Checks transactions in `process`, commits them in `deliver`. What can't be read or held becomes a dead letter."""

    def __init__(self, *, events: str, dead_letters: str, sink: Ledger, clock: Callable[[], datetime] = now) -> None:
        """`events` and `dead_letters` are full names of topics; `clock` says when a batch was recorded."""
        self._events = events
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
                posting = _posting(record)
                effects.postings.append(posting)
                if posting.transaction.ask is not None:
                    trace = header(record.headers, TRACE_HEADER)
                    effects.asking.append(Asking(posting, posting.transaction.ask, trace))
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
        if effects.asking:
            # Set, not added: what a repeated delivery finds replaces what the one before it had found.
            answers = [await self._answer(run.partition, each) for each in effects.asking]
            effects.outputs[self._events, run.partition] = [each for each in answers if each is not None]

    async def _answer(self, partition: int, asking: Asking) -> Output | None:
        """Return the answer to a question: an event of the actor, who lives in the same partition. None needs none.

        Raises:
            TransientError: the database can't say now.
        """
        (seq, transaction), ask, trace = asking
        tenant, actor = transaction.tenant, transaction.actor
        match ask:
            case ReversalAsked(source, name):
                caused = await self._sink.caused_by(partition, tenant, actor, source, name)
                answer = reversal_answer(seq, transaction, ask, caused)
            case StockAsked(reward, stock, claim):
                granted = await self._sink.claim_piece(partition, tenant, actor, reward, stock, claim)
                answer = stock_answer(seq, transaction, ask, granted=granted)
            case StockReturned(reward, claim):
                await self._sink.return_piece(partition, tenant, reward, claim)
                return None
            case _:
                assert_never(ask)
        return Output(actor_key(tenant, actor), encode_json(answer), answer_headers(answer, trace))


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
