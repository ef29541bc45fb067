"""stays that neither left nor are inside are found by what they are

Revision ID: 0028
Revises: 0027
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

UNUSUAL = sa.text("state NOT IN ('left', 'inside')")


def upgrade() -> None:
    columns = ["site_id", "state", "started_at", "id"]
    op.create_index("ix_stay_unusual", "stay", columns, sqlite_where=UNUSUAL, postgresql_where=UNUSUAL)


def downgrade() -> None:
    op.drop_index("ix_stay_unusual", "stay")
