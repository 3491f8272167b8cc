"""A deployment of the product for one test: every stage a process of its own, on the test's broker and database."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from pipeline.drain import waiting
from pipeline.embedded.probes import free_port
from pipeline.embedded.processes import Child, Household
from pipeline.topology import STAGES, stage_named
from tests.wait import until_sync

ROOT = Path(__file__).parents[2]
COMMAND_S = 180
READY_S = 60
PARTITIONS = 4


class Deployment:
    """Runs commands and workers with the settings of one deployment; a context manager that ends its workers."""

    def __init__(
        self,
        household: Household,
        *,
        broker: str,
        database: str,
        prefix: str,
        settings: Mapping[str, str] | None = None,
        root: Path = ROOT,
    ) -> None:
        """Prepare a deployment; `root` is the folder with the product's source, to run another state of it."""
        self._household = household
        self._root = root
        self.folder = household.folder / prefix.strip(".")
        self.folder.mkdir()
        self.prefix = prefix
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PLAUDIT_")},
            "PYTHONPATH": str(root),
            "PLAUDIT_BROKER": broker,
            "PLAUDIT_DATABASE": database,
            "PLAUDIT_TOPIC_PREFIX": prefix,
            "PLAUDIT_PARTITIONS": str(PARTITIONS),
            "PLAUDIT_DATA": str(self.folder / "tables"),
            "PLAUDIT_SESSION_TIMEOUT_S": "6",
            "PLAUDIT_COMMIT_INTERVAL_S": "0.3",
            "PLAUDIT_ECONOMY_MARGIN_S": "1",
            **(settings or {}),
        }
        self.workers: dict[str, Child] = {}
        self._ports = {stage.name: free_port() for stage in STAGES}
        for stage, port in self._ports.items():
            self.environment[f"PLAUDIT_WEB_{stage.upper()}"] = f"http://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        self.plaudit("db", "upgrade")
        self.plaudit("topics", "create")
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers.values():
            worker.ask_to_stop()
        for name in list(self.workers):
            self.workers[name].stop(within_s=15)
            self._household.forget(self.workers.pop(name))

    def plaudit(self, *arguments: str, succeeds: bool = True) -> str:
        """Run a command; return what it printed. With `succeeds` a failure fails the test with what it said."""
        done = self.attempt(*arguments)
        if succeeds:
            assert done.returncode == 0, f"plaudit {' '.join(arguments)}: {done.stderr}\n{done.stdout}\n{self.logs()}"
        else:
            assert done.returncode != 0, f"plaudit {' '.join(arguments)} should have failed: {done.stdout}"
            assert "Traceback" not in done.stderr
            return done.stderr
        return done.stdout

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command; return how it ended and what it printed, whatever that is."""
        return subprocess.run(
            [sys.executable, "-m", "pipeline", *arguments],
            env=self.environment,
            cwd=self._root,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        """Run a command with `--format json`; return what it printed, parsed."""
        return json.loads(self.plaudit(*arguments, "--format", "json"))

    def start(self, stage: str, second: str = "") -> Child:
        """Start a worker of a stage, in the folder that a former one left; `second` names one more beside it."""
        name = f"{stage}{second}"
        self._ports.setdefault(name, free_port())
        command = [sys.executable, "-m", "pipeline", "worker", "--stage", stage]
        environment = {**self.environment, "PLAUDIT_WEB_PORT": str(self._ports[name])}
        worker = self._household.start(f"{self.folder.name}-{name}", command, env=environment, cwd=self._root)
        self.workers[name] = worker
        return worker

    def start_all(self) -> None:
        """Start one worker per stage; return once all of them are ready."""
        for stage in STAGES:
            self.start(stage.name)
        for stage in STAGES:
            until_sync(lambda name=stage.name: self.unready(name) == [], READY_S, f"{stage.name} is ready")  # type: ignore[misc]

    def unready(self, stage: str) -> list[str]:
        """Return why a worker says that it is not ready; empty when it is."""
        try:
            with urlopen(f"{self.url(stage)}/ready", timeout=5):
                return []
        except HTTPError as error:
            return [str(reason) for reason in json.load(error).get("reasons", [])] or [error.reason]
        except (URLError, ConnectionError, TimeoutError) as error:
            return [str(error)]

    def url(self, stage: str) -> str:
        """Return where a stage's worker has its web views."""
        return f"http://127.0.0.1:{self._ports[stage]}"

    def kill(self, stage: str) -> None:
        """End a stage's worker with SIGKILL."""
        worker = self.workers.pop(stage)
        worker.kill()
        self._household.forget(worker)

    def stop(self, stage: str) -> None:
        """Stop a stage's worker cleanly; fail if it has to be killed or ends with an error."""
        worker = self.workers.pop(stage)
        worker.ask_to_stop()
        assert worker.wait(within_s=20), f"{stage} does not stop:\n{worker.tail(40)}"
        assert worker.exit_code == 0, f"{stage} ended with {worker.exit_code}:\n{worker.tail(40)}"
        self._household.forget(worker)

    def drain(self, timeout_s: int = 120) -> None:
        """Wait until everything sent so far is in the ledger and on the boards."""
        self.plaudit("drain", "--timeout", str(timeout_s))

    def balances(self, tenant: str) -> dict[tuple[str, str], int]:
        """Return the tenant's balances by (account, currency)."""
        rows = self.json("ledger", "balances", "--tenant", tenant)
        return {(row["account"], row["currency"]): row["balance"] for row in rows}

    def points(self, tenant: str = "shop") -> dict[str, int]:
        """Return what each actor of a tenant with a single currency has."""
        return {
            account.removeprefix("actor:"): balance
            for (account, _), balance in self.balances(tenant).items()
            if account.startswith("actor:")
        }

    def scores(self, tenant: str, board: str) -> dict[str, int]:
        """Return the first 200 of a board, by actor; empty while nobody answers."""
        entries = self.json("leaderboard", tenant, board, "--window", "all", "--limit", "200")
        return {entry["actor"]: entry["score"] for entry in entries}

    def waiting_records(self, stage: str) -> int:
        """Return the records of a stage's input that its group has not finished."""
        return asyncio.run(self._waiting_records(stage))

    async def _waiting_records(self, stage: str) -> int:
        behind = await waiting(self.environment["PLAUDIT_BROKER"], self.prefix, stage_named(stage))
        return sum(behind.records.values())

    def logs(self) -> str:
        """Return the end of each worker's log."""
        return "\n".join(f"--- {name}\n{worker.tail()}" for name, worker in self.workers.items())

    def assert_running(self) -> None:
        """Fail if a worker has ended."""
        for name, worker in self.workers.items():
            assert worker.exit_code is None, f"{name} ended with {worker.exit_code}:\n{worker.tail(40)}"
