"""Follows the published economies, so that a worker judges every event by the revision that was in force."""

import asyncio
from collections.abc import Callable

from aiokafka.errors import KafkaError

from pipeline.clock import now_ms
from pipeline.economies.compiled import CompiledEconomies
from pipeline.economies.reader import Connection, EconomyReader
from pipeline.errors import InvariantBroken
from pipeline.logs import get_logger
from rules.economy import Economy
from tables.economies import EconomyHistory

# Seconds between two looks at the end of the log while nobody waits: an idle worker costs one small request a second.
LOOK_S = 1.0
# Seconds before the broker is tried again when it was away: doubled each time up to the highest.
RETRY_S, RETRY_S_MAX = 0.2, 5.0

_log = get_logger(__name__)


class EconomyFollower:
    """All published economies, and how far it is certain that they are all.

    A revision takes effect a margin after its publication. So a worker that has read, at or after half a margin before
    an event was appended, all that the log held at that time knows every revision that can judge the event.
    The other half is for clocks that disagree.
    """

    def __init__(self, *, broker: str, topic: str, margin_s: float, clock: Callable[[], int] = now_ms) -> None:
        """Follow `topic` (its full name); `clock` gives the milliseconds since the epoch."""
        self._reader = EconomyReader(broker=broker, topic=topic)
        self._margin_ms = round(margin_s * 1_000)
        self._compiled = CompiledEconomies(self._reader.histories, self._margin_ms)
        self._clock = clock
        self._confirmed_ms = -1
        self._wanted = asyncio.Event()
        self._looked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow; returns at once, whether or not the broker is there."""
        self._task = asyncio.create_task(self._follow(), name="economies")
        self._task.add_done_callback(lambda _: self._looked.set())

    async def stop(self) -> None:
        """Follow no more; what is known stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def at(self, tenant: str, appended_ms: int) -> Economy:
        """Return the economy that judges an event appended at `appended_ms`, once that is `confirmed`.

        Raises:
            PoisonEvent: UNKNOWN_TENANT, NO_ECONOMY. The same for the same event, whenever and wherever it is judged.
        """
        return self._compiled.at(tenant, appended_ms)

    def history(self, tenant: str) -> EconomyHistory | None:
        """Return the tenant's revisions as far as they are known."""
        return self._reader.histories.get(tenant)

    async def confirmed(self, appended_ms: int) -> None:
        """Return once every revision is known that can judge events appended until then: usually at once.

        Waits for as long as the broker is away.

        Raises:
            InvariantBroken: a defect ended the following.
        """
        needed_ms = appended_ms - self._margin_ms // 2
        while self._confirmed_ms < needed_ms:
            self._assert_alive()
            ahead_ms = needed_ms - self._clock()
            if ahead_ms > 0:
                _log.warning("the broker's clock is ahead of this machine's", ahead_ms=ahead_ms + self._margin_ms // 2)
                await asyncio.sleep(ahead_ms / 1_000)
            self._wanted.set()
            await self._looked.wait()

    def _assert_alive(self) -> None:
        if self._task is None:
            raise InvariantBroken("economies are asked for before they are followed")
        if self._task.done():
            problem = None if self._task.cancelled() else self._task.exception()
            raise InvariantBroken("economies are not followed any more") from problem

    async def _follow(self) -> None:
        delay_s = RETRY_S
        while True:
            try:
                async with self._reader.connected() as connection:
                    while True:
                        await self._look(connection)
                        delay_s = RETRY_S
                        await self._pause()
            except (KafkaError, OSError, TimeoutError) as error:
                _log.warning("economies can't be read, trying again", retry_in_s=delay_s, problem=repr(error))
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, RETRY_S_MAX)

    async def _look(self, connection: Connection) -> None:
        looked_ms = self._clock()
        for _, tenant in await connection.read_to_end():
            if tenant is not None:
                self._compiled.changed(tenant)
        self._confirmed_ms = looked_ms
        self._looked.set()
        self._looked = asyncio.Event()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                await self._wanted.wait()
        except TimeoutError:
            pass  # nobody asked
        self._wanted.clear()
