"""The installed application: what the image gets holds everything that the source has, and runs without the source."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from pipeline.version import VERSION
from tests.architecture.repository import PACKAGES, ROOT, tracked_files

SHIPPED = (*PACKAGES, "migrations")
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as in the Dockerfile."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=TIMEOUT_S,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_every_file_of_the_packages(wheel: Path) -> None:
    """Modules, and what stands beside them: documents, templates, migrations."""
    wanted = {str(file.relative_to(ROOT)) for file in tracked_files() if file.relative_to(ROOT).parts[0] in SHIPPED}

    assert wanted <= set(ZipFile(wheel).namelist())


def test_it_holds_nothing_else(wheel: Path) -> None:
    """No tests, no benchmarks, no documents of the repository."""
    folders = {name.split("/")[0] for name in ZipFile(wheel).namelist()}

    assert folders <= {*SHIPPED, f"plaudit-{VERSION}.dist-info"}


def test_it_runs_without_the_source(wheel: Path, tmp_path: Path) -> None:
    """The command starts from the unpacked wheel alone."""
    ZipFile(wheel).extractall(tmp_path)

    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "settings", "--format", "json"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )

    assert "PLAUDIT_BROKER" in done.stdout
