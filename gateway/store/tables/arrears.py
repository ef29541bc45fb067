"""先离场后付费: who may leave first by agreement, and what became of what was owed. Amounts are integer fen."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Fen, Instant, SiteId


class PayLaterAgreement(Base):
    """An agreement that a vehicle may leave first and pay later, up to a limit. `[valid_from, valid_to)`; null means no end.

    `site_id` is `street` for every site of the street (the name is reserved, no site has it). It holds once a second person has
    approved it. `state`: proposed, approved, refused, ended.
    """

    __tablename__ = "pay_later_agreement"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    plate: Mapped[str] = mapped_column(String(16))
    limit_fen: Mapped[Fen]
    valid_from: Mapped[At]
    valid_to: Mapped[datetime | None] = mapped_column(Instant)
    evidence: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(8))
    proposed_at: Mapped[At]
    proposed_by: Mapped[str] = mapped_column(String(64))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    decided_by: Mapped[str | None] = mapped_column(String(64))
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_by: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    __table_args__ = (
        Index(None, "site_id", "plate"),
        Index("ix_pay_later_agreement_proposed", "site_id", "proposed_at", "id"),
        CheckConstraint("limit_fen >= 0", name="not_negative"),
    )


class ArrearsCredit(Base):
    """What another site collected for a stay of this one. Its id is that of the payment there. Only ever grows."""

    __tablename__ = "arrears_credit"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    stay_id: Mapped[str] = mapped_column(String(64))
    collected_at_site: Mapped[str] = mapped_column(String(40))
    amount_fen: Mapped[Fen]
    at: Mapped[At]
    operator: Mapped[str | None] = mapped_column(String(64))
    __table_args__ = (Index(None, "site_id", "stay_id"), CheckConstraint("amount_fen > 0", name="positive"))


class ArrearsReminder(Base):
    """A reminder of what a stay owes: when, by what way, and how much. Holds no plate. Only ever grows."""

    __tablename__ = "arrears_reminder"
    site_id: Mapped[SiteId]
    stay_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True)
    batch: Mapped[str] = mapped_column(String(64))
    at: Mapped[At]
    sender: Mapped[str] = mapped_column(String(20))
    amount_fen: Mapped[Fen]
    operator: Mapped[str] = mapped_column(String(64))
    __table_args__ = (Index(None, "site_id", "at"), Index(None, "batch"))


class ArrearsWriteOff(Base):
    """Giving up what a stay owes, or what was paid beyond its bill: proposed by one, decided by another.

    `kind`: `owed` or `overpaid`. `state`: proposed, approved, refused.
    """

    __tablename__ = "arrears_write_off"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    stay_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(8))
    amount_fen: Mapped[Fen]
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(8))
    proposed_at: Mapped[At]
    proposed_by: Mapped[str] = mapped_column(String(64))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    decided_by: Mapped[str | None] = mapped_column(String(64))
    decision: Mapped[str] = mapped_column(Text)
    transaction_id: Mapped[str | None] = mapped_column(String(64))
    __table_args__ = (
        Index(
            "uq_arrears_write_off_one_open",
            "site_id",
            "stay_id",
            unique=True,
            sqlite_where=text("state = 'proposed'"),
            postgresql_where=text("state = 'proposed'"),
        ),
        Index("ix_arrears_write_off_proposed", "site_id", "proposed_at", "id"),
        CheckConstraint("amount_fen > 0", name="positive"),
    )
