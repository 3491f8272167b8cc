"""The stock of rewards: how much of each is taken, and every claim with what was decided about it."""

from alembic import op

from pipeline.errors import UserError

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE plaudit.reward_stock (
        tenant  text   NOT NULL,
        reward  text   NOT NULL,
        taken   bigint NOT NULL,
        CONSTRAINT reward_stock_pkey PRIMARY KEY (tenant, reward),
        CONSTRAINT reward_stock_taken_positive CHECK (taken >= 0)
    )
    """,
    """
    CREATE TABLE plaudit.reward_claims (
        tenant    text    NOT NULL,
        claim     text    NOT NULL,
        reward    text    NOT NULL,
        actor     text    NOT NULL,
        granted   boolean NOT NULL,
        returned  boolean NOT NULL,
        CONSTRAINT reward_claims_pkey PRIMARY KEY (tenant, claim),
        CONSTRAINT reward_claims_returned_was_granted CHECK (granted OR NOT returned)
    )
    """,
    "GRANT SELECT, INSERT, UPDATE ON plaudit.reward_stock, plaudit.reward_claims TO plaudit_sink",
)


def upgrade() -> None:
    """Create them."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """There is no way back."""
    raise UserError("a migration of the ledger is never undone: restore a backup")
