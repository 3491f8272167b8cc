"""`plaudit demo`, on a small repository made for the test."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GIT = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main")


def git(folder: Path, *arguments: str) -> None:
    """Run git in a folder, with no configuration but this test's."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run([*GIT, *arguments], cwd=folder, env=environment, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two commits and a merge."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init")
    for branch, file in (("main", "one"), ("side", "two")):
        if branch != "main":
            git(folder, "checkout", "-b", branch)
        (folder / file).write_text("line\n" * 100)
        git(folder, "add", file)
        git(folder, "commit", "-m", f"Add {file}")
    git(folder, "checkout", "main")
    git(folder, "merge", "--no-ff", "--no-edit", "side")
    return folder


def demo(folder: Path, temporary: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the demo in a folder, with `temporary` as the place for temporary folders."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PLAUDIT_")}
    return subprocess.run(
        [sys.executable, "-m", "pipeline", "demo", *options],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_outside_a_repository_it_says_what_to_do(tmp_path: Path) -> None:
    """A newcomer may start it anywhere."""
    done = demo(tmp_path, tmp_path)

    assert done.returncode == 1
    assert "not in a git repository" in done.stderr
    assert "--git PATH" in done.stderr


def test_a_repository_without_commits_is_refused(tmp_path: Path) -> None:
    """There is nothing to show."""
    git(tmp_path, "init")

    done = demo(tmp_path, tmp_path)

    assert done.returncode == 1
    assert "has no commits yet" in done.stderr


def test_a_shallow_clone_is_refused(repository: Path, tmp_path: Path) -> None:
    """A history that is cut off gives wrong points."""
    git(tmp_path, "clone", "--depth", "1", repository.as_uri(), "shallow")

    done = demo(tmp_path / "shallow", tmp_path)

    assert done.returncode == 1
    assert "shallow clone" in done.stderr


def test_a_history_becomes_points_and_a_verified_ledger(repository: Path) -> None:
    """The leaderboard has what the economy says, the ledger holds, and nothing is left behind."""
    with tempfile.TemporaryDirectory() as temporary:
        Path(temporary).chmod(0o755)

        done = demo(repository, Path(temporary), "--show-names")

        assert done.returncode == 0, done.stderr + done.stdout
        assert list(Path(temporary).iterdir()) == []
    # Per commit 10, half as much again, and as much for a hundred lines; 50 for the merge, half as much again.
    line = next(line for line in done.stdout.splitlines() if "Ada" in line)
    assert "3 events became" in done.stdout
    assert "Ledger verified" in done.stdout
    assert line.split("│")[3].strip() == "135"
