"""The published economies: followed by every worker that judges events, added to by whoever publishes a revision."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from pipeline.clock import now_ms
from pipeline.errors import InvariantBroken, TransientError
from pipeline.events import from_millis
from pipeline.logs import get_logger
from pipeline.revisions.compiled import CompiledEconomies
from pipeline.revisions.reader import Connection, EconomyReader
from pipeline.topology import ECONOMIES, topic_name
from rules.economy import Economy
from tables.economies import RECORD_BYTES_MAX, EconomyHistory, Revision, append_revision, encode_history, named

# Seconds between two looks at the end of the log while nobody waits: an idle worker costs one small request a second.
LOOK_S = 1.0
# Seconds before the broker is tried again when it was away: doubled each time up to the highest.
RETRY_S, RETRY_S_MAX = 0.2, 5.0
# Seconds after which the end of following is asked for again.
STOP_S = 1.0
# Publications of one revision, each time that another publisher was faster.
ATTEMPTS_MAX = 20
# A record of the largest history with its key, headers and the batch around it.
REQUEST_BYTES_MAX = RECORD_BYTES_MAX + 100_000

_log = get_logger(__name__)


class EconomyFollower:
    """All published economies, and how far it is certain that they are all.

    A revision takes effect a margin after its publication. So a worker that has read, at or after half a margin before
    an event was appended, all that the log held at that time knows every revision that can judge the event.
    The other half is for clocks that disagree.
    """

    def __init__(self, reader: EconomyReader, *, margin_s: float, clock: Callable[[], int] = now_ms) -> None:
        """Follow what `reader` reads; `clock` gives milliseconds since the epoch."""
        self._reader = reader
        self._margin_ms = round(margin_s * 1_000)
        self._compiled = CompiledEconomies(self._reader.histories, self._margin_ms)
        self._clock = clock
        self._confirmed_ms = -1
        self._wanted = asyncio.Event()
        self._looked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._following = False

    async def start(self) -> None:
        """Begin to follow; returns at once, whether or not the broker is there."""
        self._following = True
        self._task = asyncio.create_task(self._follow(), name="economies")
        self._task.add_done_callback(lambda _: self._looked.set())

    async def stop(self) -> None:
        """Follow no more; what is known stays."""
        self._following = False
        while self._task is not None and not self._task.done():
            # Once is not always enough: the client waits in ways that may swallow it until Python 3.12.
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=STOP_S)

    def following(self) -> bool:
        """Return whether it was started and not stopped; also where a defect ended it, of which `confirmed` tells."""
        return self._following

    def at(self, tenant: str, appended_ms: int) -> Economy:
        """Return the economy that judges an event appended at `appended_ms`, once that is `confirmed`.

        Raises:
            PoisonEvent: UNKNOWN_TENANT, NO_ECONOMY. The same for the same event, whenever and wherever it is judged.
        """
        return self._compiled.at(tenant, appended_ms)

    def tenants(self) -> list[str]:
        """Return all tenants for which anything was published."""
        return list(self._reader.histories)

    def history(self, tenant: str) -> EconomyHistory | None:
        """Return the tenant's revisions as far as they are known."""
        return self._reader.histories.get(tenant)

    async def confirmed(self, appended_ms: int) -> None:
        """Return once every revision is known that can judge events appended until then: usually at once.

        Waits for as long as the broker is away.

        Raises:
            InvariantBroken: a defect ended the following, or the economies are not followed (any more, or yet).
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
        # Not `wait_for`: until Python 3.12 it may swallow the cancellation that ends this task.
        with suppress(TimeoutError):  # nobody asked
            async with asyncio.timeout(LOOK_S):
                await self._wanted.wait()
        self._wanted.clear()


class EconomyPublisher:
    """Adds revisions to the topic `economies`. Several publishers at once are safe: each gets a number of its own."""

    def __init__(self, broker: str, topic_prefix: str, *, margin_s: float, clock: Callable[[], int] = now_ms) -> None:
        """Publish to the deployment with `topic_prefix`; a revision takes effect `margin_s` later at the earliest."""
        self._broker = broker
        self._prefix = topic_prefix
        self._topic = topic_name(topic_prefix, ECONOMIES)
        self._margin_ms = round(margin_s * 1_000)
        self._clock = clock

    async def publish(self, tenant: str, document: bytes, effective_at: datetime | None = None) -> Revision:
        """Publish a document, which must be valid JSON of the tenant's, and return the revision as everyone reads it.

        Not idempotent: whoever calls it again publishes another revision.

        Raises:
            HistoryFull: the document is too large beside the revisions that must be kept.
            TransientError: the broker is away. Whether the revision was published is then unknown; the history tells.
        """
        reader = EconomyReader(self._broker, self._topic)
        producer = AIOKafkaProducer(
            bootstrap_servers=self._broker, acks="all", max_request_size=REQUEST_BYTES_MAX, linger_ms=0
        )
        try:
            try:
                await producer.start()
                async with reader.connected() as connection:
                    return await self._publish(reader, connection, producer, tenant, document, effective_at)
            finally:
                await producer.stop()
        except (KafkaError, OSError, TimeoutError) as error:
            raise _away(self._broker, self._prefix, error) from error

    async def _publish(
        self,
        reader: EconomyReader,
        connection: Connection,
        producer: AIOKafkaProducer,
        tenant: str,
        document: bytes,
        effective_at: datetime | None,
    ) -> Revision:
        await connection.read_to_end()
        for _ in range(ATTEMPTS_MAX):
            history = append_revision(
                reader.histories.get(tenant),
                tenant,
                document,
                from_millis(self._clock()),
                effective_at,
                self._margin_ms,
            )
            sent = await producer.send_and_wait(
                self._topic, key=tenant.encode(), value=encode_history(history), partition=0
            )
            changed = await connection.read_to_end()
            published = named(reader.histories[tenant], history.newest.revision)
            # Had another publisher been faster, its record would stand before this one and have taken the number. An
            # equal one is this one, written twice because the broker's answer was lost.
            if published is not None and ((sent.offset, tenant) in changed or published == history.newest):
                return published
            _log.warning("another publisher was faster, publishing again", tenant=tenant)
        raise TransientError(f"others keep publishing for tenant {tenant!r}; try again")


async def read_histories(broker: str, topic_prefix: str) -> dict[str, EconomyHistory]:
    """Return what has been published so far, by tenant.

    Raises:
        TransientError: the broker is away, or the topic has not been created.
    """
    reader = EconomyReader(broker, topic_name(topic_prefix, ECONOMIES))
    try:
        async with reader.connected() as connection:
            await connection.read_to_end()
    except (KafkaError, OSError, TimeoutError) as error:
        raise _away(broker, topic_prefix, error) from error
    return reader.histories


def _away(broker: str, topic_prefix: str, error: Exception) -> TransientError:
    return TransientError(
        f"the topic {topic_name(topic_prefix, ECONOMIES)} can't be read at {broker} ({type(error).__name__}): "
        "is the broker there, and has `plaudit topics create` been run?"
    )
