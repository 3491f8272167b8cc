"""The topology as data: complete, without contradictions, and the only place that names a topic."""

import ast
from collections import Counter

from pipeline import topology
from pipeline.topology import (
    ECONOMIES,
    EVENTS_RAW,
    STAGES,
    TOPICS,
    Topic,
    app_id,
    changelog_name,
    stage_named,
    topic_name,
)
from tests.architecture.repository import ROOT, modules

# Written from outside the stages: by producers, and by `plaudit economy publish`.
SOURCES = (EVENTS_RAW, ECONOMIES)


def test_every_declared_topic_is_listed() -> None:
    """`TOPICS` decides what is created; a topic that is declared but not in it would not exist."""
    declared = {value for value in vars(topology).values() if isinstance(value, Topic)}

    assert declared == set(TOPICS)


def test_names_are_unique() -> None:
    """No two topics, groups or changelogs of a deployment share a name."""
    names = [topic_name("p.", topic) for topic in TOPICS]
    names += [app_id("p.", stage) for stage in STAGES]
    names += [changelog_name("p.", stage, table) for stage in STAGES for table in stage.tables]

    assert not [name for name, times in Counter(names).items() if times > 1]


def test_what_is_read_is_written() -> None:
    """Every topic that a stage reads is a source, or some stage writes it."""
    written = {topic for stage in STAGES for topic in stage.writes} | set(SOURCES)

    assert {topic for stage in STAGES for topic in (stage.reads, *stage.follows)} <= written


def test_nothing_is_written_that_is_not_listed() -> None:
    """Stages write listed topics only, and sources are nobody's output."""
    written = {topic for stage in STAGES for topic in stage.writes}

    assert written <= set(TOPICS)
    assert not written & set(SOURCES)


def test_no_stage_reads_what_it_writes() -> None:
    """The flow has no loop of one stage."""
    assert not [stage.name for stage in STAGES if stage.reads in stage.writes]


def test_a_table_has_one_owner() -> None:
    """Only the stage that owns a table writes it."""
    owners = Counter(table.name for stage in STAGES for table in stage.tables)

    assert set(owners.values()) == {1}


def test_stages_are_found_by_name() -> None:
    """A stage's name on the command line leads to the stage."""
    assert [stage_named(stage.name) for stage in STAGES] == list(STAGES)


def test_topic_names_are_written_nowhere_else() -> None:
    """Source code refers to a topic by its constant; the names that are no common word appear in topology.py only."""
    names = {topic.name for topic in TOPICS if "." in topic.name or "-" in topic.name}
    names |= {f"plaudit.{topic.name}" for topic in TOPICS}

    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {node.value!r}"
        for file in modules()
        if file.name != "topology.py"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names
    ]

    assert not found
