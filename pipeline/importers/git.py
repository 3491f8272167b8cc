"""A git repository's history: each commit is an event of its author, oldest first."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import IO, NamedTuple

from pipeline.errors import Reason, UserError
from pipeline.events import ACTOR_LENGTH_MAX, EPOCH
from pipeline.formats.canonical import Attributes
from pipeline.importers.model import Refusal, Refuse, refusal_of

# A commit has one hash in all clones and forks: so is its event, from wherever it is imported.
SOURCE = "git"
_QUESTION_S = 30
# A header begins with NUL, which no path or name can hold; the name stands last.
_FORMAT = "%x00%H%x00%P%x00%at%x00%aE%x00%aN"
# Whatever the user's configuration says: no colours, signatures, renames or programs of the repository's choice, and
# what a merge brought, measured against its first parent. No child before its parents, even if dates are equal.
_LOG = (
    "log --date-order --reverse --numstat --no-renames --diff-merges=first-parent --no-color --no-ext-diff "
    f"--no-textconv --no-show-signature --no-notes --encoding=UTF-8 --format=format:{_FORMAT}"
).split()


class Commit(NamedTuple):
    """One commit as `git log` tells it; `at` is the author's time in seconds since the epoch."""

    sha: str
    parents: int
    at: int
    address: str
    name: str
    files: int
    insertions: int
    deletions: int


class GitHistory:
    """Reads the commits that a repository's HEAD reaches.

    A commit is `commit.authored`; a merge is `pr.merged`. The actor is a hash of the author's address, so that no
    address leaves the repository; with `show_names` it is the author's name. Names and addresses are those of the
    repository's `.mailmap`. `since` is a date as git understands it. `now_ms` decides which times lie in the future.

    Raises:
        UserError: `path` is no git repository, or git is not there.
    """

    def __init__(
        self, path: Path, tenant: str, now_ms: int, *, show_names: bool = False, since: str | None = None
    ) -> None:
        program = shutil.which("git")
        if program is None:
            raise UserError("git is not installed")
        if not path.exists():
            raise UserError(f"{path}: no such folder")
        self._git = (program, "-C", str(path), "-c", "core.quotePath=true")
        self._tenant = tenant
        self._now_ms = now_ms
        self._show_names = show_names
        self._since = () if since is None else (f"--since={since}",)
        folder = self._ask("rev-parse", "--absolute-git-dir")
        if folder is None:
            raise UserError(f"{path} is not in a git repository")
        self._repository = (Path(folder).parent if Path(folder).name == ".git" else Path(folder)).name

    def count(self) -> int:
        """Return the number of commits."""
        return int(self._ask("rev-list", "--count", *self._since, "HEAD", "--") or 0)

    def events(self, refuse: Refuse) -> Iterator[Attributes]:
        """Yield an event for each commit, oldest first; one that can't be an event is told to `refuse`.

        Raises:
            UserError: git gave up.
        """
        if self._ask("rev-parse", "--verify", "--quiet", "HEAD") is None:
            return  # no commit yet
        for commit in self._commits():
            event = self._event(commit)
            refusal = event if isinstance(event, Refusal) else refusal_of(event, self._now_ms, {}, _place(commit))
            if refusal is not None:
                refuse(refusal)
            elif not isinstance(event, Refusal):
                yield event

    def _event(self, commit: Commit) -> Attributes | Refusal:
        merge = commit.parents > 1
        try:
            time = EPOCH + timedelta(seconds=commit.at)
        except OverflowError:
            return Refusal(_place(commit), Reason.INVALID_TIME, f"no calendar holds its time: {commit.at}")
        return {
            "specversion": "1.0",
            "id": f"{commit.sha}:{'merged' if merge else 'authored'}",
            "source": SOURCE,
            "type": "pr.merged" if merge else "commit.authored",
            "subject": self._actor(commit),
            "tenant": self._tenant,
            "time": time.isoformat().replace("+00:00", "Z"),
            "data": {
                "repo": self._repository,
                "sha": commit.sha,
                "files": commit.files,
                "insertions": commit.insertions,
                "deletions": commit.deletions,
            },
        }

    def _actor(self, commit: Commit) -> str:
        if self._show_names and commit.name:
            return commit.name[:ACTOR_LENGTH_MAX]
        return sha256(commit.address.strip().lower().encode()).hexdigest()[:16]

    def _commits(self) -> Iterator[Commit]:
        command = (*self._git, *_LOG, *self._since, "HEAD", "--")
        # Complaints go to a file: nobody empties a pipe while the history is read.
        with (
            tempfile.TemporaryFile() as complaints,
            subprocess.Popen(  # noqa: S603  # a fixed program; arguments are not interpreted by a shell
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints
            ) as git,
        ):
            assert git.stdout is not None
            try:
                yield from _parsed(git.stdout)
                if git.wait() != 0:
                    raise UserError(f"git log failed: {_last_line(complaints)}")
            finally:
                git.kill()  # whoever stops reading early does not wait for the rest

    def _ask(self, *arguments: str) -> str | None:
        """Return git's answer, or None if it has none."""
        done = subprocess.run(  # noqa: S603  # as above
            (*self._git, *arguments), capture_output=True, check=False, timeout=_QUESTION_S, stdin=subprocess.DEVNULL
        )
        return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


def _parsed(lines: Iterable[bytes]) -> Iterator[Commit]:
    """Yield the commits of a log: a header, then a line per file with its insertions and deletions (`-` if binary)."""
    commit: Commit | None = None
    for line in lines:
        if line.startswith(b"\0"):
            if commit is not None:
                yield commit
            commit = _header(line)
        elif commit is not None and line.strip():
            inserted, deleted, _ = line.split(b"\t", 2)
            commit = commit._replace(
                files=commit.files + 1,
                insertions=commit.insertions + (0 if inserted == b"-" else int(inserted)),
                deletions=commit.deletions + (0 if deleted == b"-" else int(deleted)),
            )
    if commit is not None:
        yield commit


def _header(line: bytes) -> Commit:
    _, sha, parents, at, address, name = line.decode(errors="replace").rstrip("\n").split("\0", 5)
    return Commit(sha, len(parents.split()), int(at or 0), address, name.strip(), files=0, insertions=0, deletions=0)


def _place(commit: Commit) -> str:
    return f"commit {commit.sha[:12]}"


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    return (file.read().decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
