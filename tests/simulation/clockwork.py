"""An event loop whose time passes only while nobody has anything to do, so that the same seed is the same run."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from heapq import heappop
from typing import Any

from tests.simulation.threads import WAITS, in_thread


class StandsStill(Exception):
    """Everybody waits, and for nothing that would ever come."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Knows no sockets, no threads and no wall clock; callbacks run in the order in which they were asked for."""

    # The base class's own: what is to run next, a heap of timers by their time, whether to stop after this round.
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def call_soon(  # type: ignore[override]  # any function will do
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Do as the base class does, without asking each time whether the loop is closed, or is being debugged."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def _run_once(self) -> None:
        """Run what is ready; if nothing is, let the time pass until the next timer first."""
        ready, scheduled = self._ready, self._scheduled
        if not ready and not self._stopping:
            while scheduled and scheduled[0]._cancelled:
                heappop(scheduled)
            if not scheduled:
                raise StandsStill
            self._now = scheduled[0].when()
        while scheduled and scheduled[0].when() <= self._now:
            ready.append(heappop(scheduled))
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def run_in_executor(  # type: ignore[override]  # any function will do
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Do at once what would be done in a thread, unless it has to wait for the world."""
        if WAITS.get():
            return self.create_task(in_thread(func, *args))
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the thread
            done.set_exception(error)
        return done

    def _process_events(self, event_list: Any) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps."""

    def end(self) -> None:
        """Cancel whatever still waits, and close."""
        while waiting := asyncio.all_tasks(self):
            for task in waiting:
                task.cancel()
            self.run_until_complete(asyncio.wait(waiting))
        self.close()
