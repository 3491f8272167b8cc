"""What was delivered of a partition and is not finished yet, and so how far it may be committed."""

from collections import deque
from typing import Any

from pipeline.recordbatch.model import Run


class Round:
    """Runs that a worker is handed at once: one of each partition that a fetch brought records of."""

    __slots__ = ("message", "open")

    def __init__(self, runs: int) -> None:
        """Begin with so many runs, all of them open."""
        self.open = runs
        self.message: Any = None  # Faust's, which waits for it while somebody holds it


class Delivery:
    """A run on its way through a worker."""

    __slots__ = ("finished", "round", "run")

    def __init__(self, run: Run, round_: Round) -> None:
        """Begin unfinished."""
        self.run = run
        self.round = round_
        self.finished = False

    def settle(self, *, finished: bool) -> bool:
        """Mark the run as finished, everything it caused being durable, or as given up; return if its round is over.

        To be called once. Whoever owns the partition next does what was given up.
        """
        self.finished = finished
        self.round.open -= 1
        return not self.round.open


class InFlight:
    """The delivered and not yet committable runs of one partition, oldest first."""

    def __init__(self) -> None:
        self._deliveries: deque[Delivery] = deque()
        self._committable: int | None = None

    def deliver(self, delivery: Delivery) -> None:
        """Remember what is being delivered."""
        self._deliveries.append(delivery)

    def committable(self) -> int | None:
        """Return the offset after the longest finished prefix; None while nothing has finished."""
        while self._deliveries and self._deliveries[0].finished:
            self._committable = self._deliveries.popleft().run.records[-1].offset + 1
        return self._committable
