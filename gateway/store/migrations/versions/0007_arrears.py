"""pay-later agreements, and what became of what was owed

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import gateway.store.tables.base
from gateway.store.migrations.guards import only_grow

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

APPEND_ONLY = ('arrears_credit', 'arrears_reminder')
TABLES = ('pay_later_agreement', 'arrears_credit', 'arrears_reminder', 'arrears_write_off')


def upgrade() -> None:
    _pay_later_agreement()
    _arrears_credit()
    _arrears_reminder()
    _arrears_write_off()
    op.create_index('ix_stay_owed', 'stay', ['site_id', 'started_at', 'id'], unique=False, sqlite_where=sa.text("state = 'left' AND payable_fen > paid_fen"), postgresql_where=sa.text("state = 'left' AND payable_fen > paid_fen"))
    only_grow(APPEND_ONLY)


def downgrade() -> None:
    # Triggers go with their tables.
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_index('ix_stay_owed', table_name='stay')


def _pay_later_agreement() -> None:
    op.create_table('pay_later_agreement',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('plate', sa.String(length=16), nullable=False),
    sa.Column('limit_fen', sa.BigInteger(), nullable=False),
    sa.Column('valid_from', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('valid_to', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('evidence', sa.Text(), nullable=False),
    sa.Column('state', sa.String(length=8), nullable=False),
    sa.Column('proposed_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('proposed_by', sa.String(length=64), nullable=False),
    sa.Column('decided_at', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('decided_by', sa.String(length=64), nullable=True),
    sa.Column('ended_at', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('ended_by', sa.String(length=64), nullable=True),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.CheckConstraint('limit_fen >= 0', name=op.f('ck_pay_later_agreement_not_negative')),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_pay_later_agreement'))
    )
    op.create_index('ix_pay_later_agreement_proposed', 'pay_later_agreement', ['site_id', 'proposed_at', 'id'], unique=False)
    op.create_index(op.f('ix_pay_later_agreement_site_id_plate'), 'pay_later_agreement', ['site_id', 'plate'], unique=False)


def _arrears_credit() -> None:
    op.create_table('arrears_credit',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('stay_id', sa.String(length=64), nullable=False),
    sa.Column('collected_at_site', sa.String(length=40), nullable=False),
    sa.Column('amount_fen', sa.BigInteger(), nullable=False),
    sa.Column('at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('operator', sa.String(length=64), nullable=True),
    sa.CheckConstraint('amount_fen > 0', name=op.f('ck_arrears_credit_positive')),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_arrears_credit'))
    )
    op.create_index(op.f('ix_arrears_credit_site_id_stay_id'), 'arrears_credit', ['site_id', 'stay_id'], unique=False)


def _arrears_reminder() -> None:
    op.create_table('arrears_reminder',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('stay_id', sa.String(length=64), nullable=False),
    sa.Column('sequence', sa.Integer(), nullable=False),
    sa.Column('batch', sa.String(length=64), nullable=False),
    sa.Column('at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('sender', sa.String(length=20), nullable=False),
    sa.Column('amount_fen', sa.BigInteger(), nullable=False),
    sa.Column('operator', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('site_id', 'stay_id', 'sequence', name=op.f('pk_arrears_reminder'))
    )
    op.create_index(op.f('ix_arrears_reminder_batch'), 'arrears_reminder', ['batch'], unique=False)
    op.create_index(op.f('ix_arrears_reminder_site_id_at'), 'arrears_reminder', ['site_id', 'at'], unique=False)


def _arrears_write_off() -> None:
    op.create_table('arrears_write_off',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('stay_id', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('amount_fen', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('state', sa.String(length=8), nullable=False),
    sa.Column('proposed_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('proposed_by', sa.String(length=64), nullable=False),
    sa.Column('decided_at', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('decided_by', sa.String(length=64), nullable=True),
    sa.Column('decision', sa.Text(), nullable=False),
    sa.Column('transaction_id', sa.String(length=64), nullable=True),
    sa.CheckConstraint('amount_fen > 0', name=op.f('ck_arrears_write_off_positive')),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_arrears_write_off'))
    )
    op.create_index('ix_arrears_write_off_proposed', 'arrears_write_off', ['site_id', 'proposed_at', 'id'], unique=False)
    op.create_index('uq_arrears_write_off_one_open', 'arrears_write_off', ['site_id', 'stay_id'], unique=True, sqlite_where=sa.text("state = 'proposed'"), postgresql_where=sa.text("state = 'proposed'"))
