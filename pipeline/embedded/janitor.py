"""Cleans up behind a stack, however that ended: a process in a session of its own that waits for its pipe to close.

Arguments: the folder to remove at the end, or an empty string. Each line on standard input is `+PID SIGNAL` (a child,
and the signal that ends it without leftovers) or `-PID` (a child that has ended). The end of the input means that the
stack is gone: what is left of its children is ended, then the folder is removed. A clean stop comes the same way, with
no child left.
"""

import os
import shutil
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress

import psutil

# PostgreSQL gives its own children 5 s after SIGQUIT before it kills them.
GRACE_S = 6.0


def follow(lines: Iterable[str]) -> dict[int, tuple[psutil.Process, int]]:
    """Read the stack's messages to their end; return the children that are left."""
    children: dict[int, tuple[psutil.Process, int]] = {}
    for line in lines:
        what, _, number = line[1:].partition(" ")
        if line[0] == "+":
            with suppress(psutil.NoSuchProcess):
                children[int(what)] = (psutil.Process(int(what)), int(number))
        else:
            children.pop(int(what), None)
    return children


def end(children: dict[int, tuple[psutil.Process, int]]) -> None:
    """End the processes and their groups: politely, then not."""
    for process, number in children.values():
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
    psutil.wait_procs([process for process, _ in children.values()], timeout=GRACE_S)
    for pid, (process, _) in children.items():
        # Each child leads a group; its number is still ours while the leader or any member lives.
        if process.is_running() or not psutil.pid_exists(pid):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


def main() -> None:
    """Wait for the end of the stack, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the stack decides when it is over, not a terminal
    end(follow(sys.stdin))
    if sys.argv[1]:
        shutil.rmtree(sys.argv[1], ignore_errors=True)


if __name__ == "__main__":
    main()
