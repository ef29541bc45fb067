"""Money: bills, allowances, payments, the ledger and the closes. Integer fen. The ledger and the closes only ever grow."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Fen, Json, SiteId


class Bill(Base):
    """A bill as fixed. `facts` are the stay and benefits that `billing.bill.price` was given: anyone can replay it.

    `kind`: `exit` (fixed to the exit's plate event) or `early` (paid before leaving). The highest sequence stands.
    """

    __tablename__ = "bill"
    site_id: Mapped[SiteId]
    stay_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    fixed_at: Mapped[At]
    until: Mapped[At]
    policy_id: Mapped[str] = mapped_column(String(64))
    policy_version: Mapped[int] = mapped_column(Integer)
    minutes: Mapped[int] = mapped_column(Integer)
    gross_fen: Mapped[Fen]
    payable_fen: Mapped[Fen]
    holder: Mapped[str | None] = mapped_column(String(80))
    drawn: Mapped[dict[str, Any]] = mapped_column(Json)
    facts: Mapped[dict[str, Any]] = mapped_column(Json)
    lines: Mapped[list[Any]] = mapped_column(Json)


class AllowanceBalance(Base):
    """What a household (or vehicle) has drawn of a month's free minutes. The check is what keeps it from being overdrawn."""

    __tablename__ = "allowance_balance"
    site_id: Mapped[SiteId]
    holder: Mapped[str] = mapped_column(String(80), primary_key=True)
    month: Mapped[str] = mapped_column(String(7), primary_key=True)
    limit_minutes: Mapped[int] = mapped_column(Integer)
    drawn_minutes: Mapped[int] = mapped_column(Integer)
    __table_args__ = (CheckConstraint("drawn_minutes >= 0 AND drawn_minutes <= limit_minutes", name="never_overdrawn"),)


class AllowanceDraw(Base):
    """Minutes that a bill drew from a month (positive) or returned to it (negative). Only ever grows."""

    __tablename__ = "allowance_draw"
    site_id: Mapped[SiteId]
    stay_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True)
    holder: Mapped[str] = mapped_column(String(80), primary_key=True)
    month: Mapped[str] = mapped_column(String(7), primary_key=True)
    minutes: Mapped[int] = mapped_column(Integer)
    at: Mapped[At]
    __table_args__ = (Index(None, "site_id", "holder", "month"),)


class Payment(Base):
    """Money taken for a stay. The same idempotency key with the same content is the same payment."""

    __tablename__ = "payment"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    stay_id: Mapped[str] = mapped_column(String(64))
    channel: Mapped[str] = mapped_column(String(20))
    amount_fen: Mapped[Fen]
    reference: Mapped[str] = mapped_column(String(128))
    at: Mapped[At]
    operator: Mapped[str | None] = mapped_column(String(64))
    shift_id: Mapped[str | None] = mapped_column(String(64))
    idempotency_key: Mapped[str] = mapped_column(String(200))
    content_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    __table_args__ = (
        UniqueConstraint("site_id", "idempotency_key"),
        CheckConstraint("amount_fen > 0", name="positive"),
        Index(None, "site_id", "stay_id"),
        Index(None, "site_id", "at"),
    )


class LedgerTransaction(Base):
    """A ledger transaction. Append-only (a trigger refuses changes): a mistake is reversed by a new one that names it."""

    __tablename__ = "ledger_transaction"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    business_day: Mapped[date] = mapped_column(Date)
    belongs_to: Mapped[date | None] = mapped_column(Date)
    at: Mapped[At]
    kind: Mapped[str] = mapped_column(String(20))
    reference_kind: Mapped[str] = mapped_column(String(12))
    reference: Mapped[str] = mapped_column(String(64))
    operator: Mapped[str | None] = mapped_column(String(64))
    idempotency_key: Mapped[str] = mapped_column(String(200))
    content_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    reverses: Mapped[str | None] = mapped_column(String(64))
    __table_args__ = (
        UniqueConstraint("site_id", "idempotency_key"),
        Index(None, "site_id", "business_day"),
        Index(None, "site_id", "reference_kind", "reference"),
        # What stands on a later day than its own, few among all.
        Index(
            "ix_ledger_transaction_late",
            "site_id",
            "business_day",
            sqlite_where=text("belongs_to IS NOT NULL"),
            postgresql_where=text("belongs_to IS NOT NULL"),
        ),
    )


class Posting(Base):
    __tablename__ = "posting"
    site_id: Mapped[SiteId]
    transaction_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    line: Mapped[int] = mapped_column(Integer, primary_key=True)
    account: Mapped[str] = mapped_column(String(120))
    amount_fen: Mapped[Fen]
    __table_args__ = (
        ForeignKeyConstraint(["site_id", "transaction_id"], ["ledger_transaction.site_id", "ledger_transaction.id"]),
        CheckConstraint("amount_fen <> 0", name="not_nothing"),
        # What is in a drawer, without going through the ledger: a query says the same words.
        Index(
            "ix_posting_cash",
            "site_id",
            "account",
            sqlite_where=text("substr(account, 1, 12) = 'assets:cash:'"),
            postgresql_where=text("substr(account, 1, 12) = 'assets:cash:'"),
        ),
        # What is under investigation, in the same way.
        Index(
            "ix_posting_suspense",
            "site_id",
            "account",
            sqlite_where=text("substr(account, 1, 9) = 'suspense:'"),
            postgresql_where=text("substr(account, 1, 9) = 'suspense:'"),
        ),
    )


class SiteBooks(Base):
    """How far a site's books are closed. Whoever posts shares this row's lock; whoever closes takes it alone."""

    __tablename__ = "site_books"
    site_id: Mapped[SiteId]
    opened_on: Mapped[date] = mapped_column(Date)
    closed_through: Mapped[date | None] = mapped_column(Date)


class DayClose(Base):
    """日结: the sealed record of a site's day, with the bytes that were hashed. Never changes.

    `lines` are what the digest inside the canonical bytes covers, compressed (`billing.close.read_lines`).
    """

    __tablename__ = "day_close"
    site_id: Mapped[SiteId]
    kind: Mapped[str] = mapped_column(String(12), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True)
    day: Mapped[date] = mapped_column(Date)
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    canonical: Mapped[bytes] = mapped_column(LargeBinary)
    lines: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_at: Mapped[At]
    operator: Mapped[str | None] = mapped_column(Text)
    __table_args__ = (UniqueConstraint("site_id", "kind", "day"),)
