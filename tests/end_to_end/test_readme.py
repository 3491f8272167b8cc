"""The README's walk-through, pasted into two shells: one runs the stack, the other uses it."""

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import readme
from tests.wait import until

READY_S = 60
COMMANDS_S = 90
STOP_S = 30


@pytest.fixture
def folder() -> Iterator[Path]:
    """The reader's folder, with the files that the README shows.

    Not pytest's own: that one is closed to other accounts, and run by root the database has an account of its own.
    """
    with tempfile.TemporaryDirectory(prefix="plaudit-readme-") as name:
        Path(name).chmod(0o755)
        readme.write_files(Path(name))
        yield Path(name)


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    """The environment of both shells."""
    return readme.environment_with_plaudit(folder)


@pytest.fixture
def stack(folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The first shell; ended if a test fails to end it."""
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {readme.commands('up')}"],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait(STOP_S)


async def test_the_walk_through_ends_with_what_it_promises(
    folder: Path, environment: dict[str, str], stack: subprocess.Popen[bytes]
) -> None:
    """Every command succeeds, Ada has her points once, the ledger holds, and the stack stops cleanly."""
    ready = folder / "plaudit-data" / "plaudit.env"
    await until(lambda: ready.exists() or stack.poll() is not None, READY_S, "the stack is ready")
    assert stack.poll() is None, (folder / "up.log").read_text(encoding="utf-8")

    printed = readme.run(readme.commands("stack"), folder, environment, COMMANDS_S)
    stack.send_signal(signal.SIGINT)
    stopped = stack.wait(STOP_S)

    balances = dict(line.rsplit(",", 1) for line in printed.splitlines() if line.startswith("actor:"))
    assert balances == {"actor:ada,coins": "15", "actor:ada,xp": "60", "actor:grace,coins": "19"}
    assert stopped == 0
