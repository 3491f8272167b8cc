"""A repository's history as events, read from a real repository."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import Reason, UserError
from pipeline.importers.git import GitHistory
from pipeline.importers.model import Refusal
from tests.builders import INSTANT

NOW_MS = int(INSTANT.timestamp()) * 1_000
ADA, EVE = ("Ada L", "Ada@Example.org"), ("Eve \u202e 👩‍👩‍👧", "eve@example.org")


class Repository:
    """A repository in a temporary folder, untouched by the machine's configuration."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, author: tuple[str, str] = ADA, at: str = "2026-11-01T10:00:00+01:00") -> str:
        """Run git as somebody, at a time."""
        name, address = author
        identity = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": address, "GIT_AUTHOR_DATE": at}
        identity |= {"GIT_COMMITTER_NAME": "c", "GIT_COMMITTER_EMAIL": "c@example.org", "GIT_COMMITTER_DATE": at}
        nobody = {
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
        }
        command = ["git", "-C", str(self.path), *arguments]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=30, env=nobody | identity
        ).stdout

    def commit(
        self, files: dict[str, bytes], author: tuple[str, str] = ADA, at: str = "2026-11-01T10:00:00+01:00"
    ) -> str:
        """Commit files; return the commit's hash."""
        for name, content in files.items():
            (self.path / name).write_bytes(content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x", author=author, at=at)
        return self.git("rev-parse", "HEAD").strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """An empty repository."""
    return Repository(tmp_path / "core")


def read(path: Path, **options: Any) -> tuple[list[dict[str, Any]], list[Refusal]]:
    """Return the events of a repository, and what was refused."""
    refusals: list[Refusal] = []
    return list(GitHistory(path, "acme", NOW_MS, **options).events(refusals.append)), refusals


def test_a_commit_is_an_event_of_its_author(repository: Repository) -> None:
    """With its size and its author's time in UTC; no address leaves the repository."""
    sha = repository.commit({"a.txt": b"1\n2\n", "picture": b"\0\1", "new\nline": b"x\n"})

    (event,), refusals = read(repository.path)

    assert refusals == []
    assert event == {
        "specversion": "1.0",
        "id": f"{sha}:authored",
        "source": "git",
        "type": "commit.authored",
        "subject": event["subject"],
        "tenant": "acme",
        "time": "2026-11-01T09:00:00Z",
        "data": {"repo": "core", "sha": sha, "files": 3, "insertions": 3, "deletions": 0},
    }
    assert len(event["subject"]) == 16
    assert "example" not in str(event)


def test_a_merge_is_a_merged_pull_request(repository: Repository) -> None:
    """It belongs to whoever merged, and has the size of what it brought."""
    repository.commit({"a": b"1\n"})
    repository.git("checkout", "-q", "-b", "feature")
    repository.commit({"b": b"1\n2\n3\n"}, EVE)
    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "--no-ff", "-m", "merge", "feature", at="2026-11-02T10:00:00Z")

    events, _ = read(repository.path, show_names=True)

    assert [(event["type"], event["subject"]) for event in events] == [
        ("commit.authored", ADA[0]),
        ("commit.authored", EVE[0]),
        ("pr.merged", ADA[0]),
    ]
    assert events[2]["data"]["insertions"] == 3
    assert events[2]["id"].endswith(":merged")


def test_the_history_begins_with_its_oldest_commit(repository: Repository) -> None:
    """Counted in advance, for the progress bar; and the same when read again."""
    shas = [repository.commit({"a": b"%d" % n}, at=f"2026-11-0{n}T10:00:00Z") for n in range(1, 4)]

    events, _ = read(repository.path)

    assert [event["data"]["sha"] for event in events] == shas
    assert GitHistory(repository.path, "acme", NOW_MS).count() == 3
    assert read(repository.path)[0] == events


def test_an_author_is_the_same_however_the_address_is_written(repository: Repository) -> None:
    """Capitals don't matter, and the repository's `.mailmap` says whose addresses belong together."""
    repository.commit({"a": b"1"}, ADA)
    repository.commit({"a": b"2"}, (ADA[0], ADA[1].lower()))
    repository.commit({"a": b"3", ".mailmap": b"<ada@example.org> <old@example.org>\n"}, ("Ada", "old@example.org"))

    events, _ = read(repository.path)

    assert len({event["subject"] for event in events}) == 1


def test_only_commits_since_a_date_are_read(repository: Repository) -> None:
    """As git understands it."""
    repository.commit({"a": b"1"}, at="2026-10-01T10:00:00Z")
    repository.commit({"a": b"2"}, at="2026-11-01T10:00:00Z")

    events, _ = read(repository.path, since="2026-10-15")

    assert len(events) == 1
    assert GitHistory(repository.path, "acme", NOW_MS, since="2026-10-15").count() == 1


def test_a_commit_of_the_future_is_named_and_the_rest_is_read(repository: Repository) -> None:
    """Normalize would refuse it."""
    sha = repository.commit({"a": b"1"}, at="2030-01-01T00:00:00Z")
    repository.commit({"a": b"2"})

    events, refusals = read(repository.path)

    assert [(refusal.place, refusal.reason) for refusal in refusals] == [(f"commit {sha[:12]}", Reason.FUTURE_TIME)]
    assert len(events) == 1


def test_the_users_configuration_changes_nothing(repository: Repository) -> None:
    """Colours, signatures, other orders and programs."""
    repository.commit({"a": b"1\n"})
    repository.commit({"a": b"1\n2\n"})
    expected = read(repository.path)
    for name, value in {
        "color.ui": "always",
        "log.showSignature": "true",
        "diff.external": "false",
        "core.quotePath": "false",
        "format.pretty": "oneline",
        "log.date": "relative",
    }.items():
        repository.git("config", name, value)

    assert read(repository.path) == expected


def test_a_bare_repository_and_a_folder_within_are_read(repository: Repository, tmp_path: Path) -> None:
    """The events are the same, whichever way one comes in."""
    (repository.path / "folder").mkdir()
    repository.commit({"folder/a": b"1"})
    repository.git("clone", "-q", "--bare", str(repository.path), str(tmp_path / "core.git"))

    inside, bare = read(repository.path / "folder")[0], read(tmp_path / "core.git")[0]

    assert [event["id"] for event in inside] == [event["id"] for event in bare]
    assert inside[0]["data"]["files"] == 1


def test_a_repository_without_a_commit_has_no_events(repository: Repository) -> None:
    """That is no mistake."""
    assert read(repository.path) == ([], [])
    assert GitHistory(repository.path, "acme", NOW_MS).count() == 0


@pytest.mark.parametrize("name", [".", "absent"])
def test_what_is_no_repository_is_refused(tmp_path: Path, name: str) -> None:
    """With the path that was given."""
    with pytest.raises(UserError, match=str(tmp_path)):
        GitHistory(tmp_path / name, "acme", NOW_MS)
