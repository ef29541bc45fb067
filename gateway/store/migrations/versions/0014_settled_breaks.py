"""what a step took out of suspense, and the resolution that it made or proposed

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.migrations.guards import keep_shut, let_columns_change
from gateway.store.tables.base import Json

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# As in 0013.
OPEN = {
    "reconciliation_step": ("reason",),
}


def upgrade() -> None:
    let_columns_change(OPEN)
    for column in (
        sa.Column("moved_fen", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("offer", Json, nullable=True),
    ):
        op.add_column("reconciliation_step", column)
    keep_shut(OPEN)


def downgrade() -> None:
    let_columns_change(OPEN)
    for name in ("offer", "moved_fen"):
        op.drop_column("reconciliation_step", name)
    keep_shut(OPEN)
