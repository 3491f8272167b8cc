"""The ledger's tables: transfers, account balances, the hash chain, progress."""

from alembic import op

from pipeline.errors import UserError

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Columns of fixed width come first, without holes between them: a row is some twenty bytes smaller for it.
_TRANSFERS = """
    CREATE TABLE plaudit.transfers (
        id              uuid        NOT NULL,
        occurred_at     timestamptz NOT NULL,
        recorded_at     timestamptz NOT NULL,
        seq             bigint      NOT NULL,
        amount          bigint      NOT NULL,
        partition       integer     NOT NULL,
        leg             integer     NOT NULL,
        revision        integer     NOT NULL,
        tenant          text        NOT NULL,
        debit_account   text        NOT NULL,
        credit_account  text        NOT NULL,
        currency        text        NOT NULL,
        kind            text        NOT NULL,
        actor           text        NOT NULL,
        event_source    text        NOT NULL,
        event_id        text        NOT NULL,
        event_type      text        NOT NULL,
        cause           text        NOT NULL,
        CONSTRAINT transfers_pkey PRIMARY KEY (partition, seq, leg),
        CONSTRAINT transfers_id_key UNIQUE (id),
        CONSTRAINT transfers_amount_positive CHECK (amount > 0),
        CONSTRAINT transfers_accounts_differ CHECK (debit_account <> credit_account),
        CONSTRAINT transfers_kind_known CHECK (kind IN ('award', 'spend', 'redeem', 'adjust', 'reverse', 'bonus'))
    )
"""

# One row per account, currency and partition: an actor's account lies in one partition, a system account such as
# `issued` has a row in each, so that no sink ever waits for another's row. Sums of bigints outgrow a bigint: numeric,
# at no measurable cost. The free space lets an update stay on its page, without touching the index.
_ACCOUNT_BALANCES = """
    CREATE TABLE plaudit.account_balances (
        partition  integer NOT NULL,
        tenant     text    NOT NULL,
        account    text    NOT NULL,
        currency   text    NOT NULL,
        debits     numeric NOT NULL,
        credits    numeric NOT NULL,
        CONSTRAINT account_balances_pkey PRIMARY KEY (partition, tenant, account, currency),
        CONSTRAINT account_balances_totals_positive CHECK (debits >= 0 AND credits >= 0),
        CONSTRAINT account_balances_actor_not_below_zero CHECK (account NOT LIKE 'actor:%' OR credits >= debits)
    ) WITH (fillfactor = 80)
"""

_BALANCES = """
    CREATE VIEW plaudit.balances AS
    SELECT tenant, account, currency,
           sum(debits)::bigint AS debits,
           sum(credits)::bigint AS credits,
           (sum(credits) - sum(debits))::bigint AS balance
    FROM plaudit.account_balances
    GROUP BY tenant, account, currency
"""

_CHAIN = """
    CREATE TABLE plaudit.chain (
        partition    integer     NOT NULL,
        first_seq    bigint      NOT NULL,
        last_seq     bigint      NOT NULL,
        transfers    integer     NOT NULL,
        previous     bytea       NOT NULL,
        hash         bytea       NOT NULL,
        recorded_at  timestamptz NOT NULL,
        CONSTRAINT chain_pkey PRIMARY KEY (partition, last_seq),
        CONSTRAINT chain_range CHECK (first_seq <= last_seq),
        CONSTRAINT chain_transfers_positive CHECK (transfers > 0),
        CONSTRAINT chain_hashes CHECK (length(previous) = 32 AND length(hash) = 32)
    )
"""

# Four bytes for each row of a link, in the rows' order: they prove nothing (the chain does), they say which row it is.
_ROW_CHECKSUMS = """
    CREATE TABLE plaudit.row_checksums (
        partition  integer NOT NULL,
        last_seq   bigint  NOT NULL,
        checksums  bytea   NOT NULL,
        CONSTRAINT row_checksums_pkey PRIMARY KEY (partition, last_seq)
    )
"""

_PROGRESS = """
    CREATE TABLE plaudit.progress (
        partition  integer NOT NULL,
        seq        bigint  NOT NULL,
        CONSTRAINT progress_pkey PRIMARY KEY (partition)
    )
"""

_ENTRIES = """
    CREATE VIEW plaudit.entries AS
    SELECT id AS transfer_id, tenant, debit_account AS account, currency, -amount AS amount FROM plaudit.transfers
    UNION ALL
    SELECT id, tenant, credit_account, currency, amount FROM plaudit.transfers
"""


def upgrade() -> None:
    """Create them; the schema itself is there, since Alembic keeps its own version in it."""
    for statement in (_TRANSFERS, _ACCOUNT_BALANCES, _BALANCES, _CHAIN, _ROW_CHECKSUMS, _PROGRESS, _ENTRIES):
        op.execute(statement)


def downgrade() -> None:
    """There is no way back."""
    raise UserError("a migration of the ledger is never undone: restore a backup")
