"""The web views of a worker, registered with its Faust app through Faust's own web interface."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from faust.web import View
from prometheus_client import REGISTRY, CollectorRegistry

from pipeline.clock import now_ms
from pipeline.topology import PROFILES, stage_named
from tables.board_shards import BoardShards
from web.board_views import SHARDS_PATH, BoardViews
from web.economy import Economies, PresentEconomies
from web.peers import Peers
from web.problems import problems
from web.profile_views import ProfileViews
from web.rank_watch import RankWatch
from web.runtime import Runtime
from web.worker_views import WorkerViews

Handler = Callable[..., Awaitable[web.StreamResponse]]


def mount(
    app: Any,
    runtime: Runtime,
    *,
    economies: Economies | None = None,
    shards: BoardShards | None = None,
    facts: str | None = None,
    clock: Callable[[], int] = now_ms,
    registry: CollectorRegistry = REGISTRY,
) -> None:
    """Register the views of a worker on its Faust `app`; called once, before the app starts.

    With `economies` a worker of the stage that keeps profiles serves them, and one with `shards` leaderboards, whose
    tops are watched where `facts`, a topic, is named to tell of them. `clock` gives milliseconds since the epoch.
    """
    worker = WorkerViews(runtime, registry)
    _page(app, "/health", worker.health)
    _page(app, "/ready", worker.ready)
    _page(app, "/metrics", worker.metrics)
    _page(app, "/tables", worker.tables)
    peers = Peers()
    watch: RankWatch | None = None
    if economies is not None:
        present = PresentEconomies(economies, clock)
        if PROFILES in stage_named(runtime.stage).tables:
            profiles = ProfileViews(runtime, present, peers)
            # The rest of the path is the actor: names hold any character.
            _page(app, "/tables/profiles/{tenant}/{actor:.+}", profiles.profile)
        if shards is not None:
            boards = BoardViews(runtime, shards, present, peers)
            _page(app, "/tables/boards/{tenant}/{board}", boards.board)
            _page(app, "/tables/boards/{tenant}/{board}/among", boards.among, method="post")
            _page(app, "/tables/boards/{tenant}/{board}/splits", boards.splits)
            _page(app, "/tables/boards/{tenant}/{board}/actors/{actor:.+}", boards.actor)
            _page(app, SHARDS_PATH, boards.shard, method="post")

            if facts is not None:
                watch = RankWatch(runtime, present, economies.tenants, boards.sources, facts)

    async def open_watch(_: web.Application) -> None:
        if watch is not None:
            await watch.start()

    async def close(_: web.Application) -> None:
        if watch is not None:
            await watch.stop()
        await peers.close()

    server: web.Application = app.web.web_app
    server.on_startup.append(open_watch)
    server.middlewares.append(problems)
    server.on_cleanup.append(close)


def _page(app: Any, path: str, handler: Handler, method: str = "get") -> None:
    """Register a handler, called with the request and the path's variables by name, as a Faust view."""
    app.page(path, name=path)(type(handler.__name__, (View,), {method: handler, "__doc__": handler.__doc__}))
