"""what accounts took and gave on closed days, and what they stood at when a month ended

Revision ID: 0029
Revises: 0028
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

LATE = sa.text("belongs_to IS NOT NULL")


def upgrade() -> None:
    for name, amounts in (("account_sum", ("debit_fen", "credit_fen")), ("balance_sum", ("fen",))):
        op.create_table(
            name,
            sa.Column("site_id", sa.String(length=40), nullable=False),
            sa.Column("day", sa.Date(), nullable=False),
            sa.Column("account", sa.String(length=120), nullable=False),
            *(sa.Column(one, sa.BigInteger(), nullable=False) for one in amounts),
            sa.PrimaryKeyConstraint("site_id", "day", "account", name=op.f(f"pk_{name}")),
        )
    op.create_index(
        "ix_ledger_transaction_late",
        "ledger_transaction",
        ["site_id", "business_day"],
        sqlite_where=LATE,
        postgresql_where=LATE,
    )
    # The job sums the ledger's closed days once more, these as well; until it has, they are read out of the ledger.
    op.execute(sa.text("UPDATE summed SET books_through = NULL"))


def downgrade() -> None:
    op.drop_index("ix_ledger_transaction_late", "ledger_transaction")
    for table in ("balance_sum", "account_sum"):
        op.drop_table(table)
