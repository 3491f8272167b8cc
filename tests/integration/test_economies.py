"""Publishing and following economies, on the embedded broker and on Kafka."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaProducer

from pipeline.admin import create_topics, declared_topics
from pipeline.clock import now, now_ms
from pipeline.economies import EconomyFollower, EconomyPublisher, read_histories
from pipeline.errors import InvariantBroken, PoisonEvent, Reason, TransientError
from pipeline.revisions import reader
from pipeline.topology import ECONOMIES, topic_name
from tables.economies import append_revision, encode_history
from tests.stack import Kafka, Tansu
from tests.wait import until

MARGIN_S = 2.0
MARGIN_MS = 2_000


def document(tenant: str = "acme", points: int = 1) -> bytes:
    """Return a valid economy whose only rule gives `points`."""
    rules = [{"id": "merged", "on": "pr.merged", "award": {"xp": points}}]
    return json.dumps({"economy": tenant, "currencies": {"xp": {}}, "rules": rules}).encode()


@pytest.fixture
async def address(broker: Tansu | Kafka, prefix: str) -> str:
    """The broker's address, with the topics of `prefix` on it."""
    await create_topics(broker.address, declared_topics(prefix, 1, 1))
    return broker.address


@asynccontextmanager
async def following(address: str, prefix: str, **options: Callable[[], int]) -> AsyncIterator[EconomyFollower]:
    """Run a follower."""
    source = reader.EconomyReader(address, topic_name(prefix, ECONOMIES))
    follower = EconomyFollower(source, margin_s=MARGIN_S, **options)
    await follower.start()
    try:
        yield follower
    finally:
        await follower.stop()


def publisher(address: str, prefix: str) -> EconomyPublisher:
    """Return a publisher."""
    return EconomyPublisher(address, prefix, margin_s=MARGIN_S)


async def append(address: str, prefix: str, *records: tuple[bytes | None, bytes | None]) -> None:
    """Append records to the topic, all in one batch, as a foreign producer might."""
    producer = AIOKafkaProducer(bootstrap_servers=address)
    await producer.start()
    try:
        batch = producer.create_batch()
        for key, value in records:
            assert batch.append(key=key, value=value, timestamp=None) is not None
        batch.close()
        await (await producer.send_batch(batch, topic_name(prefix, ECONOMIES), partition=0))
    finally:
        await producer.stop()


async def revision_at(follower: EconomyFollower, tenant: str, appended_ms: int) -> int:
    """Return the number of the revision that judges an event."""
    await follower.confirmed(appended_ms)
    return follower.at(tenant, appended_ms).revision


def reason_at(follower: EconomyFollower, tenant: str, appended_ms: int) -> Reason:
    """Return why no revision judges an event."""
    with pytest.raises(PoisonEvent) as poison:
        follower.at(tenant, appended_ms)
    return poison.value.reason


# Kafka itself refuses records without a key on a compacted topic.
GARBAGE: list[tuple[bytes | None, bytes | None]] = [
    (b"", None),
    (b"\xff", None),
    (b"acme", b""),
    (b"acme", b"{"),
    (b"acme", b"\xff\x00"),
    (b"acme", b"[" * 10_000),
    (b"other", encode_history(append_revision(None, "acme", document(), datetime(2026, 1, 1, tzinfo=UTC), None, 1))),
]


async def test_garbage_on_the_topic_stops_nobody(address: str, prefix: str) -> None:
    """It is passed over, and publications before and after it count."""
    await append(address, prefix, *GARBAGE)
    first = await publisher(address, prefix).publish("acme", document())
    await append(address, prefix, *GARBAGE[2:])
    second = await publisher(address, prefix).publish("acme", document(points=2))

    async with following(address, prefix) as follower:
        effective_ms = round(second.effective_at.timestamp() * 1_000)
        assert await revision_at(follower, "acme", effective_ms) == 2
        assert (first.revision, second.revision) == (1, 2)


async def test_a_published_document_that_cannot_be_used_refuses_events_and_nothing_else(
    address: str, prefix: str
) -> None:
    """Another release or program may have put it there; other tenants don't notice."""
    past = now() - timedelta(hours=1)
    broken = append_revision(None, "broken", b'{"economy": "broken", "unheard": 1}', past, None, MARGIN_MS)
    await append(address, prefix, (b"broken", encode_history(broken)))
    revision = await publisher(address, prefix).publish("acme", document())
    effective_ms = round(revision.effective_at.timestamp() * 1_000) + MARGIN_MS

    async with following(address, prefix) as follower:
        await follower.confirmed(effective_ms)
        assert reason_at(follower, "broken", effective_ms) is Reason.NO_ECONOMY
        assert follower.at("acme", effective_ms).revision == 1


async def test_events_from_before_the_first_revision_are_refused_with_the_reason(address: str, prefix: str) -> None:
    """Not known at all, then known but not in force, then in force: exactly from its instant."""
    later = now() + timedelta(hours=1)
    revision = await publisher(address, prefix).publish("acme", document(), later)
    published_ms = round(revision.published_at.timestamp() * 1_000)
    effective_ms = round(revision.effective_at.timestamp() * 1_000)

    async with following(address, prefix) as follower:
        await follower.confirmed(published_ms)
        assert reason_at(follower, "nobody", published_ms) is Reason.UNKNOWN_TENANT
        assert reason_at(follower, "acme", published_ms - 1) is Reason.UNKNOWN_TENANT
        # Whether a publication within the margin is known by then is chance; the reason must not be.
        assert reason_at(follower, "acme", published_ms + MARGIN_MS - 1) is Reason.UNKNOWN_TENANT
        assert reason_at(follower, "acme", published_ms + MARGIN_MS) is Reason.NO_ECONOMY
        assert reason_at(follower, "acme", effective_ms - 1) is Reason.NO_ECONOMY
        assert follower.at("acme", effective_ms).revision == 1


async def test_a_follower_that_is_sure_knows_every_revision_that_can_judge(address: str, prefix: str) -> None:
    """An event at the effective instant is judged by the new revision, one a millisecond earlier by the old."""
    async with following(address, prefix) as follower:
        first = await publisher(address, prefix).publish("acme", document())
        second = await publisher(address, prefix).publish("acme", document(points=2))
        first_ms = round(first.effective_at.timestamp() * 1_000)
        second_ms = round(second.effective_at.timestamp() * 1_000)

        assert await revision_at(follower, "acme", first_ms) == 1
        assert await revision_at(follower, "acme", second_ms - 1) == 1
        assert await revision_at(follower, "acme", second_ms) == 2
        assert await revision_at(follower, "acme", first_ms) == 1


async def test_publishers_at_the_same_time_each_get_a_number(address: str, prefix: str) -> None:
    """No document is lost, and whoever reads the log sees the same."""
    revisions = await asyncio.gather(
        *(publisher(address, prefix).publish("acme", document(points=n)) for n in range(1, 7))
    )

    assert sorted(each.revision for each in revisions) == [1, 2, 3, 4, 5, 6]
    history = (await read_histories(address, prefix))["acme"]
    assert list(history.revisions) == sorted(revisions, key=lambda each: each.revision)


async def test_a_publisher_that_lost_publishes_on_top(address: str, prefix: str) -> None:
    """A record that took the number first stays, and the newest record repeats it."""
    faster = append_revision(None, "acme", document(points=7), now(), None, MARGIN_MS)
    overtaken: list[bool] = []

    def clock() -> int:
        # The publisher looks at the clock when it has read the log and is about to write: the moment to be faster.
        if not overtaken:
            overtaken.append(True)
            overtaking = append(address, prefix, (b"acme", encode_history(faster)))
            thread = threading.Thread(target=asyncio.run, args=(overtaking,))
            thread.start()
            thread.join()
        return now_ms()

    revision = await EconomyPublisher(address, prefix, margin_s=MARGIN_S, clock=clock).publish(
        "acme", document(points=8)
    )

    history = (await read_histories(address, prefix))["acme"]
    assert revision == history.newest
    assert [json.loads(bytes(each.document))["rules"][0]["award"]["xp"] for each in history.revisions] == [7, 8]


async def test_a_publication_that_is_held_up_takes_effect_later(kafka: Kafka, prefix: str) -> None:
    """The broker's stamp counts: events may have been judged without it until it was appended."""
    await create_topics(kafka.address, declared_topics(prefix, 1, 1))
    slow = EconomyPublisher(kafka.address, prefix, margin_s=MARGIN_S, clock=lambda: now_ms() - 60_000)

    before = now()
    revision = await slow.publish("acme", document())

    assert revision.published_at >= before - timedelta(milliseconds=1)
    assert revision.effective_at - revision.published_at == timedelta(seconds=MARGIN_S)


async def test_a_tenant_whose_record_is_deleted_is_unknown_again(address: str, prefix: str) -> None:
    """That is what a tombstone on a compacted topic says; the numbers then begin anew."""
    await publisher(address, prefix).publish("acme", document())
    await append(address, prefix, (b"acme", None))
    assert await read_histories(address, prefix) == {}

    again = await publisher(address, prefix).publish("acme", document())

    assert again.revision == 1


async def test_many_tenants_are_judged_with_few_compiled_economies(address: str, prefix: str) -> None:
    """A batch of foreign records at once is read to its end, on a broker that names its first offset only."""
    tenants = [f"t{n}" for n in range(20)]
    past = now() - timedelta(hours=1)
    histories = [append_revision(None, each, document(each), past, None, MARGIN_MS) for each in tenants]
    await append(address, prefix, *((h.tenant.encode(), encode_history(h)) for h in histories))

    async with following(address, prefix) as follower:
        at_ms = now_ms() + 3 * MARGIN_MS
        await follower.confirmed(now_ms())
        assert [follower.at(each, at_ms).tenant for each in tenants] == tenants


async def test_while_the_broker_is_away_nothing_is_certain_and_later_it_is(
    kafka: Kafka, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The follower waits for the broker, for as long as it takes, and goes on by itself."""
    await create_topics(kafka.address, declared_topics(prefix, 1, 1))
    await publisher(kafka.address, prefix).publish("acme", document())
    async with following(kafka.address, prefix) as follower:
        await follower.confirmed(now_ms())
        kafka.kill()
        monkeypatch.setattr(reader, "REQUEST_S", 0.5)  # so that the connection is given up more than once
        try:
            event_ms = now_ms() + MARGIN_MS
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(follower.confirmed(event_ms), 2 * MARGIN_S)
            with pytest.raises(TransientError, match="is the broker there"):
                await publisher(kafka.address, prefix).publish("acme", document())
        finally:
            monkeypatch.undo()
            await asyncio.to_thread(kafka.start)

        await asyncio.wait_for(follower.confirmed(event_ms), 30)
        second = await publisher(kafka.address, prefix).publish("acme", document())
        second_ms = round(second.effective_at.timestamp() * 1_000)
        assert await revision_at(follower, "acme", second_ms) == 2


async def test_a_follower_that_starts_before_the_broker_has_the_topic_finds_it_later(kafka: Kafka, prefix: str) -> None:
    """Set-up and workers may start in any order; the embedded broker would make the topic that it is asked for."""
    async with following(kafka.address, prefix) as follower:
        await create_topics(kafka.address, declared_topics(prefix, 1, 1))
        revision = await publisher(kafka.address, prefix).publish("acme", document())

        effective_ms = round(revision.effective_at.timestamp() * 1_000)
        assert await asyncio.wait_for(revision_at(follower, "acme", effective_ms), 60) == 1


async def test_a_defect_in_following_stops_the_worker(address: str, prefix: str) -> None:
    """Whoever waits is told, instead of waiting for ever."""
    broken = False

    def clock() -> int:
        if broken:
            raise ZeroDivisionError
        return now_ms()

    async with following(address, prefix, clock=clock) as follower:
        await follower.confirmed(now_ms())
        broken = True
        task = follower._task
        assert task is not None
        await until(task.done, 10, "the follower meets its defect")
        broken = False
        with pytest.raises(InvariantBroken):
            await follower.confirmed(now_ms() + MARGIN_MS)
        assert follower.following()  # nobody has stopped it: who asks is not told to ask again
