"""A worker that is asked to stop before it has begun."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.settings import child_environment
from tests.wait import until_sync

ROOT = Path(__file__).parents[2]
STARTED_S = 60


@pytest.mark.parametrize(
    "imported", ["mode.utils.objects", "faust.app.base"], ids=["it imports Faust", "it imports what needs Faust"]
)
def test_a_worker_that_still_imports_is_stopped_cleanly(imported: str, tmp_path: Path) -> None:
    """An orchestrator that changes its mind sees exit code 0, not a worker that was killed."""
    words = tmp_path / "words"
    settings = {"PLAUDIT_BROKER": "127.0.0.1:1", "PLAUDIT_DATA": str(tmp_path), "PLAUDIT_WEB_PORT": "0"}
    with words.open("wb") as file:
        worker = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-m", "pipeline", "worker", "--stage", "match"],
            env=child_environment(settings),
            cwd=ROOT,
            stderr=file,
        )
    try:
        until_sync(lambda: imported in words.read_text(), STARTED_S, f"{imported} is imported")
        worker.terminate()

        assert worker.wait(STARTED_S) == 0, words.read_text()
    finally:
        worker.kill()
        worker.wait()
