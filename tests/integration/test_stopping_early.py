"""A worker that is asked to stop before it has begun, or while it begins."""

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


BEGUN_AFTER_ITS_STOP = """
import asyncio, pathlib, sys
from pipeline.recordbatch.app import BatchApp, WorkerOptions
from pipeline.recordbatch.model import StageCore

async def start_too_late():
    options = WorkerOptions(stage="s", app_id="s", broker="127.0.0.1:1", source="s", folder=pathlib.Path(sys.argv[1]))
    thread = BatchApp(options, StageCore()).consumer._thread
    thread.wait_for_thread = False
    await thread.start()
    assert thread._thread.is_alive()

asyncio.run(start_too_late())
"""


def test_a_consumer_that_began_after_its_stop_does_not_keep_the_process(tmp_path: Path) -> None:
    """Faust goes on starting for a moment after a stop; nobody stops the consumer's thread that begins then."""
    command = [sys.executable, "-c", BEGUN_AFTER_ITS_STOP, str(tmp_path)]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=STARTED_S, check=False)

    assert ended.returncode == 0, ended.stderr
