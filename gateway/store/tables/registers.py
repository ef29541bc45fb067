"""Registers: who parks free or pays less. Periods are half-open `[valid_from, valid_to)`; null means no bound.

Nothing is ever deleted from them: what no longer holds has an end. What every change was, by whom and why, is in
`register_change`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Float, Index, Integer, LargeBinary, String, Text, false, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Instant, Json, Serial, SiteId


class Household(Base):
    __tablename__ = "household"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(Text, default="")
    area_m2: Mapped[float | None] = mapped_column(Float)
    valid_from: Mapped[datetime | None] = mapped_column(Instant)
    valid_to: Mapped[datetime | None] = mapped_column(Instant)


class ResidentVehicle(Base):
    """A household's own vehicle. By itself it frees from nothing; it makes the vehicle registered."""

    __tablename__ = "resident_vehicle"
    site_id: Mapped[SiteId]
    plate: Mapped[str] = mapped_column(String(16), primary_key=True)
    household_id: Mapped[str] = mapped_column(String(64))
    vehicle: Mapped[str | None] = mapped_column(String(10))
    valid_from: Mapped[datetime | None] = mapped_column(Instant)
    valid_to: Mapped[datetime | None] = mapped_column(Instant)
    registered_at: Mapped[At]
    __table_args__ = (Index(None, "site_id", "household_id"),)


class Relative(Base):
    """亲属: a vehicle of a lineal relative within three generations of a household. Two households may name the same one.

    `name` is the relative's, `resident` the person of the household whose relative this is; `evidence` says where the proof of it
    is kept (never what it says), `approver` who has seen it.
    """

    __tablename__ = "relative"
    site_id: Mapped[SiteId]
    plate: Mapped[str] = mapped_column(String(16), primary_key=True)
    household_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    relation: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(Text, default="")
    resident: Mapped[str] = mapped_column(Text, default="")
    evidence: Mapped[str] = mapped_column(Text, default="")
    approver: Mapped[str] = mapped_column(Text, default="")
    valid_from: Mapped[datetime | None] = mapped_column(Instant)
    valid_to: Mapped[datetime | None] = mapped_column(Instant)
    registered_at: Mapped[At]
    __table_args__ = (Index(None, "site_id", "household_id"),)


class Certificate(Base):
    """A household's low-income certificate. The number is encrypted; the row itself is for registrar and finance only.

    `reviewed_at`: when somebody last looked whether it still holds; null: not since it was registered.
    """

    __tablename__ = "certificate"
    id: Mapped[Serial]
    site_id: Mapped[str] = mapped_column(String(40))
    household_id: Mapped[str] = mapped_column(String(64))
    number_digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    number_encrypted: Mapped[bytes] = mapped_column(LargeBinary)
    issuer: Mapped[str] = mapped_column(Text)
    valid_from: Mapped[datetime | None] = mapped_column(Instant)
    valid_to: Mapped[datetime | None] = mapped_column(Instant)
    reviewed_at: Mapped[datetime | None] = mapped_column(Instant)
    registered_at: Mapped[At]
    __table_args__ = (Index(None, "site_id", "household_id", "number_digest", unique=True),)


class PassHeld(Base):
    """月租: a paid period for a vehicle. `pass_id` names the product in the policy.

    `exact`: it was ended (a transfer, a refund), so it ends at `valid_to` without days of grace.
    """

    __tablename__ = "pass_held"
    site_id: Mapped[SiteId]
    plate: Mapped[str] = mapped_column(String(16), primary_key=True)
    pass_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    valid_from: Mapped[datetime] = mapped_column(Instant, primary_key=True)
    valid_to: Mapped[At]
    registered_at: Mapped[At]
    exact: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())


class FreeVehicle(Base):
    """A vehicle of a free class that its plate does not show, with an end."""

    __tablename__ = "free_vehicle"
    site_id: Mapped[SiteId]
    plate: Mapped[str] = mapped_column(String(16), primary_key=True)
    class_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    valid_from: Mapped[datetime | None] = mapped_column(Instant)
    valid_to: Mapped[datetime | None] = mapped_column(Instant)
    registered_at: Mapped[At]


class BlockedVehicle(Base):
    __tablename__ = "blocked_vehicle"
    site_id: Mapped[SiteId]
    plate: Mapped[str] = mapped_column(String(16), primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    valid_from: Mapped[datetime | None] = mapped_column(Instant)
    valid_to: Mapped[datetime | None] = mapped_column(Instant)
    registered_at: Mapped[At]
    lifted: Mapped[bool] = mapped_column(Boolean, default=False)


class RegisterChange(Base):
    """One change of one entry of a register: who, when, from where, why, and what stood before and after. Only ever grows.

    `entry` is a digest of the entry's key; `before` and `after` are its fields by the names of the API, without a certificate's
    number ({} where there was nothing). `source`: file | api | console | system. `digest` is that of the imported file or of the
    request, `request_key` the request's idempotency key.
    """

    __tablename__ = "register_change"
    site_id: Mapped[SiteId]
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    entry: Mapped[str] = mapped_column(String(32), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[At]
    action: Mapped[str] = mapped_column(String(12))
    operator: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(8))
    origin: Mapped[str] = mapped_column(String(64), default="")
    file: Mapped[str] = mapped_column(Text, default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    digest: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    request_key: Mapped[str | None] = mapped_column(String(128))
    before: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    after: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    __table_args__ = (
        Index(None, "site_id", "at"),
        Index(
            "ix_register_change_request",
            "site_id",
            "request_key",
            sqlite_where=text("request_key IS NOT NULL"),
            postgresql_where=text("request_key IS NOT NULL"),
        ),
    )
