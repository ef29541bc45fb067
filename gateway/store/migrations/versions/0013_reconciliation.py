"""reconciliation: what a day was matched with, what did not agree, and what became of it

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.migrations.guards import only_grow, only_grow_but
from gateway.store.tables.base import Instant, Json

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# It only ever grows; these columns may hold a person and be changed while a row stands in `erasing`, as in 0008.
OPEN = {
    "reconciliation_step": ("reason",),
}
UNSETTLED = sa.text("state IN ('open', 'carried_over', 'awaiting_approval')")
SUSPENSE = sa.text("substr(account, 1, 9) = 'suspense:'")
SENT = sa.text("sent_at IS NOT NULL")


def upgrade() -> None:
    _runs()
    _breaks()
    _steps()
    only_grow(("reconciliation_run",))
    only_grow_but(OPEN)
    for name, table, column, where in (
        ("ix_posting_suspense", "posting", "account", SUSPENSE),
        ("ix_payment_refund_sent", "payment_refund", "sent_at", SENT),
    ):
        op.create_index(name, table, ["site_id", column], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    op.drop_index("ix_payment_refund_sent", table_name="payment_refund")
    op.drop_index("ix_posting_suspense", table_name="posting")
    # Triggers go with their tables.
    for table in ("reconciliation_step", "reconciliation_break", "reconciliation_run"):
        op.drop_table(table)


def _runs() -> None:
    op.create_table(
        "reconciliation_run",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("operator", sa.String(length=64), nullable=True),
        sa.Column("statements", Json, nullable=False),
        sa.Column("missing", Json, nullable=False),
        sa.Column("totals", Json, nullable=False),
        sa.Column("breaks", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "day", "sequence", name=op.f("pk_reconciliation_run")),
    )


def _breaks() -> None:
    op.create_table(
        "reconciliation_break",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("about", sa.String(length=12), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("order_number", sa.String(length=64), nullable=False),
        sa.Column("refund_number", sa.String(length=64), nullable=False),
        sa.Column("stay_id", sa.String(length=64), nullable=True),
        sa.Column("shift_id", sa.String(length=64), nullable=True),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("difference_fen", sa.BigInteger(), nullable=False),
        sa.Column("suspense_fen", sa.BigInteger(), nullable=False),
        sa.Column("waits_for", sa.Date(), nullable=True),
        sa.Column("evidence", Json, nullable=False),
        sa.Column("found_at", Instant(), nullable=False),
        sa.Column("found_by", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("carried_to", sa.Date(), nullable=True),
        sa.Column("resolution", sa.String(length=12), nullable=True),
        sa.Column("cleared_by", sa.String(length=24), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("amount_fen >= 0", name=op.f("ck_reconciliation_break_amount")),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_reconciliation_break")),
    )
    op.create_index(op.f("ix_reconciliation_break_site_id_day"), "reconciliation_break", ["site_id", "day"])
    op.create_index(
        op.f("ix_reconciliation_break_site_id_found_at_id"), "reconciliation_break", ["site_id", "found_at", "id"]
    )
    op.create_index(
        "ix_reconciliation_break_unsettled",
        "reconciliation_break",
        ["site_id", "day", "id"],
        sqlite_where=UNSETTLED,
        postgresql_where=UNSETTLED,
    )


def _steps() -> None:
    op.create_table(
        "reconciliation_step",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("break_id", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("action", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("run", sa.Integer(), nullable=True),
        sa.Column("operator", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("resolution", sa.String(length=12), nullable=True),
        sa.Column("other_id", sa.String(length=64), nullable=True),
        sa.Column("carried_to", sa.Date(), nullable=True),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("difference_fen", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.String(length=64), nullable=True),
        sa.Column("idempotency_key", sa.String(length=200), nullable=True),
        sa.Column("content_hash", sa.LargeBinary(length=32), nullable=True),
        sa.PrimaryKeyConstraint("site_id", "break_id", "sequence", name=op.f("pk_reconciliation_step")),
        sa.UniqueConstraint("site_id", "idempotency_key", name=op.f("uq_reconciliation_step_site_id_idempotency_key")),
    )
    op.create_index(op.f("ix_reconciliation_step_site_id_at"), "reconciliation_step", ["site_id", "at"])
