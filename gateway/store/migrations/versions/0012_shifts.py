"""shifts: drawers, floats, counts, handovers and deposits; the postings of cash are found by their drawer

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.migrations.guards import only_grow_but
from gateway.store.tables.base import Instant, Json

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# It only ever grows; these columns may hold a person and be changed while a row stands in `erasing`, as in 0008.
OPEN = {
    "shift_step": ("reason",),
}
STILL_OPEN = sa.text("closed_at IS NULL")
CASH = sa.text("substr(account, 1, 12) = 'assets:cash:'")


def upgrade() -> None:
    op.add_column("shift", sa.Column("drawer", sa.String(length=40), nullable=True))
    op.add_column("shift", sa.Column("float_fen", sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    op.add_column("shift", sa.Column("from_shift", sa.String(length=64), nullable=True))
    op.add_column("shift", sa.Column("closed_by", sa.String(length=64), nullable=True))
    op.create_index(
        "uq_shift_one_at_a_drawer",
        "shift",
        ["site_id", "drawer"],
        unique=True,
        sqlite_where=STILL_OPEN,
        postgresql_where=STILL_OPEN,
    )
    op.create_index(op.f("ix_shift_site_id_opened_at"), "shift", ["site_id", "opened_at"])
    op.create_index("ix_posting_cash", "posting", ["site_id", "account"], sqlite_where=CASH, postgresql_where=CASH)
    _steps()
    only_grow_but(OPEN)


def downgrade() -> None:
    # Triggers go with their tables.
    op.drop_table("shift_step")
    op.drop_index("ix_posting_cash", table_name="posting")
    op.drop_index(op.f("ix_shift_site_id_opened_at"), table_name="shift")
    op.drop_index("uq_shift_one_at_a_drawer", table_name="shift")
    for column in ("closed_by", "from_shift", "float_fen", "drawer"):
        op.drop_column("shift", column)


def _steps() -> None:
    op.create_table(
        "shift_step",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("shift_id", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("operator", sa.String(length=64), nullable=False),
        sa.Column("other", sa.String(length=64), nullable=True),
        sa.Column("place", sa.String(length=4), nullable=True),
        sa.Column("amount_fen", sa.BigInteger(), nullable=True),
        sa.Column("expected_fen", sa.BigInteger(), nullable=True),
        sa.Column("counted_fen", sa.BigInteger(), nullable=True),
        sa.Column("pieces", Json, nullable=True),
        sa.Column("code", sa.String(length=10), nullable=True),
        sa.Column("break_id", sa.String(length=64), nullable=True),
        sa.Column("transaction_id", sa.String(length=64), nullable=True),
        sa.Column("next_shift", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=200), nullable=True),
        sa.Column("content_hash", sa.LargeBinary(length=32), nullable=True),
        sa.CheckConstraint("counted_fen >= 0", name=op.f("ck_shift_step_counted")),
        sa.PrimaryKeyConstraint("site_id", "shift_id", "sequence", name=op.f("pk_shift_step")),
        sa.UniqueConstraint("site_id", "idempotency_key", name=op.f("uq_shift_step_site_id_idempotency_key")),
        sa.UniqueConstraint("site_id", "break_id", name=op.f("uq_shift_step_site_id_break_id")),
    )
    op.create_index(op.f("ix_shift_step_site_id_at"), "shift_step", ["site_id", "at"])
