"""Child processes and a folder that do not outlive this process, however it ends.

Three nets: `Household.close` ends the children in order; the janitor (`janitor.py`) does it when this process is gone
without having done so, and always removes the folder; on Linux the kernel signals each child at its parent's death.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import UserError

_HERE = Path(__file__).parent
# Isolated and without site-packages: it starts in milliseconds, and no setting of the user can change what it does.
_LAUNCH = (sys.executable, "-I", "-S", str(_HERE / "launch.py"))
_JANITOR = (sys.executable, "-I", str(_HERE / "janitor.py"))
# The janitor takes up to 6 s of its own to end children that are left.
_JANITOR_S = 15.0


class ChildDied(UserError):
    """A process that was started ended too early; the message holds the end of what it wrote."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the operating system, for a child that must not run as root."""

    name: str
    user: int
    group: int


class Child:
    """A running process that leads a process group of its own; its output goes to a file."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path, stop_signal: int) -> None:
        self.name = name
        self.log = log
        self._process = process
        self._stop_signal = stop_signal

    @property
    def pid(self) -> int:
        """The process id, which is the group's too."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended (negative: by that signal), or None while it runs."""
        return self._process.poll()

    def tail(self, lines: int = 15) -> str:
        """Return the last lines that it wrote."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 16_384))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def ask_to_stop(self) -> None:
        """Send the signal that stops it cleanly; returns at once."""
        if self.exit_code is None:
            self._process.send_signal(self._stop_signal)

    def wait(self, within_s: float) -> bool:
        """Return whether it ended within that time."""
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, within_s: float) -> None:
        """Stop it cleanly, or kill its group once the time is over."""
        self.ask_to_stop()
        self.wait(within_s)
        self.kill()

    def crash(self, number: int, within_s: float = 10.0) -> None:
        """End it with a signal that stops it at once, and its group with SIGKILL if that takes too long."""
        if self.exit_code is None:
            self._process.send_signal(number)
        self.wait(within_s)
        self.kill()

    def kill(self) -> None:
        """Kill what is left of its group with SIGKILL, and wait for the end."""
        running = self.exit_code is None
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # nothing left of it; macOS says the latter of zombies
            if running:
                self._process.kill()
        self._process.wait()


class Household:
    """A private folder and the processes that live in it. A context manager; leaving it ends all of them."""

    def __init__(self, folder: Path | None = None) -> None:
        """Use `folder` (made if missing, kept at the end), or a temporary one that is removed at the end."""
        if folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="plaudit-")).resolve()
        else:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder = folder.resolve()
        self.logs = self.folder / "logs"
        self.logs.mkdir(mode=0o700, exist_ok=True)
        self.temporary = folder is None
        self._children: dict[int, Child] = {}
        self._janitor = subprocess.Popen(  # noqa: S603 - our own script
            [*_JANITOR, str(self.folder) if self.temporary else ""], stdin=subprocess.PIPE, start_new_session=True
        )

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        account: Account | None = None,
        stop_signal: int = signal.SIGTERM,
        death_signal: int = signal.SIGKILL,
        cwd: Path | None = None,
    ) -> Child:
        """Start a child; `env` replaces the environment. Its output is appended to `logs/NAME.log`.

        `stop_signal` stops it cleanly; `death_signal` ends it without leftovers once its parent is gone.
        """
        log = self.logs / f"{name}.log"
        # The kernel binds it to the thread that starts the child: only the main one lives as long as the process.
        by_kernel = death_signal if threading.current_thread() is threading.main_thread() else 0
        user, group = (account.user, account.group) if account else (-1, -1)
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - the caller's command, without a shell
                [*_LAUNCH, str(by_kernel), str(os.getpid()), str(user), str(group), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd or self.folder,
                start_new_session=True,
            )
        child = Child(name, process, log, stop_signal)
        self._children[child.pid] = child
        self._tell(f"+{child.pid} {death_signal}")
        return child

    def forget(self, child: Child) -> None:
        """Stop looking after a child that has ended."""
        if self._children.pop(child.pid, None) is not None:
            self._tell(f"-{child.pid}")

    def check(self) -> None:
        """Make sure that somebody would clean up behind this process.

        Raises:
            ChildDied: the janitor is gone.
        """
        if self._janitor.poll() is not None:
            raise ChildDied("the process that cleans up behind the stack is gone, and the stack with it")

    def _tell(self, message: str) -> None:
        assert self._janitor.stdin is not None
        with suppress(BrokenPipeError):  # `check` says so; putting things away must not fail on it
            self._janitor.stdin.write(message.encode() + b"\n")
            self._janitor.stdin.flush()

    def close(self, within_s: float = 10.0) -> None:
        """End the children, the youngest first, then the janitor, which removes a temporary folder. Idempotent."""
        for child in reversed(self._children.values()):
            child.stop(within_s)
        self._children.clear()
        if self._janitor.stdin is not None and not self._janitor.stdin.closed:
            with suppress(BrokenPipeError):
                self._janitor.stdin.close()
            try:
                self._janitor.wait(_JANITOR_S)
            except subprocess.TimeoutExpired:
                # A large folder on a slow disk: it goes on removing that without us.
                threading.Thread(target=self._janitor.wait, daemon=True).start()
                return
            if self.temporary:  # the janitor may have been killed
                shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
