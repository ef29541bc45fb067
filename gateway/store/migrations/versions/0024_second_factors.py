"""second factors of staff, and how often a secret was tried in vain

Revision ID: 0024
Revises: 0023
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.tables.base import Instant

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

ACCOUNT = ("second_factor", "second_factor_step", "second_factor_at")


def upgrade() -> None:
    op.add_column("user_account", sa.Column("second_factor", sa.LargeBinary(), nullable=True))
    op.add_column("user_account", sa.Column("second_factor_step", sa.Integer(), server_default="0", nullable=False))
    op.add_column("user_account", sa.Column("second_factor_at", Instant(), nullable=True))
    op.create_table(
        "recovery_code",
        sa.Column("user_name", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("user_name", "digest", name=op.f("pk_recovery_code")),
    )
    op.create_table(
        "login_attempt",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_login_attempt")),
    )
    op.create_index("ix_login_attempt_since", "login_attempt", ["since"])


def downgrade() -> None:
    for table in ("login_attempt", "recovery_code"):
        op.drop_table(table)
    for column in ACCOUNT:
        op.drop_column("user_account", column)
