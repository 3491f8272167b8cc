"""Holds what workers know, say, and recover against the oracle: profiles, limits, boards."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import msgspec

from pipeline.events import actor_key, split_actor_key
from pipeline.recordbatch.model import StageCore
from pipeline.recordbatch.partitions import Partitions
from pipeline.recordbatch.shards import Shard
from pipeline.recordbatch.waiting import WaitingRuns
from pipeline.topology import BOARDS, LEADERBOARDS, MATCH, PROFILES, Stage, changelog_name
from rules.profile import NO_GAME, Game, Profile
from tables import profiles
from tables.board_shards import BoardShard
from tables.order_index import START, read_place
from tests.simulation.broker import Client
from tests.simulation.check_bests import of_kept_bests
from tests.simulation.compared import compared
from tests.simulation.disk import MemoryDisk
from tests.simulation.oracle.state import Actor, Expected, Known, micros
from tests.simulation.process import Process
from tests.simulation.world import World

Shards = Mapping[str, Shard]


def of_served(world: World, number: int, expected: Expected) -> Iterator[str]:
    """Whatever a worker said of an actor was right after the event of the sequence that it named."""
    right: set[tuple[bytes, bytes | None]] = set()  # workers say the same again and again
    for served in world.served:
        who = split_actor_key(served.key)
        if who not in expected.history or (served.key, served.value) in right:
            continue
        right.add((served.key, served.value))
        profile = profiles.decode(served.value)
        known = [state for seq, state in expected.history[who] if seq <= profile.seq]
        if not known or _said(profile) != known[-1]:
            yield f"{served.worker} served at {served.at:.3f} a wrong profile of {who}: {_said(profile)}"
            return  # others follow from it


def _said(profile: Profile) -> Known:
    balances = {currency: amount for currency, amount in profile.balances.items() if amount}
    return Known(balances, profile.level, dict(profile.attributes), _game(profile.game or NO_GAME))


def _game(game: Game) -> dict[str, Any]:
    return {
        "streaks": {
            name: ([day for each in s.stretches for day in range(each.first, each.last + 1)], [*s.frozen], s.longest)
            for name, s in game.streaks.items()
        },
        "counts": sorted(game.counters.values()),
        "badges": {name: (badge.steps, badge.at_us, badge.given) for name, badge in game.badges.items()},
        "quests": {name: (quest.tasks, quest.started_us, quest.completed_us) for name, quest in game.quests.items()},
        "flags": {name: (flag.times, flag.at_us) for name, flag in game.flags.items()},
        "redemptions": [(each.reward, each.source, each.id, each.state, each.cost) for each in game.redemptions],
        "redeemed": {name: times for name, times in game.redeemed.items() if times},
        "reversed": len(set(game.reversed)),
    }


def of_owners(world: World, number: int, expected: Expected) -> Iterator[str]:
    """What the workers hold that serve a partition."""
    for stage in (MATCH, LEADERBOARDS):
        owner = world.owner(stage, number)
        if owner is None:
            yield f"nobody serves {stage.name}/{number}"
            continue
        yield from _of_rows(f"{owner.name}/{number}", owner.worker.partitions.owned[number].shards, stage, expected)
        if stage is LEADERBOARDS:
            yield from _of_board(f"{owner.name}/{number} in memory", owner.shards[number], expected)


async def of_recovery(world: World, number: int, expected: Expected) -> list[str]:
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
    partitions = Partitions(StageCore(), disk.of(process), stage.tables, names, stage.name, partial(WaitingRuns, 1, 1))
    await partitions.assign([number], client, client)
    return partitions.owned[number].shards


def _of_rows(where: str, shards: Shards, stage: Stage, expected: Expected) -> Iterator[str]:
    if stage is LEADERBOARDS:
        yield from _of_board(where, BoardShard.recovered(shards[BOARDS.name]), expected)
        yield from of_kept_bests(where, shards[BOARDS.name], expected)
        return
    found = {key: profiles.decode(value) for key, value in shards[PROFILES.name].items()}
    wanted = {actor_key(*who): states[-1][1] for who, states in expected.history.items()}
    yield from compared(f"profiles of {where}", {key: _said(profile) for key, profile in found.items()}, wanted)
    limits = {key: _limits(profile) for key, profile in found.items()}
    yield from compared(
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
    yield from compared(f"boards of {where}", found, dict(wanted))
