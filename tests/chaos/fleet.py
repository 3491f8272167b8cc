"""The deployment under attack: two or three workers of each stage, a broker, a database, and what is done to them."""

import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

from pipeline.embedded.probes import broker_answers, database_answers, free_port
from pipeline.embedded.processes import Child, Household
from pipeline.topology import LEADERBOARDS, MATCH, STAGES
from tests.chaos.schedule import EXTRA, SESSION_TIMEOUT_S, WORKERS, Fault, Kind
from tests.end_to_end.deployment import ROOT, Deployment
from tests.stack import Kafka, Postgres
from tests.wait import DeadlinePassed, until_sync

READY_S = 120
_BACK_S = 60
# A worker that is told to stop takes no more work and finishes what it has.
_STOP_S = 60
SETTINGS = {
    "PLAUDIT_SESSION_TIMEOUT_S": str(SESSION_TIMEOUT_S),
    "PLAUDIT_WINDOWS_KEPT": "100",  # every window is held against the model
}


class Fleet(Deployment):
    """Workers by name (`match-2`), each with a folder and an address of its own that outlive its processes."""

    def __init__(self, household: Household, kafka: Kafka, postgres: Postgres) -> None:
        self.kafka, self.postgres = kafka, postgres
        self.database = postgres.empty_database()
        super().__init__(household, broker=kafka.address, database=self.database, prefix="chaos.", settings=SETTINGS)
        self.names = [f"{stage.name}-{number}" for stage in STAGES for number in WORKERS]
        self._addresses = {f"{stage.name}-{n}": free_port() for stage in STAGES for n in (*WORKERS, EXTRA)}
        for stage in (MATCH, LEADERBOARDS):
            self.environment[f"PLAUDIT_WEB_{stage.name.upper()}"] = ",".join(self.urls(stage.name))
        self._leaving: list[tuple[str, Child]] = []
        self._said_before: dict[str, int] = {}
        self.complaints: list[str] = []

    def urls(self, stage: str) -> list[str]:
        """Return where the lasting workers of a stage have their web views."""
        return [self.url(f"{stage}-{number}") for number in WORKERS]

    def url(self, stage: str) -> str:
        return f"http://127.0.0.1:{self._addresses[stage]}"

    def start_worker(self, name: str) -> None:
        """Start a worker in the folder that a former one of this name left."""
        command = [sys.executable, "-m", "pipeline", "worker", "--stage", name.rpartition("-")[0]]
        environment = {
            **self.environment,
            "PLAUDIT_WORKER": name,
            "PLAUDIT_WEB_PORT": str(self._addresses[name]),
        }
        log = self._household.logs / f"chaos-{name}.log"
        self._said_before[name] = log.stat().st_size if log.exists() else 0
        self.workers[name] = self._household.start(f"chaos-{name}", command, env=environment, cwd=ROOT)

    def start_all(self) -> None:
        for name in self.names:
            self.start_worker(name)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Return once every worker that runs says that it is ready; else fail with what it says instead."""
        for name in self.workers:
            try:
                until_sync(lambda name=name: self.unready(name) == [], READY_S, f"{name} is ready")  # type: ignore[misc]
            except DeadlinePassed as passed:
                self._note_ended(name)
                raise DeadlinePassed("\n".join([f"{passed}:", *self.unready(name), *self.complaints])) from None

    def begin(self, fault: Fault) -> None:
        """Let a fault happen; returns at once."""
        match fault.kind:
            case Kind.KILL_WORKER | Kind.EMPTY_DISK:
                self.kill_worker(fault.worker)
                if fault.kind is Kind.EMPTY_DISK:
                    self.empty(fault.worker)
            case Kind.ZOMBIE:
                self._note_ended(fault.worker)
                self._signal(fault.worker, signal.SIGSTOP)
            case Kind.ADD_WORKER:
                self._settle(fault.worker)
                self.start_worker(fault.worker)
            case Kind.REMOVE_WORKER:
                worker = self.workers.pop(fault.worker)
                worker.ask_to_stop()
                self._leaving.append((fault.worker, worker))
            case Kind.KILL_BROKER:
                self.kafka.kill()
            case Kind.KILL_DATABASE:
                self.postgres.kill_at_once()

    def end(self, fault: Fault) -> None:
        """Undo a fault as whoever watches the deployment would: start what was killed; returns at once."""
        match fault.kind:
            case Kind.KILL_WORKER | Kind.EMPTY_DISK:
                self.start_worker(fault.worker)
            case Kind.ZOMBIE:
                self._signal(fault.worker, signal.SIGCONT)
            case Kind.KILL_BROKER:
                self.kafka.launch()
            case Kind.KILL_DATABASE:
                self.postgres.launch()
            case Kind.ADD_WORKER | Kind.REMOVE_WORKER:
                pass

    def kill_worker(self, name: str) -> None:
        """End a worker with SIGKILL; one that had ended by itself before is a complaint."""
        self._note_ended(name)
        worker = self.workers.pop(name)
        worker.kill()
        self._household.forget(worker)

    def empty(self, name: str) -> None:
        """Remove all that a worker that does not run has on its disk."""
        shutil.rmtree(self.disk(name))

    def disk(self, name: str) -> Path:
        """Return the folder of a worker's tables."""
        return Path(self.environment["PLAUDIT_DATA"]) / name.rpartition("-")[0] / name

    def settle(self) -> None:
        """Wait until broker and database answer and who was told to leave has left; note who ended by itself."""
        until_sync(lambda: broker_answers(self.kafka.address), _BACK_S, "the broker is back")
        until_sync(lambda: database_answers(self.database), _BACK_S, "the database is back")
        for name, _ in list(self._leaving):
            self._settle(name)
        for name in self.workers:
            self._note_ended(name)

    def _signal(self, name: str, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # it has ended by itself, which is a complaint already
            os.killpg(self.workers[name].pid, number)

    def _settle(self, name: str) -> None:
        """Wait until the worker of that name that was told to leave has left."""
        for leaving in [each for each in self._leaving if each[0] == name]:
            self._leaving.remove(leaving)
            worker = leaving[1]
            if not worker.wait(_STOP_S):
                self.complaints.append(f"{name} did not stop within {_STOP_S} s:\n{worker.tail()}")
            elif worker.exit_code != 0 and not self._had_not_begun(name, worker):
                self.complaints.append(f"{name} was told to stop and ended with {worker.exit_code}:\n{worker.tail()}")
            worker.kill()
            self._household.forget(worker)

    def _had_not_begun(self, name: str, worker: Child) -> bool:
        """Return whether a worker was told to leave before Python had come to our first line: it had done nothing."""
        said = worker.log.stat().st_size > self._said_before[name]
        return worker.exit_code == -signal.SIGTERM and not said

    def _note_ended(self, name: str) -> None:
        worker = self.workers[name]
        if worker.exit_code is not None:
            self.complaints.append(f"{name} ended by itself with {worker.exit_code}:\n{worker.tail(40)}")
