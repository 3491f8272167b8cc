"""The folder of a stack that is kept: used by one stack at a time, and by data of one log at a time."""

import fcntl
import os
import shutil
from pathlib import Path

from pipeline.errors import UserError

# What follows from a log: useless, and harmful, beside another one, whose offsets begin anew.
DERIVED = ("postgres", "tables")
_LOG_FILE = "log.id"
_FORMER = "former"


def lock_folder(folder: Path) -> int:
    """Lock the folder for this process, until its end; return the descriptor that holds the lock.

    Raises:
        UserError: another stack uses it, or it can't be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UserError(f"the folder {folder} can't be used: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise UserError(f"another stack uses {folder}; stop it, or name another folder with --data") from None
    return lock


def keep_data_of(log: str, folder: Path) -> Path | None:
    """Make the folder ready for data that follows from the log of that identity.

    Data of another log is not deleted but put aside: returns the folder where it is now, None if there was none.
    """
    mark = folder / _LOG_FILE
    former = mark.read_text() if mark.exists() else None
    present = [folder / name for name in DERIVED if (folder / name).exists()]
    aside = None
    if present and former != log:
        aside = _next_free(folder / _FORMER)
        aside.mkdir(parents=True, mode=0o700)
        for path in present:
            shutil.move(path, aside / path.name)
    mark.write_text(log)
    return aside


def _next_free(place: Path) -> Path:
    number = 1
    while (place / str(number)).exists():
        number += 1
    return place / str(number)
