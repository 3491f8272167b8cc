"""Facts about ranks: who entered or left the top, exact over all workers, told once, whatever happens in between."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.events import Event, actor_key, decode_event, micros
from tables import tops
from tables.board_shards import BoardName
from tables.order_index import Place
from tables.tops import NOBODY, RankChange, Top, TopKey, top_key
from tests.builders import INSTANT, TENANT
from tests.web.workers import Worker, partition_for, serving, with_scores
from web.board_views import BoardViews
from web.economy import PresentEconomies
from web.peers import Peers
from web.rank_changes import Ranked, decided, facts, rank_changes
from web.rank_watch import RankWatch

GOLDEN = Path(__file__).parents[1] / "golden"
WEEK, NEXT_WEEK = "2026-11-16", "2026-11-23"
OF = TopKey(TENANT, "weekly", WEEK, "")
AT_US = micros(INSTANT)
HOME = partition_for(actor_key(TENANT, "weekly"))
MANY = [f"a{number:03}" for number in range(101)]


def standing(*actors: str, reached: int = AT_US) -> list[Ranked]:
    """Return a top in which these actors follow each other."""
    return [Ranked(rank, Place(1_000 - rank, reached, actor)) for rank, actor in enumerate(actors, 1)]


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
    ranks = {actor: rank for rank, actor in enumerate(before, 1)}

    changes = [(each.actor, each.change, each.top) for each in rank_changes(ranks, standing(*after))]

    assert changes == expected


def test_a_fact_says_all_and_its_id_follows_from_the_decision() -> None:
    """Told again it is the same; of the next decision about the window, and of another window, it is another."""
    first = decided(NOBODY, standing("a", "b", "c"), final=False)
    assert first is not None
    second = decided(first, standing("b", "c", "x", reached=AT_US + 5), final=False)
    assert second is not None

    [fact] = [each for each in facts(OF, second) if each.subject == "x"]

    assert (fact.type, fact.tenant, micros(fact.time)) == ("leaderboard.changed", TENANT, AT_US + 5)
    assert fact.data == {
        "board": "weekly", "window": WEEK, "change": "entered", "top": 3, "number": 2, "rank": 3, "score": 997,
    }  # fmt: skip
    assert fact in list(facts(OF, second))
    others = [*facts(OF, first), *facts(OF._replace(window="2026-11-09"), second)]
    assert fact.id not in {each.id for each in others}


def test_what_needs_no_telling_needs_no_row() -> None:
    """Ranks may change within the tops for as long as they like; a closed window forgets who stood there."""
    first = decided(NOBODY, standing("a", "b", "c"), final=False)
    assert first is not None

    assert decided(first, standing("c", "a", "b"), final=False) is None
    assert decided(first, standing("a", "b", "c"), final=True) == Top(1, 1, AT_US, (), closed=True)


def test_version_1_is_readable_for_ever() -> None:
    """What a released version has stored is decoded to the same values."""
    change = RankChange("ada", "entered", 3, 1, None, 42)
    [line] = (GOLDEN / "tops_v1.txt").read_text().splitlines()

    assert tops.decode(bytes.fromhex(line)) == Top(1, 7, 1_794_830_400_000_000, (("ada", 1),), (change,))


class Clock:
    """What time it is, in milliseconds since the epoch."""

    def __init__(self) -> None:
        self.now_ms = AT_US // 1_000

    def __call__(self) -> int:
        return self.now_ms


@asynccontextmanager
async def watching(worker: Worker, clock: Clock | None = None) -> AsyncIterator[RankWatch]:
    """Give a watch as a worker has it."""
    present, peers = PresentEconomies(worker.economies, clock or Clock()), Peers()
    views = BoardViews(worker.runtime, worker.shards, present, peers)
    yield RankWatch(worker.runtime, present, worker.economies.tenants, views.sources, "facts")
    await peers.close()


def told(worker: Worker) -> list[Event]:
    """Return what was told since the last call; each in the partition of its actor."""
    taken, worker.runtime.told = worker.runtime.told, []
    found = [decode_event(output.value or b"") for _, _, output in taken]
    assert [(topic, number) for topic, number, _ in taken] == [
        ("facts", partition_for(actor_key(TENANT, fact.subject))) for fact in found
    ]
    return found


def said(found: Sequence[Event]) -> list[tuple[str, str, int, int | None]]:
    """Return actor, change, top and rank of each fact, by actor."""
    return sorted((fact.subject, fact.data["change"], fact.data["top"], fact.data.get("rank")) for fact in found)


def scores(window: str = WEEK, **points: int) -> dict[tuple[str, str, str, str], tuple[int, int]]:
    """Return what actors have in a window of the weekly board."""
    return {("weekly", window, "", actor): (score, AT_US) for actor, score in points.items()}


async def test_changes_are_told_over_the_shards_of_all_workers() -> None:
    """By the owner of the partition of the board's name alone, and once."""
    async with (
        serving("leaderboards", HOME) as one,
        serving("leaderboards", *({0, 1, 2, 3} - {HOME})) as other,
        watching(one) as ranks,
        watching(other) as idle,
    ):
        with_scores([one, other], scores(ada=9, bob=8, cid=7))
        await ranks.look()
        first = said(told(one))
        with_scores([one, other], scores(dan=8))
        await ranks.look()
        await ranks.look()
        await idle.look()

        assert first == [("ada", "entered", 3, 1), ("bob", "entered", 3, 2), ("cid", "entered", 3, 3)]
        assert said(told(one)) == [("cid", "left", 3, 4), ("dan", "entered", 3, 3)]
        assert told(other) == []


async def test_a_watch_goes_on_from_what_was_last_told() -> None:
    """What changed while nobody watched is told, once, by whoever watches next."""
    async with serving("leaderboards", 0, 1, 2, 3) as worker:
        async with watching(worker) as ranks:
            with_scores([worker], scores(ada=9, bob=8, cid=7))
            await ranks.look()
        told(worker)
        with_scores([worker], scores(dan=10))

        for _ in range(2):
            async with watching(worker) as ranks:
                await ranks.look()

        assert said(told(worker)) == [("cid", "left", 3, 4), ("dan", "entered", 3, 1)]


async def test_what_was_decided_is_told_as_it_was_decided() -> None:
    """A crash between telling and remembering repeats the facts, ids and all, although the ranks have moved on."""
    async with serving("leaderboards", 0, 1, 2, 3) as worker, watching(worker) as ranks:
        with_scores([worker], scores(ada=9))
        worker.runtime.dies_after = ["rows", "outputs"]
        with pytest.raises(KeyError):
            await ranks.look()
        first = told(worker)
        with_scores([worker], scores(bob=10))

        await ranks.look()

        again = told(worker)
        assert said(first) == [("ada", "entered", 3, 1)]
        assert again[:1] == first
        assert said(again[1:]) == [("bob", "entered", 3, 1)]


async def test_what_the_changelog_did_not_take_is_not_told() -> None:
    """A worker that has lost the board decides nothing; nor does one whose shard was another's meanwhile."""
    async with serving("leaderboards", 0, 1, 2, 3) as worker, watching(worker) as ranks:
        with_scores([worker], scores(ada=9))
        worker.runtime.dies_after = ["nothing"]

        with pytest.raises(KeyError):
            await ranks.look()

        assert told(worker) == []
        assert worker.runtime.tops[HOME].rows == {}


async def test_a_window_that_is_over_is_looked_at_once_more() -> None:
    """Its last changes are told; after that it is closed, whatever late events do, even for a clock that is behind."""
    clock = Clock()
    async with serving("leaderboards", 0, 1, 2, 3) as worker, watching(worker, clock) as ranks:
        with_scores([worker], scores(ada=9))
        await ranks.look()
        with_scores([worker], scores(bob=8) | scores(NEXT_WEEK, cid=1))
        clock.now_ms += round(timedelta(days=7) / timedelta(milliseconds=1))
        told(worker)

        await ranks.look()
        closing = said(told(worker))
        with_scores([worker], scores(dan=99))
        clock.now_ms -= round(timedelta(days=7) / timedelta(milliseconds=1))
        await ranks.look()

        assert closing == [("bob", "entered", 3, 2), ("cid", "entered", 3, 1)]
        assert told(worker) == []


async def test_a_window_that_has_expired_is_forgotten() -> None:
    """An empty order would say that everybody left; nothing is told of it, and its row goes."""
    async with serving("leaderboards", 0, 1, 2, 3) as worker, watching(worker) as ranks:
        with_scores([worker], scores(ada=9))
        await ranks.look()
        told(worker)
        worker.shards[HOME].expire(BoardName(TENANT, "weekly"), WEEK)

        await ranks.look()

        assert told(worker) == []
        assert top_key(OF) not in worker.runtime.tops[HOME].rows
