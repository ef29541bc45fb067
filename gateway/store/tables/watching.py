"""What is watched over days: how long devices were online, and vehicles that do not move."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Instant, SiteId

_STANDS = text("until IS NULL")
_OPEN = text("ended_at IS NULL")


class DeviceSpell(Base):
    """A stretch of time in which a device was online, or was not. `until` null: it still is. Ends by retention."""

    __tablename__ = "device_spell"
    site_id: Mapped[SiteId]
    device_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    since: Mapped[datetime] = mapped_column(Instant, primary_key=True)
    until: Mapped[datetime | None] = mapped_column(Instant)
    online: Mapped[bool]
    __table_args__ = (
        Index(
            "uq_device_spell_stands",
            "site_id",
            "device_id",
            unique=True,
            sqlite_where=_STANDS,
            postgresql_where=_STANDS,
        ),
        Index("ix_device_spell_until", "until"),
    )


class ZombieVehicle(Base):
    """僵尸车: a vehicle that had not moved for the site's `zombie_days` when it was found. It is named by its stay, which has the plate.

    `since` is when it was last read. `state`: found → notified → contacted → towed | cleared by staff, or moved by itself. At most one open
    case a stay.
    """

    __tablename__ = "zombie_vehicle"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    stay_id: Mapped[str] = mapped_column(String(64))
    since: Mapped[At]
    found_at: Mapped[At]
    state: Mapped[str] = mapped_column(String(10))
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    __table_args__ = (
        Index("uq_zombie_vehicle_open", "site_id", "stay_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_zombie_vehicle_found", "site_id", "found_at", "id"),
    )


class ZombieStep(Base):
    """What was done about such a vehicle, by whom. Only ever grows; of its note a person may be taken out."""

    __tablename__ = "zombie_step"
    site_id: Mapped[SiteId]
    zombie_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[At]
    step: Mapped[str] = mapped_column(String(10))
    operator: Mapped[str] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(Text)
