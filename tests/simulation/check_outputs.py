"""Holds every output topic against the oracle."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from agents.match import SOURCE
from pipeline.events import header
from pipeline.topology import DEAD_LETTERS, EVENTS_UNIQUE, FACTS, OUTCOMES, TRANSACTIONS, Topic
from tests.simulation.check_bests import SaidOfBest, of_bests
from tests.simulation.compared import compared
from tests.simulation.oracle.state import Expected
from tests.simulation.worker import PARTITIONS
from tests.simulation.world import World


class _Said(NamedTuple):
    """A record of an output topic: its sequence, its bytes, and what they say."""

    seq: int
    value: bytes
    content: dict[str, Any]


def of_outputs(world: World, number: int, expected: Expected) -> Iterator[str]:
    """Without repeats, every output topic has the right sequences in order; a repeat says what the first one said."""
    unique, transactions, facts, outcomes = (
        [*_records(world, topic, number)] for topic in (EVENTS_UNIQUE, TRANSACTIONS, FACTS, OUTCOMES)
    )
    # Two stages write outcomes, and two write facts.
    bests = (SaidOfBest(*each) for each in facts if each.content["type"] == "leaderboard.personal_best")
    yield from of_bests(f"{FACTS.name}/{number}", bests, expected)
    facts = [each for each in facts if each.content["source"] == SOURCE]
    for topic, records in ((EVENTS_UNIQUE, unique), (TRANSACTIONS, transactions), (FACTS, facts), (OUTCOMES, outcomes)):
        yield from _of_repeats(f"{topic.name}/{number}", records, by_id=topic is FACTS, ordered=topic is not OUTCOMES)
    yield from compared(f"{EVENTS_UNIQUE.name}/{number}", sorted({each.seq for each in unique}), expected.unique)
    posting = {seq for seq, _ in expected.transfers} | {each.seq for each in expected.questions} | expected.scored
    yield from compared(f"{TRANSACTIONS.name}/{number}", {each.seq for each in transactions}, posting)
    asked = {each.seq: _asked(each.content["ask"]) for each in transactions if "ask" in each.content}
    yield from compared(f"asked in {number}", asked, {each.seq: each.ask for each in expected.questions})
    told = {seq: (said["id"], said["status"], said.get("reason")) for seq, _, said in outcomes}
    yield from compared(f"{OUTCOMES.name}/{number}", told, expected.outcomes)
    yield from _of_facts(number, facts, expected)
    refused = {
        int(seq or -1): reason
        for _, (partition, _), seq, reason in letters(world, "match")
        if partition == b"%d" % number
    }
    yield from compared(f"refused by match in {number}", refused, expected.refused)
    for stage in ("dedupe", "ledger", "leaderboards"):
        for letter in letters(world, stage):
            yield f"{stage} refused {letter}"


def _asked(ask: dict[str, Any]) -> dict[str, Any]:
    """Leave out how match calls a new claim: that it calls each by another name shows in the answers."""
    return {name: value for name, value in ask.items() if name != "claim" or ask["type"] != "stock"}


def _records(world: World, topic: Topic, number: int) -> Iterator[_Said]:
    for record in world.broker.log(topic.name, number).records:
        value = record.value or b""
        yield _Said(int(header(record.headers, "plaudit-seq") or -1), value, msgspec.json.decode(value))


def _of_repeats(where: str, records: list[_Said], *, by_id: bool, ordered: bool) -> Iterator[str]:
    firsts: list[int] = []
    said: dict[tuple[int, Any], bytes] = {}
    for seq, value, content in records:
        if seq not in firsts:
            firsts.append(seq)
        if said.setdefault((seq, content["id"] if by_id else None), value) != value:
            yield f"{where}: sequence {seq} was told twice, differently"
    if ordered and firsts != sorted(firsts):
        yield f"{where}: sequences come in the order {firsts}"


def _of_facts(number: int, facts: list[_Said], expected: Expected) -> Iterator[str]:
    types: dict[int, dict[str, str]] = defaultdict(dict)
    for seq, _, fact in facts:
        types[seq][fact["id"]] = fact["type"]
    told = {seq: sorted(each.values()) for seq, each in types.items()}
    yield from compared(f"{FACTS.name}/{number}", told, {seq: sorted(each) for seq, each in expected.facts.items()})


def letters(world: World, stage: str) -> Iterator[tuple[str, tuple[bytes | None, bytes | None], bytes | None, str]]:
    """Yield the dead letters of a stage: topic, place, sequence, reason."""
    for number in range(PARTITIONS):
        for record in world.broker.log(DEAD_LETTERS.name, number).records:
            named = dict(record.headers)
            if named["plaudit-stage"] == stage.encode():
                place = (named["plaudit-partition"], named["plaudit-offset"])
                yield named["plaudit-topic"].decode(), place, named.get("plaudit-seq"), named["plaudit-reason"].decode()
