"""Holds a world at peace against the oracle: every output, the ledger, what it was asked, and what workers know."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.events import ANSWER_SOURCE, header
from pipeline.topology import EVENTS, EVENTS_RAW
from tests.simulation.check_answers import of_answers, of_stock
from tests.simulation.check_outputs import letters, of_outputs
from tests.simulation.check_ranks import of_ranks
from tests.simulation.check_seasons import of_seasons
from tests.simulation.check_state import of_owners, of_recovery, of_served
from tests.simulation.compared import compared
from tests.simulation.oracle.loop import Oracle
from tests.simulation.oracle.state import Expected, Moved, Posted, positive
from tests.simulation.worker import MARGIN_S, PARTITIONS, RETENTION_DAYS, WINDOWS_KEPT
from tests.simulation.world import World

_SHOWN = 6


async def differences(world: World) -> list[str]:
    """Return what is not as it must be; the first of them, if there are many."""
    if world.problems:
        return world.problems
    oracle = Oracle(world.publications, round(MARGIN_S * 1000), RETENTION_DAYS, WINDOWS_KEPT)
    found: list[str] = list(_of_normalize(world))
    expected: dict[int, Expected] = {}
    for number in range(PARTITIONS):
        log = world.broker.log(EVENTS.name, number).records
        mine = expected[number] = oracle.expect((each.offset, each.timestamp, each.value or b"") for each in log)
        found += of_outputs(world, number, mine)
        found += _of_ledger(world, number, mine)
        found += of_answers(number, mine)
        found += of_served(world, number, mine)
        found += of_owners(world, number, mine)
    found += _of_balances(world, expected.values())
    found += of_stock(world.database, expected)
    found += of_ranks(world, oracle, expected) if world.watched else []
    found += of_seasons(world, oracle, expected)
    world.end()
    for number, mine in expected.items():
        found += await of_recovery(world, number, mine)
    return found if len(found) <= _SHOWN else [*found[:_SHOWN], f"… and {len(found) - _SHOWN} more"]


def _of_normalize(world: World) -> Iterator[str]:
    """Every event that was sent is in `events`, an actor's in the order of their first sending; the rest is refused."""
    sent: dict[Any, None] = {}
    garbage = 0
    events = {each.value: each for each in world.sent}
    for number in range(PARTITIONS):
        for record in world.broker.log(EVENTS_RAW.name, number).records:
            assert record.value is not None
            event = events[record.value]
            if event.identity is None:
                garbage += 1
            else:
                sent[event.identity] = None
    logged = {
        name
        for number in range(PARTITIONS)
        for record in world.broker.log(EVENTS.name, number).records
        if (name := header(record.headers, "plaudit-identity") or b"").split(b"\0")[1] != ANSWER_SOURCE.encode()
    }
    for identity in sent:
        if "\0".join(identity).encode() not in logged:
            yield f"event {identity} is lost before `events`"
    if len(logged) != len(sent):
        yield f"`events` holds {len(logged)} distinct events, {len(sent)} were sent"
    refused = {(topic, place) for topic, place, _, _ in letters(world, "normalize")}
    if len(refused) != garbage:
        yield f"{len(refused)} records were refused by normalize, {garbage} must be"


def _of_ledger(world: World, number: int, expected: Expected) -> Iterator[str]:
    posted = {
        (row.seq, row.leg): Posted(
            row.tenant,
            row.event_source,
            row.event_id,
            row.event_type,
            row.occurred_at,
            row.actor,
            Moved(row.debit_account, row.credit_account, row.currency, row.amount, row.kind, row.cause),
            row.revision,
        )
        for row in world.database.transfers.values()
        if row.partition == number
    }
    yield from compared(f"transfers of {number}", posted, expected.transfers)


def _of_balances(world: World, expected: Iterable[Expected]) -> Iterator[str]:
    """The balances are the sums of the transfers, and those of actors what their profiles say."""
    sums: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in world.database.transfers.values():
        sums[row.tenant, row.debit_account, row.currency] -= row.amount
        sums[row.tenant, row.credit_account, row.currency] += row.amount
    yield from compared("balances", world.database.balances(), dict(sums))
    actors = {
        (who[0], f"actor:{who[1]}", currency): amount
        for mine in expected
        for who, actor in mine.actors.items()
        for currency, amount in positive(actor.balances).items()
    }
    mine = {key: amount for key, amount in sums.items() if key[1].startswith("actor:") and amount}
    yield from compared("balances of actors", mine, actors)
