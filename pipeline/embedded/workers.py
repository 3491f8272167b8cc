"""The workers of a stack: one process each, started again when it ends by itself."""

import http.client
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.embedded.probes import free_port
from pipeline.embedded.processes import Child, ChildDied, Household

# A worker that fails again and again is tried at growing distances; one that ran for a while starts from the beginning.
_DELAY_S_MIN, _DELAY_S_MAX = 1.0, 30.0
_STEADY_S = 60.0
_STOP_S = 15.0
_POLL_S = 0.05
_TAIL_LINES = 12

Say = Callable[[str], None]


@dataclass(slots=True)
class WorkerProcess:
    """One worker of one stage."""

    stage: str
    number: int
    port: int
    child: Child | None = None
    started: float = 0.0
    delay_s: float = _DELAY_S_MIN
    again_at: float | None = None

    @property
    def name(self) -> str:
        """Unique in the stack."""
        return f"{self.stage}-{self.number}"

    @property
    def url(self) -> str:
        """Where its web views are."""
        return f"http://127.0.0.1:{self.port}"


def worker_command(stage: str) -> Sequence[str]:
    """Return the command that runs one worker, with this interpreter and this package, wherever it is started."""
    # -P: the folder that it is started in holds data, not modules.
    return (sys.executable, "-P", "-m", "pipeline", "worker", "--stage", stage)


class Workers:
    """All workers of a stack. `environment` is theirs, without what differs between them."""

    def __init__(
        self,
        household: Household,
        stages: Sequence[str],
        each: int,
        environment: Mapping[str, str],
        command: Callable[[str], Sequence[str]] = worker_command,
    ) -> None:
        self._household = household
        self._environment = environment
        self._command = command
        self.all = [WorkerProcess(stage, number, free_port()) for stage in stages for number in range(1, each + 1)]

    def start(self) -> None:
        """Start every worker; they need not be ready yet."""
        for worker in self.all:
            self._start(worker)

    def wait(self, within_s: float) -> None:
        """Wait until every worker is ready: its tables are recovered and its partitions assigned.

        Raises:
            ChildDied: one ended, or the time is over; with the end of what it wrote.
        """
        deadline = time.monotonic() + within_s
        for worker in self.all:
            assert worker.child is not None
            while not _is_ready(worker.port):
                if worker.child.exit_code is not None:
                    raise ChildDied(_obituary(worker, worker.child))
                if time.monotonic() > deadline:
                    raise ChildDied(f"worker {worker.name} is not ready after {within_s:g} s:\n{worker.child.tail()}")
                time.sleep(_POLL_S)

    def look_after(self, say: Say) -> None:
        """Notice workers that have ended and start them again, later each time. Call it again and again."""
        now = time.monotonic()
        for worker in self.all:
            if worker.again_at is not None:
                if now >= worker.again_at:
                    self._start(worker)
            elif worker.child is not None and worker.child.exit_code is not None:
                if now - worker.started > _STEADY_S:
                    worker.delay_s = _DELAY_S_MIN
                say(f"{_obituary(worker, worker.child)}\nIt is started again in {worker.delay_s:g} s.")
                worker.child.kill()  # what it may have started itself
                self._household.forget(worker.child)
                worker.again_at = now + worker.delay_s
                worker.delay_s = min(2 * worker.delay_s, _DELAY_S_MAX)

    def addresses(self) -> dict[str, str]:
        """Return the variables that say where the workers of each stage are: `PLAUDIT_WEB_<STAGE>`."""
        found: dict[str, list[str]] = {}
        for worker in self.all:
            found.setdefault(f"PLAUDIT_WEB_{worker.stage.upper()}", []).append(worker.url)
        return {name: ",".join(urls) for name, urls in found.items()}

    def stop(self) -> None:
        """Stop all at the same time; what does not stop in time is killed, which loses nothing."""
        children = [worker.child for worker in self.all if worker.child is not None]
        for child in children:
            child.ask_to_stop()
        deadline = time.monotonic() + _STOP_S
        for child in children:
            child.stop(within_s=max(0.0, deadline - time.monotonic()))
            self._household.forget(child)

    def _start(self, worker: WorkerProcess) -> None:
        own = {"PLAUDIT_WORKER": worker.name, "PLAUDIT_WEB_PORT": str(worker.port), **self.addresses()}
        worker.child = self._household.start(worker.name, self._command(worker.stage), env={**self._environment, **own})
        worker.started = time.monotonic()
        worker.again_at = None


def _obituary(worker: WorkerProcess, child: Child) -> str:
    return f"worker {worker.name} ended with code {child.exit_code}; the end of {child.log}:\n{child.tail(_TAIL_LINES)}"


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
