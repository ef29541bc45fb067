"""the first schema

Revision ID: 0001
Revises: 
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import gateway.store.tables.base
from sqlalchemy.dialects import postgresql

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _estate()
    _staff()
    _households()
    _vehicles()
    _events()
    _gates()
    _stays()
    _money()
    _books()
    _work()


def _estate() -> None:
    """Sites with their gates, devices and lanes."""
    op.create_table('merchant',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_merchant'))
    )
    op.create_table('site',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('capacity', sa.Integer(), nullable=False),
    sa.Column('policy_id', sa.String(length=40), nullable=False),
    sa.Column('merchant_id', sa.String(length=40), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_site'))
    )
    op.create_table('gate',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('tier', sa.String(length=8), nullable=False),
    sa.Column('residents_only', sa.Boolean(), nullable=False),
    sa.Column('staffed', sa.Boolean(), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['site_id'], ['site.id'], name=op.f('fk_gate_site_id')),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_gate'))
    )
    op.create_table('device',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('vendor', sa.String(length=20), nullable=False),
    sa.Column('password_hash', sa.Text(), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['site_id'], ['site.id'], name=op.f('fk_device_site_id')),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_device'))
    )
    op.create_table('lane',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('gate_id', sa.String(length=40), nullable=False),
    sa.Column('device_id', sa.String(length=40), nullable=False),
    sa.Column('direction', sa.String(length=3), nullable=False),
    sa.Column('loop', sa.Boolean(), nullable=False),
    sa.Column('passage_sensor', sa.Boolean(), nullable=False),
    sa.Column('offline_exit', sa.Boolean(), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['site_id', 'device_id'], ['device.site_id', 'device.id'], name=op.f('fk_lane_site_id_device_id')),
    sa.ForeignKeyConstraint(['site_id', 'gate_id'], ['gate.site_id', 'gate.id'], name=op.f('fk_lane_site_id_gate_id')),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_lane'))
    )


def _staff() -> None:
    """Accounts, what was done by them, and the rules."""
    op.create_table('user_account',
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('role', sa.String(length=12), nullable=False),
    sa.Column('sites', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.Column('password_hash', sa.Text(), nullable=False),
    sa.Column('generation', sa.Integer(), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('created_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_user_account'))
    )
    op.create_table('audit_entry',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('operator', sa.String(length=64), nullable=False),
    sa.Column('action', sa.String(length=60), nullable=False),
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('subject', sa.String(length=200), nullable=False),
    sa.Column('origin', sa.String(length=64), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('detail', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_entry'))
    )
    with op.batch_alter_table('audit_entry', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_audit_entry_at'), ['at'], unique=False)
    op.create_table('policy_version',
    sa.Column('policy_id', sa.String(length=64), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('effective_from', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('applied_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.PrimaryKeyConstraint('policy_id', 'version', name=op.f('pk_policy_version')),
    sa.UniqueConstraint('policy_id', 'effective_from', name=op.f('uq_policy_version_policy_id_effective_from'))
    )


def _households() -> None:
    """Who lives there, by what they have a claim to."""
    op.create_table('household',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('area_m2', sa.Float(), nullable=True),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_household'))
    )
    op.create_table('relative',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('plate', sa.String(length=16), nullable=False),
    sa.Column('household_id', sa.String(length=64), nullable=False),
    sa.Column('relation', sa.String(length=40), nullable=False),
    sa.Column('valid_from', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('valid_to', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('registered_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.PrimaryKeyConstraint('site_id', 'plate', 'household_id', name=op.f('pk_relative'))
    )
    op.create_table('resident_vehicle',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('plate', sa.String(length=16), nullable=False),
    sa.Column('household_id', sa.String(length=64), nullable=False),
    sa.Column('vehicle', sa.String(length=10), nullable=True),
    sa.Column('registered_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.PrimaryKeyConstraint('site_id', 'plate', name=op.f('pk_resident_vehicle'))
    )
    with op.batch_alter_table('resident_vehicle', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_resident_vehicle_site_id_household_id'), ['site_id', 'household_id'], unique=False)
    op.create_table('certificate',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('household_id', sa.String(length=64), nullable=False),
    sa.Column('number_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('number_encrypted', sa.LargeBinary(), nullable=False),
    sa.Column('issuer', sa.Text(), nullable=False),
    sa.Column('valid_from', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('valid_to', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('registered_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_certificate'))
    )
    with op.batch_alter_table('certificate', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_certificate_site_id_household_id_number_digest'), ['site_id', 'household_id', 'number_digest'], unique=True)


def _vehicles() -> None:
    """Vehicles that pay less, or do not get in, and the free minutes."""
    op.create_table('free_vehicle',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('plate', sa.String(length=16), nullable=False),
    sa.Column('class_id', sa.String(length=64), nullable=False),
    sa.Column('valid_to', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('registered_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.PrimaryKeyConstraint('site_id', 'plate', 'class_id', name=op.f('pk_free_vehicle'))
    )
    op.create_table('blocked_vehicle',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('plate', sa.String(length=16), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('valid_to', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('registered_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('lifted', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('site_id', 'plate', name=op.f('pk_blocked_vehicle'))
    )
    op.create_table('pass_held',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('plate', sa.String(length=16), nullable=False),
    sa.Column('pass_id', sa.String(length=64), nullable=False),
    sa.Column('valid_from', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('valid_to', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('registered_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.PrimaryKeyConstraint('site_id', 'plate', 'pass_id', 'valid_from', name=op.f('pk_pass_held'))
    )
    op.create_table('allowance_balance',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('holder', sa.String(length=80), nullable=False),
    sa.Column('month', sa.String(length=7), nullable=False),
    sa.Column('limit_minutes', sa.Integer(), nullable=False),
    sa.Column('drawn_minutes', sa.Integer(), nullable=False),
    sa.CheckConstraint('drawn_minutes >= 0 AND drawn_minutes <= limit_minutes', name=op.f('ck_allowance_balance_never_overdrawn')),
    sa.PrimaryKeyConstraint('site_id', 'holder', 'month', name=op.f('pk_allowance_balance'))
    )
    op.create_table('allowance_draw',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('stay_id', sa.String(length=64), nullable=False),
    sa.Column('sequence', sa.Integer(), nullable=False),
    sa.Column('holder', sa.String(length=80), nullable=False),
    sa.Column('month', sa.String(length=7), nullable=False),
    sa.Column('minutes', sa.Integer(), nullable=False),
    sa.Column('at', gateway.store.tables.base.Instant(), nullable=False),
    sa.PrimaryKeyConstraint('site_id', 'stay_id', 'sequence', 'holder', 'month', name=op.f('pk_allowance_draw'))
    )
    with op.batch_alter_table('allowance_draw', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_allowance_draw_site_id_holder_month'), ['site_id', 'holder', 'month'], unique=False)


def _events() -> None:
    """What the gates read."""
    op.create_table('plate_event',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('device_id', sa.String(length=40), nullable=False),
    sa.Column('event_id', sa.String(length=64), nullable=False),
    sa.Column('lane_id', sa.String(length=40), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('device_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('received_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('plate', sa.String(length=16), nullable=True),
    sa.Column('plate_raw', sa.String(length=300), nullable=True),
    sa.Column('plate_colour', sa.String(length=12), nullable=True),
    sa.Column('confidence', sa.Float(), nullable=True),
    sa.Column('vehicle', sa.String(length=10), nullable=True),
    sa.Column('for_event', sa.String(length=300), nullable=True),
    sa.Column('opening', sa.String(length=12), nullable=True),
    sa.Column('image', sa.String(length=300), nullable=True),
    sa.Column('credential_digest', sa.LargeBinary(length=32), nullable=True),
    sa.Column('buffered', sa.Boolean(), nullable=False),
    sa.Column('digest', sa.LargeBinary(length=16), nullable=False),
    sa.Column('decision', sa.String(length=8), nullable=True),
    sa.Column('reason', sa.String(length=32), nullable=True),
    sa.Column('completed', sa.Boolean(), nullable=False),
    sa.Column('went', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('site_id', 'device_id', 'event_id', name=op.f('pk_plate_event'))
    )
    with op.batch_alter_table('plate_event', schema=None) as batch_op:
        batch_op.create_index('ix_plate_event_completes', ['site_id', 'device_id', 'for_event'], unique=False, sqlite_where=sa.text('for_event IS NOT NULL'), postgresql_where=sa.text('for_event IS NOT NULL'))
        batch_op.create_index('ix_plate_event_lane', ['site_id', 'lane_id', 'at'], unique=False)
        batch_op.create_index('ix_plate_event_opened', ['at'], unique=False, sqlite_where=sa.text("decision = 'open' AND NOT completed"), postgresql_where=sa.text("decision = 'open' AND NOT completed"))
        batch_op.create_index('ix_plate_event_vehicle', ['site_id', 'plate', 'at'], unique=False)
    op.create_table('image',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('device_id', sa.String(length=40), nullable=False),
    sa.Column('event_id', sa.String(length=64), nullable=False),
    sa.Column('jpeg', sa.LargeBinary(), nullable=False),
    sa.Column('received_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.PrimaryKeyConstraint('site_id', 'device_id', 'event_id', name=op.f('pk_image'))
    )
    op.create_table('quarantine',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('device_id', sa.String(length=40), nullable=False),
    sa.Column('topic', sa.Text(), nullable=False),
    sa.Column('payload', sa.LargeBinary(), nullable=False),
    sa.Column('digest', sa.LargeBinary(length=16), nullable=False),
    sa.Column('code', sa.String(length=24), nullable=False),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.Column('event_id', sa.String(length=64), nullable=True),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('received_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_quarantine'))
    )
    with op.batch_alter_table('quarantine', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_quarantine_site_id_device_id_digest'), ['site_id', 'device_id', 'digest'], unique=True)


def _gates() -> None:
    """What the gates are told, and how they are."""
    op.create_table('command',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('device_id', sa.String(length=40), nullable=False),
    sa.Column('lane_id', sa.String(length=40), nullable=False),
    sa.Column('event_id', sa.String(length=64), nullable=True),
    sa.Column('stay_id', sa.String(length=64), nullable=True),
    sa.Column('action', sa.String(length=10), nullable=False),
    sa.Column('reason', sa.String(length=32), nullable=False),
    sa.Column('true_reason', sa.String(length=32), nullable=False),
    sa.Column('payload', sa.LargeBinary(), nullable=False),
    sa.Column('planned_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('expires_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('state', sa.String(length=8), nullable=False),
    sa.Column('outcome_at', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('detail', sa.Text(), nullable=True),
    sa.Column('operator', sa.String(length=64), nullable=True),
    sa.Column('planner', sa.String(length=40), nullable=True),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_command'))
    )
    with op.batch_alter_table('command', schema=None) as batch_op:
        batch_op.create_index('ix_command_event', ['site_id', 'device_id', 'event_id'], unique=False)
        batch_op.create_index('ix_command_planned', ['site_id', 'planned_at'], unique=False)
        batch_op.create_index('ix_command_unfinished', ['state', 'planned_at'], unique=False, sqlite_where=sa.text("state IN ('planned', 'sent')"), postgresql_where=sa.text("state IN ('planned', 'sent')"))
    op.create_table('device_state',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('device_id', sa.String(length=40), nullable=False),
    sa.Column('online', sa.Boolean(), nullable=False),
    sa.Column('seen_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('clock_offset_ms', sa.Integer(), nullable=False),
    sa.Column('barrier', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.Column('buffered', sa.Integer(), nullable=False),
    sa.Column('list_version', sa.Integer(), nullable=False),
    sa.Column('firmware', sa.String(length=100), nullable=False),
    sa.PrimaryKeyConstraint('site_id', 'device_id', name=op.f('pk_device_state'))
    )
    op.create_table('offline_list',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('previous_version', sa.Integer(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('entries', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.Column('changed_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.PrimaryKeyConstraint('site_id', name=op.f('pk_offline_list'))
    )


def _stays() -> None:
    """Vehicles and their stays."""
    op.create_table('presence',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('plate', sa.String(length=16), nullable=False),
    sa.Column('newest_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('history_from', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('reads', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('site_id', 'plate', name=op.f('pk_presence'))
    )
    op.create_table('stay',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('plate', sa.String(length=16), nullable=False),
    sa.Column('vehicle', sa.String(length=10), nullable=False),
    sa.Column('plate_colour', sa.String(length=12), nullable=True),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('started_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('entry_at', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('exit_at', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('entry_lane', sa.String(length=40), nullable=True),
    sa.Column('exit_lane', sa.String(length=40), nullable=True),
    sa.Column('entry_device', sa.String(length=40), nullable=True),
    sa.Column('entry_event', sa.String(length=64), nullable=True),
    sa.Column('exit_device', sa.String(length=40), nullable=True),
    sa.Column('exit_event', sa.String(length=64), nullable=True),
    sa.Column('confirmed', sa.Boolean(), nullable=False),
    sa.Column('exit_reason', sa.String(length=32), nullable=True),
    sa.Column('household_id', sa.String(length=64), nullable=True),
    sa.Column('holds_space', sa.Boolean(), nullable=False),
    sa.Column('policy_id', sa.String(length=64), nullable=False),
    sa.Column('policy_version', sa.Integer(), nullable=False),
    sa.Column('gross_fen', sa.Integer(), nullable=True),
    sa.Column('payable_fen', sa.Integer(), nullable=True),
    sa.Column('paid_fen', sa.Integer(), nullable=False),
    sa.Column('bills', sa.Integer(), nullable=False),
    sa.Column('settlements', sa.Integer(), nullable=False),
    sa.Column('posted', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_stay'))
    )
    with op.batch_alter_table('stay', schema=None) as batch_op:
        batch_op.create_index('ix_stay_exit', ['site_id', 'exit_at'], unique=False)
        batch_op.create_index('ix_stay_space', ['site_id', 'household_id'], unique=False, sqlite_where=sa.text("state = 'inside' AND holds_space"), postgresql_where=sa.text("state = 'inside' AND holds_space"))
        batch_op.create_index('ix_stay_started', ['site_id', 'started_at', 'id'], unique=False)
        batch_op.create_index('ix_stay_vehicle', ['site_id', 'plate', 'started_at'], unique=False)
        batch_op.create_index('uq_stay_one_inside', ['site_id', 'plate'], unique=True, sqlite_where=sa.text("state = 'inside'"), postgresql_where=sa.text("state = 'inside'"))


def _money() -> None:
    """What a stay costs, and what is paid for it."""
    op.create_table('bill',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('stay_id', sa.String(length=64), nullable=False),
    sa.Column('sequence', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('fixed_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('until', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('policy_id', sa.String(length=64), nullable=False),
    sa.Column('policy_version', sa.Integer(), nullable=False),
    sa.Column('minutes', sa.Integer(), nullable=False),
    sa.Column('gross_fen', sa.BigInteger(), nullable=False),
    sa.Column('payable_fen', sa.BigInteger(), nullable=False),
    sa.Column('holder', sa.String(length=80), nullable=True),
    sa.Column('drawn', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.Column('facts', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.Column('lines', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.PrimaryKeyConstraint('site_id', 'stay_id', 'sequence', name=op.f('pk_bill'))
    )
    op.create_table('payment',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('stay_id', sa.String(length=64), nullable=False),
    sa.Column('channel', sa.String(length=20), nullable=False),
    sa.Column('amount_fen', sa.BigInteger(), nullable=False),
    sa.Column('reference', sa.String(length=128), nullable=False),
    sa.Column('at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('operator', sa.String(length=64), nullable=True),
    sa.Column('shift_id', sa.String(length=64), nullable=True),
    sa.Column('idempotency_key', sa.String(length=200), nullable=False),
    sa.Column('content_hash', sa.LargeBinary(length=32), nullable=False),
    sa.CheckConstraint('amount_fen > 0', name=op.f('ck_payment_positive')),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_payment')),
    sa.UniqueConstraint('site_id', 'idempotency_key', name=op.f('uq_payment_site_id_idempotency_key'))
    )
    with op.batch_alter_table('payment', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_payment_site_id_at'), ['site_id', 'at'], unique=False)
        batch_op.create_index(batch_op.f('ix_payment_site_id_stay_id'), ['site_id', 'stay_id'], unique=False)
    op.create_table('shift',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('cashier', sa.String(length=64), nullable=False),
    sa.Column('opened_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('closed_at', gateway.store.tables.base.Instant(), nullable=True),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_shift'))
    )
    with op.batch_alter_table('shift', schema=None) as batch_op:
        batch_op.create_index('uq_shift_one_open', ['site_id', 'cashier'], unique=True, sqlite_where=sa.text('closed_at IS NULL'), postgresql_where=sa.text('closed_at IS NULL'))


def _books() -> None:
    """The ledger, and its closed days."""
    op.create_table('ledger_transaction',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('business_day', sa.Date(), nullable=False),
    sa.Column('belongs_to', sa.Date(), nullable=True),
    sa.Column('at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('reference_kind', sa.String(length=12), nullable=False),
    sa.Column('reference', sa.String(length=64), nullable=False),
    sa.Column('operator', sa.String(length=64), nullable=True),
    sa.Column('idempotency_key', sa.String(length=200), nullable=False),
    sa.Column('content_hash', sa.LargeBinary(length=32), nullable=False),
    sa.Column('reverses', sa.String(length=64), nullable=True),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_ledger_transaction')),
    sa.UniqueConstraint('site_id', 'idempotency_key', name=op.f('uq_ledger_transaction_site_id_idempotency_key'))
    )
    with op.batch_alter_table('ledger_transaction', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_ledger_transaction_site_id_business_day'), ['site_id', 'business_day'], unique=False)
        batch_op.create_index(batch_op.f('ix_ledger_transaction_site_id_reference_kind_reference'), ['site_id', 'reference_kind', 'reference'], unique=False)
    op.create_table('posting',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('transaction_id', sa.String(length=64), nullable=False),
    sa.Column('line', sa.Integer(), nullable=False),
    sa.Column('account', sa.String(length=120), nullable=False),
    sa.Column('amount_fen', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('amount_fen <> 0', name=op.f('ck_posting_not_nothing')),
    sa.ForeignKeyConstraint(['site_id', 'transaction_id'], ['ledger_transaction.site_id', 'ledger_transaction.id'], name=op.f('fk_posting_site_id_transaction_id')),
    sa.PrimaryKeyConstraint('site_id', 'transaction_id', 'line', name=op.f('pk_posting'))
    )
    op.create_table('site_books',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('opened_on', sa.Date(), nullable=False),
    sa.Column('closed_through', sa.Date(), nullable=True),
    sa.PrimaryKeyConstraint('site_id', name=op.f('pk_site_books'))
    )
    op.create_table('day_close',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('kind', sa.String(length=12), nullable=False),
    sa.Column('sequence', sa.Integer(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('previous_hash', sa.LargeBinary(length=32), nullable=False),
    sa.Column('hash', sa.LargeBinary(length=32), nullable=False),
    sa.Column('canonical', sa.LargeBinary(), nullable=False),
    sa.Column('lines', sa.LargeBinary(), nullable=False),
    sa.Column('sealed_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('operator', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('site_id', 'kind', 'sequence', name=op.f('pk_day_close')),
    sa.UniqueConstraint('site_id', 'kind', 'day', name=op.f('uq_day_close_site_id_kind_day'))
    )


def _work() -> None:
    """What waits for a person, and what runs by itself."""
    op.create_table('exception_item',
    sa.Column('site_id', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=24), nullable=False),
    sa.Column('subject', sa.String(length=120), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('opened_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('lane_id', sa.String(length=40), nullable=True),
    sa.Column('stay_id', sa.String(length=64), nullable=True),
    sa.Column('event_id', sa.String(length=64), nullable=True),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.Column('resolved_at', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('resolved_by', sa.String(length=64), nullable=True),
    sa.Column('resolution', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('site_id', 'id', name=op.f('pk_exception_item'))
    )
    with op.batch_alter_table('exception_item', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_exception_item_site_id_kind_subject'), ['site_id', 'kind', 'subject'], unique=True)
        batch_op.create_index('ix_exception_item_state', ['site_id', 'state', 'opened_at'], unique=False)
    op.create_table('job_lease',
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('holder', sa.String(length=100), nullable=False),
    sa.Column('until', gateway.store.tables.base.Instant(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_job_lease'))
    )
    op.create_table('job_run',
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('started_at', gateway.store.tables.base.Instant(), nullable=False),
    sa.Column('finished_at', gateway.store.tables.base.Instant(), nullable=True),
    sa.Column('outcome', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_job_run'))
    )


def downgrade() -> None:
    """A table's indexes go with it; what points at another goes before it."""
    for table in (
        'job_run', 'job_lease', 'exception_item',
        'day_close', 'site_books', 'posting', 'ledger_transaction',
        'shift', 'payment', 'bill',
        'stay', 'presence',
        'offline_list', 'device_state', 'command',
        'quarantine', 'image', 'plate_event',
        'allowance_draw', 'allowance_balance', 'pass_held', 'blocked_vehicle', 'free_vehicle',
        'certificate', 'resident_vehicle', 'relative', 'household',
        'policy_version', 'audit_entry', 'user_account',
        'lane', 'device', 'gate', 'site', 'merchant',
    ):
        op.drop_table(table)
