"""The only place where tests wait: for a condition, with a deadline, never for a time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

_POLL_S = 0.05

T = TypeVar("T")


class DeadlinePassed(AssertionError):
    """A condition did not become true in time."""


async def until(condition: Callable[[], T | Awaitable[T]], deadline_s: float, what: str) -> T:
    """Return the first true value of `condition` (plain or async); fail with `what` once the deadline has passed."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > end:
            raise DeadlinePassed(f"not within {deadline_s:g} s: {what} (last: {value!r})")
        await asyncio.sleep(_POLL_S)


def until_sync(condition: Callable[[], T], deadline_s: float, what: str) -> T:
    """Return the first true value of `condition`, for tests without an event loop."""
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise DeadlinePassed(f"not within {deadline_s:g} s: {what} (last: {value!r})")
        time.sleep(_POLL_S)
    return value
