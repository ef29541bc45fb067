"""the ledger, the closes, the draws and the audit log only ever grow

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from alembic import op

from gateway.store.migrations.guards import only_grow

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("ledger_transaction", "posting", "day_close", "allowance_draw", "audit_entry")


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION parkgate_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
            "BEGIN RAISE EXCEPTION '% only ever grows', TG_TABLE_NAME; END $$"
        )
    only_grow(TABLES)


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        for table in TABLES:
            op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        op.execute("DROP FUNCTION parkgate_append_only()")
        return
    for table in TABLES:
        for verb in ("update", "delete"):
            op.execute(f"DROP TRIGGER {table}_no_{verb}")
