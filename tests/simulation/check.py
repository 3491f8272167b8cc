"""Holds a world at peace against the oracle: ledger, profiles, boards, outcomes, dead letters, and every output."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pipeline.events import actor_key, header, micros, split_actor_key
from pipeline.recordbatch.model import StageCore
from pipeline.recordbatch.partitions import Partitions
from pipeline.recordbatch.shards import Shard
from pipeline.topology import (
    BOARDS,
    DEAD_LETTERS,
    EVENTS,
    EVENTS_RAW,
    EVENTS_UNIQUE,
    FACTS,
    LEADERBOARDS,
    MATCH,
    OUTCOMES,
    PROFILES,
    TRANSACTIONS,
    Stage,
    changelog_name,
)
from rules.profile import Profile
from tables import profiles
from tables.board_shards import BoardShard
from tables.order_index import START, read_place
from tests.simulation.broker import Client
from tests.simulation.disk import MemoryDisk
from tests.simulation.oracle import Actor, Expected, Known, Oracle
from tests.simulation.process import Process
from tests.simulation.worker import MARGIN_S, PARTITIONS, RETENTION_DAYS, WINDOWS_KEPT
from tests.simulation.world import World

_SHOWN = 6

Shards = Mapping[str, Shard]


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
        found += _of_outputs(world, number, mine)
        found += _of_ledger(world, number, mine)
        found += _of_served(world, number, mine)
        found += _of_owners(world, number, mine)
    found += _of_balances(world)
    world.end()
    for number, mine in expected.items():
        found += await _of_recovery(world, number, mine)
    return found if len(found) <= _SHOWN else [*found[:_SHOWN], f"… and {len(found) - _SHOWN} more"]


def _of_normalize(world: World) -> Iterator[str]:
    """Every event that was sent is in `events`, an actor's in the order of their first sending; the rest is refused."""
    sent: dict[Any, None] = {}
    garbage = 0
    for number in range(PARTITIONS):
        for record in world.broker.log(EVENTS_RAW.name, number).records:
            event = next((each for each in world.sent if each.value == record.value), None)
            assert event is not None
            if event.identity is None:
                garbage += 1
            else:
                sent[event.identity] = None
    logged = {
        header(record.headers, "plaudit-identity")
        for number in range(PARTITIONS)
        for record in world.broker.log(EVENTS.name, number).records
    }
    for identity in sent:
        if "\0".join(identity).encode() not in logged:
            yield f"event {identity} is lost before `events`"
    if len(logged) != len(sent):
        yield f"`events` holds {len(logged)} distinct events, {len(sent)} were sent"
    refused = {(topic, place) for topic, place, _, _ in _letters(world, "normalize")}
    if len(refused) != garbage:
        yield f"{len(refused)} records were refused by normalize, {garbage} must be"


def _letters(world: World, stage: str) -> Iterator[tuple[str, tuple[bytes | None, bytes | None], bytes | None, str]]:
    """Yield the dead letters of a stage: topic, place, sequence, reason."""
    for number in range(PARTITIONS):
        for record in world.broker.log(DEAD_LETTERS.name, number).records:
            named = dict(record.headers)
            if named["plaudit-stage"] == stage.encode():
                place = (named["plaudit-partition"], named["plaudit-offset"])
                yield named["plaudit-topic"].decode(), place, named.get("plaudit-seq"), named["plaudit-reason"].decode()


def _of_outputs(world: World, number: int, expected: Expected) -> Iterator[str]:
    """Without repeats, every output topic has the right sequences in order; a repeat says what the first one said."""
    firsts: dict[str, list[int]] = {}
    for topic in (EVENTS_UNIQUE, TRANSACTIONS, FACTS, OUTCOMES):
        said: dict[tuple[int, Any], bytes | None] = {}
        firsts[topic.name] = []
        for record in world.broker.log(topic.name, number).records:
            seq = int(header(record.headers, "plaudit-seq") or -1)
            which = msgspec.json.decode(record.value or b"")["id"] if topic is FACTS else None
            if seq not in firsts[topic.name]:
                firsts[topic.name].append(seq)
            if said.setdefault((seq, which), record.value) != record.value:
                yield f"{topic.name}/{number}: sequence {seq} was told twice, differently"
        if topic is not OUTCOMES and firsts[topic.name] != sorted(firsts[topic.name]):  # two stages write outcomes
            yield f"{topic.name}/{number}: sequences come in the order {firsts[topic.name]}"
    yield from _compared(f"{EVENTS_UNIQUE.name}/{number}", firsts[EVENTS_UNIQUE.name], expected.unique)
    paying = sorted({seq for seq, _ in expected.transfers})
    yield from _compared(f"{TRANSACTIONS.name}/{number}", firsts[TRANSACTIONS.name], paying)
    outcomes = {}
    for record in world.broker.log(OUTCOMES.name, number).records:
        outcome = msgspec.json.decode(record.value or b"")
        outcomes[int(header(record.headers, "plaudit-seq") or -1)] = (outcome["status"], outcome.get("reason"))
    yield from _compared(f"{OUTCOMES.name}/{number}", outcomes, expected.outcomes)
    refused = {
        int(seq or -1): reason
        for _, (partition, _), seq, reason in _letters(world, "match")
        if partition == b"%d" % number
    }
    yield from _compared(f"refused by match in {number}", refused, expected.refused)
    for stage in ("dedupe", "ledger", "leaderboards"):
        for letter in _letters(world, stage):
            yield f"{stage} refused {letter}"


def _of_ledger(world: World, number: int, expected: Expected) -> Iterator[str]:
    posted = {
        (row.seq, row.leg): (
            row.event_id,
            row.credit_account.removeprefix("actor:"),
            row.currency,
            row.amount,
            row.kind,
            row.cause,
            row.revision,
        )
        for row in world.database.transfers.values()
        if row.partition == number
    }
    wanted = {place: tuple(each) for place, each in expected.transfers.items()}
    yield from _compared(f"transfers of {number}", posted, wanted)


def _of_balances(world: World) -> Iterator[str]:
    """The balances are the sums of the transfers."""
    sums: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in world.database.transfers.values():
        sums[row.tenant, row.debit_account, row.currency] -= row.amount
        sums[row.tenant, row.credit_account, row.currency] += row.amount
    yield from _compared("balances", world.database.balances(), dict(sums))


def _of_served(world: World, number: int, expected: Expected) -> Iterator[str]:
    """Whatever a worker said of an actor was right after the event of the sequence that it named."""
    for served in world.served:
        who = split_actor_key(served.key)
        if who not in expected.history:
            continue
        profile = profiles.decode(served.value)
        known = [state for seq, state in expected.history[who] if seq <= profile.seq]
        if not known or _said(profile) != known[-1]:
            yield f"{served.worker} served at {served.at:.3f} a wrong profile of {who}: {_said(profile)}"
            return  # others follow from it


def _said(profile: Profile) -> Known:
    return Known(dict(profile.balances), profile.level, dict(profile.attributes))


def _of_owners(world: World, number: int, expected: Expected) -> Iterator[str]:
    """What the workers hold that serve a partition."""
    for stage in (MATCH, LEADERBOARDS):
        owner = world.owner(stage, number)
        if owner is None:
            yield f"nobody serves {stage.name}/{number}"
            continue
        yield from _of_rows(f"{owner.name}/{number}", owner.worker.partitions.owned[number].shards, stage, expected)
        if stage is LEADERBOARDS:
            yield from _of_board(f"{owner.name}/{number} in memory", owner.shards[number], expected)


async def _of_recovery(world: World, number: int, expected: Expected) -> list[str]:
    """What workers with an empty and with an old disk come to, from the compacted changelog."""
    found: list[str] = []
    for stage in (MATCH, LEADERBOARDS):
        for table in stage.tables:
            world.broker.log(changelog_name("", stage, table), number).compact()
        old = [slot.disk for slot in world.slots if slot.stage is stage]
        for name, disk in (("an empty disk", MemoryDisk()), ("an old disk", world.chance.choice(old))):
            shards = await _recovered(world, stage, number, disk)
            found += _of_rows(f"{stage.name}/{number} from {name}", shards, stage, expected)
    return found


async def _recovered(world: World, stage: Stage, number: int, disk: MemoryDisk) -> Shards:
    """Return the shards of a worker that has just opened a partition."""
    process = Process("late", world.chance)
    client = Client(world.broker, process, batch_records=3)
    names = {table.name: changelog_name("", stage, table) for table in stage.tables}
    partitions = Partitions(StageCore(), disk.of(process), stage.tables, names, stage.name)
    await partitions.assign([number], client, client)
    return partitions.owned[number].shards


def _of_rows(where: str, shards: Shards, stage: Stage, expected: Expected) -> Iterator[str]:
    if stage is LEADERBOARDS:
        yield from _of_board(where, BoardShard.recovered(shards[BOARDS.name]), expected)
        return
    found = {key: profiles.decode(value) for key, value in shards[PROFILES.name].items()}
    wanted = {actor_key(*who): states[-1][1] for who, states in expected.history.items()}
    yield from _compared(f"profiles of {where}", {key: _said(profile) for key, profile in found.items()}, wanted)
    limits = {key: _limits(profile) for key, profile in found.items()}
    yield from _compared(
        f"limits of {where}", limits, {key: _used(expected.actors[split_actor_key(key)]) for key in limits}
    )


def _limits(profile: Profile) -> dict[str, list[int]]:
    """Return what is used up of each limit, period by period."""
    uses = {key: msgspec.msgpack.decode(packed, type=dict[int, int]) for key, packed in profile.limits.items()}
    return {key: [periods[label] for label in sorted(periods)] for key, periods in uses.items()}


def _used(actor: Actor) -> dict[str, list[int]]:
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for rule, what, then, amount in actor.used:
        sums[f"{rule}:{what.removesuffix(':times')}"][then] += amount
    return {key: [periods[then] for then in sorted(periods)] for key, periods in sums.items()}


def _of_board(where: str, shard: BoardShard, expected: Expected) -> Iterator[str]:
    found = {
        (*name, window, split): [tuple(read_place(place)) for place in order.page(START, 1_000)]
        for name, board in shard.boards.items()
        for window, splits in board.orders.items()
        for split, order in splits.items()
    }
    wanted: dict[Any, list[tuple[int, int, str]]] = defaultdict(list)
    for name, rows in expected.boards.items():
        for (window, split, actor), (score, reached) in rows.items():
            wanted[(*name, window, split)].append((score, micros(reached), actor))
    for standings in wanted.values():
        standings.sort(key=lambda each: (-each[0], each[1], each[2]))
    yield from _compared(f"boards of {where}", found, dict(wanted))


def _compared(what: str, found: Any, wanted: Any) -> Iterator[str]:
    """Yield where two mappings or lists differ first."""
    if found == wanted:
        return
    if isinstance(found, dict):
        key = min((each for each in found.keys() | wanted.keys() if found.get(each) != wanted.get(each)), key=repr)
        yield f"{what}: {key} is {found.get(key)}, must be {wanted.get(key)}"
    else:
        yield f"{what}: {found}, must be {wanted}"
