"""Alembic's entry: runs on the connection that `gateway.store.schema` hands it."""

from __future__ import annotations

from alembic import context

from gateway.store.tables import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=Base.metadata, render_as_batch=True, transaction_per_migration=False
)
context.run_migrations()
