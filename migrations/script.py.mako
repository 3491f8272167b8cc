"""${message}."""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand first; what older releases still use goes in a later revision."""
    ${upgrades if upgrades else "raise NotImplementedError"}


def downgrade() -> None:
    """There is no way back: restore a backup."""
    raise NotImplementedError
