"""Closed seasons: the final standing of each leaderboard, with a hash over all its lines."""

from alembic import op

from pipeline.errors import UserError

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE plaudit.season_closings (
        tenant     text        NOT NULL,
        season     text        NOT NULL,
        board      text        NOT NULL,
        split      text        NOT NULL,
        tie        text        NOT NULL,
        actors     bigint      NOT NULL,
        hash       bytea       NOT NULL,
        closed_at  timestamptz NOT NULL,
        CONSTRAINT season_closings_pkey PRIMARY KEY (tenant, season, board, split),
        CONSTRAINT season_closings_hash CHECK (length(hash) = 32),
        CONSTRAINT season_closings_tie_known CHECK (tie IN ('first', 'shared'))
    )
    """,
    """
    CREATE TABLE plaudit.season_standings (
        tenant  text   NOT NULL,
        season  text   NOT NULL,
        board   text   NOT NULL,
        split   text   NOT NULL,
        place   bigint NOT NULL,
        rank    bigint NOT NULL,
        actor   text   NOT NULL,
        score   bigint NOT NULL,
        CONSTRAINT season_standings_pkey PRIMARY KEY (tenant, season, board, split, place)
    )
    """,
    # A standing that is frozen stays as it is: no UPDATE, DELETE or TRUNCATE here.
    "GRANT SELECT, INSERT ON plaudit.season_closings, plaudit.season_standings TO plaudit_sink",
)


def upgrade() -> None:
    """Create them."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """There is no way back."""
    raise UserError("a migration of the ledger is never undone: restore a backup")
