"""corrections of stays: the steps of each, and what was read at the gate

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.migrations.guards import only_grow_but
from gateway.store.tables.base import Instant

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# It only ever grows; these columns may hold a person and be changed while a row stands in `erasing`, as in 0008.
OPEN = {
    "stay_correction": ("reason",),
}


def upgrade() -> None:
    op.create_table(
        "stay_correction",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("stay_id", sa.String(length=64), nullable=False),
        sa.Column("stay_after", sa.String(length=64), nullable=False),
        sa.Column("part", sa.String(length=5), nullable=False),
        sa.Column("new_plate", sa.Boolean(), nullable=False),
        sa.Column("entry_before", Instant(), nullable=True),
        sa.Column("entry_after", Instant(), nullable=True),
        sa.Column("payable_before", sa.Integer(), nullable=True),
        sa.Column("payable_after", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("operator", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("site_id", "id", "step", name=op.f("pk_stay_correction")),
        sa.UniqueConstraint("site_id", "idempotency_key", name=op.f("uq_stay_correction_site_id_idempotency_key")),
    )
    for names in (["site_id", "stay_id"], ["site_id", "stay_after"], ["site_id", "at"]):
        op.create_index(op.f(f"ix_stay_correction_{'_'.join(names)}"), "stay_correction", names)
    _reads()
    op.add_column("stay", sa.Column("corrections", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("presence", sa.Column("corrected_until", Instant(), nullable=True))
    only_grow_but(OPEN)


def _reads() -> None:
    """Not for ever: what was read ends with its event."""
    op.create_table(
        "stay_correction_read",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("correction_id", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column("anchor", sa.Boolean(), nullable=False),
        sa.Column("plate", sa.String(length=16), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("from_plate", sa.String(length=16), nullable=False),
        sa.Column("to_plate", sa.String(length=16), nullable=False),
        sa.Column("to_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint(
            "site_id", "correction_id", "device_id", "event_id", name=op.f("pk_stay_correction_read")
        ),
    )
    for names in (["site_id", "plate"], ["site_id", "to_plate"], ["site_id", "device_id", "event_id"]):
        op.create_index(op.f(f"ix_stay_correction_read_{'_'.join(names)}"), "stay_correction_read", names)


def downgrade() -> None:
    op.drop_column("presence", "corrected_until")
    op.drop_column("stay", "corrections")
    # Triggers go with their tables.
    op.drop_table("stay_correction_read")
    op.drop_table("stay_correction")
