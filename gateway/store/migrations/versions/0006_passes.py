"""passes sold, their income by day, and the monthly charges

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import gateway.store.tables.base
from gateway.store.migrations.guards import only_grow

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

APPEND_ONLY = ('pass_income_run', 'pass_income', 'charge_payment')
TABLES = ('parking_pass', 'pass_period', 'pass_vehicle', 'pass_refund', 'pass_income_run', 'pass_income', 'charge', 'charge_payment')


def upgrade() -> None:
    _parking_pass()
    _pass_period()
    _pass_vehicle()
    _pass_refund()
    _pass_income_run()
    _pass_income()
    _charge()
    _charge_payment()
    op.add_column('pass_held', sa.Column('exact', sa.Boolean(), server_default=sa.false(), nullable=False))
    only_grow(APPEND_ONLY)


def downgrade() -> None:
    # Triggers go with their tables.
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_column('pass_held', 'exact')


def _parking_pass() -> None:
    op.create_table('parking_pass',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('offer_id', sa.String(length=64), nullable=False),
    sa.Column('household_id', sa.String(length=64), nullable=True),
    sa.Column('anchor_day', sa.Integer(), nullable=False),
    sa.Column('billed', sa.String(length=8), nullable=False),
    sa.Column('state', sa.String(length=8), nullable=False),
    sa.Column('created_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('created_by', sa.String(length=64), nullable=False),
    sa.CheckConstraint('anchor_day BETWEEN 1 AND 31', name=op.f('ck_parking_pass_a_day_of_a_month')),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_parking_pass'))
    )
    op.create_index('ix_parking_pass_created', 'parking_pass', ['site_id', 'created_at', 'id'], unique=False)
    op.create_index(op.f('ix_parking_pass_site_id_household_id'), 'parking_pass', ['site_id', 'household_id'], unique=False)


def _pass_period() -> None:
    op.create_table('pass_period',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('pass_id', sa.String(length=64), nullable=False),
    sa.Column('first_day', sa.Date(), nullable=False),
    sa.Column('end_day', sa.Date(), nullable=False),
    sa.Column('ended_day', sa.Date(), nullable=True),
    sa.Column('gross_fen', sa.BigInteger(), nullable=False),
    sa.Column('waived_fen', sa.BigInteger(), nullable=False),
    sa.Column('policy_id', sa.String(length=64), nullable=False),
    sa.Column('policy_version', sa.Integer(), nullable=False),
    sa.Column('next_day', sa.Date(), nullable=False),
    sa.Column('created_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('created_by', sa.String(length=64), nullable=False),
    sa.Column('idempotency_key', sa.String(length=200), nullable=False),
    sa.Column('content_hash', sa.LargeBinary(length=32), nullable=False),
    sa.CheckConstraint('ended_day IS NULL OR ended_day BETWEEN first_day AND end_day', name=op.f('ck_pass_period_ends_within')),
    sa.CheckConstraint('first_day < end_day', name=op.f('ck_pass_period_has_days')),
    sa.CheckConstraint('next_day BETWEEN first_day AND end_day', name=op.f('ck_pass_period_earned_within')),
    sa.CheckConstraint('waived_fen BETWEEN 0 AND gross_fen', name=op.f('ck_pass_period_waived_of_gross')),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_pass_period')),
    sa.UniqueConstraint('site_id', 'idempotency_key', name=op.f('uq_pass_period_site_id_idempotency_key'))
    )
    op.create_index('ix_pass_period_end', 'pass_period', ['site_id', 'end_day'], unique=False)
    op.create_index(op.f('ix_pass_period_site_id_pass_id_first_day'), 'pass_period', ['site_id', 'pass_id', 'first_day'], unique=False)
    op.create_index('ix_pass_period_unearned', 'pass_period', ['site_id', 'next_day'], unique=False, sqlite_where=sa.text('next_day < coalesce(ended_day, end_day)'), postgresql_where=sa.text('next_day < coalesce(ended_day, end_day)'))


def _pass_vehicle() -> None:
    op.create_table('pass_vehicle',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('pass_id', sa.String(length=64), nullable=False),
    sa.Column('sequence', sa.Integer(), nullable=False),
    sa.Column('plate', sa.String(length=16), nullable=False),
    sa.Column('since', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('until', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('operator', sa.String(length=64), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('site_id', 'pass_id', 'sequence', name=op.f('pk_pass_vehicle'))
    )
    op.create_index(op.f('ix_pass_vehicle_site_id_plate'), 'pass_vehicle', ['site_id', 'plate'], unique=False)


def _pass_refund() -> None:
    op.create_table('pass_refund',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('pass_id', sa.String(length=64), nullable=False),
    sa.Column('state', sa.String(length=8), nullable=False),
    sa.Column('wanted_from', sa.Date(), nullable=False),
    sa.Column('ended_day', sa.Date(), nullable=True),
    sa.Column('amount_fen', sa.Integer(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('proposed_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('proposed_by', sa.String(length=64), nullable=False),
    sa.Column('decided_at', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('decided_by', sa.String(length=64), nullable=True),
    sa.Column('decision', sa.Text(), nullable=False),
    sa.Column('channel', sa.String(length=20), nullable=True),
    sa.Column('shift_id', sa.String(length=64), nullable=True),
    sa.Column('paid_at', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('paid_by', sa.String(length=64), nullable=True),
    sa.CheckConstraint('amount_fen >= 0', name=op.f('ck_pass_refund_not_negative')),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_pass_refund'))
    )
    op.create_index('uq_pass_refund_one_open', 'pass_refund', ['site_id', 'pass_id'], unique=True, sqlite_where=sa.text("state = 'proposed'"), postgresql_where=sa.text("state = 'proposed'"))


def _pass_income_run() -> None:
    op.create_table('pass_income_run',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('sequence', sa.Integer(), nullable=False),
    sa.Column('periods', sa.Integer(), nullable=False),
    sa.Column('income_fen', sa.BigInteger(), nullable=False),
    sa.Column('waived_fen', sa.BigInteger(), nullable=False),
    sa.Column('transaction_id', sa.String(length=64), nullable=True),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_pass_income_run')),
    sa.UniqueConstraint('site_id', 'day', 'sequence', name=op.f('uq_pass_income_run_site_id_day_sequence'))
    )


def _pass_income() -> None:
    op.create_table('pass_income',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('period_id', sa.String(length=64), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('run_id', sa.String(length=64), nullable=False),
    sa.Column('income_fen', sa.BigInteger(), nullable=False),
    sa.Column('waived_fen', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('site_id', 'period_id', 'day', name=op.f('pk_pass_income'))
    )
    op.create_index(op.f('ix_pass_income_site_id_run_id'), 'pass_income', ['site_id', 'run_id'], unique=False)


def _charge() -> None:
    op.create_table('charge',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('month', sa.String(length=7), nullable=False),
    sa.Column('household_id', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('pass_id', sa.String(length=64), nullable=False),
    sa.Column('period_id', sa.String(length=64), nullable=True),
    sa.Column('gross_fen', sa.BigInteger(), nullable=False),
    sa.Column('waived_fen', sa.BigInteger(), nullable=False),
    sa.Column('paid_fen', sa.BigInteger(), nullable=False),
    sa.Column('credited_fen', sa.BigInteger(), nullable=False),
    sa.Column('rule', sa.String(length=120), nullable=False),
    sa.Column('policy_id', sa.String(length=64), nullable=False),
    sa.Column('policy_version', sa.Integer(), nullable=False),
    sa.Column('charged_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('charged_by', sa.String(length=64), nullable=False),
    sa.Column('transaction_id', sa.String(length=64), nullable=True),
    sa.Column('reversed_at', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('reversed_by', sa.String(length=64), nullable=True),
    sa.Column('reversal', sa.Text(), nullable=False),
    sa.CheckConstraint('paid_fen + credited_fen <= gross_fen - waived_fen', name=op.f('ck_charge_paid_of_payable')),
    sa.CheckConstraint('paid_fen >= 0 AND credited_fen >= 0', name=op.f('ck_charge_not_negative')),
    sa.CheckConstraint('waived_fen BETWEEN 0 AND gross_fen', name=op.f('ck_charge_waived_of_gross')),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_charge'))
    )
    op.create_index('ix_charge_charged', 'charge', ['site_id', 'charged_at', 'id'], unique=False)
    op.create_index('ix_charge_household', 'charge', ['site_id', 'household_id'], unique=False)
    op.create_index('uq_charge_once_a_month', 'charge', ['site_id', 'month', 'household_id', 'kind', 'pass_id'], unique=True, sqlite_where=sa.text('reversed_at IS NULL'), postgresql_where=sa.text('reversed_at IS NULL'))


def _charge_payment() -> None:
    op.create_table('charge_payment',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('purpose', sa.String(length=8), nullable=False),
    sa.Column('subject', sa.String(length=64), nullable=False),
    sa.Column('channel', sa.String(length=20), nullable=False),
    sa.Column('amount_fen', sa.BigInteger(), nullable=False),
    sa.Column('reference', sa.String(length=128), nullable=False),
    sa.Column('at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('operator', sa.String(length=64), nullable=True),
    sa.Column('shift_id', sa.String(length=64), nullable=True),
    sa.Column('idempotency_key', sa.String(length=200), nullable=False),
    sa.Column('content_hash', sa.LargeBinary(length=32), nullable=False),
    sa.CheckConstraint('amount_fen > 0', name=op.f('ck_charge_payment_positive')),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_charge_payment')),
    sa.UniqueConstraint('site_id', 'idempotency_key', name=op.f('uq_charge_payment_site_id_idempotency_key'))
    )
    op.create_index(op.f('ix_charge_payment_site_id_at'), 'charge_payment', ['site_id', 'at'], unique=False)
    op.create_index(op.f('ix_charge_payment_site_id_purpose_subject'), 'charge_payment', ['site_id', 'purpose', 'subject'], unique=False)
