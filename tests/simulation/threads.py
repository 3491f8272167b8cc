"""Functions that block, as the product runs them in threads: one of them runs at a time, while the loop stands still.

Wherever such a function asks the world for something, it hands the loop a coroutine and waits for it in virtual time.
So it may be interrupted, stopped and killed there, and a seed stays the same run.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from queue import SimpleQueue
from threading import Thread, local
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

# Whether what a task has done in a thread may wait for the world; else it is done at once.
WAITS: ContextVar[bool] = ContextVar("waits", default=False)


class _Done(NamedTuple):
    value: Any = None
    error: BaseException | None = None


class _Queues(NamedTuple):
    asked: SimpleQueue[Coroutine[Any, Any, Any] | _Done]
    answered: SimpleQueue[_Done]


_here = local()


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Let the loop do something, from within a thread of `in_thread`; return what comes of it."""
    queues: _Queues = _here.queues
    queues.asked.put(work)
    value: T = _result(queues.answered.get())
    return value


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Do what blocks. A task that is cancelled cancels what the thread waits for, and ends the thread."""
    queues = _Queues(SimpleQueue(), SimpleQueue())

    loop = asyncio.get_running_loop()

    def run() -> None:
        asyncio._set_running_loop(loop)  # whose time it is in the thread, too
        _here.queues = queues
        queues.asked.put(_tried(function, *arguments))

    thread = Thread(target=run, name="blocks", daemon=True)
    thread.start()
    while not isinstance(asked := queues.asked.get(), _Done):
        try:
            done = _Done(await asked)
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits in the thread, and comes back
            done = _Done(error=error)
        queues.answered.put(done)
    thread.join()
    value: T = _result(asked)
    return value


def _tried(function: Callable[..., Any], *arguments: Any) -> _Done:
    try:
        return _Done(function(*arguments))
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the thread
        return _Done(error=error)


def _result(done: _Done) -> Any:
    if done.error is not None:
        raise done.error
    return done.value
