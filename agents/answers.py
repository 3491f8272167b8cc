"""What the ledger answers to match: an event of the same actor, whose id follows from what was asked.

An answer travels the way of every event, through dedupe to match: asked twice, it is given twice, and counts once.
"""

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from pipeline.events import (
    ANSWER_SOURCE,
    IDENTITY_HEADER,
    REVERSAL_ANSWER,
    STOCK_ANSWER,
    TRACE_HEADER,
    Event,
    Headers,
    ReversalAsked,
    StockAsked,
    identity,
)
from rules.origins import Origin
from rules.reversals import Moved, ReversalAnswer
from rules.rewards import StockAnswer
from sinks.ledger.asked import Caused
from sinks.ledger.posting import PostedTransaction


def reversal_answer(seq: int, asking: PostedTransaction, asked: ReversalAsked, caused: Sequence[Caused]) -> Event:
    """Return the answer to the command of that sequence: every transfer that the named event caused."""
    event = None
    if caused:
        event = Origin(asked.source, asked.id, caused[0].event_type, caused[0].occurred_at)
    moved = tuple(Moved(each.debit_account, each.credit_account, each.amount, each.currency) for each in caused)
    return _answer(REVERSAL_ANSWER, seq, asking, ReversalAnswer(_command(asking), asked, event, moved))


def stock_answer(seq: int, asking: PostedTransaction, asked: StockAsked, *, granted: bool) -> Event:
    """Return the answer to the command of that sequence: whether it got a piece."""
    data = StockAnswer(_command(asking), asked.reward, asked.claim, granted)
    return _answer(STOCK_ANSWER, seq, asking, data)


def answer_headers(answer: Event, trace: bytes | None) -> Headers:
    """Return the headers with which an answer is appended to `events`."""
    named: Headers = ((IDENTITY_HEADER, identity(answer.tenant, answer.source, answer.id)),)
    return named if trace is None else (*named, (TRACE_HEADER, trace))


def _command(asking: PostedTransaction) -> Origin:
    return Origin(asking.event_source, asking.event_id, asking.event_type, asking.occurred_at)


def _answer(event_type: str, seq: int, asking: PostedTransaction, data: msgspec.Struct) -> Event:
    command = identity(asking.tenant, asking.event_source, asking.event_id)
    return Event(
        specversion="1.0",
        id=blake2b(command + seq.to_bytes(8, "big"), digest_size=16, person=b"plaudit-answer").hexdigest(),
        source=ANSWER_SOURCE,
        type=event_type,
        subject=asking.actor,
        tenant=asking.tenant,
        time=asking.occurred_at,
        data=msgspec.to_builtins(data),
    )
