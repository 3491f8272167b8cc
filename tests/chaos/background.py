"""Work in a thread beside the faults, whose failure is not overlooked."""

import threading
from collections.abc import Callable


class Background:
    """Runs `work` until `over` is set; what it raises is raised again to whoever stops it."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.over = threading.Event()
        self.failure: BaseException | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the end. Idempotent."""
        self.over.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as failure:  # noqa: BLE001 - it is raised by `stop`
            self.failure = failure
