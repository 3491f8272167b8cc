"""Runs `plaudit reconcile` again and again while everything falls over: it must never see a difference."""

import subprocess
from collections import Counter
from itertools import cycle
from typing import Protocol

from tests.chaos.background import Background
from tests.chaos.workload import TENANTS

_PAUSE_S = 20.0
_WAIT_S = 45
EQUAL, DIFFERS, UNKNOWN = 0, 1, 2


class Done(Protocol):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class Commands(Protocol):
    """Where commands are run: `tests.end_to_end.deployment.Deployment`."""

    def attempt(self, *arguments: str) -> Done: ...


class Reconciliations(Background):
    """Counts exit codes: 0 equal, 2 it could not be said, as while the broker is away; `differences` otherwise."""

    def __init__(self, commands: Commands) -> None:
        super().__init__("reconciliations", self._repeat)
        self.counts: Counter[int] = Counter()
        self.differences: list[str] = []
        self._commands = commands

    def once(self, tenant: str) -> int:
        """Reconcile a tenant; return the exit code."""
        try:
            done = self._commands.attempt("reconcile", "--tenant", tenant, "--timeout", str(_WAIT_S))
        except subprocess.TimeoutExpired:  # it had to wait for the broker besides
            self.counts[UNKNOWN] += 1
            return UNKNOWN
        self.counts[done.returncode] += 1
        if done.returncode not in (EQUAL, UNKNOWN):
            self.differences += (done.stdout + done.stderr).splitlines()
        return done.returncode

    def _repeat(self) -> None:
        for tenant in cycle(TENANTS):
            if self.over.wait(_PAUSE_S):
                return
            self.once(tenant)
