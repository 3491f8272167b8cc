"""`plaudit up`: ready, usable from another shell, and gone without a trace."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.wait import until_sync

ROOT = Path(__file__).parents[2]
READY_S = 90


class Up:
    """A running `plaudit up` on a folder."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self._errors = (folder.parent / "up.stderr").open("w+")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PLAUDIT_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "up", "--data", str(folder), "--partitions", "2", *options],
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            start_new_session=True,
        )

    @property
    def errors(self) -> str:
        """What it wrote on standard error."""
        self._errors.flush()
        return Path(self._errors.name).read_text()

    @property
    def env_file(self) -> Path:
        """The file of addresses."""
        return self.folder / "plaudit.env"

    def wait_until_ready(self) -> None:
        """Wait for the file of addresses."""
        until_sync(lambda: self.env_file.exists() or self.process.poll() is not None, READY_S, "plaudit up is ready")
        assert self.env_file.exists(), self.errors

    def family(self) -> list[psutil.Process]:
        """Return all of its descendants."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def close(self) -> None:
        """End it whatever its state."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(40)
        self._errors.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder that the database's account can reach, also when the tests run as root."""
    for place in (tmp_path, *tmp_path.parents[:3]):
        if place.stat().st_uid == os.geteuid() and place != Path("/tmp"):
            place.chmod(place.stat().st_mode | 0o011)
    return tmp_path / "data"


@pytest.fixture
def up(folder: Path) -> Iterator[Up]:
    """A stack on a folder of this test's own."""
    running = Up(folder)
    yield running
    running.close()


def shell(up: Up, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell that has read the file of addresses."""
    script = f'set -a; . "{up.env_file}"; set +a; exec {command}'
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PLAUDIT_")}
    return subprocess.run(
        ["/bin/sh", "-c", script],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_what_it_writes_lets_other_commands_in_and_a_signal_ends_all(up: Up, tmp_path: Path) -> None:
    """The file of addresses is for its owner alone; SIGTERM leaves no process and no stale address."""
    up.wait_until_ready()
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "tests",
        "type": "commit.authored",
        "subject": "ada",
        "tenant": "demo",
        "data": {"insertions": 100},
    }
    (tmp_path / "events.jsonl").write_text(json.dumps(event) + "\n")
    economy = ROOT / "pipeline" / "demo" / "economy.yaml"
    plaudit = f"{sys.executable} -m pipeline"

    done = [
        shell(up, f"{plaudit} {command}")
        for command in (
            f"economy publish {economy} --wait",
            f"import jsonl {tmp_path / 'events.jsonl'}",
            "drain --timeout 60",
            "leaderboard demo all-time --format json",
            "ledger verify",
        )
    ]
    mode = stat.S_IMODE(up.env_file.stat().st_mode)
    descendants = up.family()
    up.process.send_signal(signal.SIGTERM)

    assert [(each.returncode, each.stderr) for each in done if each.returncode] == []
    # 10 for the commit, 10 for a hundred lines, half as much again for a small change: each award by itself.
    assert json.loads(done[3].stdout) == [{"rank": 1, "actor": "ada", "score": 20}]
    assert mode == 0o600
    assert up.process.wait(40) == 0, up.errors
    assert not up.env_file.exists()
    until_sync(lambda: not [p for p in descendants if p.is_running()], 20, "all processes have ended")


def test_a_broker_that_dies_ends_the_stack_with_a_message(up: Up) -> None:
    """Its log is gone: going on would be pretending."""
    up.wait_until_ready()
    descendants = up.family()
    (broker,) = [process for process in descendants if "tansu" in process.name()]

    broker.kill()

    assert up.process.wait(60) == 1
    assert "the embedded broker ended with code -9" in up.errors
    assert "Traceback" not in up.errors
    until_sync(lambda: not [p for p in descendants if p.is_running()], 20, "all processes have ended")


def test_a_killed_worker_is_started_again(up: Up) -> None:
    """One worker's end is no reason to end the rest."""
    up.wait_until_ready()
    (worker,) = [process for process in up.family() if process.cmdline()[-2:] == ["--stage", "match"]]

    worker.kill()

    until_sync(lambda: "It is started again" in up.errors, 20, "it says so")
    until_sync(
        lambda: [p for p in up.family() if p.pid != worker.pid and p.cmdline()[-2:] == ["--stage", "match"]],
        30,
        "there is a match worker again",
    )
    assert up.process.poll() is None


def test_a_second_stack_on_the_same_folder_is_refused(up: Up) -> None:
    """Two stacks on one folder would destroy it."""
    up.wait_until_ready()

    other = shell(up, f"{sys.executable} -m pipeline up --data {up.folder}")

    assert other.returncode == 1
    assert "another stack uses" in other.stderr


def test_a_broker_that_is_away_is_said_at_once(folder: Path) -> None:
    """A wrong address is a mistake of one line, without a traceback, and nothing stays behind."""
    up = Up(folder, "--broker", "127.0.0.1:1")
    try:
        assert up.process.wait(40) == 1
        assert "no broker answers at 127.0.0.1:1" in up.errors
        assert "Traceback" not in up.errors
    finally:
        up.close()
