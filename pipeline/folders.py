"""Folders of workers' tables: each running worker of a stage has one for itself, and finds it again after a restart."""

import fcntl
import os
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import UserError

# More workers of one stage than partitions are of no use.
_SLOTS_MAX = 4096


class WorkerFolder(NamedTuple):
    """A folder that this process alone uses until it ends, however it ends."""

    path: Path
    lock: int  # the descriptor that holds the lock


def claim_folder(data: Path, stage: str, name: str = "") -> WorkerFolder:
    """Claim the folder of the worker `name`; without a name, the first that no running worker uses.

    The lock is the kernel's: it ends with the process, also after `kill -9`, so a restarted worker finds its disk.

    Raises:
        UserError: the named folder is used by a running worker, or the folder can't be made.
    """
    names = [name] if name else [f"worker-{slot}" for slot in range(_SLOTS_MAX)]
    for candidate in names:
        path = data / stage / candidate
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UserError(f"the table folder {path} can't be used: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        return WorkerFolder(path, lock)
    raise UserError(f"another worker uses the table folder of {stage}/{name}: give each worker its own PLAUDIT_WORKER")
