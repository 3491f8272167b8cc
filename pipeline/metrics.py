"""Every metric of Plaudit, declared once: what it counts, its unit, and when to worry.

Labels come from closed sets (`pipeline.topology` names stages and tables, `pipeline.errors.Reason` reasons) or from the
deployment (partitions), never from data: a tenant or an actor is not a label. What to do about each of them is in
`docs/operations.md`.
"""

from prometheus_client import Counter, Gauge, Histogram, Info

# From 250 µs (a small batch in memory) to 30 s (a database that is nearly away).
_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# From a trickle to `batch_records_max`'s upper limit.
_RECORDS = (1, 5, 10, 50, 100, 250, 500, 1_000, 2_000, 5_000, 10_000, 100_000)

# The steps of a batch, in the order of effects: the closed set of the label `step`.
STEPS = ("before", "process", "deliver", "produce", "changelog", "write")

# Which release runs. Worry when the workers of one stage disagree for longer than a deployment takes.
BUILD = Info("plaudit_build", "The release that this process runs.")

# Records that a stage has finished with, by what became of them: `accepted`, `duplicate`, `redelivered`, a reason code…
# Worry when the rate of a stage falls to zero while its lag grows, or when `duplicate` rises against its usual share.
STAGE_RECORDS = Counter("plaudit_stage_records", "Records a stage has finished with, by outcome.", ("stage", "outcome"))

# Seconds that one batch spent in one step (see STEPS). Worry when `deliver` (the database) or `produce`, `changelog`
# (the broker) grows while the batches do not.
STAGE_BATCH_SECONDS = Histogram(
    "plaudit_stage_batch_seconds", "Seconds of one batch in one step.", ("stage", "step"), buckets=_SECONDS
)

# Records in a batch. Worry when it stays at `batch_records_max`: the stage is saturated, add workers.
BATCH_RECORDS = Histogram("plaudit_batch_records", "Records in one batch.", ("stage",), buckets=_RECORDS)

# Seconds from the append of an event to `events` until a stage has finished with its batch; the batch's oldest record.
# Worry when it exceeds what the deployment promises its actors: it is the age of what they see.
STAGE_DELAY_SECONDS = Histogram(
    "plaudit_stage_delay_seconds",
    "Seconds from an event's append to the end of its batch.",
    ("stage",),
    buckets=_SECONDS,
)

# Records of a partition that are appended but not yet finished. Worry when it grows for minutes, not at its height.
LAG_RECORDS = Gauge("plaudit_lag_records", "Records appended but not yet finished.", ("stage", "partition"))

# Partitions of its topic that this worker owns. Worry when the sum over a stage's workers is not the partition count.
PARTITIONS_OWNED = Gauge("plaudit_partitions_owned", "Partitions that this worker owns.", ("stage",))

# Changelog records that a table's shard must still read before its partition is served. Worry when it does not fall.
RECOVERY_REMAINING_RECORDS = Gauge(
    "plaudit_recovery_remaining_records", "Changelog records still to be read.", ("stage", "table", "partition")
)

# Times that a batch had to be brought to its destination again. Worry when it rises for longer than a restart of the
# destination takes: nothing is lost, but nothing moves either.
SINK_RETRIES = Counter("plaudit_sink_retries", "Deliveries that had to be tried again.", ("stage",))

# Times that producing to the broker had to be tried again. Worry as for the sink.
PRODUCE_RETRIES = Counter("plaudit_produce_retries", "Produce requests that had to be tried again.", ("stage",))

# Offsets between what a stage had read of a partition and the first record that its topic's retention has left, as seen
# when the partition was assigned. Worry about any: what was there is lost to this stage.
RECORDS_EXPIRED = Counter("plaudit_records_expired", "Records removed by retention before they were read.", ("stage",))

# Records refused for good. Worry about any rise: somebody's events do not count. `plaudit dlq list` shows them.
DEAD_LETTERS = Counter("plaudit_dead_letters", "Records refused for good, by reason.", ("stage", "reason"))

# Commits of offsets that the broker did not take. A few accompany every rebalance (the work is done again, without a
# second effect). Worry when they go on without one.
COMMIT_FAILURES = Counter("plaudit_commit_failures", "Commits of offsets that failed.", ("stage",))

# Times that a worker found another writer on its changelog and stopped using its disk. One after a long pause of a
# machine is the fence at work. Worry when it repeats: two workers share a name or a table folder.
FENCED = Counter("plaudit_fenced", "Times that this worker found another writer on its changelog.", ("stage",))

# Partitions assigned to, or taken from, this worker. Worry when it rises steadily: workers come and go, look at their
# logs.
REBALANCES = Counter("plaudit_rebalances", "Assignments of partitions to this worker.", ("stage",))

# Seconds that match waited to be sure of the economy in force. Worry when it is more than the economy margin: a
# worker does not follow `economies`, and events wait for it.
ECONOMY_WAIT_SECONDS = Histogram(
    "plaudit_economy_wait_seconds", "Seconds waited for the economies to be known.", ("stage",), buckets=_SECONDS
)

# About how many entries a table's shards have on this worker, as RocksDB estimates when it is asked: an entry that was
# written again counts again until files are merged. Worry when `seen` outgrows its retention.
TABLE_ENTRIES = Gauge("plaudit_table_entries", "Estimated entries of a table on this worker.", ("stage", "table"))

# Rows that the ledger has committed. Worry when it stands still while `transactions` grows.
LEDGER_TRANSFERS = Counter("plaudit_ledger_transfers", "Transfers committed to the ledger.")

# Seasons that are over and should be closed, but could not be at the worker's last look. Worry when it is not 0 for
# longer than a restart of anything takes.
SEASONS_OVERDUE = Gauge("plaudit_seasons_overdue", "Seasons that should be closed by now and are not.")
