"""cash that is given back: proposed, approved by a second person, handed over out of a drawer

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.tables.base import Instant

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cash_refund",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("payment_id", sa.String(length=64), nullable=False),
        sa.Column("stay_id", sa.String(length=64), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("given_up_fen", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("proposed_at", Instant(), nullable=False),
        sa.Column("proposed_by", sa.String(length=64), nullable=False),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("paid_at", Instant(), nullable=True),
        sa.Column("paid_by", sa.String(length=64), nullable=True),
        sa.Column("shift_id", sa.String(length=64), nullable=True),
        sa.Column("transaction_id", sa.String(length=64), nullable=True),
        sa.Column("idempotency_key", sa.String(length=200), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_cash_refund_positive")),
        sa.CheckConstraint("given_up_fen BETWEEN 0 AND amount_fen", name=op.f("ck_cash_refund_part_of_it")),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_cash_refund")),
        sa.UniqueConstraint("site_id", "idempotency_key", name=op.f("uq_cash_refund_site_id_idempotency_key")),
    )
    op.create_index(op.f("ix_cash_refund_site_id_payment_id"), "cash_refund", ["site_id", "payment_id"])
    op.create_index(op.f("ix_cash_refund_site_id_stay_id"), "cash_refund", ["site_id", "stay_id"])
    op.create_index("ix_cash_refund_proposed", "cash_refund", ["site_id", "proposed_at", "id"])


def downgrade() -> None:
    op.drop_table("cash_refund")
