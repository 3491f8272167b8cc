"""Facts about ranks: who entered or left the top, exact over all workers, told once."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from pipeline.errors import TransientError
from pipeline.events import Event, actor_key, decode_event, micros
from pipeline.recordbatch.model import Output
from tables.order_index import Place
from tests.builders import INSTANT, TENANT
from tests.web.workers import NOW_MS, Worker, open_shards, partition_for, serving, with_scores
from web.board_views import BoardViews
from web.economy import PresentEconomies
from web.peers import Peers
from web.questions import BoardWindow
from web.rank_changes import Ranked, rank_changes
from web.rank_watch import RankWatch

WEEK = "2026-11-16"
OF = BoardWindow(TENANT, "weekly", WEEK, "")
AT_US = micros(INSTANT)


class MemoryFacts:
    """The facts that were told, and the partitions they went to; `away` makes it refuse that many times."""

    def __init__(self, away: int = 0) -> None:
        self.told: list[tuple[int, Event]] = []
        self._away = away

    async def append(self, partition: int, records: Sequence[Output]) -> None:
        if self._away:
            self._away -= 1
            raise TransientError
        self.told += [(partition, decode_event(record.value or b"")) for record in records]

    async def stop(self) -> None:
        pass

    def take(self) -> list[tuple[str, str, int, int | None]]:
        """Return what was told since the last call: actor, change, top, rank."""
        taken, self.told = self.told, []
        return [(fact.subject, fact.data["change"], fact.data["top"], fact.data.get("rank")) for _, fact in taken]


def standing(*actors: str, reached: int = AT_US) -> list[Ranked]:
    """Return a top in which these actors follow each other."""
    return [Ranked(rank, Place(1_000 - rank, reached, actor)) for rank, actor in enumerate(actors, 1)]


def told(before: Sequence[Ranked], after: Sequence[Ranked]) -> list[tuple[str, str, int]]:
    """Return actor, change and top of each fact."""
    return [(each.subject, each.data["change"], each.data["top"]) for each in rank_changes(OF, before, after)]


MANY = [f"a{number:03}" for number in range(101)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [], []),
        (["a", "b"], ["b", "a"], []),
        ([], ["a"], [("a", "entered", 3)]),
        (["a", "b", "c"], ["x", "a", "b", "c"], [("x", "entered", 3), ("c", "left", 3)]),
        (MANY[:10], ["x", *MANY[:10]], [("x", "entered", 3), ("a002", "left", 3), ("a009", "left", 10)]),
        (MANY[:100], [*MANY[:99], "x"], [("x", "entered", 100), ("a099", "left", 100)]),
        (["a"], [], [("a", "left", 3)]),
        (MANY[:20], [*MANY[:3], MANY[19], *MANY[3:19]], [("a019", "entered", 10), ("a009", "left", 10)]),
    ],
)
def test_only_a_change_of_tops_is_told(
    before: list[str], after: list[str], expected: list[tuple[str, str, int]]
) -> None:
    """The narrowest that was entered, the narrowest that was left; moving within one is no news."""
    assert told(standing(*before), standing(*after)) == expected


def test_a_fact_says_all_and_its_id_follows_from_what_changed() -> None:
    """Two that see the same change tell it under one id; what changes later has another."""
    before, after = standing("a", "b", "c"), standing("b", "c", "x", reached=AT_US + 5)
    [fact] = [each for each in rank_changes(OF, before, after) if each.subject == "x"]
    again = [each.id for each in rank_changes(OF, before, after)]
    later = [each.id for each in rank_changes(OF, before, standing("b", "c", "x", reached=AT_US + 6))]

    assert (fact.type, fact.tenant, micros(fact.time)) == ("leaderboard.changed", TENANT, AT_US + 5)
    assert fact.data == {"board": "weekly", "window": WEEK, "change": "entered", "top": 3, "rank": 3, "score": 997}
    assert fact.id in again
    assert not set(again) & set(later)


@asynccontextmanager
async def watching(worker: Worker, facts: MemoryFacts) -> AsyncIterator[RankWatch]:
    """Give a watch as a worker has it."""
    present, peers = PresentEconomies(worker.economies, lambda: NOW_MS), Peers()
    views = BoardViews(worker.runtime, worker.shards, present, peers)
    yield RankWatch(worker.runtime, present, worker.economies.tenants, views.sources, facts)
    await peers.close()


async def test_changes_are_told_over_the_shards_of_all_workers() -> None:
    """To the partition of the actor, and once; what stood there before the first look is no news."""
    facts = MemoryFacts()
    scores = {("weekly", WEEK, "", actor): (points, 1) for actor, points in (("ada", 9), ("bob", 8), ("cid", 7))}
    async with (
        serving("leaderboards", 0, 3) as one,
        serving("leaderboards", 1, 2) as other,
        watching(one, facts) as ranks,
    ):
        with_scores([one, other], scores)
        await ranks.look()
        assert facts.take() == []

        with_scores([one, other], scores | {("weekly", WEEK, "", "dan"): (8, 2)})
        await ranks.look()
        partitions = [partition for partition, _ in facts.told]
        assert facts.take() == [("dan", "entered", 3, 3), ("cid", "left", 3, 4)]
        assert partitions == [partition_for(actor_key(TENANT, actor)) for actor in ("dan", "cid")]

        await ranks.look()
        assert facts.take() == []


async def test_a_fact_that_could_not_be_told_is_told_by_the_next_look() -> None:
    """The look that failed has seen nothing."""
    facts = MemoryFacts(away=1)
    async with serving("leaderboards", 0, 1, 2, 3) as worker, watching(worker, facts) as ranks:
        open_shards([worker])
        await ranks.look()
        with_scores([worker], {("weekly", WEEK, "", "ada"): (1, 1)})

        with pytest.raises(TransientError):
            await ranks.look()
        await ranks.look()

    assert facts.take() == [("ada", "entered", 3, 1)]


async def test_only_the_owner_of_the_first_partition_watches() -> None:
    """And begins anew when it gets that partition back."""
    facts = MemoryFacts()
    async with (
        serving("leaderboards", 0, 3) as one,
        serving("leaderboards", 1, 2) as other,
        watching(one, facts) as ranks,
        watching(other, facts) as idle,
    ):
        for scores in ({}, {("weekly", WEEK, "", "ada"): (1, 1)}):
            with_scores([one, other], scores)
            await idle.look()
        await ranks.look()
        mine = one.runtime.owned.pop(0)
        await ranks.look()
        one.runtime.owned[0] = mine
        with_scores([one, other], {("weekly", WEEK, "", "bob"): (2, 1)})
        await ranks.look()

    assert facts.take() == []
