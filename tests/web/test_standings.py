"""The standing of a season that is to be closed, read page by page from a worker whose board may still move."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import pytest

from pipeline.errors import TransientError
from pipeline.seasons.standings import standings
from pipeline.workers_client import WorkersClient
from sinks.ledger.seasons import Standing
from tests.builders import TENANT
from tests.web.workers import PARTITIONS, Worker, economy, serving, with_scores

WEEK = "2026-11-16"
BOARD = economy().boards["weekly"]
MEMBERS = 250  # two pages


class Moving(WorkersClient):
    """A client after each of whose questions something happens on the board."""

    def __init__(self, worker: Worker, after: Callable[[int], None]) -> None:
        super().__init__("leaderboards", worker.url)
        self._after = after
        self._asked = count(1)

    def get(self, parts: Sequence[str], query: Mapping[str, str]) -> Any:
        answer = super().get(parts, query)
        if parts[-1] != "splits":
            self._after(next(self._asked))
        return answer


def score(worker: Worker, actor: int, value: int) -> None:
    """Give an actor another score."""
    with_scores([worker], {("weekly", WEEK, "", f"actor{actor}"): (value, 0)})


async def read(after: Callable[[Worker, int], None]) -> Sequence[Standing]:
    """Return what is read from a board of actors with falling scores, while `after` happens to it."""
    async with serving("leaderboards", *range(PARTITIONS)) as worker:
        with_scores([worker], {("weekly", WEEK, "", f"actor{each}"): (1_000 - each, 0) for each in range(MEMBERS)})
        client = Moving(worker, lambda asked: after(worker, asked))
        return await asyncio.to_thread(lambda: list(standings(client, TENANT, BOARD, WEEK)))


async def test_a_standing_is_of_one_instant_though_its_pages_are_not() -> None:
    """Somebody comes from the second page to the top while the first is being read."""
    (found,) = await read(lambda worker, asked: score(worker, 240, 2_000) if asked == 1 else None)

    order = [240, *range(240), *range(241, MEMBERS)]
    assert [line.actor for line in found.lines] == [f"actor{each}" for each in order]
    assert [line.rank for line in found.lines] == list(range(1, MEMBERS + 1))


async def test_a_board_that_never_rests_has_no_standing() -> None:
    """Late events still come: the season is not closed over them."""
    with pytest.raises(TransientError, match="keeps changing"):
        await read(lambda worker, asked: score(worker, 0, 2_000 + asked))
