"""The ledger's tables as SQLAlchemy metadata, for queries. `migrations/` creates them; a test compares both."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

SCHEMA = "plaudit"
SINK_ROLE = "plaudit_sink"
READER_ROLE = "plaudit_reader"
KINDS = ("award", "spend", "redeem", "adjust", "reverse", "bonus")

METADATA = MetaData(schema=SCHEMA)


def _column(name: str, kind: type) -> Column[object]:
    return Column(name, kind, nullable=False)


TRANSFERS = Table(
    "transfers",
    METADATA,
    _column("id", Uuid),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    _column("seq", BigInteger),
    _column("amount", BigInteger),
    _column("partition", Integer),
    _column("leg", Integer),
    _column("revision", Integer),
    _column("tenant", Text),
    _column("debit_account", Text),
    _column("credit_account", Text),
    _column("currency", Text),
    _column("kind", Text),
    _column("actor", Text),
    _column("event_source", Text),
    _column("event_id", Text),
    _column("event_type", Text),
    _column("cause", Text),
    PrimaryKeyConstraint("partition", "seq", "leg", name="transfers_pkey"),
    UniqueConstraint("id", name="transfers_id_key"),
    CheckConstraint("amount > 0", name="transfers_amount_positive"),
    CheckConstraint("debit_account <> credit_account", name="transfers_accounts_differ"),
    Index("transfers_by_actor", "tenant", "actor"),
    Index("transfers_by_event", "tenant", "event_id"),
    Index("transfers_by_time", "tenant", "occurred_at"),
)

# One row per partition: an account's balance is the sum of its rows.
ACCOUNT_BALANCES = Table(
    "account_balances",
    METADATA,
    _column("partition", Integer),
    _column("tenant", Text),
    _column("account", Text),
    _column("currency", Text),
    _column("debits", Numeric),
    _column("credits", Numeric),
    PrimaryKeyConstraint("partition", "tenant", "account", "currency", name="account_balances_pkey"),
    CheckConstraint("account NOT LIKE 'actor:%' OR credits >= debits", name="account_balances_actor_not_below_zero"),
)

CHAIN = Table(
    "chain",
    METADATA,
    _column("partition", Integer),
    _column("first_seq", BigInteger),
    _column("last_seq", BigInteger),
    _column("transfers", Integer),
    _column("previous", LargeBinary),
    _column("hash", LargeBinary),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("partition", "last_seq", name="chain_pkey"),
)

ROW_CHECKSUMS = Table(
    "row_checksums",
    METADATA,
    _column("partition", Integer),
    _column("last_seq", BigInteger),
    _column("checksums", LargeBinary),
    PrimaryKeyConstraint("partition", "last_seq", name="row_checksums_pkey"),
)

PROGRESS = Table(
    "progress",
    METADATA,
    _column("partition", Integer),
    _column("seq", BigInteger),
    PrimaryKeyConstraint("partition", name="progress_pkey"),
)

# How many pieces of each reward's stock are taken, and what was decided about each claim.
REWARD_STOCK = Table(
    "reward_stock",
    METADATA,
    _column("tenant", Text),
    _column("reward", Text),
    _column("taken", BigInteger),
    PrimaryKeyConstraint("tenant", "reward", name="reward_stock_pkey"),
    CheckConstraint("taken >= 0", name="reward_stock_taken_positive"),
)

REWARD_CLAIMS = Table(
    "reward_claims",
    METADATA,
    _column("tenant", Text),
    _column("claim", Text),
    _column("reward", Text),
    _column("actor", Text),
    _column("granted", Boolean),
    _column("returned", Boolean),
    PrimaryKeyConstraint("tenant", "claim", name="reward_claims_pkey"),
    CheckConstraint("granted OR NOT returned", name="reward_claims_returned_was_granted"),
)

# Final standings of closed seasons; inserted once.
SEASON_CLOSINGS = Table(
    "season_closings",
    METADATA,
    _column("tenant", Text),
    _column("season", Text),
    _column("board", Text),
    _column("split", Text),
    _column("tie", Text),
    _column("actors", BigInteger),
    _column("hash", LargeBinary),
    Column("closed_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("tenant", "season", "board", "split", name="season_closings_pkey"),
)

SEASON_STANDINGS = Table(
    "season_standings",
    METADATA,
    _column("tenant", Text),
    _column("season", Text),
    _column("board", Text),
    _column("split", Text),
    _column("place", BigInteger),
    _column("rank", BigInteger),
    _column("actor", Text),
    _column("score", BigInteger),
    PrimaryKeyConstraint("tenant", "season", "board", "split", "place", name="season_standings_pkey"),
)
