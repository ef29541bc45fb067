"""the audit trail is found by what was done to

Revision ID: 0027
Revises: 0026
"""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_audit_entry_subject", "audit_entry", ["subject", "at", "id"])


def downgrade() -> None:
    op.drop_index("ix_audit_entry_subject", "audit_entry")
