"""how long devices were online, vehicles that do not move, and an audit trail that can be searched

Revision ID: 0023
Revises: 0022
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.migrations.guards import only_grow_but
from gateway.store.tables.base import Instant

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# It only ever grows; these columns may hold a person and be changed while a row stands in `erasing`, as in 0008.
OPEN = {
    "zombie_step": ("note",),
}
STANDS = sa.text("until IS NULL")
UNENDED = sa.text("ended_at IS NULL")
TRAIL = ("site_id", "operator", "action")


def upgrade() -> None:
    op.add_column("site", sa.Column("zombie_days", sa.Integer(), server_default="90", nullable=False))
    op.create_table(
        "device_spell",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "device_id", "since", name=op.f("pk_device_spell")),
    )
    op.create_index(
        "uq_device_spell_stands",
        "device_spell",
        ["site_id", "device_id"],
        unique=True,
        sqlite_where=STANDS,
        postgresql_where=STANDS,
    )
    op.create_index("ix_device_spell_until", "device_spell", ["until"])
    _zombies()
    for column in TRAIL:
        op.create_index(f"ix_audit_entry_{column}", "audit_entry", [column, "at", "id"])


def _zombies() -> None:
    op.create_table(
        "zombie_vehicle",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("stay_id", sa.String(length=64), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("found_at", Instant(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_zombie_vehicle")),
    )
    op.create_index(
        "uq_zombie_vehicle_open",
        "zombie_vehicle",
        ["site_id", "stay_id"],
        unique=True,
        sqlite_where=UNENDED,
        postgresql_where=UNENDED,
    )
    op.create_index("ix_zombie_vehicle_found", "zombie_vehicle", ["site_id", "found_at", "id"])
    op.create_table(
        "zombie_step",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("zombie_id", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("step", sa.String(length=10), nullable=False),
        sa.Column("operator", sa.String(length=64), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "zombie_id", "sequence", name=op.f("pk_zombie_step")),
    )
    only_grow_but(OPEN)


def downgrade() -> None:
    for column in TRAIL:
        op.drop_index(f"ix_audit_entry_{column}", "audit_entry")
    for table in ("zombie_step", "zombie_vehicle", "device_spell"):
        op.drop_table(table)
    op.drop_column("site", "zombie_days")
