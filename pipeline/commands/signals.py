"""Ctrl-C, SIGTERM and a closed terminal, for commands that have something to put away before they end."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A signal asks this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Within the block the first signal raises `Stopped` in the main thread, so that `with` blocks are left in order.

    A second one ends the process at once: whoever sends it does not want to wait. The janitor cleans up behind it.
    """

    def second(number: int, _frame: FrameType | None) -> None:
        os._exit(128 + number)

    def first(number: int, _frame: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, second)
        raise Stopped(number)

    before = {number: signal.signal(number, first) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_on_sigterm() -> None:
    """From now on SIGTERM ends the process with exit code 0, until whoever takes over handles it.

    For the time in which a worker imports what it needs: it has done nothing yet, so it is stopped cleanly already. At
    once, and not by an exception: in the midst of an import somebody may catch it, and the worker would go on for ever.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
