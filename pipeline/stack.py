"""All of Plaudit on one machine: servers, topics, ledger and workers of every stage, started and ended together."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from types import TracebackType
from typing import Self
from uuid import uuid4

from pydantic import SecretStr

import pipeline
from pipeline.admin import cluster_id, create_topics, declared_topics
from pipeline.embedded.broker import EmbeddedBroker
from pipeline.embedded.data_folder import keep_data_of, lock_folder
from pipeline.embedded.postgres import EmbeddedPostgres
from pipeline.embedded.processes import ChildDied, Household
from pipeline.embedded.workers import Workers
from pipeline.errors import UserError
from pipeline.settings import Settings, child_environment
from pipeline.topology import SEEN, STAGES

# A group member of the embedded broker is admitted after half of its session timeout.
_EMBEDDED_SESSION_S = 4.0
_WORKERS_READY_S = 60.0
ENV_FILE = "plaudit.env"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What to run. `folder` None: a temporary one. `broker` and `database` None: the embedded ones."""

    settings: Settings
    folder: Path | None = None
    workers: int = 1
    broker: str | None = None
    database: str | None = None


class Stack:
    """A stack to be started. A context manager: leaving it ends everything that was started, in order.

    `settings` are those of the running stack once it is started; `workers` its workers.
    """

    def __init__(self, options: StackOptions, say: Say) -> None:
        """Prepare a stack; `say` gets a line for each thing that its user should know.

        Raises:
            UserError: the folder can't be used.
        """
        self._options = options
        self._say = say
        self._lock = lock_folder(options.folder) if options.folder else None  # held until this process ends
        self._household = Household(options.folder)
        self._broker: EmbeddedBroker | None = None
        self._postgres: EmbeddedPostgres | None = None
        self.workers: Workers | None = None
        self.settings = options.settings
        # The client's own words for what our messages say already.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    @property
    def folder(self) -> Path:
        """Where logs, tables and the database are."""
        return self._household.folder

    def start(self) -> None:
        """Start everything and wait until it is ready. What `start_servers` and `start_workers` raise."""
        self.start_servers()
        self.start_workers()
        self.wait_for_workers()

    def start_servers(self) -> None:
        """Start the servers that were not named, make topics and ledger tables; `settings` then point at them.

        Raises:
            ChildDied: a server does not start.
            UserError: what was asked for does not fit together.
            TransientError: a broker or database that was named is away.
        """
        self._spawn_servers()
        # It takes a second to import, in which the servers start.
        from sinks.ledger.migrate import upgrade  # noqa: PLC0415

        self._wait_for_servers()
        settings = self.settings
        topics = declared_topics(
            settings.topic_prefix,
            settings.partitions,
            settings.replication,
            {SEEN.name: settings.dedupe_retention_days},
        )
        asyncio.run(create_topics(settings.broker, topics))
        upgrade(settings.database.get_secret_value())

    def start_workers(self) -> None:
        """Start the workers of every stage; they need not be ready yet."""
        stages = [stage.name for stage in STAGES]
        self.workers = Workers(self._household, stages, self._options.workers, self._worker_environment())
        self.workers.start()
        addresses = self.workers.addresses()
        self.settings = self.settings.model_copy(
            update={
                "web_match": addresses["PLAUDIT_WEB_MATCH"],
                "web_leaderboards": addresses["PLAUDIT_WEB_LEADERBOARDS"],
            }
        )

    def wait_for_workers(self) -> None:
        """Wait until every worker is ready.

        Raises:
            ChildDied: one is not in time; with the end of what it wrote.
        """
        assert self.workers is not None, "the workers were not started"
        self.workers.wait(_WORKERS_READY_S)

    def look_after(self) -> None:
        """Start workers again that have ended. Call it again and again while the stack runs.

        Raises:
            ChildDied: a server has ended, and the stack with it.
        """
        for server in (self._broker, self._postgres):
            if server is not None and server.child.exit_code is not None:
                ended = f"the embedded {server.name} ended with code {server.child.exit_code}"
                raise ChildDied(f"{ended}, and the stack with it:\n{server.child.tail()}")
        self._household.check()
        if self.workers is not None:
            self.workers.look_after(self._say)

    def environment(self) -> dict[str, str]:
        """Return the variables with which any other command works on this stack."""
        settings = self.settings
        return {
            "PLAUDIT_BROKER": settings.broker,
            "PLAUDIT_DATABASE": settings.database.get_secret_value(),
            "PLAUDIT_TOPIC_PREFIX": settings.topic_prefix,
            "PLAUDIT_PARTITIONS": str(settings.partitions),
        } | (self.workers.addresses() if self.workers else {})

    def write_environment(self) -> Path:
        """Write `environment` to `plaudit.env` in the folder, for its owner alone; return the file."""
        file = self.folder / ENV_FILE
        unfinished = file.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        unfinished.write_text("".join(f"{name}={quote(value)}\n" for name, value in self.environment().items()))
        unfinished.rename(file)
        return file

    def close(self) -> None:
        """Stop the workers, then the servers; remove a temporary folder and the file of addresses. Idempotent."""
        (self.folder / ENV_FILE).unlink(missing_ok=True)
        if self.workers is not None:
            self.workers.stop()
            self.workers = None
        self._household.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _spawn_servers(self) -> None:
        options = self._options
        log = f"embedded-{uuid4().hex}" if options.broker is None else asyncio.run(cluster_id(options.broker))
        if options.folder is not None:
            self._put_former_data_aside(log)
        if options.broker is None:
            if options.database is not None:
                _refuse_ledger_of_another_log(options.database)
            self._broker = EmbeddedBroker(self._household)
            self._broker.start()
        if options.database is None:
            self._postgres = EmbeddedPostgres(self._household, throwaway=self._household.temporary)
            self._postgres.start()

    def _wait_for_servers(self) -> None:
        options = self._options
        for server in (self._broker, self._postgres):
            if server is not None:
                server.wait()
        changes: dict[str, object] = {
            "broker": self._broker.address if self._broker else options.broker,
            "database": SecretStr(self._postgres.url) if self._postgres else SecretStr(options.database or ""),
            "data": self.folder / "tables",
        }
        if self._broker:
            changes |= {"replication": 1, "session_timeout_s": _EMBEDDED_SESSION_S}
        self.settings = self.settings.model_copy(update=changes)

    def _put_former_data_aside(self, log: str) -> None:
        aside = keep_data_of(log, self.folder)
        if aside is not None:
            self._say(f"The former ledger and tables belong to another log. They were moved to {aside}.")

    def _worker_environment(self) -> dict[str, str]:
        settings = self.settings
        changes = {
            "PYTHONPATH": str(Path(pipeline.__file__).parent.parent),  # also where the package is not installed
            "PLAUDIT_BROKER": settings.broker,
            "PLAUDIT_DATABASE": settings.database.get_secret_value(),
            "PLAUDIT_DATA": str(settings.data),
            "PLAUDIT_TOPIC_PREFIX": settings.topic_prefix,
            "PLAUDIT_PARTITIONS": str(settings.partitions),
            "PLAUDIT_REPLICATION": str(settings.replication),
            "PLAUDIT_SESSION_TIMEOUT_S": str(settings.session_timeout_s),
            "PLAUDIT_COMMIT_INTERVAL_S": str(settings.commit_interval_s),
            "PLAUDIT_ECONOMY_MARGIN_S": str(settings.economy_margin_s),
            "PLAUDIT_WEB_HOST": "127.0.0.1",
            "PLAUDIT_WEB_ADVERTISE": "",
        }
        return child_environment(changes)


def _refuse_ledger_of_another_log(database: str) -> None:
    from sinks.ledger.started import has_progress  # noqa: PLC0415 - SQLAlchemy takes a second; see `start_servers`

    if has_progress(database):
        raise UserError(
            "the embedded broker begins a new log, but the database holds a ledger that follows from another: "
            "name that log's broker with --broker, or an empty database with --database"
        )
