"""lane codes: how often the QR code printed at a lane was made anew

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.tables.base import Instant

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lane_code",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("lane_id", sa.String(length=40), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("rotated_at", Instant(), nullable=False),
        sa.Column("rotated_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "lane_id", name=op.f("pk_lane_code")),
    )


def downgrade() -> None:
    op.drop_table("lane_code")
