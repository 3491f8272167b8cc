"""The conversation of match and ledger with one rule taken out at a time, to show that the simulator notices."""

from itertools import count
from typing import Any

import msgspec

from agents import answers, ledger
from pipeline.events import Event
from pipeline.recordbatch.model import Run
from rules import reversals
from rules.work import Work
from sinks.ledger import sink, stock
from sinks.ledger.posting import PostedTransaction
from tests.simulation.replaced import replaced


def answers_have_no_name() -> Any:
    """What is asked again is answered under another id, so that dedupe takes it for another answer."""
    numbers = count()

    def answer(event_type: str, seq: int, asking: PostedTransaction, data: msgspec.Struct) -> Event:
        return msgspec.structs.replace(_ANSWER(event_type, seq, asking, data), id=f"answer-{next(numbers)}")

    return replaced((answers, "_answer", answer))


_ANSWER = answers._answer


def answered_before_booked() -> Any:
    """The ledger answers from what it has, without what comes before the question in its batch."""

    async def deliver(self: ledger.LedgerStage, run: Run, effects: ledger.LedgerEffects) -> None:
        said = [await self._answer(run.partition, each) for each in effects.asking]
        asking, effects.asking = effects.asking, []
        try:
            await _DELIVER(self, run, effects)
        finally:
            effects.asking = asking
        if said:
            effects.outputs[self._events, run.partition] = [each for each in said if each is not None]

    return replaced((ledger.LedgerStage, "deliver", deliver))


_DELIVER = ledger.LedgerStage.deliver


def reversals_not_remembered() -> Any:
    """A profile does not know what was undone, and undoes it for each answer."""

    def change(self: Work, **parts: Any) -> None:
        parts.pop("reversed", None)
        _CHANGE(self, **parts)

    return replaced((Work, "change", change))


_CHANGE = Work.change


def reversed_in_parts() -> Any:
    """Only the first transfer of an event is undone."""

    def post_opposite(work: Work, found: reversals.ReversalAnswer, actor: str) -> None:
        _POST_OPPOSITE(work, msgspec.structs.replace(found, transfers=found.transfers[:1]), actor)

    return replaced((reversals, "_post_opposite", post_opposite))


_POST_OPPOSITE = reversals._post_opposite


def claims_not_remembered() -> Any:
    """A claim that is asked again takes another piece."""
    numbers = count()

    async def claim_piece(connection: Any, tenant: str, actor: str, reward: str, pieces: int, claim: str) -> bool:
        decided = await (await connection.execute(stock._DECIDED, (tenant, claim))).fetchone()
        name = claim if decided is None else f"{claim}-{next(numbers)}"
        return await _CLAIM_PIECE(connection, tenant, actor, reward, pieces, name)

    return replaced((sink, "claim_piece", claim_piece))


_CLAIM_PIECE = stock.claim_piece


def stock_not_locked() -> Any:
    """Two claims may see the same piece."""
    return replaced((stock, "_LOCK", stock._LOCK.replace(" FOR UPDATE", "")))


def pieces_returned_twice() -> Any:
    """A return that is told again makes another piece free."""
    return replaced((stock, "_RETURN", stock._RETURN.replace(" AND NOT returned", "")))


MUTATIONS_OF_ANSWERS = (
    answers_have_no_name,
    answered_before_booked,
    reversals_not_remembered,
    reversed_in_parts,
    claims_not_remembered,
    stock_not_locked,
    pieces_returned_twice,
)
