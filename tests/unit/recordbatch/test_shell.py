"""The shell that carries out effects: what it says while something outside is away."""

import asyncio

import pytest

from pipeline.recordbatch.model import Effects, Output, Run, StageCore, TableView
from pipeline.recordbatch.shell import Shell
from tests.recordbatch.memory_log import MemoryLog
from tests.wait import until


class Silent(StageCore):
    """A core whose runs have no effects."""

    def process(self, run: Run, tables: dict[str, TableView]) -> Effects:
        return Effects(run.partition)


async def test_a_wait_that_is_broken_off_is_over() -> None:
    """A rebalance cancels what waits for the broker; a worker that owns nothing afterwards is ready."""
    log = MemoryLog()
    log.trouble = ["refused"] * 1_000
    shell = Shell("stage", Silent(), log, log)
    effects = Effects(0)
    effects.outputs[("topic", 0)] = [Output(b"key", b"value")]
    waiting = asyncio.create_task(shell.carry_out(effects, {}))
    await until(lambda: shell.waiting_for == {"broker": "the broker is away"}, 5, "the shell waits")

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert shell.waiting_for == {}
