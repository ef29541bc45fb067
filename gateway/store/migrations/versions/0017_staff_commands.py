"""staff commands with their reasons, emergencies, and who works on what needs a person

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.tables.base import Instant

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

STANDS = "ended_at IS NULL"


def upgrade() -> None:
    op.create_table(
        "staff_command",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("command_id", sa.String(length=64), nullable=False),
        sa.Column("lane_id", sa.String(length=40), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("operator", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=120), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=200), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "command_id", name=op.f("pk_staff_command")),
    )
    op.create_index(
        op.f("ix_staff_command_site_id_idempotency_key"), "staff_command", ["site_id", "idempotency_key"], unique=True
    )
    op.create_index(op.f("ix_staff_command_site_id_lane_id_at"), "staff_command", ["site_id", "lane_id", "at"])
    op.create_table(
        "emergency",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("declared_at", Instant(), nullable=False),
        sa.Column("declared_by", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("ended_by", sa.String(length=64), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_emergency")),
    )
    op.create_index(
        "uq_emergency_declared",
        "emergency",
        ["site_id"],
        unique=True,
        sqlite_where=sa.text(STANDS),
        postgresql_where=sa.text(STANDS),
    )
    op.add_column("exception_item", sa.Column("claimed_by", sa.String(length=64), nullable=True))
    op.add_column("exception_item", sa.Column("claimed_at", Instant(), nullable=True))


def downgrade() -> None:
    for column in ("claimed_at", "claimed_by"):
        op.drop_column("exception_item", column)
    op.drop_table("emergency")
    op.drop_table("staff_command")
