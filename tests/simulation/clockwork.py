"""An event loop whose time passes only while nobody has anything to do, so that the same seed is the same run."""

import asyncio
from collections.abc import Callable
from typing import Any


class StandsStill(Exception):
    """Everybody waits, and for nothing that would ever come."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Knows no sockets, no threads and no wall clock; callbacks run in the order in which they were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._clock_resolution = 1e-9
        self._selector = self  # the base class waits by asking it

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> tuple[()]:
        """Let the time pass until the next timer."""
        if timeout is None:
            raise StandsStill
        self._now += timeout
        return ()

    def run_in_executor(  # type: ignore[override]  # any function will do
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Do at once what would be done in a thread."""
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
