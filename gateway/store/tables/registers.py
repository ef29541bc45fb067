"""Registers: who parks free or pays less. Periods are half-open `[valid_from, valid_to)`; null means no bound."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Float, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Instant, Serial, SiteId


class Household(Base):
    __tablename__ = "household"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(Text, default="")
    area_m2: Mapped[float | None] = mapped_column(Float)


class ResidentVehicle(Base):
    """A household's own vehicle. By itself it frees from nothing; it makes the vehicle registered."""

    __tablename__ = "resident_vehicle"
    site_id: Mapped[SiteId]
    plate: Mapped[str] = mapped_column(String(16), primary_key=True)
    household_id: Mapped[str] = mapped_column(String(64))
    vehicle: Mapped[str | None] = mapped_column(String(10))
    registered_at: Mapped[At]
    __table_args__ = (Index(None, "site_id", "household_id"),)


class Relative(Base):
    """亲属: a vehicle of a lineal relative within three generations of a household. Two households may name the same one."""

    __tablename__ = "relative"
    site_id: Mapped[SiteId]
    plate: Mapped[str] = mapped_column(String(16), primary_key=True)
    household_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    relation: Mapped[str] = mapped_column(String(40))
    valid_from: Mapped[datetime | None] = mapped_column(Instant)
    valid_to: Mapped[datetime | None] = mapped_column(Instant)
    registered_at: Mapped[At]


class Certificate(Base):
    """A household's low-income certificate. The number is encrypted; the row itself is for registrar and finance only."""

    __tablename__ = "certificate"
    id: Mapped[Serial]
    site_id: Mapped[str] = mapped_column(String(40))
    household_id: Mapped[str] = mapped_column(String(64))
    number_digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    number_encrypted: Mapped[bytes] = mapped_column(LargeBinary)
    issuer: Mapped[str] = mapped_column(Text)
    valid_from: Mapped[datetime | None] = mapped_column(Instant)
    valid_to: Mapped[datetime | None] = mapped_column(Instant)
    registered_at: Mapped[At]
    __table_args__ = (Index(None, "site_id", "household_id", "number_digest", unique=True),)


class PassHeld(Base):
    """月租: a paid period for a vehicle. `pass_id` names the product in the policy."""

    __tablename__ = "pass_held"
    site_id: Mapped[SiteId]
    plate: Mapped[str] = mapped_column(String(16), primary_key=True)
    pass_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    valid_from: Mapped[datetime] = mapped_column(Instant, primary_key=True)
    valid_to: Mapped[At]
    registered_at: Mapped[At]


class FreeVehicle(Base):
    """A vehicle of a free class that its plate does not show, with an end."""

    __tablename__ = "free_vehicle"
    site_id: Mapped[SiteId]
    plate: Mapped[str] = mapped_column(String(16), primary_key=True)
    class_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    valid_to: Mapped[datetime | None] = mapped_column(Instant)
    registered_at: Mapped[At]


class BlockedVehicle(Base):
    __tablename__ = "blocked_vehicle"
    site_id: Mapped[SiteId]
    plate: Mapped[str] = mapped_column(String(16), primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    valid_to: Mapped[datetime | None] = mapped_column(Instant)
    registered_at: Mapped[At]
    lifted: Mapped[bool] = mapped_column(Boolean, default=False)
