"""What the topics of a deployment should be like."""

from pipeline.admin import declared_topics
from pipeline.topology import STAGES, TOPICS


def test_every_topic_and_every_changelog_is_declared() -> None:
    """Brokers of a deployment need not, and should not, make topics by themselves."""
    specs = declared_topics("acme.", partitions=6, replication=1)

    names = {spec.name for spec in specs}
    assert {f"acme.{topic.name}" for topic in TOPICS} <= names
    assert {f"acme.{stage.name}-{t.name}-changelog" for stage in STAGES for t in stage.tables} <= names


def test_all_have_the_deployments_partitions_save_economies() -> None:
    """Stages write to the partition number that they read."""
    specs = declared_topics("p.", partitions=6, replication=1)

    assert {spec.name: spec.partitions for spec in specs if spec.partitions != 6} == {"p.economies": 1}


def test_three_copies_are_acknowledged_by_two() -> None:
    """An acknowledged record survives the loss of a broker, and one broker may be away."""
    configs = [spec.configs.get("min.insync.replicas") for spec in declared_topics("p.", 1, replication=3)]

    assert set(configs) == {"2"}
    assert all("min.insync.replicas" not in spec.configs for spec in declared_topics("p.", 1, replication=2))


def test_changelogs_are_compacted_only_after_their_owner_had_time_to_repair_them() -> None:
    """A worker that lost a shard may leave an older value behind a newer one; the owner looks every half minute."""
    changelogs = [spec for spec in declared_topics("p.", 1, 1) if spec.name.endswith("-changelog")]

    assert changelogs
    assert all(int(spec.configs["min.compaction.lag.ms"]) >= 10 * 30_000 for spec in changelogs)
