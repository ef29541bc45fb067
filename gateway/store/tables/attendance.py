"""What staff do at lanes by hand, and emergencies: always with a name and a reason."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Instant, Name, SiteId


class StaffCommand(Base):
    """Why a member of staff gave a command (`command` has what it was, by whom, and what became of it).

    `content_hash`: SHA-256 of what was asked, under the caller's key.
    """

    __tablename__ = "staff_command"
    site_id: Mapped[SiteId]
    command_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    lane_id: Mapped[Name]
    action: Mapped[str] = mapped_column(String(10))
    at: Mapped[At]
    operator: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str] = mapped_column(String(120))
    note: Mapped[str] = mapped_column(Text)
    idempotency_key: Mapped[str] = mapped_column(String(200))
    content_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    __table_args__ = (
        Index(None, "site_id", "idempotency_key", unique=True),
        Index(None, "site_id", "lane_id", "at"),
    )


class Emergency(Base):
    """A site whose barriers are to stand open: from when until when, by whom and why. At most one at a time."""

    __tablename__ = "emergency"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    declared_at: Mapped[At]
    declared_by: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_by: Mapped[str | None] = mapped_column(String(64))
    end_reason: Mapped[str | None] = mapped_column(Text)
    __table_args__ = (
        Index(
            "uq_emergency_declared",
            "site_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )
