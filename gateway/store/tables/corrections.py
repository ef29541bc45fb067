"""更正: what staff corrected of stays. Every step is kept, and so is what was read at the gate (ADR 0019)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Instant, SiteId


class StayCorrection(Base):
    """A step of a correction: proposed (1), then made or refused by a second person (2); or made at once (1). Only ever grows.

    `stay_id` is the stay as it was asked for, `stay_after` the one that its passage belongs to afterwards. `entry_before` and
    `entry_after` are its entry; amounts (fen) what was payable for it. `part`: `stay`, or only its `entry` or `exit`. The plates stand in
    `stay_correction_read`, because they end with the reads. `idempotency_key` belongs to the first step.
    """

    __tablename__ = "stay_correction"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True)
    state: Mapped[str] = mapped_column(String(8))
    stay_id: Mapped[str] = mapped_column(String(64))
    stay_after: Mapped[str] = mapped_column(String(64))
    part: Mapped[str] = mapped_column(String(5))
    new_plate: Mapped[bool] = mapped_column(Boolean)
    entry_before: Mapped[datetime | None] = mapped_column(Instant)
    entry_after: Mapped[datetime | None] = mapped_column(Instant)
    payable_before: Mapped[int | None]
    payable_after: Mapped[int | None]
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[At]
    operator: Mapped[str] = mapped_column(String(64))
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    __table_args__ = (
        UniqueConstraint("site_id", "idempotency_key"),
        Index(None, "site_id", "stay_id"),
        Index(None, "site_id", "stay_after"),
        Index(None, "site_id", "at"),
    )


class StayCorrectionRead(Base):
    """An event that a correction is about: as the device told it, and what holds instead. Goes with its event.

    `plate` and `at` are as they were read; the event itself has what holds now. An `anchor` is the first read of a passage that was
    corrected: the whole passage, also what of it is told later, is that of `to_plate`, and its first read counts as of `to_at` (null:
    when it was read). `sequence` puts the corrections of a passage in order, the highest holds; null: proposed, nothing holds yet.
    """

    __tablename__ = "stay_correction_read"
    site_id: Mapped[SiteId]
    correction_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    device_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    event_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int | None] = mapped_column(Integer)
    anchor: Mapped[bool] = mapped_column(Boolean)
    plate: Mapped[str] = mapped_column(String(16))
    at: Mapped[At]
    from_plate: Mapped[str] = mapped_column(String(16))
    to_plate: Mapped[str] = mapped_column(String(16))
    to_at: Mapped[datetime | None] = mapped_column(Instant)
    __table_args__ = (
        Index(None, "site_id", "plate"),
        Index(None, "site_id", "to_plate"),
        Index(None, "site_id", "device_id", "event_id"),
    )
