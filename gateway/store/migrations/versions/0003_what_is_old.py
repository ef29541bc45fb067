"""what is old is found by an index: pictures and the quarantine

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("image", "quarantine")


def upgrade() -> None:
    for table in TABLES:
        op.create_index(f"ix_{table}_received_at", table, ["received_at"])


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(f"ix_{table}_received_at", table_name=table)
