"""P5: what a leaderboards worker needs for a page, a rank and a window around an actor, and for one more score.

A worker's own web views over boards of growing size, asked over loopback by one client at a time; and the order index
by itself, moved by events; sizes take turns, since the machine's pace changes.
"""

import asyncio
import json
import random
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import partial
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
_ROUNDS = 9
_SEED = 1
_QUERIES = {
    "top 100": "limit=100",
    "a rank": "around=actor-{}&limit=1",
    "around an actor": "around=actor-{}&limit=100",
}


def measure(sizes: list[int], report: Callable[[str], None]) -> dict[str, Any]:
    """Return, for each size, the percentiles of each question in milliseconds and each round's cost of a move."""
    questions = []
    for size in sizes:
        questions.append(asyncio.run(_questions(size)))
        report(f"boards: {size:,} members, {questions[-1]}")
    boards = [_Board(size) for size in sizes]
    for _ in range(_ROUNDS):
        for board in boards:
            board.turn()
        report("boards: moves of " + ", ".join(f"{board.moves_us[-1]:.1f}" for board in boards) + " µs")
    found = [
        {"members": size, "questions": asked, "moves_us": board.moves_us, "searches_us": board.searches_us}
        for size, asked, board in zip(sizes, questions, boards, strict=True)
    ]
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


class _Board:
    """A board's order index of one size, to be moved and searched in turns with others; costs in microseconds."""

    def __init__(self, members: int) -> None:
        self._chance = random.Random(_SEED)
        self._scores = [self._chance.randrange(1_000_000) for _ in range(members)]
        self._places = sorted(map(self._place, range(members)))
        self._order = OrderIndex(self._places)
        self.moves_us: list[float] = []
        self.searches_us: list[float] = []

    def turn(self) -> None:
        """Time moves of members within the order, and bare binary searches, which no ordered index could do without.

        A search among the places makes log2(n) comparisons, and costs more for each the less of the places is in the
        processor's caches.
        """
        moves = [self._move(number) for number in self._chance.choices(range(len(self._scores)), k=_MOVES)]
        wanted = [(place,) for place in self._chance.choices(self._places, k=_MOVES)]
        self.moves_us.append(_each(self._order.move, moves))
        self.searches_us.append(_each(partial(bisect_left, self._places), wanted))

    def _move(self, number: int) -> tuple[bytes, bytes]:
        old = self._place(number)
        self._scores[number] = min(SCORE_MAX, self._scores[number] + self._chance.randrange(1, 100))
        return old, self._place(number)

    def _place(self, number: int) -> bytes:
        return place_of(self._scores[number], 0, b"actor-%d" % number)


def _each(act: Callable[..., object], on: Sequence[tuple[Any, ...]]) -> float:
    """Return the microseconds that one act takes."""
    start = time.perf_counter()
    for each in on:
        act(*each)
    return (time.perf_counter() - start) / len(on) * 1e6
