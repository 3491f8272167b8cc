"""Runs seeds: each in a loop of its own, with nothing left over from the one before."""

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple, NoReturn

import structlog

from pipeline.revisions import compiled
from pipeline.revisions.documents import compile_document
from tests.simulation.check import differences
from tests.simulation.clockwork import VirtualLoop
from tests.simulation.closing import in_memory
from tests.simulation.process import task_factory
from tests.simulation.replaced import replaced
from tests.simulation.world import World

_TRACE_SHOWN = 80


class Outcome(NamedTuple):
    """What became of a seed: the differences (none is as it must be), how it came to them, and its fingerprint.

    A seed that came out as it must has a fingerprint only if it was asked for.
    """

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


def simulate(seed: int, *, fingerprint: bool = False) -> Outcome:
    """Live through one seed; the same seed is the same run, whenever and wherever."""
    # A revision means the same to every worker: the first compiles it for all. A fifth of the time went into it.
    with _garbage_kept(), replaced((compiled, "compile_document", cache(compile_document))):
        return _outcome(seed, fingerprint=fingerprint)


def _outcome(seed: int, *, fingerprint: bool) -> Outcome:
    # Workers in trouble say so all the time; what matters of it is in the trace.
    structlog.configure([_drop], wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    loop = VirtualLoop()
    loop.set_task_factory(task_factory)  # type: ignore[arg-type]  # typeshed wants any future
    loop.set_exception_handler(lambda _loop, _context: None)  # the killed leave errors behind that nobody asks for
    try:
        world, found = loop.run_until_complete(_live(seed))
        return Outcome(seed, found, world.trace, world.digest() if found or fingerprint else "")
    finally:
        loop.end()


@contextmanager
def _garbage_kept() -> Iterator[None]:
    """Look for garbage when the seed is over, and only in what it made: looking all the time takes a sixth of it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
            gc.collect(0)


async def _live(seed: int) -> tuple[World, list[str]]:
    world = World(seed)
    with in_memory():
        await world.run()
    return world, await differences(world)


def _drop(*_: Any) -> NoReturn:
    raise structlog.DropEvent
