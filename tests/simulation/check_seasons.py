"""Holds the standings that were frozen against the oracle: each season once, with all that came before the closing."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from itertools import product
from typing import Any

from pipeline.events import from_millis
from pipeline.topology import EVENTS, EVENTS_RAW
from tests.simulation.compared import compared
from tests.simulation.database import Frozen
from tests.simulation.oracle.boards import window_of
from tests.simulation.oracle.loop import Oracle
from tests.simulation.oracle.state import Expected, Publication
from tests.simulation.world import World

Parts = dict[tuple[str, str], Frozen]  # by board and split
Members = dict[str, tuple[int, datetime]]  # by actor: score, reached
# Clocks of workers differ, and a revision may be known to take effect a little later than was meant.
_BLUR_MS = 1_000


def of_seasons(world: World, oracle: Oracle, expected: Mapping[int, Expected]) -> Iterator[str]:
    """What was frozen was due, is whole and right; what is due is frozen, if its windows are kept."""
    if world.closings is None:
        return
    closed: dict[tuple[str, str], Parts] = defaultdict(dict)
    for (tenant, season, board, split), frozen in world.database.frozen.items():
        closed[tenant, season][board, split] = frozen
    grace_ms = round(world.closings.grace_s * 1000)
    for (tenant, season), parts in closed.items():
        where = f"season {season} of {tenant}"
        yield from compared(f"closings of {where}", len({each.closed_at for each in parts.values()}), 1)
        closed_ms = _millis(next(iter(parts.values())).closed_at)
        if not any(due - _BLUR_MS <= closed_ms for due in _due(oracle.known(tenant), season, grace_ms)):
            yield f"{where} was closed before it was due"
        yield from _of_standings(where, world, oracle, tenant, season, parts, expected)
    tenant = world.closings.tenant
    for season in _left_open(world, oracle, tenant, grace_ms, expected):
        if (tenant, season) not in closed:
            yield f"season {season} of {tenant} is due, and nobody has closed it"


def _of_standings(
    where: str, world: World, oracle: Oracle, tenant: str, season: str, parts: Parts, expected: Mapping[int, Expected]
) -> Iterator[str]:
    window, boards = _window(oracle.known(tenant), season)
    call = next(iter(parts.values())).call
    certain = {number: _certain(world, number, call) for number in expected}
    yield from compared(f"boards of {where}", {board for board, _ in parts}, boards)
    for number, mine in expected.items():
        for (whose, board, dated, split), said in mine.seasonal.items():
            if (whose, dated) == (tenant, window) and said[0][0] < certain[number] and (board, split) not in parts:
                yield f"{where}: {board} {split!r} is not frozen, though {said[0][1]} was on it"
    for (board, split), frozen in parts.items():
        digest = _digest(tenant, season, board, split, frozen)
        yield from compared(f"{where}, {board} {split!r}", (frozen.actors, frozen.hash), (len(frozen.lines), digest))
        ways = [_states(mine, (tenant, board, window, split), certain[number]) for number, mine in expected.items()]
        right = [_ranked(members) for members in product(*ways)]
        if frozen.lines not in right:
            yield f"{where}: {board} {split!r} is frozen as {frozen.lines}, must be one of {right}"


def _certain(world: World, number: int, call: Any) -> int:
    """Return the offset in `events` up to which all that was appended at a closing's beginning reaches at most."""
    before = set()
    for raw, end in enumerate(call.raw):
        for record in world.broker.log(EVENTS_RAW.name, raw).records:
            if record.offset < end:
                before |= {each.identity for each in world.sent if each.value == record.value}
    certain: int = call.events[number]
    seen = set()
    for record in world.broker.log(EVENTS.name, number).records:
        event = json.loads(record.value or b"")
        identity = (event["tenant"], event["source"], event["id"])
        if identity in before and identity not in seen:
            certain = max(certain, record.offset + 1)
        seen.add(identity)
    return certain


def _states(mine: Expected, name: tuple[str, str, str, str], certain: int) -> list[Members]:
    """Return what a partition's part of a board was after all that is certain, and after each event that came then."""
    said = mine.seasonal.get(name, [])
    states: list[Members] = [{actor: (score, reached) for seq, actor, score, reached in said if seq < certain}]
    for seq, actor, score, reached in said:
        if seq >= certain:
            states.append(states[-1] | {actor: (score, reached)})
    return states


def _ranked(members: tuple[Members, ...]) -> list[tuple[int, str, int]]:
    order = sorted((-score, reached, actor) for part in members for actor, (score, reached) in part.items())
    return [(rank, actor, -score) for rank, (score, _, actor) in enumerate(order, 1)]


def _digest(tenant: str, season: str, board: str, split: str, frozen: Frozen) -> bytes:
    texts = [tenant, season, board, split, frozen.tie, *(str(each) for line in frozen.lines for each in line)]
    return sha256("".join(f"{len(text.encode())}:{text}" for text in texts).encode()).digest()


def _left_open(
    world: World, oracle: Oracle, tenant: str, grace_ms: int, expected: Mapping[int, Expected]
) -> Iterator[str]:
    """Yield the seasons that were due long before the end; but those whose windows are gone can't be closed."""
    until = world.settled_ms - _BLUR_MS
    revision = oracle.in_force(tenant, until)
    if revision is None or revision is not oracle.in_force(tenant, world.broker.now_ms()):
        return
    for season in revision.document["seasons"]:
        told = [each.effective for each in oracle.known(tenant) if _names(each, season["id"], season["until"])]
        window, boards = _window([revision], season["id"])
        due = max(_millis(datetime.fromisoformat(season["until"])), min(told)) + grace_ms
        kept = all(mine.expired.get((tenant, board), "") < window for mine in expected.values() for board in boards)
        if due < until and kept:
            yield season["id"]


def _names(revision: Publication, season: str, until: str) -> bool:
    """Return whether a revision has a season with this end."""
    return any((each["id"], each["until"]) == (season, until) for each in revision.document["seasons"])


def _due(known: list[Publication], season: str, grace_ms: int) -> Iterator[int]:
    """Yield from when on the season may be closed, by each revision."""
    for revision in known:
        for each in revision.document["seasons"]:
            if each["id"] == season:
                yield max(_millis(datetime.fromisoformat(each["until"])), revision.effective) + grace_ms


def _window(known: list[Publication], season: str) -> tuple[str, set[str]]:
    """Return how a season's window is called, and the boards that count in it: the same in each revision."""
    document = known[0].document
    first = next(each["from"] for each in document["seasons"] if each["id"] == season)
    window = window_of("season", document, datetime.fromisoformat(first))
    assert window is not None
    return window, {each["id"] for each in document["leaderboards"] if each["window"] == "season"}


def _millis(instant: datetime) -> int:
    return round((instant - from_millis(0)).total_seconds() * 1000)
