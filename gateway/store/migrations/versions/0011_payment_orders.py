"""orders at payment channels, their callbacks, and refunds through them

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.migrations.guards import only_grow
from gateway.store.tables.base import Instant

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

APPEND_ONLY = ("payment_notice",)
TABLES = ("payment_order", "payment_notice", "payment_refund")
LOOKED_AFTER = "state IN ('created', 'open', 'closing')"
ON_ITS_WAY = "state IN ('approved', 'sent')"
ONE_OPEN = "state IN ('created', 'open')"


def upgrade() -> None:
    _payment_order()
    _payment_notice()
    _payment_refund()
    only_grow(APPEND_ONLY)


def downgrade() -> None:
    # Triggers go with their tables.
    for table in reversed(TABLES):
        op.drop_table(table)


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(
        name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )


def _payment_order() -> None:
    op.create_table(
        "payment_order",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("stay_id", sa.String(length=64), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("code", sa.String(length=512), nullable=True),
        sa.Column("quoted_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("look_at", Instant(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("trade", sa.String(length=64), nullable=True),
        sa.Column("paid_at", Instant(), nullable=True),
        sa.Column("told_at", Instant(), nullable=True),
        sa.Column("paid_fen", sa.BigInteger(), nullable=False),
        sa.Column("applied_fen", sa.BigInteger(), nullable=False),
        sa.Column("refunded_fen", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.String(length=64), nullable=True),
        sa.Column("ordered_by", sa.String(length=64), nullable=True),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_payment_order_positive")),
        sa.CheckConstraint(
            "paid_fen IN (0, amount_fen) AND applied_fen BETWEEN 0 AND paid_fen AND refunded_fen BETWEEN 0 AND paid_fen",
            name=op.f("ck_payment_order_no_more_than_paid"),
        ),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_payment_order")),
    )
    op.create_index(op.f("ix_payment_order_id"), "payment_order", ["id"])
    op.create_index(op.f("ix_payment_order_site_id_stay_id"), "payment_order", ["site_id", "stay_id"])
    op.create_index("ix_payment_order_quoted", "payment_order", ["site_id", "quoted_at", "id"])
    _partial("uq_payment_order_one_open", "payment_order", ["site_id", "stay_id"], ONE_OPEN, unique=True)
    _partial("ix_payment_order_look", "payment_order", ["look_at"], LOOKED_AFTER)


def _payment_notice() -> None:
    op.create_table(
        "payment_notice",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_payment_notice")),
    )


def _payment_refund() -> None:
    op.create_table(
        "payment_refund",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("stay_id", sa.String(length=64), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("off_stay_fen", sa.BigInteger(), nullable=False),
        sa.Column("given_up_fen", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("proposed_at", Instant(), nullable=False),
        sa.Column("proposed_by", sa.String(length=64), nullable=False),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("look_at", Instant(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("sent_at", Instant(), nullable=True),
        sa.Column("done_at", Instant(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("off_transaction_id", sa.String(length=64), nullable=True),
        sa.Column("idempotency_key", sa.String(length=200), nullable=True),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_payment_refund_positive")),
        sa.CheckConstraint(
            "off_stay_fen BETWEEN 0 AND amount_fen AND given_up_fen BETWEEN 0 AND off_stay_fen",
            name=op.f("ck_payment_refund_parts_of_it"),
        ),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_payment_refund")),
    )
    op.create_index(op.f("ix_payment_refund_id"), "payment_refund", ["id"])
    op.create_index(op.f("ix_payment_refund_site_id_order_id"), "payment_refund", ["site_id", "order_id"])
    op.create_index(op.f("ix_payment_refund_site_id_stay_id"), "payment_refund", ["site_id", "stay_id"])
    op.create_index("ix_payment_refund_proposed", "payment_refund", ["site_id", "proposed_at", "id"])
    op.create_index("uq_payment_refund_key", "payment_refund", ["site_id", "idempotency_key"], unique=True)
    _partial("ix_payment_refund_look", "payment_refund", ["look_at"], ON_ITS_WAY)
