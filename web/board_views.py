"""Leaderboards, from the order that leaderboards workers keep in memory: exact over the shards of all workers."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from aiohttp import web

from pipeline.events import from_millis
from rules.board_windows import NoWindow, named_window
from rules.economy import Board, Economy
from rules.periods import ALL
from rules.scores import LEAGUE_LENGTH_MAX, league_split
from tables.board_shards import BoardShards
from web.economy import PresentEconomies
from web.inputs import (
    BOARD_LENGTH_MAX,
    LIMIT_DEFAULT,
    LIMIT_MAX,
    OFFSET_MAX,
    SPLIT_LENGTH_MAX,
    WINDOW_LENGTH_MAX,
    actor_of,
    number_of,
    query_of,
    tenant_of,
    text_of,
)
from web.partitions import not_mine, owned, owner
from web.peers import Peers
from web.problems import Problem, invalid
from web.questions import (
    LOCATED_MAX,
    Answer,
    BoardWindow,
    Question,
    ShardRequest,
    answer,
    decode_answer,
    decode_request,
    encode,
)
from web.ranking import Ranking, Source
from web.runtime import Runtime

SHARDS_PATH = "/tables/shards"

_PARAMETERS = ("window", "split", "league", "limit", "offset", "around", "members")
_PARAMETERS_AMONG = ("window", "split", "league", "limit", "offset")


class BoardViews:
    """`GET /tables/boards/{tenant}/{board}`, and the route by which workers ask each other about their shards."""

    def __init__(self, runtime: Runtime, shards: BoardShards, economies: PresentEconomies, peers: Peers) -> None:
        """Answer from `shards` for the partitions of `runtime`, and ask `peers` about the others."""
        self._runtime = runtime
        self._shards = shards
        self._economies = economies
        self._peers = peers

    async def board(self, request: web.Request, tenant: str, board: str) -> web.Response:
        """Return a page of a leaderboard: ranks, actors and scores, and how many actors it has.

        Raises:
            Problem: 404 for a board or window that is not kept; 503 while a partition recovers.
        """
        query = query_of(request, _PARAMETERS)
        return await self._shown(tenant, board, query, _members(query["members"]) if "members" in query else None)

    async def among(self, request: web.Request, tenant: str, board: str) -> web.Response:
        """Do the same for the actors that the body names, as `members` does: a URL has no room for many.

        Raises:
            Problem: as for the whole board; 400 when the body is no JSON array of actors.
        """
        query = query_of(request, _PARAMETERS_AMONG)
        try:
            members = _members(await request.text())
        except UnicodeDecodeError:
            raise invalid("members", "is not UTF-8") from None
        return await self._shown(tenant, board, query, members)

    async def _shown(
        self, tenant: str, board: str, query: Mapping[str, str], members: list[str] | None
    ) -> web.Response:
        tenant, board = tenant_of(tenant), text_of("board", board, BOARD_LENGTH_MAX)
        limit = number_of("limit", query.get("limit", str(LIMIT_DEFAULT)), 1, LIMIT_MAX)
        offset = number_of("offset", query.get("offset", "0"), 0, OFFSET_MAX)
        around = actor_of("around", query["around"]) if "around" in query else None
        if around is not None and "offset" in query:
            raise invalid("offset", "can't be given together with `around`, which chooses it")
        if around is not None and members is not None:
            raise invalid("members", "can't be given together with `around`")
        economy = await self._economies.find(tenant)
        definition = _known(economy, tenant, board)
        window = self._window(economy, definition, query.get("window", "current"))
        split = _split(definition, query.get("split"), query.get("league"))
        ranking = Ranking(self.sources(BoardWindow(tenant, board, window, split)), definition.tie)
        if members is not None:
            entries = (await ranking.among(members))[offset : offset + limit]
        elif around is None:
            entries = await ranking.page(offset, limit)
        else:
            offset, entries = await ranking.around(around, limit)
        if window != ALL and window <= ranking.expired_through:
            detail = f"window {window} is no longer kept; windows after {ranking.expired_through} are"
            raise Problem(HTTPStatus.NOT_FOUND, "window-expired", detail)
        if around is not None and not entries:
            detail = f"the actor has no score in window {window}"
            raise Problem(HTTPStatus.NOT_FOUND, "actor-not-on-board", detail, {"actor": around})
        return web.json_response(
            {
                "tenant": tenant,
                "board": board,
                "window": window,
                "split": split if definition.split else None,
                "league": query.get("league"),
                "tie": definition.tie,
                "size": ranking.size,
                "offset": offset,
                "entries": msgspec.to_builtins(entries),
            }
        )

    async def splits(self, request: web.Request, tenant: str, board: str) -> web.Response:
        """Return the names of a window's splits, by name, leagues among them; the empty one is the board without any.

        Raises:
            Problem: 404 for a board or window that is not known; 503 while a partition recovers.
        """
        query = query_of(request, ("window", "after", "limit"))
        tenant, board = tenant_of(tenant), text_of("board", board, BOARD_LENGTH_MAX)
        limit = number_of("limit", query.get("limit", str(LIMIT_MAX)), 1, LIMIT_MAX)
        economy = await self._economies.find(tenant)
        definition = _known(economy, tenant, board)
        window = self._window(economy, definition, query.get("window", "current"))
        ranking = Ranking(self.sources(BoardWindow(tenant, board, window, "")), definition.tie)
        after = text_of("after", query["after"], SPLIT_LENGTH_MAX, empty=True) if "after" in query else None
        found = await ranking.splits(after, limit)
        return web.json_response({"tenant": tenant, "board": board, "window": window, "splits": found})

    async def actor(self, request: web.Request, tenant: str, board: str, actor: str) -> web.Response:
        """Return an actor's score in each window that is kept, the latest first, and the best of them.

        Of equal scores the earliest is the best: it was there first.

        Raises:
            Problem: 404 for a board that is not known, or on which the actor has no score; 503 while a partition
                recovers.
        """
        query = query_of(request, ("split", "league"))
        tenant, board = tenant_of(tenant), text_of("board", board, BOARD_LENGTH_MAX)
        actor = actor_of("actor", actor)
        economy = await self._economies.find(tenant)
        definition = _known(economy, tenant, board)
        split = _split(definition, query.get("split"), query.get("league"))
        ranking = Ranking(self.sources(BoardWindow(tenant, board, "", split)), definition.tie)
        scores = await ranking.windows(actor)
        if not scores:
            raise Problem(HTTPStatus.NOT_FOUND, "actor-not-on-board", "the actor has no score", {"actor": actor})
        best, most = max(scores, key=lambda each: each[1])
        return web.json_response(
            {
                "tenant": tenant,
                "board": board,
                "actor": actor,
                "best": {"window": best, "score": most},
                "windows": [{"window": window, "score": score} for window, score in reversed(scores)],
            }
        )

    async def shard(self, request: web.Request) -> web.Response:
        """Answer another worker's question about partitions that this one owns; never asks on.

        Raises:
            Problem: 400 when it is no question; 503 when a partition is not owned or not recovered.
        """
        try:
            asked = decode_request(await request.read())
        except (msgspec.MsgspecError, ValueError) as error:
            raise Problem(HTTPStatus.BAD_REQUEST, "no-question", str(error)) from None
        return web.Response(body=encode(self._answer(asked)), content_type="application/msgpack")

    def _answer(self, asked: ShardRequest) -> Answer:
        owned(self._runtime, asked.partitions)
        try:
            return answer(asked, self._shards, self._runtime)
        except KeyError:
            raise not_mine(asked.partitions) from None

    def _window(self, economy: Economy, board: Board, text: str) -> str:
        text = text_of("window", text, WINDOW_LENGTH_MAX)
        now = from_millis(self._economies.clock())
        try:
            return named_window(board.window, board.seasons, text, now, economy.zone)
        except NoWindow as none:
            if none.code == "invalid-window":
                raise invalid("window", str(none)) from None
            raise Problem(HTTPStatus.NOT_FOUND, none.code, str(none)) from None

    def sources(self, of: BoardWindow) -> list[Source]:
        """Return all shards of a window, on this worker and on others.

        Raises:
            Problem: one of them can't be read now.
        """
        everything = range(self._runtime.partitions())
        mine = owned(self._runtime, everything)
        others: dict[str, list[int]] = {}
        for partition in set(everything) - set(mine):
            others.setdefault(owner(self._runtime, partition), []).append(partition)
        sources: list[Source] = [_OwnShards(self, of, tuple(mine))] if mine else []
        return sources + [_PeerShards(self._peers, url, of, tuple(sorted(theirs))) for url, theirs in others.items()]


class _OwnShards:
    """This worker's part of a window."""

    def __init__(self, views: BoardViews, of: BoardWindow, partitions: tuple[int, ...]) -> None:
        self._views, self._of, self._partitions = views, of, partitions

    async def ask(self, question: Question) -> Answer:
        return self._views._answer(ShardRequest(self._of, self._partitions, question))  # noqa: SLF001  # one unit


class _PeerShards:
    """Another worker's part of a window."""

    def __init__(self, peers: Peers, url: str, of: BoardWindow, partitions: tuple[int, ...]) -> None:
        self._peers, self._url, self._of, self._partitions = peers, url, of, partitions

    async def ask(self, question: Question) -> Answer:
        body = encode(ShardRequest(self._of, self._partitions, question))
        return decode_answer(await self._peers.post(self._url, SHARDS_PATH, body))


def _known(economy: Economy, tenant: str, board: str) -> Board:
    definition = economy.boards.get(board)
    if definition is None:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-board", f"tenant {tenant!r} has no leaderboard {board!r}")
    return definition


def _split(board: Board, text: str | None, league: str | None) -> str:
    if board.split is None:
        if text is not None:
            raise invalid("split", "this board has none")
        return "" if league is None else league_split(text_of("league", league, LEAGUE_LENGTH_MAX))
    if league is not None:
        raise invalid("league", "a board that is split has none")
    if text is None:
        raise invalid("split", "this board has one leaderboard for each value: say which")
    return text_of("split", text, SPLIT_LENGTH_MAX, empty=True)


def _members(text: str) -> list[str]:
    """Return the actors that a JSON array names, each once."""
    try:
        names = msgspec.json.decode(text, type=list[str])
    except (msgspec.MsgspecError, UnicodeEncodeError):
        raise invalid("members", "a JSON array of actors") from None
    if len(names) > LOCATED_MAX:
        raise invalid("members", f"at most {LOCATED_MAX}")
    return list(dict.fromkeys(actor_of("members", name) for name in names))
