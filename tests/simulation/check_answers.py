"""Holds the conversation of match and ledger against the oracle: each question answered once, and rightly."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tests.simulation.compared import compared
from tests.simulation.database import Database, Decided
from tests.simulation.oracle.state import Expected, Posted, Question

_NEEDS_NONE = "stock_returned"


def of_answers(number: int, expected: Expected) -> Iterator[str]:
    """Every question has one answer, however often it was asked and answered; nothing else has any."""
    for question, answer_seq, answer in _pairs(number, expected):
        if answer is None:
            yield f"events/{number}: {question} has no answer"
        elif question is None:
            yield f"events/{number}: nobody asked for the answer of {answer_seq}, {answer['data']}"
        else:
            told = {**answer["data"]["command"], "time": datetime.fromisoformat(answer["data"]["command"]["time"])}
            command = {"source": question.source, "id": question.id, "type": question.type, "time": question.time}
            yield from compared(f"events/{number}: the command of the answer of {answer_seq}", told, command)
            if question.ask["type"] == "reversal":
                yield from _of_reversal(number, expected, question, answer_seq, answer["data"])
    for who, actor in expected.actors.items():
        if actor.waiting:
            yield f"{who} waits for ever: {actor.waiting}"


def _pairs(number: int, expected: Expected) -> Iterator[tuple[Question | None, int, dict[str, Any] | None]]:
    """Yield each question with the first of its answers: those of one command in the order of the log."""
    questions: dict[Any, list[Question]] = defaultdict(list)
    answers: dict[Any, dict[str, tuple[int, dict[str, Any]]]] = defaultdict(dict)
    for question in expected.questions:
        if question.ask["type"] != _NEEDS_NONE:
            questions[question.who, question.source, question.id, question.ask["type"]].append(question)
    for seq, answer in expected.answers.items():
        command, who = answer["data"]["command"], (answer["tenant"], answer["subject"])
        kind = answer["type"].removeprefix("plaudit.answer.")
        answers[who, command["source"], command["id"], kind].setdefault(answer["id"], (seq, answer))
    for key in questions | answers:
        asked, said = questions[key], list(answers[key].values())
        for place in range(max(len(asked), len(said))):
            waiting = asked[place] if place < len(asked) else None
            yield (waiting, *said[place]) if place < len(said) else (waiting, -1, None)


def _of_reversal(
    number: int, expected: Expected, question: Question, answer_seq: int, said: Mapping[str, Any]
) -> Iterator[str]:
    """It names all that the event had moved before the question, and nothing that came after the answer."""
    where = f"events/{number}: the answer of {answer_seq} to {question.id}"
    yield from compared(f"{where}, asked", said["asked"], question.ask)
    moved = [
        (seq, posted)
        for (seq, _), posted in sorted(expected.transfers.items(), key=lambda each: each[0])
        if (posted.tenant, posted.actor) == question.who
        and (posted.source, posted.event_id) == (question.ask["source"], question.ask["id"])
    ]
    least = sum(seq < question.seq for seq, _ in moved)
    most = sum(seq < answer_seq for seq, _ in moved)
    count = len(said["transfers"])
    if not least <= count <= most:
        yield f"{where} names {count} transfers, not {least} to {most}"
    yield from compared(where, said["transfers"], [_as_said(posted) for _, posted in moved[:count]])
    yield from compared(f"{where}, event", said["event"], _origin(moved[0][1]) if count else None)


def _as_said(posted: Posted) -> dict[str, Any]:
    moved = posted.moved
    return {
        "debit_account": moved.debit,
        "credit_account": moved.credit,
        "amount": moved.amount,
        "currency": moved.currency,
    }


def _origin(posted: Posted) -> dict[str, Any]:
    time = posted.time.isoformat().replace("+00:00", "Z")
    return {"source": posted.source, "id": posted.event_id, "type": posted.event_type, "time": time}


def of_stock(database: Database, expected: Mapping[int, Expected]) -> Iterator[str]:
    """No piece was given twice, none refused while one was there, and all that are taken are somebody's."""
    asked: dict[tuple[str, str], Question] = {}  # by tenant and claim
    for number, mine in expected.items():
        for question, seq, answer in _pairs(number, mine):
            if question is not None and answer is not None and question.ask["type"] == "stock":
                said = answer["data"]
                asked[question.who[0], said["claim"]] = question
                claim = database.claims.get((question.who[0], said["claim"]))
                if claim is None or (claim.reward, claim.granted) != (said["reward"], said["granted"]):
                    yield f"events/{number}: the answer of {seq} says {said}, the ledger {claim}"
    taken: Counter[tuple[str, str]] = Counter()
    for each in database.decided:
        yield from _of_decision(each, taken, asked)
    held = Counter(
        (tenant, redemption.reward)
        for mine in expected.values()
        for (tenant, _), actor in mine.actors.items()
        for redemption in actor.redemptions
        if redemption.claim is not None and redemption.state == "active"
    )
    yield from compared("pieces taken", +Counter(database.taken), held)
    yield from compared("pieces taken, one by one", +taken, held)


def _of_decision(
    each: Decided, taken: Counter[tuple[str, str]], asked: Mapping[tuple[str, str], Question]
) -> Iterator[str]:
    """Follow a decision in `taken`."""
    stock = (each.tenant, each.reward)
    question = asked.get((each.tenant, each.claim))
    if question is None:
        yield f"nobody asked for what was decided: {each}"
    elif each.what != "returned" and (each.what == "granted") != (taken[stock] < question.ask["stock"]):
        yield f"{each}, when {taken[stock]} of {question.ask['stock']} were taken"
    taken[stock] += {"granted": 1, "refused": 0, "returned": -1}[each.what]
