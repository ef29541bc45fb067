"""fittings: how devices of other vendors are built in

Revision ID: 0021
Revises: 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("device", sa.Column("serial", sa.String(length=64), server_default="", nullable=False))
    op.add_column("device", sa.Column("features", sa.Text(), server_default="", nullable=False))
    op.add_column("lane", sa.Column("channel", sa.Integer(), nullable=True))
    op.add_column("lane", sa.Column("relay", sa.Integer(), server_default="0", nullable=False))
    op.add_column("lane", sa.Column("close_relay", sa.Integer(), nullable=True))


def downgrade() -> None:
    for name in ("close_relay", "relay", "channel"):
        op.drop_column("lane", name)
    for name in ("features", "serial"):
        op.drop_column("device", name)
