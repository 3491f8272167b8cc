"""The boards' web views, as closers ask them: the product's own, without HTTP."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web
from faust.types import TP
from multidict import MultiDict

from pipeline.economies import EconomyFollower
from pipeline.errors import InvariantBroken, TransientError, UserError
from pipeline.recordbatch.runtime import WorkerRuntime
from tests.simulation.threads import wait_for
from web.board_views import SHARDS_PATH, BoardViews
from web.economy import PresentEconomies
from web.problems import Problem, unavailable

if TYPE_CHECKING:
    from tests.simulation.closing import Call, Closings
    from tests.simulation.worker import Host


class BoardsClient:
    """A `WorkersClient` of the leaderboards; `call` is who asks. The stopped answer nobody."""

    def __init__(self, _stage: str, call: "Call") -> None:
        self._call = call

    def get(self, parts: Sequence[str], query: Mapping[str, str]) -> Any:
        return wait_for(self._get(parts, query))

    async def _get(self, parts: Sequence[str], query: Mapping[str, str]) -> Any:
        process = self._call.host.process
        await process.between("read")
        await process.latency()
        await process.between("read")
        hosts = list(self._call.closings.boards())
        process.chance.shuffle(hosts)
        for host in hosts:
            if not _answers(host):
                continue
            try:
                assert host.views is not None
                response = await _routed(host.views, parts, _Asked(query=query))
            except Problem as problem:
                if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise UserError(problem.detail) from None
                continue
            except InvariantBroken:
                continue  # it has only just started, and answers 500
            if _answers(host):
                assert isinstance(response.body, bytes)
                return json.loads(response.body)
        raise TransientError("no leaderboards worker answers")


async def _routed(views: BoardViews, parts: Sequence[str], request: Any) -> web.Response:
    tables, boards, tenant, board, *splits = parts
    assert (tables, boards, splits) in (("tables", "boards", []), ("tables", "boards", ["splits"]))
    return await (views.splits if splits else views.board)(request, tenant, board)


def views_of(host: "Host", partitions: int, economies: EconomyFollower, closings: "Closings") -> BoardViews:
    """Return the views of a leaderboards worker, which ask the other workers for their parts."""
    runtime = WorkerRuntime(host, partitions)  # type: ignore[arg-type]  # what it asks of an app, a host has
    peers: Any = _Peers(host, closings)
    return BoardViews(runtime, host.shards, PresentEconomies(economies, host.now_ms), peers)


def owners(host: "Host", partitions: int) -> dict[TP, str]:
    """Return which worker of a group has each partition, as its members know it."""
    members: Sequence[Host] = host.group.members  # type: ignore[assignment]  # hosts are what joins
    return {
        TP(host.options.source, number): each.name
        for each in members
        for number in each.worker.partitions.owned
        if number < partitions
    }


class _Peers:
    """The way to other workers, by their names."""

    def __init__(self, host: "Host", closings: "Closings") -> None:
        self._host, self._closings = host, closings

    async def post(self, url: str, path: str, body: bytes) -> bytes:
        assert path == SHARDS_PATH
        await self._host.process.latency()
        for each in self._closings.boards():
            if each.name == url and _answers(each):
                assert each.views is not None
                request: Any = _Asked(body=body)
                response = await each.views.shard(request)
                assert isinstance(response.body, bytes)
                return response.body
        raise unavailable("owner-unavailable", f"{url} does not answer")


def _answers(host: "Host") -> bool:
    return not host.process.dead and host.process.stopped_at is None


class _Asked:
    """A request, as far as the views look at it."""

    def __init__(self, query: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        self.query = MultiDict(query or {})
        self._body = body

    async def read(self) -> bytes:
        return self._body
