"""Standings merged over shards, against a plain sorted list."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.economy import Tie
from tables.board_shards import BoardName, BoardShard, BoardShards, Move
from tables.boards import BoardKey, Standing, board_key, encode
from tables.order_index import OrderIndex, Place, place_of, read_place
from tests.memory import MemoryTable
from web import ranking
from web.questions import Answer, BoardWindow, Question, ShardRequest, answer, decode_answer, decode_request
from web.questions import encode as encode_message
from web.ranking import Entry, Ranking

BOARD = BoardWindow("acme", "weekly", "2026-11-16", "")
TIES: tuple[Tie, ...] = ("first", "shared")
# Few scores and times, so that there are ties of every kind.
MEMBERS = st.dictionaries(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=3),
    st.tuples(st.integers(-3, 3), st.integers(0, 2)),
    max_size=60,
)


class Shards:
    """Members spread over partitions, some of them behind a codec as those of another worker are."""

    def __init__(self, members: dict[str, tuple[int, int]], partitions: int, sources: int) -> None:
        self.partitions_ = partitions
        self.tables = [MemoryTable() for _ in range(partitions)]
        for actor, (score, reached) in members.items():
            key = board_key("acme", "weekly", "2026-11-16", None, actor)
            self.tables[self.partition_of(actor)].rows[key] = encode(Standing(1, score, reached, 1))
        self.shards = BoardShards()
        for partition, table in enumerate(self.tables):
            self.shards.open(partition, BoardShard.recovered(table))
        self.sources = [Asked(self, tuple(range(first, partitions, sources))) for first in range(sources)]

    def partition_of(self, actor: str) -> int:
        return len(actor.encode()) * 7 % self.partitions_

    def partition_for(self, key: bytes) -> int:
        return self.partition_of(key.decode().partition("|")[2])

    def view(self, _table: str, partition: int) -> MemoryTable:
        return self.tables[partition]


class Asked:
    """A source that sends its questions and answers through their codecs."""

    def __init__(self, shards: Shards, partitions: tuple[int, ...]) -> None:
        self.shards, self.partitions = shards, partitions

    async def ask(self, question: Question) -> Answer:
        request = decode_request(encode_message(ShardRequest(BOARD, self.partitions, question)))
        runtime: Any = self.shards
        return decode_answer(encode_message(answer(request, self.shards.shards, runtime)))


def expected(members: dict[str, tuple[int, int]], tie: Tie) -> list[Entry]:
    """Return the whole leaderboard, the plain way."""
    order = sorted((-score, reached, actor) for actor, (score, reached) in members.items())
    scores = [-score for score, _, _ in order]
    return [
        Entry(scores.index(-score) + 1 if tie == "shared" else index + 1, actor, -score)
        for index, (score, _, actor) in enumerate(order)
    ]


def run(page: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Return what a read of the board gives."""
    return asyncio.run(page())


@pytest.fixture(params=[500, 3], autouse=True)
def read_max(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Each property holds when pages are read from the top and when their begin is searched."""
    monkeypatch.setattr(ranking, "_READ_MAX", request.param)
    return int(request.param)


LAYOUT = st.tuples(st.integers(1, 5), st.integers(1, 3)).map(lambda layout: (max(layout), min(layout)))


@settings(deadline=None)
@given(members=MEMBERS, layout=LAYOUT, tie=st.sampled_from(TIES), offset=st.integers(0, 70), limit=st.integers(1, 20))
def test_page_is_a_slice_of_the_whole_board(
    members: dict[str, tuple[int, int]], layout: tuple[int, int], tie: Tie, offset: int, limit: int
) -> None:
    """Whichever way the members are spread, a page shows what a single sorted list would."""
    board = Ranking(Shards(members, *layout).sources, tie)

    page = run(lambda: board.page(offset, limit))

    assert page == expected(members, tie)[offset : offset + limit]
    assert board.size == len(members)


@settings(deadline=None)
@given(
    members=MEMBERS.filter(bool),
    layout=LAYOUT,
    tie=st.sampled_from(TIES),
    limit=st.integers(1, 20),
    data=st.data(),
)
def test_neighbourhood_holds_the_actor_in_its_middle(
    members: dict[str, tuple[int, int]], layout: tuple[int, int], tie: Tie, limit: int, data: st.DataObject
) -> None:
    """A page around an actor is full where the board allows it, and shows the actor's rank."""
    actor = data.draw(st.sampled_from(sorted(members)))
    board = Ranking(Shards(members, *layout).sources, tie)

    offset, page = run(lambda: board.around(actor, limit))

    whole = expected(members, tie)
    index = next(index for index, entry in enumerate(whole) if entry.actor == actor)
    assert page == whole[offset : offset + limit]
    assert len(page) == min(limit, len(whole))
    assert whole[index] in page
    if (limit - 1) // 2 <= index < len(whole) - limit // 2:
        assert index - offset == (limit - 1) // 2


@given(members=MEMBERS, layout=LAYOUT)
def test_actor_who_is_not_on_the_board_has_no_neighbourhood(
    members: dict[str, tuple[int, int]], layout: tuple[int, int]
) -> None:
    """Nobody is invented."""
    board = Ranking(Shards(members, *layout).sources, "first")

    assert run(lambda: board.around("nobody here", 5)) == (0, [])


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1), st.text(max_size=5))))
def test_byte_order_of_places_is_board_order(places: Sequence[tuple[int, int, str]]) -> None:
    """Best score, then earlier, then the smaller name: over the whole range of 64 bits."""
    packed = sorted(place_of(score, reached, actor.encode()) for score, reached, actor in places)

    plain = sorted(places, key=lambda place: (-place[0], place[1], place[2]))
    assert [read_place(place) for place in packed] == [Place(*place) for place in plain]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(-5, 5), st.integers(0, 3)), max_size=60),
)
def test_moved_members_stand_where_a_rebuild_puts_them(moves: list[tuple[str, int, int]]) -> None:
    """An order that followed every change equals the one that is built from what remains."""
    shard, present = BoardShard(), dict[str, bytes]()

    for actor, score, reached in moves:
        new = place_of(score, reached, actor.encode())
        shard.move(BoardKey("acme", "weekly", "all", "", actor), Move(present.get(actor), new))
        present[actor] = new

    order = shard.order(BoardName("acme", "weekly"), "all", "")
    assert order.page(b"", 100) == OrderIndex(present.values()).page(b"", 100)
    assert len(order) == len(present)
