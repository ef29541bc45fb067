"""how certain a device was of each character of a plate

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("plate_event", sa.Column("certainties", sa.LargeBinary(length=16), nullable=True))


def downgrade() -> None:
    op.drop_column("plate_event", "certainties")
