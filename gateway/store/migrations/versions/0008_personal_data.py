"""requests about personal data, what the daily deletion did, and the door in what only ever grows

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from gateway.store.tables.base import Instant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# What only ever grows and may still hold a person: these columns, and no other, may be changed while a row stands in `erasing`.
OPEN = {
    "audit_entry": ("subject", "origin", "reason", "detail"),
    "allowance_draw": ("holder",),
    "charge_payment": ("reference",),
    "register_change": ("entry", "origin", "file", "reason", "digest", "request_key", "before", "after"),
    "voucher_movement": ("reason",),
}


def _json() -> sa.JSON:
    return sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    op.create_table(
        "personal_data_request",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("about", sa.String(length=10), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("sites", _json(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.Column("done", _json(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_personal_data_request")),
    )
    op.create_index("ix_personal_data_request_asked_at", "personal_data_request", ["asked_at"])
    op.create_index("ix_personal_data_request_state_asked_at", "personal_data_request", ["state", "asked_at"])
    op.create_table(
        "retention_run",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("finished_at", Instant(), nullable=False),
        sa.Column("older_than", Instant(), nullable=True),
        sa.Column("deleted", sa.Integer(), nullable=False),
        sa.Column("unfinished", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("day", "kind", name=op.f("pk_retention_run")),
    )
    op.create_table(
        "erasing",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasing")),
    )
    (_open_postgresql if op.get_context().dialect.name == "postgresql" else _open_sqlite)()


def _closed(table: str) -> str:
    """The other columns, comma-separated."""
    columns = [column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)]
    return ", ".join(f'"{name}"' for name in columns if name not in OPEN[table])


def _open_sqlite() -> None:
    for table in OPEN:
        op.execute(f"DROP TRIGGER {table}_no_update")
        op.execute(
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} WHEN NOT EXISTS (SELECT 1 FROM erasing) "
            f"BEGIN SELECT RAISE(ABORT, '{table} only ever grows'); END"
        )
        op.execute(
            f"CREATE TRIGGER {table}_keeps BEFORE UPDATE OF {_closed(table)} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} only ever grows'); END"
        )


def _open_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION parkgate_only_erasing() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN IF NOT EXISTS (SELECT 1 FROM erasing) THEN RAISE EXCEPTION '% only ever grows', TG_TABLE_NAME; END IF; "
        "RETURN NULL; END $$"
    )
    for table in OPEN:
        op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION parkgate_append_only()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION parkgate_only_erasing()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_keeps BEFORE UPDATE OF {_closed(table)} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION parkgate_append_only()"
        )


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        for table in OPEN:
            for trigger in ("append_only", "no_update", "keeps"):
                op.execute(f"DROP TRIGGER {table}_{trigger} ON {table}")
            op.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION parkgate_append_only()"
            )
        op.execute("DROP FUNCTION parkgate_only_erasing()")
    else:
        for table in OPEN:
            op.execute(f"DROP TRIGGER {table}_keeps")
            op.execute(f"DROP TRIGGER {table}_no_update")
            op.execute(
                f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} only ever grows'); END"
            )
    op.drop_table("erasing")
    op.drop_table("retention_run")
    op.drop_index("ix_personal_data_request_state_asked_at", table_name="personal_data_request")
    op.drop_index("ix_personal_data_request_asked_at", table_name="personal_data_request")
    op.drop_table("personal_data_request")
