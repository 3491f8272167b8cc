"""Setting up the topics, against both brokers."""

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from pipeline.admin import admin_client, create_topics, declared_topics
from pipeline.errors import TransientError, UserError
from tests.stack import Kafka, Tansu


async def test_another_number_of_partitions_is_refused_and_nothing_created(broker: Tansu | Kafka, prefix: str) -> None:
    """The number of partitions decides where state is: it can't be changed by a setting."""
    complete = declared_topics(prefix, partitions=2, replication=1)
    await create_topics(broker.address, complete[:1])

    with pytest.raises(UserError, match=r"events\.raw has 2 partitions, not 3.*PLAUDIT_PARTITIONS"):
        await create_topics(broker.address, declared_topics(prefix, partitions=3, replication=1))

    async with admin_client(broker.address) as client:
        ours = [name for name in await client.list_topics() if name.startswith(prefix)]
    assert ours == [f"{prefix}events.raw"]


async def test_a_broker_that_is_away_is_named() -> None:
    """The message says where nobody answered."""
    with pytest.raises(TransientError, match=r"no broker answers at 127\.0\.0\.1:1"):
        await create_topics("127.0.0.1:1", ())


async def test_too_many_copies_are_refused_in_the_brokers_words(kafka: Kafka, prefix: str) -> None:
    """One broker can't hold three copies."""
    with pytest.raises(UserError, match=r"refuses to create .*events\.raw.*[Rr]eplication"):
        await create_topics(kafka.address, declared_topics(prefix, partitions=2, replication=3))


async def test_a_second_set_up_changes_nothing(broker: Tansu | Kafka, prefix: str) -> None:
    """Set-up can be run at every deployment."""
    specs = declared_topics(prefix, partitions=2, replication=1)
    names = {spec.name for spec in specs}

    first = await create_topics(broker.address, specs)
    second = await create_topics(broker.address, specs)

    assert (set(first.created), set(first.found)) == (names, set())
    assert (set(second.created), set(second.found)) == (set(), names)
    assert second.differences == ()


async def test_a_setting_that_differs_is_named(broker: Tansu | Kafka, prefix: str) -> None:
    """A history that somebody lets the broker delete must not go unnoticed."""
    specs = {spec.name: spec for spec in declared_topics(prefix, partitions=1, replication=1)}
    history = specs[f"{prefix}events"]
    await create_topics(broker.address, [history._replace(configs={**history.configs, "retention.ms": "1000"})])

    outcome = await create_topics(broker.address, [history])

    assert outcome.differences == (f"{prefix}events: retention.ms is '1000', not '-1'",)


async def test_the_broker_has_the_declared_settings(kafka: Kafka, prefix: str) -> None:
    """The history is kept for ever under the broker's time; changelogs are compacted in small segments."""
    await create_topics(kafka.address, declared_topics(prefix, 2, 1, retention_days={"seen": 7}))

    async with admin_client(kafka.address) as client:
        names = ("events", "economies", "dedupe-seen-changelog")
        resources = [ConfigResource(ConfigResourceType.TOPIC, prefix + name) for name in names]
        answers = await client.describe_configs(resources)
    configs = {found[3]: {entry[0]: entry[1] for entry in found[4]} for answer in answers for found in answer.resources}

    history = configs[f"{prefix}events"]
    assert (history["retention.ms"], history["message.timestamp.type"]) == ("-1", "LogAppendTime")
    economies = configs[f"{prefix}economies"]
    assert (economies["cleanup.policy"], economies["min.compaction.lag.ms"]) == ("compact", "86400000")
    seen = configs[f"{prefix}dedupe-seen-changelog"]
    assert set(seen["cleanup.policy"].split(",")) == {"compact", "delete"}
    assert int(seen["retention.ms"]) == (7 + 2) * 86_400_000
    assert int(seen["segment.bytes"]) == 32 << 20
