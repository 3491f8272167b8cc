"""Which economy a view reads by: the one that is in force now."""

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime
from http import HTTPStatus
from typing import Protocol

from pipeline.errors import InvariantBroken, PoisonEvent
from pipeline.events import from_millis
from rules.economy import Economy
from web.problems import Problem, unavailable

# A reader is told to come back rather than kept waiting for a broker that is away.
_CONFIRMED_WITHIN_S = 2.0


class Economies(Protocol):
    """The published economies, as a worker follows them."""

    def following(self) -> bool:
        """Return whether the worker has begun to follow them, and goes on."""
        ...

    def at(self, tenant: str, appended_ms: int) -> Economy:
        """Return the economy that is in force for what is appended at that time, in milliseconds since the epoch.

        Raises:
            PoisonEvent: there is none.
        """
        ...

    def tenants(self) -> Collection[str]:
        """Return all tenants for which anything was published."""
        ...

    async def confirmed(self, appended_ms: int) -> None:
        """Return once every revision is known that can be in force until then.

        Raises:
            InvariantBroken: a defect ended the following, or they are not followed.
        """
        ...


class PresentEconomies:
    """The economies in force at the time of reading."""

    def __init__(self, economies: Economies, clock: Callable[[], int]) -> None:
        """`clock` gives milliseconds since the epoch."""
        self._economies = economies
        self.clock = clock

    def instant(self) -> datetime:
        """Return the present instant."""
        return from_millis(self.clock())

    async def find(self, tenant: str) -> Economy:
        """Return a tenant's economy.

        Raises:
            Problem: it has none, or the worker can't know now.
        """
        now = self.clock()
        try:
            async with asyncio.timeout(_CONFIRMED_WITHIN_S):
                await self._economies.confirmed(now)
        except TimeoutError:
            raise _unknown() from None
        except InvariantBroken:
            # The web server answers before the worker has begun to follow anything, and after it has ended: no defect.
            if self._economies.following():
                raise
            raise _unknown() from None
        try:
            return self._economies.at(tenant, now)
        except PoisonEvent as missing:
            code = missing.reason.value.replace("_", "-")
            raise Problem(HTTPStatus.NOT_FOUND, code, missing.message, {"tenant": tenant}) from None


def _unknown() -> Problem:
    return unavailable("economies-unknown", "this worker does not know the economies in force at present")
