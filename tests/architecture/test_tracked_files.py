"""What must never be in the repository: somebody's machine, somebody's registry, somebody's secret, unfinished work."""

import re
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, tracked_files

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-build.lock")
# The peers of the bench have environments of their own.
PEER_LOCKS = tuple(f"bench/peers/{peer}/requirements.txt" for peer in ("faust_idiomatic", "plain_loop", "quix"))
# Home folders and scratch folders of whoever wrote the file; written so that this file does not match itself.
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:home|root|Users|workspace|private/var|tmp)/[\w.-]+/[\w./-]+")
INDEX = re.compile(r"^\s*(?:--?(?:extra-)?index-url|--?i|--find-links|-f|--trusted-host)\b|index-url\s*=", re.MULTILINE)
# What this test looks for in all other files: work that was put off.
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b(?!\")")
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
THIS = Path(__file__)


def texts(*suffixes: str) -> list[tuple[str, str]]:
    """Return name and text of the tracked files with one of the suffixes (all, if none is given), save this one."""
    chosen = (file for file in tracked_files() if file != THIS and (not suffixes or file.suffix in suffixes))
    return [(str(file.relative_to(ROOT)), file.read_text(encoding="utf-8", errors="ignore")) for file in chosen]


@pytest.mark.parametrize("lock", LOCKS + PEER_LOCKS)
def test_a_lock_names_no_index(lock: str) -> None:
    """Where packages come from is the machine's business: a lock holds names, versions and hashes, no address."""
    text = (ROOT / lock).read_text(encoding="utf-8")

    assert "://" not in text
    assert not INDEX.search(text)


@pytest.mark.parametrize("lock", LOCKS + PEER_LOCKS)
def test_a_lock_pins_every_package_by_hash(lock: str) -> None:
    """Each requirement has an exact version and at least one hash."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    requirements = re.findall(r"^[a-z0-9].*", text.replace("\\\n", " "), re.MULTILINE)

    assert requirements
    assert not [each for each in requirements if "==" not in each or "--hash=sha256:" not in each]


def test_the_locks_agree() -> None:
    """What is tested is what is shipped: a package in two locks has the same version in both."""
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        for pin in re.findall(
            r"^([a-z0-9][\w.-]*==\S+(?: ; [^\\]+)?)", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE
        ):
            name, _, version = pin.partition("==")
            key = f"{name}{version.partition(';')[2].strip()}"
            versions.setdefault(key, set()).add(version.split()[0])

    assert not {name: each for name, each in versions.items() if len(each) > 1}


def test_no_file_configures_an_index() -> None:
    """No script, configuration or document says where a registry is."""
    assert not [name for name, text in texts() if INDEX.search(text)]


def test_no_file_names_a_folder_of_somebodys_machine() -> None:
    """Paths are relative, temporary, or where a container image puts things."""
    found = [f"{name}: {match[0]}" for name, text in texts() for match in MACHINE_PATH.finditer(text)]

    assert not found


def test_nothing_is_left_unfinished() -> None:
    """What is missing is an issue, not a comment."""
    assert not [name for name, text in texts(".py", ".toml", ".yml", ".yaml", ".sql") if UNFINISHED.search(text)]


def test_no_secret_is_tracked() -> None:
    """Neither environment files nor private keys."""
    assert not [name for name, text in texts() if PRIVATE_KEY.search(text)]
    assert not [file for file in tracked_files() if file.name == ".env" or file.suffix in {".pem", ".key", ".p12"}]
