"""The composition root: from settings to a stage's running worker. Real clients, paths, addresses are chosen here."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from agents.dedupe import DedupeStage
from agents.leaderboards import LeaderboardsStage
from agents.match import MatchStage
from agents.normalize import NormalizeStage
from pipeline.economies import EconomyFollower
from pipeline.folders import WorkerFolder, claim_folder
from pipeline.recordbatch.app import BatchApp, WorkerOptions
from pipeline.recordbatch.model import StageCore
from pipeline.recordbatch.runtime import WorkerRuntime
from pipeline.recordbatch.store import StoreOptions
from pipeline.recordbatch.worker import Companion
from pipeline.revisions.reader import EconomyReader
from pipeline.settings import Settings
from pipeline.topology import (
    DEAD_LETTERS,
    DEDUPE,
    ECONOMIES,
    EVENTS,
    EVENTS_UNIQUE,
    FACTS,
    LEADERBOARDS,
    LEDGER,
    MATCH,
    NORMALIZE,
    OUTCOMES,
    SEEN,
    Stage,
    Table,
    app_id,
    changelog_name,
    topic_name,
)
from tables.board_shards import BoardShards
from web.views import mount

# The first stage gathers what users send one by one into rounds; those behind it get rounds. See `recordbatch.pace`.
_HEAD_PAUSE_S = 0.05


class Worker(NamedTuple):
    """A stage's app, ready to be run, and the folder that it holds."""

    app: BatchApp
    runtime: WorkerRuntime
    folder: WorkerFolder


def build_worker(stage: Stage, settings: Settings) -> Worker:
    """Wire one worker of a stage.

    Raises:
        UserError: the folder of the tables can't be used.
    """
    folder = claim_folder(settings.data, stage.name, settings.worker)
    prefix = settings.topic_prefix
    port = settings.web_port or free_port(settings.web_host)
    options = WorkerOptions(
        stage=stage.name,
        app_id=app_id(prefix, stage),
        broker=settings.broker,
        source=topic_name(prefix, stage.reads),
        folder=folder.path,
        tables=[_kept(table, settings) for table in stage.tables],
        changelogs={table.name: changelog_name(prefix, stage, table) for table in stage.tables},
        records_max=settings.batch_records_max,
        bytes_max=settings.batch_bytes_max,
        session_timeout_s=settings.session_timeout_s,
        commit_interval_s=settings.commit_interval_s,
        fetch_pause_s=_HEAD_PAUSE_S if stage is NORMALIZE else WorkerOptions.fetch_pause_s,
        store=StoreOptions(cache_bytes=settings.table_cache_mb << 20),
        web_host=settings.web_host,
        web_port=port,
        web_url=f"http://{settings.web_advertise or settings.web_host}:{port}",
    )
    part = _PARTS[stage.name](settings)
    app = BatchApp(options, part.core, companions=[*([part.economies] if part.economies else []), *part.beside])
    runtime = WorkerRuntime(app, settings.partitions)
    mount(app, runtime, economies=part.economies, shards=part.boards, facts=part.facts)
    return Worker(app, runtime, folder)


def _kept(table: Table, settings: Settings) -> Table:
    """Return the table with the retention of this deployment: its disk must not forget before the stage does."""
    return replace(table, retention_days=settings.dedupe_retention_days) if table is SEEN else table


class _Part(NamedTuple):
    """A stage's core, what its web views read beside the tables, the topic of their facts, what else runs beside it."""

    core: StageCore
    economies: EconomyFollower | None = None
    boards: BoardShards | None = None
    facts: str | None = None
    beside: Sequence[Companion] = ()


def _normalize(settings: Settings) -> _Part:
    prefix = settings.topic_prefix
    return _Part(
        NormalizeStage(
            events=topic_name(prefix, EVENTS),
            dead_letters=topic_name(prefix, DEAD_LETTERS),
            partitions=settings.partitions,
            default_format=settings.source_format,
            default_tenant=settings.source_tenant or None,
        )
    )


def _dedupe(settings: Settings) -> _Part:
    prefix = settings.topic_prefix
    return _Part(
        DedupeStage(
            unique=topic_name(prefix, EVENTS_UNIQUE),
            outcomes=topic_name(prefix, OUTCOMES),
            dead_letters=topic_name(prefix, DEAD_LETTERS),
            retention_days=settings.dedupe_retention_days,
        )
    )


def _match(settings: Settings) -> _Part:
    economies = _follower(settings)
    return _Part(MatchStage(prefix=settings.topic_prefix, economies=economies), economies)


def _ledger(settings: Settings) -> _Part:
    # The other stages start a second sooner without the database's libraries.
    from agents.ledger import LedgerStage  # noqa: PLC0415
    from pipeline.seasons.closing import STALE_S, SeasonCloser  # noqa: PLC0415
    from pipeline.seasons.keeper import SeasonKeeper  # noqa: PLC0415
    from sinks.ledger.parallel import ParallelSink  # noqa: PLC0415

    database, prefix = settings.database.get_secret_value(), settings.topic_prefix
    core = LedgerStage(
        sink=ParallelSink(database), events=topic_name(prefix, EVENTS), dead_letters=topic_name(prefix, DEAD_LETTERS)
    )
    economies = _follower(settings)
    closer = SeasonCloser(settings.broker, prefix, database, settings.web_leaderboards, STALE_S)
    return _Part(core, economies, beside=[SeasonKeeper(economies, closer, settings.season_grace_s)])


def _leaderboards(settings: Settings) -> _Part:
    shards, facts = BoardShards(), topic_name(settings.topic_prefix, FACTS)
    core = LeaderboardsStage(
        facts=facts,
        dead_letters=topic_name(settings.topic_prefix, DEAD_LETTERS),
        windows_kept=settings.windows_kept,
        shards=shards,
    )
    return _Part(core, _follower(settings), shards, facts)


def _follower(settings: Settings) -> EconomyFollower:
    reader = EconomyReader(settings.broker, topic_name(settings.topic_prefix, ECONOMIES))
    return EconomyFollower(reader, margin_s=settings.economy_margin_s)


_PARTS: dict[str, Callable[[Settings], _Part]] = {
    NORMALIZE.name: _normalize,
    DEDUPE.name: _dedupe,
    MATCH.name: _match,
    LEDGER.name: _ledger,
    LEADERBOARDS.name: _leaderboards,
}


def free_port(host: str) -> int:
    """Return a port that nobody listens on now. Workers tell it to each other before they listen on it."""
    with socket.create_server((host, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
