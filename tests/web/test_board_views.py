"""Leaderboards over HTTP."""

from io import BytesIO
from json import dumps
from typing import Any
from urllib.parse import quote

import pytest

from pipeline.economies import EconomyFollower
from pipeline.revisions.reader import EconomyReader
from rules.board_windows import Season
from rules.economy import Board
from tables.boards import Expiry, encode, expiry_key
from tests.builders import TENANT
from tests.web.workers import PARTITIONS, MemoryEconomies, Status, Worker, economy, open_shards, serving, with_scores
from web.questions import BoardWindow, Locate, Page, ShardRequest, decode_answer
from web.questions import encode as encode_message

WEEK = "2026-11-16"
# Two pairs of equals: bob got there before ada, and dan and cid at the same time.
SCORES = {"ada": (30, 200), "bob": (30, 100), "cid": (20, 100), "dan": (20, 100), "eve": (10, 100), "a/b %2F": (5, 1)}


def rows(
    board: str = "weekly", window: str = WEEK, split: str = ""
) -> dict[tuple[str, str, str, str], tuple[int, int]]:
    """Return the scores of all actors on one board."""
    return {(board, window, split, actor): score for actor, score in SCORES.items()}


def lines(body: Any) -> list[tuple[int, str, int]]:
    """Return the entries of an answer."""
    return [(entry["rank"], entry["actor"], entry["score"]) for entry in body["entries"]]


ALL_FIRST = [(1, "bob", 30), (2, "ada", 30), (3, "cid", 20), (4, "dan", 20), (5, "eve", 10), (6, "a/b %2F", 5)]
ALL_SHARED = [(1, "bob", 30), (1, "ada", 30), (3, "cid", 20), (3, "dan", 20), (5, "eve", 10), (6, "a/b %2F", 5)]


@pytest.mark.parametrize(("board", "expected"), [("weekly", ALL_FIRST), ("shared", ALL_SHARED)])
async def test_either_worker_shows_the_whole_board(board: str, expected: list[tuple[int, str, int]]) -> None:
    """A board is exact over all shards, whichever worker is asked."""
    async with serving("leaderboards", 0, 3) as one, serving("leaderboards", 1, 2) as other:
        with_scores([one, other], rows(board))
        answers = [await worker.get(f"/tables/boards/acme/{board}") for worker in (one, other)]

    assert [(status, lines(body)) for status, body, _ in answers] == [(200, expected)] * 2
    assert {key: value for key, value in answers[0][1].items() if key != "entries"} == {
        "tenant": TENANT,
        "board": board,
        "window": WEEK,
        "split": None,
        "league": None,
        "tie": "first" if board == "weekly" else "shared",
        "size": 6,
        "offset": 0,
    }


async def test_worker_that_owns_nothing_answers_all_the_same() -> None:
    """There may be more workers than partitions."""
    async with serving("leaderboards", *range(PARTITIONS)) as owner, serving("leaderboards") as idle:
        with_scores([owner, idle], rows())
        _, body, _ = await idle.get("/tables/boards/acme/weekly?limit=2")

    assert lines(body) == ALL_FIRST[:2]


async def test_page_keeps_ranks() -> None:
    """A page further down goes on counting where the one before it ended."""
    async with serving("leaderboards", 0, 3) as one, serving("leaderboards", 1, 2) as other:
        with_scores([one, other], rows("weekly") | rows("shared"))
        _, first, _ = await one.get("/tables/boards/acme/weekly?offset=1&limit=2")
        _, shared, _ = await one.get("/tables/boards/acme/shared?offset=1&limit=3")
        status, beyond, _ = await one.get("/tables/boards/acme/weekly?offset=1000000000")

    assert lines(first) == ALL_FIRST[1:3]
    assert lines(shared) == ALL_SHARED[1:4]
    assert (status, lines(beyond), beyond["size"]) == (200, [], 6)


@pytest.mark.parametrize("actor", SCORES)
async def test_actor_is_shown_among_the_neighbours(actor: str) -> None:
    """A page around an actor holds it, on either worker."""
    async with serving("leaderboards", 0, 3) as one, serving("leaderboards", 1, 2) as other:
        with_scores([one, other], rows())
        for worker in (one, other):
            _, body, _ = await worker.get(f"/tables/boards/acme/weekly?limit=3&around={quote(actor, safe='')}")

            assert lines(body) == ALL_FIRST[body["offset"] : body["offset"] + 3]
            assert actor in [entry["actor"] for entry in body["entries"]]


async def test_actor_without_a_score_is_not_found() -> None:
    """Nobody is given a rank who has none."""
    async with serving("leaderboards", *range(PARTITIONS)) as worker:
        with_scores([worker], rows())
        status, body, _ = await worker.get("/tables/boards/acme/weekly?around=zoe")

    assert (status, body["type"], body["actor"]) == (404, "urn:plaudit:problem:actor-not-on-board", "zoe")


async def test_window_is_chosen_in_the_tenants_zone() -> None:
    """Now, before, by its first day, and the one that never closes."""
    async with serving("leaderboards", *range(PARTITIONS)) as worker:
        with_scores([worker], rows(window="2026-11-09") | rows("ever", "all"))
        shown = {}
        for query in ("", "?window=current", "?window=previous", "?window=2026-11-09"):
            _, body, _ = await worker.get(f"/tables/boards/acme/weekly{query}")
            shown[query] = (body["window"], body["size"])
        for query in ("", "?window=all", "?window=current"):
            _, body, _ = await worker.get(f"/tables/boards/acme/ever{query}")
            shown["ever" + query] = (body["window"], body["size"])

    assert shown == {
        "": (WEEK, 0),
        "?window=current": (WEEK, 0),
        "?window=previous": ("2026-11-09", 6),
        "?window=2026-11-09": ("2026-11-09", 6),
        "ever": ("all", 6),
        "ever?window=all": ("all", 6),
        "ever?window=current": ("all", 6),
    }


async def test_split_names_one_of_the_boards() -> None:
    """Each value of a split has a leaderboard of its own; the empty one too."""
    async with serving("leaderboards", *range(PARTITIONS)) as worker:
        with_scores([worker], rows("split", WEEK, "north") | {("split", WEEK, "", "zoe"): (1, 1)})
        _, north, _ = await worker.get("/tables/boards/acme/split?split=north&limit=1")
        _, empty, _ = await worker.get("/tables/boards/acme/split?split=")
        _, none, _ = await worker.get("/tables/boards/acme/split?split=south")

    assert (lines(north), north["split"]) == (ALL_FIRST[:1], "north")
    assert lines(empty) == [(1, "zoe", 1)]
    assert lines(none) == []


async def test_window_that_expired_in_one_shard_is_not_shown() -> None:
    """What is left of it in other shards would be a wrong number."""
    async with serving("leaderboards", 0, 3) as one, serving("leaderboards", 1, 2) as other:
        other.runtime.tables[1].rows[expiry_key(TENANT, "weekly")] = encode(Expiry(1, "2026-11-02", 9))
        with_scores([one, other], rows(window="2026-11-02") | rows(window="2026-11-09"))
        expired = await one.get("/tables/boards/acme/weekly?window=2026-11-02")
        kept = await one.get("/tables/boards/acme/weekly?window=2026-11-09")

    assert (expired[0], expired[1]["type"]) == (404, "urn:plaudit:problem:window-expired")
    assert (kept[0], kept[1]["size"]) == (200, 6)


async def recovering(one: Worker, other: Worker) -> None:
    """Let a partition be read from its changelog."""
    other.runtime.owned[1] = Status(1, "recovering", 3, 9)


async def closed(one: Worker, other: Worker) -> None:
    """Take a shard's order away before its partition."""
    other.shards.close(1)


async def moved(one: Worker, other: Worker) -> None:
    """Take a partition away from a worker that the others still take for its owner."""
    other.runtime.owned.pop(1)
    other.shards.close(1)


async def ownerless(one: Worker, other: Worker) -> None:
    """Let a partition be nobody's, as in a rebalance."""
    del one.runtime.owners[1], other.runtime.owners[1]
    other.runtime.owned.pop(1)


@pytest.mark.parametrize("happening", [recovering, closed, moved, ownerless])
async def test_board_with_a_missing_shard_is_unavailable(happening: Any) -> None:
    """Without every shard there is no exact answer, on any worker, and so there is none."""
    async with serving("leaderboards", 0, 3) as one, serving("leaderboards", 1, 2) as other:
        with_scores([one, other], rows())
        await happening(one, other)
        answers = [await worker.get("/tables/boards/acme/weekly") for worker in (one, other)]

    assert [(status, headers["Retry-After"]) for status, _, headers in answers] == [(503, "1")] * 2


@pytest.mark.parametrize("ended", [False, True], ids=["not begun", "stopped"])
async def test_worker_that_does_not_follow_the_economies_says_so(*, ended: bool) -> None:
    """The web server is there before the worker follows anything, and still there when it follows nothing any more."""
    follower = EconomyFollower(EconomyReader("127.0.0.1:1", "economies"), margin_s=1.0)
    if ended:
        await follower.start()
        await follower.stop()
    async with serving("leaderboards", *range(PARTITIONS), economies=follower) as worker:
        with_scores([worker], rows())
        status, body, headers = await worker.get("/tables/boards/acme/weekly")

    assert (status, body["type"], headers["Retry-After"]) == (503, "urn:plaudit:problem:economies-unknown", "1")


async def test_recovery_says_how_far_it_is() -> None:
    """Who waits can see that it goes on."""
    async with serving("leaderboards", *range(PARTITIONS)) as worker:
        open_shards([worker])
        worker.runtime.owned[2] = Status(2, "recovering", 3, 9, 5)
        _, body, _ = await worker.get("/tables/boards/acme/weekly")

    assert body["type"] == "urn:plaudit:problem:recovering"
    assert body["detail"] == "1 partitions are recovering: 3 of 9 records are read"
    assert body["partitions"] == [{"partition": 2, "state": "recovering", "recovered": 3, "target": 9, "lag": 5}]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("weekly?limit=0", 400, "invalid-parameter"),
        ("weekly?limit=201", 400, "invalid-parameter"),
        ("weekly?limit=ten", 400, "invalid-parameter"),
        ("weekly?limit=-1", 400, "invalid-parameter"),
        ("weekly?limit=%D9%A1", 400, "invalid-parameter"),  # a digit, but not one of ours
        ("weekly?limit=1&limit=2", 400, "invalid-parameter"),
        ("weekly?limits=1", 400, "invalid-parameter"),
        ("weekly?offset=-1", 400, "invalid-parameter"),
        ("weekly?offset=99999999999999999999999", 400, "invalid-parameter"),
        ("weekly?offset=1&around=ada", 400, "invalid-parameter"),
        ("weekly?around=", 400, "invalid-parameter"),
        ("weekly?around=a%00b", 400, "invalid-parameter"),
        ("weekly?around=" + "x" * 257, 400, "invalid-parameter"),
        ("weekly?window=", 400, "invalid-parameter"),
        ("weekly?window=2026-11-17", 400, "invalid-parameter"),  # a Tuesday
        ("weekly?window=2026-W47-1", 400, "invalid-parameter"),
        ("weekly?window=20261116", 400, "invalid-parameter"),
        ("weekly?window=2026-02-30", 400, "invalid-parameter"),
        ("weekly?window=all", 400, "invalid-parameter"),
        ("weekly?window=%00", 400, "invalid-parameter"),
        ("weekly?split=north", 400, "invalid-parameter"),
        ("split", 400, "invalid-parameter"),
        ("split?split=a%00b", 400, "invalid-parameter"),
        ("split?split=" + "x" * 1025, 400, "invalid-parameter"),
        ("ever?window=previous", 400, "invalid-parameter"),
        ("ever?window=2026-11-16", 400, "invalid-parameter"),
        ("nothing", 404, "unknown-board"),
        ("x" * 129, 400, "invalid-parameter"),
        ("a%00b", 400, "invalid-parameter"),
        ("", 404, "no-such-route"),
    ],
)
async def test_bad_input_is_refused(path: str, status: int, code: str) -> None:
    """Each mistake is named, and none is a failure of the worker."""
    async with serving("leaderboards", *range(PARTITIONS)) as worker:
        with_scores([worker], rows())
        answered, body, _ = await worker.get(f"/tables/boards/acme/{path}")

    assert (answered, body["type"]) == (status, f"urn:plaudit:problem:{code}")


async def test_unknown_tenant_is_not_found() -> None:
    """A tenant without an economy has no boards."""
    async with serving("leaderboards", *range(PARTITIONS), economies=MemoryEconomies({})) as worker:
        status, body, _ = await worker.get("/tables/boards/acme/weekly")

    assert (status, body["type"]) == (404, "urn:plaudit:problem:unknown-tenant")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\xff\xff", 400),
        (encode_message({"of": 1}), 400),
        (encode_message(ShardRequest(BoardWindow(TENANT, "weekly", WEEK, ""), (0,), Page(b"", 10**9))), 400),
        (encode_message(ShardRequest(BoardWindow(TENANT, "weekly", WEEK, ""), (99,), Page(b"", 1))), 503),
        (b"x" * (2 << 20), 413),
    ],
)
async def test_bad_question_of_a_worker_is_refused(body: bytes, status: int) -> None:
    """The route between workers is as careful as the others."""
    async with serving("leaderboards", *range(PARTITIONS)) as worker:
        open_shards([worker])
        answered, problem, _ = await worker.get("/tables/shards", "POST", data=BytesIO(body))

    assert (answered, problem["status"]) == (status, status)


async def test_question_about_another_workers_actor_finds_nobody() -> None:
    """Each worker speaks for its own partitions only."""
    question = Locate("ada")
    async with serving("leaderboards", 0, 3) as one, serving("leaderboards", 1, 2) as other:
        with_scores([one, other], rows())
        found = []
        for worker in (one, other):
            body = ShardRequest(BoardWindow(TENANT, "weekly", WEEK, ""), tuple(worker.runtime.owned), question)
            _, answer, _ = await worker.get("/tables/shards", "POST", data=encode_message(body))
            found.append(len(decode_answer(answer).places))

    assert sorted(found) == [0, 1]


async def test_other_methods_are_not_allowed() -> None:
    """Boards are read, and workers' questions are posted."""
    async with serving("leaderboards", *range(PARTITIONS)) as worker:
        answers = [
            await worker.get("/tables/boards/acme/weekly", "POST"),
            await worker.get("/tables/shards", "GET"),
            await worker.get("/tables/shards", "DELETE"),
        ]

    assert [(status, body["type"]) for status, body, _ in answers] == [
        (405, "urn:plaudit:problem:method-not-allowed")
    ] * 3


async def test_economy_in_force_now_names_the_boards() -> None:
    """A board that the present revision no longer has is not shown, though its rows remain."""
    async with serving(
        "leaderboards", *range(PARTITIONS), economies=MemoryEconomies({TENANT: economy(boards={})})
    ) as worker:
        with_scores([worker], rows())
        status, body, _ = await worker.get("/tables/boards/acme/weekly")

    assert (status, body["type"]) == (404, "urn:plaudit:problem:unknown-board")


async def test_actors_are_ranked_among_themselves() -> None:
    """Friends, for example, over the shards of all workers; who has no score is left out, who is named twice is one."""
    names = quote(dumps(["eve", "dan", "cid", "nobody", "eve"]))
    async with serving("leaderboards", 0, 3) as one, serving("leaderboards", 1, 2) as other:
        with_scores([one, other], rows("weekly") | rows("shared"))
        answers = [
            await worker.get(f"/tables/boards/acme/{board}?members={names}")
            for worker in (one, other)
            for board in ("weekly", "shared")
        ]
        _, page, _ = await one.get(f"/tables/boards/acme/weekly?members={names}&offset=1&limit=1")

    first, shared = [(1, "cid", 20), (2, "dan", 20), (3, "eve", 10)], [(1, "cid", 20), (1, "dan", 20), (3, "eve", 10)]
    assert [lines(body) for _, body, _ in answers] == [first, shared] * 2
    assert {body["size"] for _, body, _ in answers} == {3}
    assert lines(page) == first[1:2]


async def test_many_actors_are_named_in_a_body() -> None:
    """More than a URL has room for; the rest of the question is the same."""
    names = dumps([f"nobody-{number}" for number in range(2_045)] + ["eve", "dan", "cid"])
    async with serving("leaderboards", 0, 3) as one, serving("leaderboards", 1, 2) as other:
        with_scores([one, other], rows("shared"))
        path = "/tables/boards/acme/shared/among"
        _, body, _ = await one.get(path, "POST", data=names)
        _, page, _ = await other.get(f"{path}?offset=1&limit=1", "POST", data=names)
        wrong = [
            await one.get(path, "POST", data=data)
            for data in (b"", b"\xff", b"{}", b"[1]", b'[""]', dumps([str(number) for number in range(2_049)]))
        ]
        unknown, _, _ = await one.get(f"{path}?members=[]", "POST", data=names)

    assert lines(body) == [(1, "cid", 20), (1, "dan", 20), (3, "eve", 10)]
    assert (lines(page), page["size"]) == (lines(body)[1:2], 3)
    assert [(status, "invalid-parameter" in problem["type"]) for status, problem, _ in wrong] == [(400, True)] * 6
    assert unknown == 400


async def test_league_is_a_part_of_its_own() -> None:
    """What its actors earned in it, with ranks among them."""
    gold = {("weekly", WEEK, "league=gold", actor): SCORES[actor] for actor in ("bob", "eve")}
    async with serving("leaderboards", 0, 3) as one, serving("leaderboards", 1, 2) as other:
        with_scores([one, other], rows() | gold)
        _, body, _ = await one.get("/tables/boards/acme/weekly?league=gold")
        _, empty, _ = await other.get("/tables/boards/acme/weekly?league=silver")

    assert (lines(body), body["league"], body["split"]) == ([(1, "bob", 30), (2, "eve", 10)], "gold", None)
    assert empty["size"] == 0


SEASONS = (
    Season("autumn", 1_790_000_000_000_000, 1_794_000_000_000_000, "2026-09-21"),
    Season("winter", 1_796_000_000_000_000, 1_800_000_000_000_000, "2026-11-30"),
)


async def test_seasons_are_named_by_id_or_first_day() -> None:
    """Between two seasons none is current, and the last one is the previous."""
    board = Board("season", "xp", "season", "first", None, seasons=SEASONS)
    economies = MemoryEconomies({TENANT: economy(boards={"season": board})})
    async with serving("leaderboards", *range(PARTITIONS), economies=economies) as worker:
        with_scores([worker], rows("season", "2026-09-21"))
        path = "/tables/boards/acme/season?window="
        found = [await worker.get(path + name) for name in ("previous", "autumn", "2026-09-21")]
        missing = [await worker.get(path + name) for name in ("current", "spring", "2026-09-22", "x" * 65)]

    assert [(body["window"], lines(body)) for _, body, _ in found] == [("2026-09-21", ALL_FIRST)] * 3
    assert [status for status, _, _ in missing] == [404, 400, 400, 400]


@pytest.mark.parametrize(
    "query",
    [
        "members=ada",
        "members=%7B%7D",
        "members=[1]",
        "members=[%22%22]",
        "members=[%22ada%22]&around=ada",
        "league=",
        f"league={'x' * 129}",
    ],
)
async def test_circle_that_cannot_be_is_refused(query: str) -> None:
    """With what is wrong about it."""
    async with serving("leaderboards", *range(PARTITIONS)) as worker:
        status, body, _ = await worker.get(f"/tables/boards/acme/weekly?{query}")

    assert status == 400
    assert "invalid-parameter" in body["type"]


async def test_split_board_has_no_leagues() -> None:
    """It falls into parts already."""
    async with serving("leaderboards", *range(PARTITIONS)) as worker:
        status, _, _ = await worker.get("/tables/boards/acme/split?split=red&league=gold")

    assert status == 400


async def test_splits_of_a_window_are_listed_over_all_workers() -> None:
    """By name, page by page; the empty one is the board as a whole."""
    scores = rows() | {("weekly", WEEK, split, "eve"): (1, 1) for split in ("league=gold", "league=tin")}
    async with serving("leaderboards", 0, 3) as one, serving("leaderboards", 1, 2) as other:
        with_scores([one, other], scores)
        path = "/tables/boards/acme/weekly/splits"
        _, whole, _ = await one.get(path)
        _, first, _ = await other.get(f"{path}?limit=2")
        _, after, _ = await other.get(f"{path}?limit=2&after=league%3Dgold")
        _, before, _ = await one.get(f"{path}?window=previous")
        missing, _, _ = await one.get("/tables/boards/acme/nothing/splits")

    assert whole["splits"] == ["", "league=gold", "league=tin"]
    assert (first["splits"], after["splits"], before["splits"]) == (["", "league=gold"], ["league=tin"], [])
    assert missing == 404


async def test_personal_best_is_the_highest_of_the_windows_that_are_kept() -> None:
    """Whichever worker has the actor; of equals the earliest."""
    scores = {
        ("weekly", "2026-11-02", "", "ada"): (40, 1),
        ("weekly", "2026-11-09", "", "ada"): (40, 1),
        ("weekly", WEEK, "", "ada"): (7, 1),
        ("weekly", WEEK, "league=gold", "ada"): (5, 1),
        ("weekly", "2026-11-02", "", "bob"): (99, 1),
        ("ever", "all", "", "ada"): (87, 1),
    }
    async with serving("leaderboards", 0, 3) as one, serving("leaderboards", 1, 2) as other:
        with_scores([one, other], scores)
        path = "/tables/boards/acme/weekly/actors/ada"
        answers = [await worker.get(path) for worker in (one, other)]
        _, league, _ = await one.get(f"{path}?league=gold")
        _, ever, _ = await other.get("/tables/boards/acme/ever/actors/ada")
        missing = [await one.get(f"/tables/boards/acme/{rest}") for rest in ("weekly/actors/eve", "no/actors/ada")]

    windows = [("2026-11-16", 7), ("2026-11-09", 40), ("2026-11-02", 40)]
    for status, body, _ in answers:
        assert (status, body["actor"], body["best"]) == (200, "ada", {"window": "2026-11-02", "score": 40})
        assert [(each["window"], each["score"]) for each in body["windows"]] == windows
    assert (league["best"]["score"], ever["best"]) == (5, {"window": "all", "score": 87})
    assert [status for status, *_ in missing] == [404, 404]
