"""The data flow, as data: every topic, table, stage and edge is named here and nowhere else."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of the log; its name is without the deployment's prefix, partitions are the deployment's unless given."""

    name: str
    keyed_by: str
    cleanup: Literal["delete", "compact", "compact,delete"]
    retention_days: int | None = None  # None: the broker never deletes
    partitions: int | None = None
    append_time: bool = False  # the broker stamps records, so that time is the log's, not the producer's


@dataclass(frozen=True, slots=True)
class Table:
    """State that a stage must remember: one shard per partition, backed by a changelog."""

    name: str
    keyed_by: str
    retention_days: int | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A Faust app with one agent and a consumer group: the unit that is scaled."""

    name: str
    reads: Topic
    writes: tuple[Topic, ...] = ()
    tables: tuple[Table, ...] = ()
    follows: tuple[Topic, ...] = ()  # read in full by every worker, outside the group
    sink: str | None = None


# Stamped by the broker, so that no producer moves the line between late, missing and future times.
EVENTS_RAW = Topic("events.raw", keyed_by="any", cleanup="delete", retention_days=7, append_time=True)
# The history: kept for ever unless ops decide otherwise.
EVENTS = Topic("events", keyed_by="tenant|actor", cleanup="delete", append_time=True)
EVENTS_UNIQUE = Topic("events.unique", keyed_by="tenant|actor", cleanup="delete", retention_days=7)
TRANSACTIONS = Topic("transactions", keyed_by="tenant|actor", cleanup="delete", retention_days=30)
FACTS = Topic("facts", keyed_by="tenant|actor", cleanup="delete", retention_days=30)
OUTCOMES = Topic("outcomes", keyed_by="command id", cleanup="delete", retention_days=1)
DEAD_LETTERS = Topic("dead-letters", keyed_by="tenant", cleanup="delete", retention_days=90)
# Stamped by the broker too: a revision that arrives late takes effect late.
ECONOMIES = Topic("economies", keyed_by="tenant", cleanup="compact", partitions=1, append_time=True)

SEEN = Table("seen", keyed_by="tenant, source, event id", retention_days=30)
PROFILES = Table("profiles", keyed_by="tenant, actor")
BOARDS = Table("boards", keyed_by="tenant, board, window, split, actor")
# In the partition of the board's name, whose owner tells of changes.
TOPS = Table("tops", keyed_by="tenant, board, window, split")

NORMALIZE = Stage("normalize", reads=EVENTS_RAW, writes=(EVENTS, DEAD_LETTERS))
DEDUPE = Stage("dedupe", reads=EVENTS, writes=(EVENTS_UNIQUE, OUTCOMES, DEAD_LETTERS), tables=(SEEN,))
MATCH = Stage(
    "match",
    reads=EVENTS_UNIQUE,
    writes=(TRANSACTIONS, FACTS, OUTCOMES, DEAD_LETTERS),
    tables=(PROFILES,),
    follows=(ECONOMIES,),
)
# What match asks of the ledger comes back as events of the same actors. Seasons end as economies say.
LEDGER = Stage("ledger", reads=TRANSACTIONS, writes=(EVENTS, DEAD_LETTERS), follows=(ECONOMIES,), sink="PostgreSQL")
LEADERBOARDS = Stage(
    "leaderboards", reads=TRANSACTIONS, writes=(FACTS, DEAD_LETTERS), tables=(BOARDS, TOPS), follows=(ECONOMIES,)
)

TOPICS = (EVENTS_RAW, EVENTS, EVENTS_UNIQUE, TRANSACTIONS, FACTS, OUTCOMES, DEAD_LETTERS, ECONOMIES)
STAGES = (NORMALIZE, DEDUPE, MATCH, LEDGER, LEADERBOARDS)


def topic_name(prefix: str, topic: Topic) -> str:
    """Return a topic's name in a deployment."""
    return prefix + topic.name


def app_id(prefix: str, stage: Stage) -> str:
    """Return the id of a stage's Faust app, which is also its consumer group."""
    return prefix + stage.name


def changelog_name(prefix: str, stage: Stage, table: Table) -> str:
    """Return the name of a table's changelog topic (Faust's own pattern)."""
    return f"{app_id(prefix, stage)}-{table.name}-changelog"


def stage_named(name: str) -> Stage:
    """Return the stage of that name.

    Raises:
        KeyError: there is none.
    """
    return {stage.name: stage for stage in STAGES}[name]
