"""The estate as configured: sites, gates, lanes, devices, and the policies' versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKeyConstraint, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Instant, Json, Name, SiteId


class Merchant(Base):
    """收款主体: who receives the money; serves one site or many. `seller`: as the tax authority knows it (`billing.invoices.Seller`)."""

    __tablename__ = "merchant"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    seller: Mapped[dict[str, Any] | None] = mapped_column(Json)
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)


class Site(Base):
    """小区. What is missing from an applied site file is disabled, never deleted. `premises`: where it is, for invoices.

    `zombie_days`: after how many days without moving a vehicle is one to look after (僵尸车); 0: never.
    """

    __tablename__ = "site"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    capacity: Mapped[int] = mapped_column(Integer)
    policy_id: Mapped[Name]
    merchant_id: Mapped[Name]
    premises: Mapped[dict[str, Any] | None] = mapped_column(Json)
    zombie_days: Mapped[int] = mapped_column(Integer, default=90, server_default="90")
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)


class Gate(Base):
    """道闸 of a tier: main (staffed), middle (unattended), small (a door).

    `hours`: of a door, as its committee keeps them (`controllers.doors.hours_of`); null: at all hours. Not in the site file.
    """

    __tablename__ = "gate"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    tier: Mapped[str] = mapped_column(String(8))
    residents_only: Mapped[bool]
    staffed: Mapped[bool]
    hours: Mapped[dict[str, Any] | None] = mapped_column(Json)
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    __table_args__ = (ForeignKeyConstraint(["site_id"], ["site.id"]),)


class Device(Base):
    """设备: a controller with credentials of its own (user name `{site}.{device}`).

    `serial`: what it calls itself; `features`: what this one can, in its adapter's words, with spaces between them.
    `address`: where it is asked by HTTP, `login` the account with which, `login_sealed` that one's password, encrypted.
    """

    __tablename__ = "device"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    vendor: Mapped[str] = mapped_column(String(20))
    password_hash: Mapped[str] = mapped_column(Text)
    serial: Mapped[str] = mapped_column(String(64), default="", server_default="")
    features: Mapped[str] = mapped_column(Text, default="", server_default="")
    address: Mapped[str] = mapped_column(Text, default="", server_default="")
    login: Mapped[str] = mapped_column(String(64), default="", server_default="")
    login_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    __table_args__ = (ForeignKeyConstraint(["site_id"], ["site.id"]),)


class Lane(Base):
    """车道: one direction through a gate, with one barrier.

    `channel`: its device's number of it; `relay`, `close_relay`: the outputs that raise and lower it. None: nobody says so.
    """

    __tablename__ = "lane"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    gate_id: Mapped[Name]
    device_id: Mapped[Name]
    direction: Mapped[str] = mapped_column(String(3))
    loop: Mapped[bool]
    passage_sensor: Mapped[bool]
    offline_exit: Mapped[bool]
    channel: Mapped[int | None] = mapped_column(Integer)
    relay: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    close_relay: Mapped[int | None] = mapped_column(Integer)
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    __table_args__ = (
        ForeignKeyConstraint(["site_id", "gate_id"], ["gate.site_id", "gate.id"]),
        ForeignKeyConstraint(["site_id", "device_id"], ["device.site_id", "device.id"]),
    )


class LaneCode(Base):
    """How often the code printed at a lane was made anew, and by whom last. No row: never, it is the first."""

    __tablename__ = "lane_code"
    site_id: Mapped[SiteId]
    lane_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    generation: Mapped[int] = mapped_column(Integer)
    rotated_at: Mapped[At]
    rotated_by: Mapped[str] = mapped_column(String(64))


class DeviceState(Base):
    """What a device last said of itself. `clock_offset_ms` is its clock minus ours, 0 below 2 s."""

    __tablename__ = "device_state"
    site_id: Mapped[SiteId]
    device_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    online: Mapped[bool]
    seen_at: Mapped[At]
    clock_offset_ms: Mapped[int] = mapped_column(Integer, default=0)
    barrier: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    buffered: Mapped[int] = mapped_column(Integer, default=0)
    list_version: Mapped[int] = mapped_column(Integer, default=0)
    firmware: Mapped[str] = mapped_column(String(100), default="")


class OfflineList(Base):
    """The vehicles that a site's gates let through by themselves, as last published."""

    __tablename__ = "offline_list"
    site_id: Mapped[SiteId]
    version: Mapped[int] = mapped_column(Integer)
    previous_version: Mapped[int] = mapped_column(Integer, default=0)
    digest: Mapped[str] = mapped_column(String(64))
    entries: Mapped[dict[str, Any]] = mapped_column(Json)
    changed_at: Mapped[At]


class PolicyVersion(Base):
    """A policy as loaded: its file's text is kept, so that any bill can be replayed. Never changed."""

    __tablename__ = "policy_version"
    policy_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    effective_from: Mapped[datetime] = mapped_column(Instant)
    text: Mapped[str] = mapped_column(Text)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    applied_at: Mapped[At]
    __table_args__ = (UniqueConstraint("policy_id", "effective_from"),)
