"""How long workers take until they are ready again, and how much they had to read for it."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from urllib.request import urlopen

from tests.chaos.background import Background

_PAUSE_S = 0.1
_ANSWER_S = 2.0


@dataclass(slots=True)
class Recovery:
    """A worker that was started at `since` (monotonic) with an empty disk."""

    number: int
    worker: str
    url: str
    since: float
    ready_s: float | None = None
    records: int = 0


class Recoveries(Background):
    """Watches workers in a thread until they say that they are ready."""

    def __init__(self, unready: Callable[[str], list[str]]) -> None:
        super().__init__("recoveries", self._watch)
        self.all: list[Recovery] = []
        self._unready = unready

    def started(self, number: int, worker: str, url: str) -> None:
        """Watch a worker that was started just now, after fault `number`."""
        self.all.append(Recovery(number, worker, url, time.monotonic()))

    def _watch(self) -> None:
        while not self.over.wait(_PAUSE_S):
            for recovery in [each for each in self.all if each.ready_s is None]:
                if self._unready(recovery.worker):
                    continue
                try:
                    with urlopen(f"{recovery.url}/tables", timeout=_ANSWER_S) as answer:
                        owned = json.load(answer)["owned"]
                except (OSError, HTTPException, ValueError):
                    continue
                recovery.records = sum(each["target"] for each in owned)
                recovery.ready_s = time.monotonic() - recovery.since
