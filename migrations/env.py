"""Alembic's entry: runs the revisions on the connection that `sinks.ledger.migrate` opened and holds the lock on."""

from alembic import context

from sinks.ledger.schema import METADATA, SCHEMA

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=METADATA,
    version_table_schema=SCHEMA,
    include_schemas=True,
)
with context.begin_transaction():
    context.run_migrations()
