"""device logins: where a device is asked, and the account with which

Revision ID: 0022
Revises: 0021
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("device", sa.Column("address", sa.Text(), server_default="", nullable=False))
    op.add_column("device", sa.Column("login", sa.String(length=64), server_default="", nullable=False))
    op.add_column("device", sa.Column("login_sealed", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    for name in ("login_sealed", "login", "address"):
        op.drop_column("device", name)
