"""What was delivered of a partition and is not finished yet, and so how far it may be committed."""

from collections import deque
from typing import Any


class InFlight:
    """The delivered and not yet finished messages of one partition, oldest first."""

    def __init__(self) -> None:
        self._messages: deque[Any] = deque()
        self._committable: int | None = None

    def deliver(self, message: Any) -> None:
        """Remember a message; its `offset` is the last one of its run, its `acked` tells when it is finished."""
        self._messages.append(message)

    def committable(self) -> int | None:
        """Return the offset after the longest finished prefix; None while nothing has finished."""
        while self._messages and self._messages[0].acked:
            self._committable = self._messages.popleft().offset + 1
        return self._committable
