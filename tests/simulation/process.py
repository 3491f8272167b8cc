"""A process of the simulated world: it may die or be stopped between any two of its effects, and never knows."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from random import Random
from typing import Any, Literal

Effect = Literal["read", "outputs", "changelog", "disk", "sink", "commit"]

_CURRENT: ContextVar["Process | None"] = ContextVar("process", default=None)


def task_factory(loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
    """Make a task; what a process starts ends with it."""
    task = asyncio.Task(coro, loop=loop, **options)
    context = options.get("context")
    process = _CURRENT.get() if context is None else context.get(_CURRENT)
    if process is not None:
        process.tasks.append(task)
    return task


class Process:
    """What its ports ask before and after every effect. The dead do nothing; the stopped go on where they were."""

    def __init__(self, name: str, chance: Random) -> None:
        self.name = name
        self.chance = chance
        self.dead = False
        self.stopped_at: float | None = None
        self.tasks: list[asyncio.Task[Any]] = []
        self._effects_left: int | None = None
        self._kind: Effect | None = None
        self._wake = asyncio.Event()
        self._wake.set()
        self._meet_fate: Callable[[], None] = lambda: None

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something as a part of this process."""
        context = copy_context()
        context.run(_CURRENT.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    def arm(self, meet_fate: Callable[[], None], effects: int, kind: Effect | None) -> None:
        """Let the process meet its fate just before or after an effect, when `effects` (of a kind) have passed."""
        self._meet_fate, self._effects_left, self._kind = meet_fate, effects, kind

    def disarm(self) -> None:
        """Let the process live."""
        self._effects_left = None

    def boundary(self, effect: Effect) -> bool:
        """Stand before or after an effect; return whether the process is still alive."""
        if self._effects_left is not None and self._kind in (None, effect):
            self._effects_left -= 1
            if self._effects_left < 0:
                self._effects_left = None
                self._meet_fate()
        return not self.dead

    async def between(self, effect: Effect) -> None:
        """Stand before or after an effect; returns when the process may go on, which the dead never may."""
        self.boundary(effect)
        while self.dead or self.stopped_at is not None:
            await self._wake.wait()

    async def latency(self) -> None:
        """Wait for an answer from outside: mostly none or milliseconds, now and then much longer."""
        chance = self.chance.random()
        if chance > 0.5:
            await asyncio.sleep(chance * 0.02 if chance < 0.95 else chance * 0.3)

    def kill(self) -> None:
        """End at once: nothing of it is finished, nothing cleaned up."""
        self.dead = True
        self.stopped_at = None
        self._wake = asyncio.Event()
        for task in self.tasks:
            task.cancel()
        self.tasks.clear()

    def stop(self) -> None:
        """Stand still, as under SIGSTOP."""
        self.stopped_at = asyncio.get_running_loop().time()
        self._wake.clear()

    def resume(self) -> None:
        """Go on, as under SIGCONT."""
        if not self.dead:
            self.stopped_at = None
            self._wake.set()
