"""P5: what a leaderboards worker needs for a page, a rank and a window around an actor, and for one more score.

A worker's own web views over boards of growing size, asked over loopback by one client at a time; and the order index
by itself, moved by events.
"""

import asyncio
import json
import random
import sys
import time
from bisect import bisect_left
from collections.abc import Callable
from typing import Any

from pipeline.recordbatch.run import collect_seldom
from tables.board_shards import BoardName
from tables.boards import SCORE_MAX
from tables.order_index import OrderIndex, place_of
from tests.builders import TENANT
from tests.end_to_end.deployment import PARTITIONS, ROOT
from tests.web.workers import serving, with_scores

_WINDOW = "2026-11-16"
_ASKED = 500
_MOVES = 20_000
_SEED = 1
_QUERIES = {
    "top 100": "limit=100",
    "a rank": "around=actor-{}&limit=1",
    "around an actor": "around=actor-{}&limit=100",
}


def measure(sizes: list[int], report: Callable[[str], None]) -> dict[str, Any]:
    """Return, for each size, the percentiles of each question in milliseconds and the cost of a move."""
    found = []
    for size in sizes:
        one = {
            "members": size,
            "questions": asyncio.run(_questions(size)),
            "move_us": _move_cost(size),
            "search_us": _search_cost(size),
        }
        report(f"boards: {size:,} members, a move {one['move_us']:.1f} µs, {one['questions']}")
        found.append(one)
    return {"sizes": found, "asked": _ASKED, "seed": _SEED}


async def _questions(members: int) -> dict[str, dict[str, float]]:
    async with serving("leaderboards", *range(PARTITIONS)) as worker:
        with_scores([worker], _scores(members))
        held = [worker.shards[partition].order(BoardName(TENANT, "weekly"), _WINDOW, "") for partition in worker.shards]
        assert sum(map(len, held)) == members
        collect_seldom()  # as in a worker
        url = f"{worker.url}/tables/boards/{TENANT}/weekly"
        return {name: percentiles(await _asked(url, query, members)) for name, query in _QUERIES.items()}


def _scores(members: int) -> dict[tuple[str, str, str, str], tuple[int, int]]:
    chance = random.Random(_SEED)
    return {
        ("weekly", _WINDOW, "", f"actor-{number}"): (chance.randrange(1_000_000), chance.randrange(1_000_000))
        for number in range(members)
    }


async def _asked(url: str, query: str, members: int) -> list[float]:
    """Let a client ask; return the seconds of each answer."""
    client = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench.figures.asker", url, f"window={_WINDOW}&{query}", str(members), str(_ASKED)),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    output, _ = await client.communicate()
    return [float(seconds) for seconds in json.loads(output)]


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return median and tail in milliseconds."""
    ordered = sorted(seconds)
    return {f"p{share:g}": ordered[int(len(ordered) * share / 100)] * 1000 for share in (50, 99)}


def _move_cost(members: int) -> float:
    """Return the microseconds of one move within an order of that size."""
    chance = random.Random(_SEED)
    names = [b"actor-%d" % number for number in range(members)]
    scores = [chance.randrange(1_000_000) for _ in names]
    order = OrderIndex(place_of(score, 0, name) for score, name in zip(scores, names, strict=True))
    moves = []
    for _ in range(_MOVES):
        number = chance.randrange(members)
        old = place_of(scores[number], 0, names[number])
        scores[number] = min(SCORE_MAX, scores[number] + chance.randrange(1, 100))
        moves.append((old, place_of(scores[number], 0, names[number])))
    start = time.perf_counter()
    for before, after in moves:
        order.move(before, after)
    return (time.perf_counter() - start) / _MOVES * 1e6


def _search_cost(members: int) -> float:
    """Return the microseconds of one binary search among as many places, which no ordered index could do without.

    It makes log2(n) comparisons, and costs more for each the less of the places is in the processor's caches.
    """
    chance = random.Random(_SEED)
    places = sorted(place_of(chance.randrange(1_000_000), 0, b"actor-%d" % number) for number in range(members))
    wanted = chance.choices(places, k=_MOVES)
    start = time.perf_counter()
    for place in wanted:
        bisect_left(places, place)
    return (time.perf_counter() - start) / _MOVES * 1e6
