"""Publishes a revision of a tenant's economy, and makes sure that it counts."""

from collections.abc import Callable
from datetime import datetime

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from pipeline.clock import now_ms
from pipeline.economies.reader import Connection, EconomyReader
from pipeline.errors import TransientError
from pipeline.events import from_millis
from pipeline.logs import get_logger
from tables.economies import RECORD_BYTES_MAX, Revision, append_revision, encode_history, named

# Each time another publisher was faster, so that someone's publication succeeds every time.
ATTEMPTS_MAX = 20
# A record of the largest history with its key, headers and the batch around it.
REQUEST_BYTES_MAX = RECORD_BYTES_MAX + 100_000

_log = get_logger(__name__)


class EconomyPublisher:
    """Adds revisions to the topic `economies`. Several publishers at once are safe: each gets a number of its own."""

    def __init__(self, *, broker: str, topic: str, margin_s: float, clock: Callable[[], int] = now_ms) -> None:
        """Publish to `topic` (its full name); a revision takes effect `margin_s` after its publication or later."""
        self._broker = broker
        self._topic = topic
        self._margin_ms = round(margin_s * 1_000)
        self._clock = clock

    async def publish(self, tenant: str, document: bytes, effective_at: datetime | None = None) -> Revision:
        """Publish a document, which must be valid JSON of the tenant's, and return the revision as everyone reads it.

        Not idempotent: whoever calls it again publishes another revision.

        Raises:
            HistoryFull: the document is too large beside the revisions that must be kept.
            TransientError: the broker is away. Whether the revision was published is then unknown; the history tells.
        """
        reader = EconomyReader(broker=self._broker, topic=self._topic)
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
            raise TransientError(f"the broker at {self._broker} can't be reached: {error!r}") from error

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
