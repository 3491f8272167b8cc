"""The roles: what the sink may do, and what a reader may."""

from alembic import op

from pipeline.errors import UserError

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# The roles themselves belong to the server, not to the database; `sinks.ledger.roles` makes them before this runs.
_GRANTS = (
    "GRANT USAGE ON SCHEMA plaudit TO plaudit_sink, plaudit_reader",
    # Rows of the ledger are only ever inserted: no UPDATE, DELETE or TRUNCATE here.
    "GRANT SELECT, INSERT ON plaudit.transfers, plaudit.chain, plaudit.row_checksums TO plaudit_sink",
    "GRANT SELECT, INSERT, UPDATE ON plaudit.account_balances, plaudit.progress TO plaudit_sink",
    "GRANT SELECT ON ALL TABLES IN SCHEMA plaudit TO plaudit_reader",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA plaudit GRANT SELECT ON TABLES TO plaudit_reader",
)


def upgrade() -> None:
    """Grant them."""
    for statement in _GRANTS:
        op.execute(statement)


def downgrade() -> None:
    """There is no way back."""
    raise UserError("a migration of the ledger is never undone: restore a backup")
