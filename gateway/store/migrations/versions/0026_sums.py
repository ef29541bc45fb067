"""sums of days that are over, and what was changed of them since

Revision ID: 0026
Revises: 0025
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from gateway.store.tables.base import Instant

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

LET_GO = sa.text(
    "state = 'left' AND exit_reason IN ('unpaid', 'hand', 'staff', 'emergency', 'offline', 'late_event', 'pay_later', 'free_class')"
)
BY_HAND = sa.text("(kind = 'opened_by_hand' OR kind = 'plate' AND opening = 'hand')")


def _site_and_day() -> list[sa.Column[Any]]:
    return [sa.Column("site_id", sa.String(length=40), nullable=False), sa.Column("day", sa.Date(), nullable=False)]


def upgrade() -> None:
    op.create_table(
        "summed",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("through", sa.Date(), nullable=True),
        sa.Column("books_through", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_summed")),
    )
    op.create_table(
        "day_sum",
        *_site_and_day(),
        sa.Column("came", sa.Integer(), nullable=False),
        sa.Column("went", sa.Integer(), nullable=False),
        sa.Column("quarters", sa.LargeBinary(), nullable=False),
        sa.Column("lengths", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "day", name=op.f("pk_day_sum")),
    )
    op.create_index("ix_day_sum_inside", "day_sum", ["site_id", "day", "came", "went"])
    op.create_table(
        "lane_sum",
        *_site_and_day(),
        sa.Column("lane", sa.String(length=40), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("exits", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "day", "lane", name=op.f("pk_lane_sum")),
    )
    op.create_table(
        "income_sum",
        *_site_and_day(),
        sa.Column("lane", sa.String(length=40), nullable=False),
        sa.Column("account", sa.String(length=120), nullable=False),
        sa.Column("fen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "day", "lane", "account", name=op.f("pk_income_sum")),
    )
    op.create_table(
        "late_change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("stay_id", sa.String(length=64), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_late_change")),
    )
    op.create_index(op.f("ix_late_change_site_id_id"), "late_change", ["site_id", "id"])
    op.create_index(
        "ix_plate_event_by_hand", "plate_event", ["site_id", "at"], sqlite_where=BY_HAND, postgresql_where=BY_HAND
    )
    op.create_index("ix_stay_let_go", "stay", ["site_id", "exit_at"], sqlite_where=LET_GO, postgresql_where=LET_GO)


def downgrade() -> None:
    op.drop_index("ix_stay_let_go", "stay")
    op.drop_index("ix_plate_event_by_hand", "plate_event")
    for table in ("late_change", "income_sum", "lane_sum", "day_sum", "summed"):
        op.drop_table(table)
