"""Runs seeds: each in a loop of its own, with nothing left over from the one before."""

import logging
from typing import Any, NamedTuple, NoReturn

import structlog

from tests.simulation.check import differences
from tests.simulation.clockwork import VirtualLoop
from tests.simulation.process import task_factory
from tests.simulation.world import World

_TRACE_SHOWN = 80


class Outcome(NamedTuple):
    """What became of a seed: the differences (none is as it must be), how it came to them, and its fingerprint."""

    seed: int
    differences: list[str]
    trace: list[str]
    digest: str

    def report(self) -> str:
        """Return what to read when a seed has failed: what went wrong last, the differences, how to see it again."""
        left_out = len(self.trace) - _TRACE_SHOWN
        lines = [f"  … {left_out} lines before"] if left_out > 0 else []
        lines += [f"  {line}" for line in self.trace[-_TRACE_SHOWN:]]
        lines += [f"  - {each}" for each in self.differences or ["all is as it must be"]]
        return "\n".join(
            [f"seed {self.seed}, fingerprint {self.digest}", *lines, f"again: make simulate SEED={self.seed}"]
        )


def simulate(seed: int) -> Outcome:
    """Live through one seed; the same seed is the same run, whenever and wherever."""
    # Workers in trouble say so all the time; what matters of it is in the trace.
    structlog.configure([_drop], wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    loop = VirtualLoop()
    loop.set_task_factory(task_factory)  # type: ignore[arg-type]  # typeshed wants any future
    loop.set_exception_handler(lambda _loop, _context: None)  # the killed leave errors behind that nobody asks for
    try:
        world, found = loop.run_until_complete(_live(seed))
        return Outcome(seed, found, world.trace, world.digest())
    finally:
        loop.end()


async def _live(seed: int) -> tuple[World, list[str]]:
    world = World(seed)
    await world.run()
    return world, await differences(world)


def _drop(*_: Any) -> NoReturn:
    raise structlog.DropEvent
