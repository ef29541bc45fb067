"""Staff, what they did, the jobs, and what the jobs handed on."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Boolean, Date, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Instant, Json, Serial


class UserAccount(Base):
    """A member of staff. `sites` empty means all sites; `generation` goes up when every token must end.

    `second_factor`: the secret of a phone that makes codes, encrypted; null: a password is enough. `second_factor_step`: the step of
    30 seconds whose code was taken last, so that none is taken twice.
    """

    __tablename__ = "user_account"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(12))
    sites: Mapped[list[str]] = mapped_column(Json, default=list)
    password_hash: Mapped[str] = mapped_column(Text)
    generation: Mapped[int] = mapped_column(Integer, default=1)
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    created_at: Mapped[At]
    second_factor: Mapped[bytes | None] = mapped_column(LargeBinary)
    second_factor_step: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    second_factor_at: Mapped[datetime | None] = mapped_column(Instant)


class RecoveryCode(Base):
    """What signs in once in place of a phone that was lost: a keyed digest of it, gone when it was used."""

    __tablename__ = "recovery_code"
    user_name: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)


class LoginAttempt(Base):
    """How often somebody's secret was tried from somewhere since `since`; a keyed digest says whose and where. Gone when it is over."""

    __tablename__ = "login_attempt"
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    since: Mapped[At]
    count: Mapped[int] = mapped_column(Integer)
    __table_args__ = (Index("ix_login_attempt_since", "since"),)


class AuditEntry(Base):
    """Who did what, when, from where, why. Only ever grows; of a line that stands only a person or an address may be taken out."""

    __tablename__ = "audit_entry"
    id: Mapped[Serial]
    at: Mapped[At]
    operator: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(60))
    site_id: Mapped[str] = mapped_column(String(40), default="")
    subject: Mapped[str] = mapped_column(String(200), default="")
    origin: Mapped[str] = mapped_column(String(64), default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    detail: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    __table_args__ = (
        Index(None, "at"),
        *(Index(f"ix_audit_entry_{one}", one, "at", "id") for one in ("site_id", "operator", "action", "subject")),
    )


class JobLease(Base):
    """Elects the one process that schedules: whoever holds an unexpired lease."""

    __tablename__ = "job_lease"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(100))
    until: Mapped[At]


class JobRun(Base):
    """What a job last did, and when it runs next."""

    __tablename__ = "job_run"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    started_at: Mapped[At]
    finished_at: Mapped[datetime | None] = mapped_column(Instant)
    outcome: Mapped[str] = mapped_column(Text, default="")
    next_at: Mapped[datetime | None] = mapped_column(Instant)


class ExportDelivery(Base):
    """That the street's exports of a day were handed on: once a place (`folder`, `mail`) and what was sealed.

    `digest`: SHA-256 of the hashes of all sealed records of the day, in the order of sites and kinds. `files`: their names.
    """

    __tablename__ = "export_delivery"
    target: Mapped[str] = mapped_column(String(8), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    delivered_at: Mapped[At]
    files: Mapped[list[str]] = mapped_column(Json, default=list)
