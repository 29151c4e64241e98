"""Runs the migrations on the connection, and in the transaction, that the caller opened."""

from __future__ import annotations

from alembic import context

from adapters.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
