"""electronic invoices, their files, and what a merchant and a site are to the tax authority

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.tables.base import Instant, Json

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

ASKED_ABOUT = "state IN ('requested', 'submitted', 'red_requested', 'red_submitted')"
UNDER_WAY = "state IN ('requested', 'submitted')"
ISSUED = "state = 'issued'"


def upgrade() -> None:
    op.add_column("merchant", sa.Column("seller", Json, nullable=True))
    op.add_column("site", sa.Column("premises", Json, nullable=True))
    _invoice()
    _invoice_file()


def downgrade() -> None:
    op.drop_table("invoice_file")
    op.drop_table("invoice")
    op.drop_column("site", "premises")
    op.drop_column("merchant", "seller")


def _invoice() -> None:
    op.create_table(
        "invoice",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("stay_id", sa.String(length=64), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=13), nullable=False),
        sa.Column("requested_at", Instant(), nullable=False),
        sa.Column("requested_by", sa.String(length=64), nullable=True),
        sa.Column("buyer_kind", sa.String(length=8), nullable=False),
        sa.Column("buyer_title", sa.Text(), nullable=False),
        sa.Column("buyer_tax_number", sa.String(length=20), nullable=False),
        sa.Column("buyer_email", sa.String(length=100), nullable=False),
        sa.Column("buyer_phone", sa.String(length=20), nullable=False),
        sa.Column("plate", sa.String(length=16), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("tax_fen", sa.BigInteger(), nullable=False),
        sa.Column("rate", sa.String(length=10), nullable=False),
        sa.Column("goods", Json, nullable=False),
        sa.Column("seller", Json, nullable=False),
        sa.Column("premises", Json, nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("entry_at", Instant(), nullable=True),
        sa.Column("exit_at", Instant(), nullable=True),
        sa.Column("submitted_at", Instant(), nullable=True),
        sa.Column("number", sa.String(length=20), nullable=True),
        sa.Column("issued_at", Instant(), nullable=True),
        sa.Column("red_cause", sa.String(length=12), nullable=True),
        sa.Column("red_requested_at", Instant(), nullable=True),
        sa.Column("red_requested_by", sa.String(length=64), nullable=True),
        sa.Column("red_number", sa.String(length=20), nullable=True),
        sa.Column("red_issued_at", Instant(), nullable=True),
        sa.Column("replaces", sa.String(length=32), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("look_at", Instant(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("row_hash", sa.LargeBinary(length=32), nullable=False),
        sa.CheckConstraint(
            "amount_fen >= 0 AND tax_fen BETWEEN 0 AND amount_fen", name=op.f("ck_invoice_tax_is_part_of_it")
        ),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_invoice")),
    )
    op.create_index(op.f("ix_invoice_id"), "invoice", ["id"])
    op.create_index(op.f("ix_invoice_site_id_stay_id"), "invoice", ["site_id", "stay_id"])
    op.create_index("ix_invoice_requested", "invoice", ["site_id", "requested_at", "id"])
    op.create_index("ix_invoice_issued", "invoice", ["site_id", "issued_at"])
    op.create_index("ix_invoice_red_issued", "invoice", ["site_id", "red_issued_at"])
    op.create_index("ix_invoice_plate", "invoice", ["site_id", "plate"])
    _partial("uq_invoice_one_under_way", ["site_id", "stay_id"], UNDER_WAY, unique=True)
    _partial("ix_invoice_look", ["look_at"], ASKED_ABOUT)
    _partial("ix_invoice_stands", ["site_id", "stay_id"], ISSUED)


def _partial(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    said = sa.text(where)
    op.create_index(name, "invoice", columns, unique=unique, sqlite_where=said, postgresql_where=said)


def _invoice_file() -> None:
    op.create_table(
        "invoice_file",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("invoice_id", sa.String(length=32), nullable=False),
        sa.Column("part", sa.String(length=4), nullable=False),
        sa.Column("pdf", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "invoice_id", "part", name=op.f("pk_invoice_file")),
        sa.ForeignKeyConstraint(
            ["site_id", "invoice_id"],
            ["invoice.site_id", "invoice.id"],
            name=op.f("fk_invoice_file_site_id"),
        ),
    )
    op.create_index(op.f("ix_invoice_file_received_at"), "invoice_file", ["received_at"])
