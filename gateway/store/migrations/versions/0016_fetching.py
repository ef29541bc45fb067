"""what a channel settles of an amount; when a job runs next; exports that were handed on

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.tables.base import Instant, Json

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("channel_statement_row", sa.Column("settled_fen", sa.BigInteger(), nullable=True))
    op.add_column("job_run", sa.Column("next_at", Instant(), nullable=True))
    op.create_table(
        "export_delivery",
        sa.Column("target", sa.String(length=8), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("delivered_at", Instant(), nullable=False),
        sa.Column("files", Json, nullable=False),
        sa.PrimaryKeyConstraint("target", "day", "digest", name=op.f("pk_export_delivery")),
    )


def downgrade() -> None:
    op.drop_table("export_delivery")
    op.drop_column("job_run", "next_at")
    op.drop_column("channel_statement_row", "settled_fen")
