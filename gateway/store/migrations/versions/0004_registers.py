"""registers with evidence, validity everywhere and history

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from gateway.store.migrations.guards import only_grow
from gateway.store.tables.base import Instant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANTS = (
    ("household", "valid_from"),
    ("household", "valid_to"),
    ("resident_vehicle", "valid_from"),
    ("resident_vehicle", "valid_to"),
    ("free_vehicle", "valid_from"),
    ("blocked_vehicle", "valid_from"),
    ("certificate", "reviewed_at"),
)
TEXTS = (("relative", "name"), ("relative", "resident"), ("relative", "evidence"), ("relative", "approver"))
HISTORY = "register_change"


def _json() -> sa.JSON:
    return sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    for table, name in INSTANTS:
        op.add_column(table, sa.Column(name, Instant(), nullable=True))
    for table, name in TEXTS:
        op.add_column(table, sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.create_index("ix_relative_site_id_household_id", "relative", ["site_id", "household_id"])
    op.create_table(
        HISTORY,
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("entry", sa.String(length=32), nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("action", sa.String(length=12), nullable=False),
        sa.Column("operator", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("origin", sa.String(length=64), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("request_key", sa.String(length=128), nullable=True),
        sa.Column("before", _json(), nullable=False),
        sa.Column("after", _json(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "kind", "entry", "sequence", name=op.f("pk_register_change")),
    )
    op.create_index("ix_register_change_site_id_at", HISTORY, ["site_id", "at"])
    op.create_index(
        "ix_register_change_request",
        HISTORY,
        ["site_id", "request_key"],
        sqlite_where=sa.text("request_key IS NOT NULL"),
        postgresql_where=sa.text("request_key IS NOT NULL"),
    )
    only_grow((HISTORY,))


def downgrade() -> None:
    # Its triggers go with the table.
    op.drop_table(HISTORY)
    op.drop_index("ix_relative_site_id_household_id", table_name="relative")
    for table, name in (*reversed(TEXTS), *reversed(INSTANTS)):
        op.drop_column(table, name)
