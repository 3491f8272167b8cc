"""Everything that the deployment left behind, as it stands in its topics and its database."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import psycopg
from aiokafka import ConsumerRecord

from pipeline.events import IDENTITY_HEADER, SEQ_HEADER, Event, decode_event, header
from pipeline.topology import (
    DEAD_LETTERS,
    EVENTS,
    EVENTS_RAW,
    EVENTS_UNIQUE,
    OUTCOMES,
    TRANSACTIONS,
    Topic,
    topic_name,
)
from tests.chaos.logs import read_topic


class Place(NamedTuple):
    """An event's place in `events`."""

    partition: int
    seq: int


class Accepted(NamedTuple):
    """A distinct event, where it stands first, and how often it stands there in all."""

    place: Place
    event: Event


class Refused(NamedTuple):
    """A dead letter; `place` is that of the event, or of the raw record if it never became one."""

    stage: str
    place: Place
    reason: str


class Evidence(NamedTuple):
    """What is known when all is done; repeats of a record are one entry."""

    raw: list[tuple[Place, bytes]]
    accepted: dict[tuple[str, str], Accepted]  # by tenant and id, in the order of the log
    unique: set[Place]
    transactions: set[Place]
    refused: set[Refused]
    outcomes: dict[str, set[tuple[str, str | None]]]  # by the command's id, without `duplicate`
    moved: dict[tuple[str, str], Counter[str]]  # by tenant and id: what the actor's account got, by currency
    complaints: list[str]
    records: dict[str, int]


def gather(broker: str, prefix: str, database: str) -> Evidence:
    """Read all topics and the ledger."""
    topics = {
        topic.name: read_topic(broker, topic_name(prefix, topic))
        for topic in (EVENTS_RAW, EVENTS, EVENTS_UNIQUE, TRANSACTIONS, DEAD_LETTERS, OUTCOMES)
    }
    complaints: list[str] = []
    return Evidence(
        raw=[(Place(each.partition, each.offset), each.value) for each in topics[EVENTS_RAW.name]],
        accepted=_accepted(topics[EVENTS.name]),
        unique=_distinct(EVENTS_UNIQUE, topics[EVENTS_UNIQUE.name], complaints),
        transactions=_distinct(TRANSACTIONS, topics[TRANSACTIONS.name], complaints),
        refused={_refused(each) for each in topics[DEAD_LETTERS.name]},
        outcomes=_outcomes(topics[OUTCOMES.name]),
        moved=_moved(database),
        complaints=complaints,
        records={name: len(records) for name, records in topics.items()},
    )


def _accepted(records: Iterable[ConsumerRecord]) -> dict[tuple[str, str], Accepted]:
    accepted: dict[tuple[str, str], Accepted] = {}
    for record in records:
        identity = header(record.headers, IDENTITY_HEADER)
        assert identity is not None
        tenant, _, name = identity.decode().split("\0")
        if (tenant, name) not in accepted:
            event = decode_event(record.value)
            accepted[tenant, name] = Accepted(Place(record.partition, record.offset), event)
    return accepted


def _distinct(topic: Topic, records: Iterable[ConsumerRecord], complaints: list[str]) -> set[Place]:
    """Return the distinct sequences of a topic; their first records must be in order, and all others repeat them."""
    values: dict[Place, bytes] = {}
    highest: dict[int, int] = defaultdict(lambda: -1)
    for record in records:
        place = Place(record.partition, _seq(record))
        if place not in values:
            if place.seq < highest[place.partition]:
                complaints.append(f"{topic.name}: {place} comes first after {highest[place.partition]}")
            values[place] = record.value
            highest[place.partition] = max(place.seq, highest[place.partition])
        elif values[place] != record.value:
            complaints.append(f"{topic.name}: two records of {place} differ: {values[place]!r} {record.value!r}")
    return set(values)


def _seq(record: ConsumerRecord) -> int:
    text = header(record.headers, SEQ_HEADER)
    assert text is not None
    return int(text)


def _refused(letter: ConsumerRecord) -> Refused:
    details = {name: value.decode() for name, value in letter.headers}
    offset = details.get(SEQ_HEADER, details["plaudit-offset"])
    return Refused(
        details["plaudit-stage"], Place(int(details["plaudit-partition"]), int(offset)), details["plaudit-reason"]
    )


def _outcomes(records: Iterable[ConsumerRecord]) -> dict[str, set[tuple[str, str | None]]]:
    outcomes: dict[str, set[tuple[str, str | None]]] = defaultdict(set)
    for record in records:
        outcome = msgspec.json.decode(record.value)
        if outcome["status"] != "duplicate":
            outcomes[outcome["id"]].add((outcome["status"], outcome.get("reason")))
    return outcomes


def _moved(database: str) -> dict[tuple[str, str], Counter[str]]:
    moved: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    query = "SELECT tenant, event_id, currency, amount, credit_account LIKE 'actor:%' FROM plaudit.transfers"
    with psycopg.connect(database) as connection:
        for tenant, name, currency, amount, gained in connection.execute(query):
            moved[tenant, name][currency] += amount if gained else -amount
    return moved
