"""visitor vouchers: books, the register of who took them, every step of each, and buyers' months

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import gateway.store.tables.base
from gateway.store.migrations.guards import only_grow

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

APPEND_ONLY = ("voucher_movement", "voucher_statement")


def upgrade() -> None:
    _voucher_buyer()
    _voucher_movement()
    _voucher_redemption()
    _voucher_book()
    _voucher_statement()
    _voucher()
    _voucher_issue()
    only_grow(APPEND_ONLY)


def downgrade() -> None:
    with op.batch_alter_table('voucher_issue', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_voucher_issue_site_id_household_id_month'))
        batch_op.drop_index(batch_op.f('ix_voucher_issue_site_id_at'))

    op.drop_table('voucher_issue')
    with op.batch_alter_table('voucher', schema=None) as batch_op:
        batch_op.drop_index('ix_voucher_stay', sqlite_where=sa.text('stay_id IS NOT NULL'), postgresql_where=sa.text('stay_id IS NOT NULL'))
        batch_op.drop_index('ix_voucher_state')
        batch_op.drop_index('ix_voucher_book')

    op.drop_table('voucher')
    op.drop_table('voucher_statement')
    op.drop_table('voucher_book')
    with op.batch_alter_table('voucher_redemption', schema=None) as batch_op:
        batch_op.drop_index('ix_voucher_redemption_received')
        batch_op.drop_index('ix_voucher_redemption_queued', sqlite_where=sa.text("state = 'queued'"), postgresql_where=sa.text("state = 'queued'"))

    op.drop_table('voucher_redemption')
    with op.batch_alter_table('voucher_movement', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_voucher_movement_site_id_business_day_book_id'))
        batch_op.drop_index(batch_op.f('ix_voucher_movement_site_id_book_id'))

    op.drop_table('voucher_movement')
    op.drop_table('voucher_buyer')


def _voucher_buyer() -> None:
    op.create_table('voucher_buyer',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('registered_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_voucher_buyer'))
    )


def _voucher_movement() -> None:
    op.create_table('voucher_movement',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('serial', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('sequence', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('book_id', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('from_state', sa.String(length=10), nullable=False),
    sa.Column('to_state', sa.String(length=10), nullable=False),
    sa.Column('at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('business_day', sa.Date(), nullable=False),
    sa.Column('fen', sa.BigInteger(), nullable=False),
    sa.Column('stay_id', sa.String(length=64), nullable=True),
    sa.Column('issue_id', sa.String(length=64), nullable=True),
    sa.Column('redemption_id', sa.String(length=64), nullable=True),
    sa.Column('operator', sa.String(length=64), nullable=True),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('site_id', 'serial', 'sequence', name=op.f('pk_voucher_movement'))
    )
    with op.batch_alter_table('voucher_movement', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_voucher_movement_site_id_book_id'), ['site_id', 'book_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_voucher_movement_site_id_business_day_book_id'), ['site_id', 'business_day', 'book_id'], unique=False)


def _voucher_redemption() -> None:
    op.create_table('voucher_redemption',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('serial', sa.BigInteger(), nullable=True),
    sa.Column('lane_id', sa.String(length=40), nullable=False),
    sa.Column('at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('received_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('stay_id', sa.String(length=64), nullable=True),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.Column('operator', sa.String(length=64), nullable=True),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_voucher_redemption'))
    )
    with op.batch_alter_table('voucher_redemption', schema=None) as batch_op:
        batch_op.create_index('ix_voucher_redemption_queued', ['site_id', 'received_at'], unique=False, sqlite_where=sa.text("state = 'queued'"), postgresql_where=sa.text("state = 'queued'"))
        batch_op.create_index('ix_voucher_redemption_received', ['site_id', 'received_at', 'id'], unique=False)


def _voucher_book() -> None:
    op.create_table('voucher_book',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=12), nullable=False),
    sa.Column('value', sa.BigInteger(), nullable=False),
    sa.Column('first_serial', sa.BigInteger(), nullable=False),
    sa.Column('last_serial', sa.BigInteger(), nullable=False),
    sa.Column('valid_from', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('valid_to', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('buyer_id', sa.String(length=40), nullable=True),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('made_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('operator', sa.String(length=64), nullable=False),
    sa.Column('idempotency_key', sa.String(length=200), nullable=False),
    sa.Column('content_hash', sa.LargeBinary(length=32), nullable=False),
    sa.CheckConstraint('first_serial > 0 AND last_serial >= first_serial', name=op.f('ck_voucher_book_range')),
    sa.ForeignKeyConstraint(['site_id', 'buyer_id'], ['voucher_buyer.site_id', 'voucher_buyer.id'], name=op.f('fk_voucher_book_site_id_buyer_id')),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_voucher_book')),
    sa.UniqueConstraint('site_id', 'first_serial', name=op.f('uq_voucher_book_site_id_first_serial')),
    sa.UniqueConstraint('site_id', 'idempotency_key', name=op.f('uq_voucher_book_site_id_idempotency_key'))
    )


def _voucher_statement() -> None:
    op.create_table('voucher_statement',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('buyer_id', sa.String(length=40), nullable=False),
    sa.Column('month', sa.String(length=7), nullable=False),
    sa.Column('used', sa.Integer(), nullable=False),
    sa.Column('fen', sa.BigInteger(), nullable=False),
    sa.Column('transaction_id', sa.String(length=64), nullable=True),
    sa.Column('made_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('operator', sa.String(length=64), nullable=True),
    sa.ForeignKeyConstraint(['site_id', 'buyer_id'], ['voucher_buyer.site_id', 'voucher_buyer.id'], name=op.f('fk_voucher_statement_site_id_buyer_id')),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_voucher_statement')),
    sa.UniqueConstraint('site_id', 'buyer_id', 'month', name=op.f('uq_voucher_statement_site_id_buyer_id_month'))
    )


def _voucher() -> None:
    op.create_table('voucher',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('serial', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('book_id', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=12), nullable=False),
    sa.Column('value', sa.BigInteger(), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('movements', sa.Integer(), nullable=False),
    sa.Column('issue_id', sa.String(length=64), nullable=True),
    sa.Column('redemption_id', sa.String(length=64), nullable=True),
    sa.Column('stay_id', sa.String(length=64), nullable=True),
    sa.Column('presented_at', gateway.store.tables.base.Instant(), nullable=True),
    sa.CheckConstraint("state <> 'used' OR stay_id IS NOT NULL", name=op.f('ck_voucher_used_for_a_stay')),
    sa.CheckConstraint("state IN ('stock', 'issued', 'presented', 'used', 'void', 'expired', 'returned')", name=op.f('ck_voucher_state')),
    sa.CheckConstraint("stay_id IS NULL OR state IN ('presented', 'used')", name=op.f('ck_voucher_of_a_stay')),
    sa.ForeignKeyConstraint(['site_id', 'book_id'], ['voucher_book.site_id', 'voucher_book.id'], name=op.f('fk_voucher_site_id_book_id')),
    sa.PrimaryKeyConstraint('site_id', 'serial', name=op.f('pk_voucher'))
    )
    with op.batch_alter_table('voucher', schema=None) as batch_op:
        batch_op.create_index('ix_voucher_book', ['site_id', 'book_id', 'serial'], unique=False)
        batch_op.create_index('ix_voucher_state', ['site_id', 'state', 'serial'], unique=False)
        batch_op.create_index('ix_voucher_stay', ['site_id', 'stay_id'], unique=False, sqlite_where=sa.text('stay_id IS NOT NULL'), postgresql_where=sa.text('stay_id IS NOT NULL'))


def _voucher_issue() -> None:
    op.create_table('voucher_issue',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('book_id', sa.String(length=64), nullable=False),
    sa.Column('first_serial', sa.BigInteger(), nullable=False),
    sa.Column('last_serial', sa.BigInteger(), nullable=False),
    sa.Column('household_id', sa.String(length=64), nullable=True),
    sa.Column('taker', sa.Text(), nullable=False),
    sa.Column('purpose', sa.Text(), nullable=False),
    sa.Column('signature', sa.Text(), nullable=False),
    sa.Column('month', sa.String(length=7), nullable=False),
    sa.Column('at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('operator', sa.String(length=64), nullable=False),
    sa.Column('idempotency_key', sa.String(length=200), nullable=False),
    sa.Column('content_hash', sa.LargeBinary(length=32), nullable=False),
    sa.ForeignKeyConstraint(['site_id', 'book_id'], ['voucher_book.site_id', 'voucher_book.id'], name=op.f('fk_voucher_issue_site_id_book_id')),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_voucher_issue')),
    sa.UniqueConstraint('site_id', 'idempotency_key', name=op.f('uq_voucher_issue_site_id_idempotency_key'))
    )
    with op.batch_alter_table('voucher_issue', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_voucher_issue_site_id_at'), ['site_id', 'at'], unique=False)
        batch_op.create_index(batch_op.f('ix_voucher_issue_site_id_household_id_month'), ['site_id', 'household_id', 'month'], unique=False)
