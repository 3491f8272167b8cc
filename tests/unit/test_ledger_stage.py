"""The stage `ledger`: what goes to the sink, what becomes a dead letter, what is counted."""

from collections.abc import Sequence
from datetime import datetime

import pytest

from agents.ledger import LedgerStage
from pipeline.errors import InvariantBroken, Reason, TransientError
from pipeline.events import (
    ANSWER_SOURCE,
    IDENTITY_HEADER,
    REVERSAL_ANSWER,
    SEQ_HEADER,
    STOCK_ANSWER,
    TRACE_HEADER,
    ReversalAsked,
    StockAsked,
    StockReturned,
    decode_event,
    encode_json,
    identity,
)
from pipeline.recordbatch.model import Effects, Run
from sinks.ledger.asked import Caused
from sinks.ledger.parts import Applied
from sinks.ledger.posting import SEQ_MAX, Posting, decode_posted
from tests.builders import ACTOR, INSTANT, TENANT, key, transaction, transfer
from tests.memory import MemoryRecord, sequenced

EVENTS = "t.events"
DEAD_LETTERS = "t.dead-letters"
VALID = encode_json(transaction())


class ListLedger:
    """A ledger that keeps what it is given; `away` makes it refuse that many times."""

    def __init__(self, away: int = 0) -> None:
        self.batches: list[tuple[int, list[Posting], datetime]] = []
        self.asked: list[tuple[int, str, str, str, str]] = []
        self.closed = False
        self._away = away

    async def apply(self, partition: int, batch: Sequence[Posting], recorded_at: datetime) -> Applied:
        if self._away:
            self._away -= 1
            raise TransientError
        self.batches.append((partition, list(batch), recorded_at))
        return Applied(len(batch) - 1, 7, 1) if batch else Applied(0, 0, 0)

    async def caused_by(self, partition: int, tenant: str, actor: str, source: str, event_id: str) -> list[Caused]:
        assert self.batches, "what precedes a question is in the ledger first"
        self.asked.append((partition, tenant, actor, source, event_id))
        return [Caused("pr.merged", INSTANT, "issued", f"actor:{actor}", 10, "xp")]

    async def claim_piece(self, partition: int, tenant: str, actor: str, reward: str, stock: int, claim: str) -> bool:
        assert self.batches, "what precedes a question is in the ledger first"
        self.asked.append((partition, tenant, actor, reward, claim))
        return stock > 1

    async def return_piece(self, partition: int, tenant: str, reward: str, claim: str) -> None:
        self.asked.append((partition, tenant, "", reward, claim))

    async def close(self) -> None:
        self.closed = True


def stage(ledger: ListLedger | None = None) -> LedgerStage:
    """Return a stage whose clock stands still."""
    return LedgerStage(events=EVENTS, dead_letters=DEAD_LETTERS, sink=ledger or ListLedger(), clock=lambda: INSTANT)


def run(*records: MemoryRecord) -> Run:
    """Return a run of partition 3."""
    return Run("t.transactions", 3, records)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'{"tenant"', b'["tenant"', Reason.INVALID_RECORD),
        (b"ada", b"\xff", Reason.INVALID_RECORD),
        (b"ada", b"\\ud800", Reason.INVALID_RECORD),
        (b'"ada"', b"3", Reason.INVALID_RECORD),
        (b'"ada"', b'"' + b"a" * 257 + b'"', Reason.INVALID_RECORD),
        (b'"tenant":"acme",', b"", Reason.INVALID_RECORD),
        (b'"amount":10', b'"amount":0', Reason.INVALID_RECORD),
        (b'"amount":10', b'"amount":-10', Reason.INVALID_RECORD),
        (b'"amount":10', b'"amount":1.5', Reason.INVALID_RECORD),
        (b'"amount":10', b'"amount":9223372036854775808', Reason.INVALID_RECORD),
        (b'"amount":10', b'"amount":99999999999999999999999999', Reason.INVALID_RECORD),
        (b'"award"', b'"gift"', Reason.INVALID_RECORD),
        (b'"issued"', b'"actor:ada"', Reason.INVALID_RECORD),
        (b'"revision":1', b'"revision":2147483648', Reason.INVALID_RECORD),
        (b'"leg":0', b'"leg":-1', Reason.INVALID_RECORD),
        (b"12:00:00Z", b"12:00:00", Reason.INVALID_RECORD),
        (b"2026-11-16T12:00:00Z", b"0001-01-01T00:00:00+05:00", Reason.INVALID_TIME),
        (b"actor:ada", b"actor:a\\u0000", Reason.NULL_CHARACTER),
        (b'"merged"', b'"\\u0000"', Reason.NULL_CHARACTER),
        (b"ada", b"a\\\\\\u0000", Reason.NULL_CHARACTER),
    ],
)
def test_what_the_ledger_cannot_hold_is_a_dead_letter(old: bytes, new: bytes, reason: Reason) -> None:
    """A bad record never reaches the database, and its neighbours are unaffected."""
    bad = VALID.replace(old, new)
    assert bad != VALID

    effects = stage().process(run(sequenced(VALID, 1), sequenced(bad, 2), sequenced(VALID, 3)), {})

    assert [posting.seq for posting in effects.postings] == [1, 3]
    [letter] = effects.outputs[DEAD_LETTERS, 3]
    assert letter.value == bad
    assert dict(letter.headers)["plaudit-reason"] == reason.value.encode()
    assert effects.counts == {reason.value: 1}


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("plaudit-seq", b""),),
        (("plaudit-seq", b"-1"),),
        (("plaudit-seq", b"one"),),
        (("plaudit-seq", str(SEQ_MAX + 1).encode()),),
        (("plaudit-seq", b"1" * 5_000),),
    ],
)
def test_record_without_a_sequence_is_a_dead_letter(headers: tuple[tuple[str, bytes], ...]) -> None:
    """Without its sequence nobody can tell whether it was applied."""
    effects = stage().process(run(MemoryRecord(VALID, key=key(), headers=headers)), {})

    [letter] = effects.outputs[DEAD_LETTERS, 3]
    assert (letter.key, effects.postings) == (b"acme", [])


def test_empty_record_is_a_dead_letter() -> None:
    """A tombstone has no meaning here."""
    record = MemoryRecord(None, headers=(("plaudit-seq", b"1"),))

    effects = stage().process(run(record), {})

    assert len(effects.outputs[DEAD_LETTERS, 3]) == 1


def test_repeated_leg_is_a_dead_letter() -> None:
    """Two transfers with one place can't both be stored."""
    bad = encode_json(transaction(transfers=(transfer(), transfer())))

    effects = stage().process(run(sequenced(bad, 1)), {})

    assert effects.counts == {"invalid_record": 1}


def test_backslash_before_a_written_null_is_text() -> None:
    r"""`\u0000` spelled out in somebody's name is six characters, not a null."""
    decoded = decode_posted(VALID.replace(b'"merged"', b'"\\\\u0000"'))

    assert decoded.transfers[0].cause == "\\u0000"


async def test_run_is_delivered_in_order_with_one_instant() -> None:
    """The sink gets the partition, the transactions and when they were recorded."""
    ledger = ListLedger()
    core = stage(ledger)
    given = run(*(sequenced(VALID, seq) for seq in (4, 5, 9)))
    effects = core.process(given, {})

    await core.deliver(given, effects)

    [(partition, postings, recorded_at)] = ledger.batches
    assert (partition, [posting.seq for posting in postings], recorded_at) == (3, [4, 5, 9], INSTANT)
    assert postings[0].transaction == decode_posted(VALID)
    assert effects.counts == {"accepted": 2, "redelivered": 1}


async def test_delivery_that_fails_counts_nothing() -> None:
    """The shell tries again with the same effects; only what was committed is counted."""
    core = stage(ListLedger(away=1))
    given = run(sequenced(VALID, 1), sequenced(VALID, 2))
    effects = core.process(given, {})

    with pytest.raises(TransientError):
        await core.deliver(given, effects)
    assert effects.counts == {}
    await core.deliver(given, effects)

    assert effects.counts == {"accepted": 1, "redelivered": 1}


async def test_effects_of_another_stage_are_a_defect() -> None:
    """Nothing is delivered in the place of what was not decoded."""
    with pytest.raises(InvariantBroken):
        await stage().deliver(run(sequenced(VALID, 1)), Effects(3))


async def test_stop_closes_the_sink() -> None:
    """The connection is given back."""
    ledger = ListLedger()

    await stage(ledger).stop()

    assert ledger.closed


async def test_a_question_is_answered_by_an_event_of_the_same_actor() -> None:
    """With an id that follows from the question, so that a repeat is a duplicate, and its trace."""
    ledger = ListLedger()
    asking = transaction(event_type="plaudit.reverse", transfers=(), ask=ReversalAsked("shop", "order-1"))
    headers = ((SEQ_HEADER, b"7"), (TRACE_HEADER, b"00-ab-cd-01"))
    record = MemoryRecord(encode_json(asking), offset=7, headers=headers)

    first, again = [await delivered(stage(ledger), run(record)) for _ in range(2)]

    [output] = first.outputs[EVENTS, 3]
    answer = decode_event(output.value or b"")
    assert first.outputs == again.outputs
    assert ledger.asked == [(3, TENANT, ACTOR, "shop", "order-1")] * 2
    assert (output.key, answer.type, answer.subject, answer.time) == (key(), REVERSAL_ANSWER, ACTOR, INSTANT)
    assert dict(output.headers) == {
        IDENTITY_HEADER: identity(TENANT, ANSWER_SOURCE, answer.id),
        TRACE_HEADER: b"00-ab-cd-01",
    }
    assert answer.data["command"]["id"] == "event-1"
    assert [each["amount"] for each in answer.data["transfers"]] == [10]


async def test_a_question_waits_for_a_database_that_is_away() -> None:
    """Nothing is answered from half of what there is."""
    asking = transaction(transfers=(), ask=ReversalAsked("shop", "order-1"))
    effects = (ledgers := stage(ListLedger(away=1))).process(run(sequenced(encode_json(asking), 7)), {})

    with pytest.raises(TransientError):
        await ledgers.deliver(run(), effects)

    assert effects.outputs == {}


async def delivered(ledgers: LedgerStage, batch: Run) -> Effects:
    """Return the effects of a run that was delivered."""
    effects = ledgers.process(batch, {})
    await ledgers.deliver(batch, effects)
    return effects


@pytest.mark.parametrize("stock", [1, 2])
async def test_a_claim_is_answered_with_what_was_decided(stock: int) -> None:
    """Under the name that it has been given, so that it is decided once."""
    ledger = ListLedger()
    asking = [encode_json(transaction(transfers=(), ask=StockAsked("mug", stock, claim))) for claim in ("one", "two")]

    effects = await delivered(stage(ledger), run(sequenced(asking[0], 7), sequenced(asking[1], 8)))

    answers = [decode_event(output.value or b"") for output in effects.outputs[EVENTS, 3]]
    assert [answer.type for answer in answers] == [STOCK_ANSWER] * 2
    assert [answer.data["granted"] for answer in answers] == [stock > 1] * 2
    assert [answer.data["claim"] for answer in answers] == [claim for *_, claim in ledger.asked] == ["one", "two"]
    assert len({answer.id for answer in answers}) == 2


async def test_a_piece_that_is_returned_needs_no_answer() -> None:
    """Its refund was posted already."""
    ledger = ListLedger()
    returned = encode_json(transaction(ask=StockReturned("mug", "claim-1")))

    effects = await delivered(stage(ledger), run(sequenced(returned, 7)))

    assert ledger.asked == [(3, TENANT, "", "mug", "claim-1")]
    assert effects.outputs.get((EVENTS, 3), []) == []
