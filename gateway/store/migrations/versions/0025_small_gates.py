"""small gates: members, what opens a door, and who passed; no event holds a card or code any more

Revision ID: 0025
Revises: 0024
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.tables.base import Instant, Json

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

UNKNOWN = sa.text("unknown")


def upgrade() -> None:
    op.add_column("gate", sa.Column("hours", Json, nullable=True))
    # They were hashed without a key: a code can be found by trying, and so it can by the event's own digest.
    gone = "UPDATE plate_event SET credential_digest = NULL, digest = :gone WHERE credential_digest IS NOT NULL"
    op.execute(sa.text(gone).bindparams(gone=bytes(16)))
    op.create_table(
        "door_member",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("gate_id", sa.String(length=40), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("valid_to", Instant(), nullable=False),
        sa.Column("blocked", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("registered_at", Instant(), nullable=False),
        sa.Column("registered_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_door_member")),
    )
    op.create_table(
        "door_credential",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=4), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "digest", name=op.f("pk_door_credential")),
    )
    op.create_index(
        op.f("ix_door_credential_site_id_member_id_kind"),
        "door_credential",
        ["site_id", "member_id", "kind"],
        unique=True,
    )
    _passages()


def _passages() -> None:
    op.create_table(
        "door_passage",
        sa.Column("site_id", sa.String(length=40), nullable=False),
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("lane_id", sa.String(length=40), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=True),
        sa.Column("by", sa.String(length=4), nullable=False),
        sa.Column("opened", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("unknown", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "device_id", "event_id", name=op.f("pk_door_passage")),
    )
    op.create_index("ix_door_passage_at", "door_passage", ["site_id", "at", "event_id"])
    op.create_index("ix_door_passage_age", "door_passage", ["at"])
    op.create_index("ix_door_passage_member", "door_passage", ["site_id", "member_id"])
    op.create_index(
        "ix_door_passage_tries",
        "door_passage",
        ["site_id", "lane_id", "at"],
        sqlite_where=UNKNOWN,
        postgresql_where=UNKNOWN,
    )


def downgrade() -> None:
    for table in ("door_passage", "door_credential", "door_member"):
        op.drop_table(table)
    op.drop_column("gate", "hours")
