"""A worker is killed between each two effects of a run, and nothing is lost or counted twice."""

import signal

import pytest

from tests.recordbatch.deployment import Deployment
from tests.wait import until


@pytest.mark.parametrize("effect", ["compute", "outputs", "changelog", "disk", "ack"])
async def test_a_crash_after_each_effect_costs_nothing(stage: Deployment, effect: str) -> None:
    """What was done before the crash is done again, and recognised."""
    await stage.send_numbers(200)
    worker = stage.start(die_after=effect, die_in_run=3)
    await until(lambda: worker.exit_code is not None, 40, "the worker kills itself")
    assert worker.exit_code == -signal.SIGKILL

    stage.start()
    await stage.until_committed()

    await stage.assert_exact()
