"""statements of payment channels, and their rows

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.migrations.guards import keep_shut, never_deleted, only_grow
from gateway.store.tables.base import Instant

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Of a statement may change which later one replaced it, and nothing else.
REPLACED = "replaced_by"


def upgrade() -> None:
    _statements()
    _rows()
    only_grow(("channel_statement_row",))
    never_deleted(("channel_statement",))
    keep_shut({"channel_statement": (REPLACED,)})


def downgrade() -> None:
    # Triggers go with their tables.
    op.drop_table("channel_statement_row")
    op.drop_table("channel_statement")


def _statements() -> None:
    op.create_table(
        "channel_statement",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("orphans", sa.Integer(), nullable=False),
        sa.Column("payments", sa.Integer(), nullable=False),
        sa.Column("payments_fen", sa.BigInteger(), nullable=False),
        sa.Column("refunds", sa.Integer(), nullable=False),
        sa.Column("refunds_fen", sa.BigInteger(), nullable=False),
        sa.Column("fee_millifen", sa.BigInteger(), nullable=False),
        sa.Column("imported_at", Instant(), nullable=False),
        sa.Column("imported_by", sa.String(length=64), nullable=False),
        sa.Column("replaced_by", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_channel_statement")),
    )
    op.create_index(
        "uq_channel_statement_stands",
        "channel_statement",
        ["merchant_id", "channel", "kind", "day", "account"],
        unique=True,
        sqlite_where=sa.text("replaced_by IS NULL"),
        postgresql_where=sa.text("replaced_by IS NULL"),
    )
    op.create_index(op.f("ix_channel_statement_day"), "channel_statement", ["day"])
    op.create_index(op.f("ix_channel_statement_channel_account"), "channel_statement", ["channel", "account"])


def _rows() -> None:
    op.create_table(
        "channel_statement_row",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("statement_id", sa.String(length=64), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("order_number", sa.String(length=64), nullable=False),
        sa.Column("channel_number", sa.String(length=64), nullable=False),
        sa.Column("refund_number", sa.String(length=64), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("fee_millifen", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("site_id", "statement_id", "line", name=op.f("pk_channel_statement_row")),
    )
    op.create_index(
        op.f("ix_channel_statement_row_site_id_order_number"), "channel_statement_row", ["site_id", "order_number"]
    )
