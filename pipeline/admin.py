"""The topics of a deployment: what they should be like, and making them so on a broker. Idempotent."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from pipeline.errors import TransientError, UserError
from pipeline.topology import DEAD_LETTERS, STAGES, TOPICS, Stage, Table, Topic, changelog_name, topic_name

_DAY_MS = 86_400_000
# A revision must be readable by a worker that was away: the history before the newest record is kept for a day.
_COMPACTION_LAG_MS = _DAY_MS
# Compaction never touches the segment that is being written: small ones keep a changelog, and so a recovery, short.
_CHANGELOG_SEGMENT_BYTES = 32 * 1024 * 1024
# An older value that a worker wrote after it had lost a shard must not be all that compaction leaves before the owner
# has repaired it: the owner looks every half minute (docs/adr/0003). More would only make recovery longer.
_CHANGELOG_LAG_MS = 10 * 60_000
# A table's entry must outlive its retention in the changelog whatever the clocks and segments do.
_CHANGELOG_MARGIN_MS = 2 * _DAY_MS
# A dead letter is the refused record, which may be as large as the broker allows (1 MiB), and its details.
_DEAD_LETTER_BYTES_MAX = 2 * 1024 * 1024
_SPREAD_S = 15.0
_POLL_S = 0.1


class TopicSpec(NamedTuple):
    """A topic as it should be; `name` is the whole name."""

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str]


class Outcome(NamedTuple):
    """What `create_topics` did: the names it created and found, and a line for each setting that differs from ours."""

    created: tuple[str, ...]
    found: tuple[str, ...]
    differences: tuple[str, ...]


def declared_topics(
    prefix: str, partitions: int, replication: int, retention_days: Mapping[str, int] | None = None
) -> tuple[TopicSpec, ...]:
    """Return every topic of a deployment; `retention_days` replaces the retention of tables, by name."""
    topics = [_topic(prefix, topic, partitions, replication) for topic in TOPICS]
    for stage in STAGES:
        for table in stage.tables:
            days = (retention_days or {}).get(table.name, table.retention_days)
            topics.append(_changelog(prefix, stage, table, days, partitions, replication))
    return tuple(topics)


def _topic(prefix: str, topic: Topic, partitions: int, replication: int) -> TopicSpec:
    configs = {"cleanup.policy": topic.cleanup} | _durability(replication)
    if "delete" in topic.cleanup:
        configs["retention.ms"] = str(-1 if topic.retention_days is None else topic.retention_days * _DAY_MS)
    if "compact" in topic.cleanup:
        configs["min.compaction.lag.ms"] = str(_COMPACTION_LAG_MS)
    if topic.append_time:
        configs["message.timestamp.type"] = "LogAppendTime"
    if topic is DEAD_LETTERS:
        configs["max.message.bytes"] = str(_DEAD_LETTER_BYTES_MAX)
    return TopicSpec(topic_name(prefix, topic), topic.partitions or partitions, replication, configs)


def _changelog(
    prefix: str, stage: Stage, table: Table, days: int | None, partitions: int, replication: int
) -> TopicSpec:
    configs = {
        "cleanup.policy": "compact",
        "segment.bytes": str(_CHANGELOG_SEGMENT_BYTES),
        "min.compaction.lag.ms": str(_CHANGELOG_LAG_MS),
    } | _durability(replication)
    if days is not None:
        configs["cleanup.policy"] = "compact,delete"
        configs["retention.ms"] = str(days * _DAY_MS + _CHANGELOG_MARGIN_MS)
    return TopicSpec(changelog_name(prefix, stage, table), partitions, replication, configs)


def _durability(replication: int) -> dict[str, str]:
    # An acknowledged record is on two brokers, and one of three may be away.
    return {"min.insync.replicas": "2"} if replication >= 3 else {}


@asynccontextmanager
async def admin_client(broker: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open an administration client.

    Raises:
        TransientError: no broker answers.
    """
    client = AIOKafkaAdminClient(bootstrap_servers=broker.split(","), client_id="plaudit-admin")
    try:
        await client.start()
    except KafkaError as error:
        raise TransientError(f"no broker answers at {broker}: {error}") from error
    try:
        yield client
    finally:
        await client.close()


async def cluster_id(broker: str) -> str:
    """Return what the cluster calls itself: it stays the same for as long as its log does.

    Raises:
        TransientError: no broker answers.
    """
    async with admin_client(broker) as client:
        return str((await client.describe_cluster())["cluster_id"])


async def create_topics(broker: str, specs: Iterable[TopicSpec]) -> Outcome:
    """Create those of the topics that are missing; existing ones are never changed.

    Raises:
        UserError: an existing topic has another number of partitions (nothing is created then), or the broker refuses.
        TransientError: no broker answers.
    """
    wanted = {spec.name: spec for spec in specs}
    async with admin_client(broker) as client:
        listed = await _partition_counts(client, wanted)
        _refuse_other_counts(wanted, listed)
        created = await _create(client, [spec for name, spec in wanted.items() if name not in listed])
        # Brokers hear of a new topic one after the other: set up means that it can be used.
        deadline = time.monotonic() + _SPREAD_S
        while len(listed := await _partition_counts(client, wanted)) < len(wanted):
            if time.monotonic() > deadline:
                missing = ", ".join(sorted(wanted.keys() - listed.keys()))
                raise TransientError(f"topics were created, but the broker does not list them yet: {missing}")
            await asyncio.sleep(_POLL_S)
        _refuse_other_counts(wanted, listed)
        found = tuple(name for name in wanted if name not in created)
        differences = await _differences(client, [wanted[name] for name in found])
    return Outcome(tuple(created), found, tuple(differences))


def _refuse_other_counts(wanted: Mapping[str, TopicSpec], listed: Mapping[str, int]) -> None:
    wrong = [
        f"{name} has {count} partitions, not {wanted[name].partitions}"
        for name, count in listed.items()
        if count != wanted[name].partitions
    ]
    if wrong:
        raise UserError(
            "the number of partitions is fixed once topics exist, since it decides where each actor's state is: "
            + "; ".join(wrong)
            + ". Set PLAUDIT_PARTITIONS to what they have, or use another PLAUDIT_TOPIC_PREFIX"
        )


async def _partition_counts(client: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, int]:
    # Listed before described: some brokers create a topic that they are asked about.
    existing = set(await client.list_topics()).intersection(names)
    if not existing:
        return {}
    return {topic["topic"]: len(topic["partitions"]) for topic in await client.describe_topics(sorted(existing))}


async def _create(client: AIOKafkaAdminClient, missing: list[TopicSpec]) -> list[str]:
    if not missing:
        return []
    answer = await client.create_topics(
        [NewTopic(s.name, s.partitions, s.replication, topic_configs=dict(s.configs)) for s in missing]
    )
    created = []
    for name, code, *message in answer.topic_errors:
        error = for_code(code)
        if error is TopicAlreadyExistsError:  # another set-up was faster
            continue
        if code:
            raise UserError(f"the broker refuses to create {name}: {(message and message[0]) or error.__name__}")
        created.append(name)
    return created


async def _differences(client: AIOKafkaAdminClient, specs: list[TopicSpec]) -> list[str]:
    """Return a line for each setting of the topics that is not as declared."""
    if not specs:
        return []
    resources = [ConfigResource(ConfigResourceType.TOPIC, spec.name) for spec in specs]
    present: dict[str, dict[str, str | None]] = {}
    for answer in await client.describe_configs(resources):
        for _code, _message, _kind, name, entries in answer.resources:
            present[name] = {entry[0]: entry[1] for entry in entries}
    return [
        f"{spec.name}: {setting} is {actual!r}, not {expected!r}"
        for spec in specs
        for setting, expected in spec.configs.items()
        if _as_set(actual := present.get(spec.name, {}).get(setting)) != _as_set(expected)
    ]


def _as_set(value: str | None) -> frozenset[str]:
    # `compact,delete` and `delete,compact` are one policy.
    return frozenset((value or "").split(","))
