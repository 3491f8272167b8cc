"""The wired apps are what the topology says: nothing runs that is not named there, and nothing there is missing."""

from pathlib import Path

import pytest

from pipeline.apps import Worker, build_worker
from pipeline.settings import Settings
from pipeline.topology import STAGES, Stage, app_id, changelog_name, topic_name

PREFIX = "wired."
EVERY_VIEW = {"/health", "/ready", "/metrics", "/tables"}
VIEWS = {
    "match": EVERY_VIEW | {"/tables/profiles/{tenant}/{actor}"},
    "leaderboards": EVERY_VIEW
    | {
        "/tables/boards/{tenant}/{board}",
        "/tables/boards/{tenant}/{board}/among",
        "/tables/boards/{tenant}/{board}/splits",
        "/tables/boards/{tenant}/{board}/actors/{actor}",
        "/tables/shards",
    },
}


@pytest.fixture(params=STAGES, ids=lambda stage: stage.name)
def wired(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Stage, Worker]:
    """Each stage with its worker, built as `plaudit worker` builds it; nothing is connected yet."""
    settings = Settings(topic_prefix=PREFIX, data=tmp_path, partitions=3)
    return request.param, build_worker(request.param, settings)


def test_wired_app_is_the_stage_of_the_topology(wired: tuple[Stage, Worker]) -> None:
    """Its group, its one agent, its source, its tables and their changelogs are those that the topology names."""
    stage, worker = wired
    app = worker.app

    agents = list(app.agents.values())

    assert app.conf.id == app_id(PREFIX, stage)
    assert [agent.name for agent in agents] == [stage.name]
    assert [topic for agent in agents for topic in agent.channel.topics] == [topic_name(PREFIX, stage.reads)]
    assert [table.name for table in app.options.tables] == [table.name for table in stage.tables]
    assert app.options.changelogs == {table.name: changelog_name(PREFIX, stage, table) for table in stage.tables}
    assert not app.tables.data


def test_core_writes_to_the_topics_of_the_topology(wired: tuple[Stage, Worker]) -> None:
    """The full topic names that a core was given are those that its stage writes to."""
    stage, worker = wired
    core = worker.app.worker.shell.core

    given = {value for value in vars(core).values() if isinstance(value, str) and value.startswith(PREFIX)}

    assert given == {topic_name(PREFIX, topic) for topic in stage.writes}


def test_worker_serves_the_documented_views(wired: tuple[Stage, Worker]) -> None:
    """Each stage has its own views and no others; Faust's are closed."""
    stage, worker = wired

    served = {route.resource.canonical for route in worker.app.web.web_app.router.routes() if route.resource}

    assert {path for path in served if not path.startswith("/static")} == VIEWS.get(stage.name, EVERY_VIEW)
