"""访客停车券: books of numbered vouchers, the register of who took them, and every step that each one has gone.

`voucher` says where each one stands, `voucher_movement` how it came there: the first follows from the second, and `verify` looks
whether it does. Serials count up within a site and are never given twice.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
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

from gateway.store.tables.base import At, Base, Fen, Instant, SiteId

STATES = ("stock", "issued", "presented", "used", "void", "expired", "returned")


class VoucherBuyer(Base):
    """A merchant or visiting firm that buys books and is billed monthly for what was used. `id` is part of its account."""

    __tablename__ = "voucher_buyer"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    registered_at: Mapped[At]


class VoucherBook(Base):
    """券本: a range of serials of one kind. `value` is minutes or fen, 0 for a whole stay. Never changed.

    `buyer_id` null: the street's own, given to households and guests.
    """

    __tablename__ = "voucher_book"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    value: Mapped[int] = mapped_column(BigInteger)
    first_serial: Mapped[int] = mapped_column(BigInteger)
    last_serial: Mapped[int] = mapped_column(BigInteger)
    valid_from: Mapped[At]
    valid_to: Mapped[At]
    buyer_id: Mapped[str | None] = mapped_column(String(40))
    title: Mapped[str] = mapped_column(Text, default="")
    made_at: Mapped[At]
    operator: Mapped[str] = mapped_column(String(64))
    idempotency_key: Mapped[str] = mapped_column(String(200))
    content_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    __table_args__ = (
        ForeignKeyConstraint(["site_id", "buyer_id"], ["voucher_buyer.site_id", "voucher_buyer.id"]),
        UniqueConstraint("site_id", "idempotency_key"),
        UniqueConstraint("site_id", "first_serial"),
        CheckConstraint("first_serial > 0 AND last_serial >= first_serial", name="range"),
    )


class Voucher(Base):
    """One voucher. `movements` counts its rows in `voucher_movement`: two who redeem it at once would write the same row.

    With a `stay_id` it is changed only by whoever holds the lock of that stay's vehicle. `kind` and `value` are its book's.
    """

    __tablename__ = "voucher"
    site_id: Mapped[SiteId]
    serial: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    book_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(12))
    value: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(10))
    movements: Mapped[int] = mapped_column(Integer)
    issue_id: Mapped[str | None] = mapped_column(String(64))
    redemption_id: Mapped[str | None] = mapped_column(String(64))
    stay_id: Mapped[str | None] = mapped_column(String(64))
    presented_at: Mapped[datetime | None] = mapped_column(Instant)
    __table_args__ = (
        ForeignKeyConstraint(["site_id", "book_id"], ["voucher_book.site_id", "voucher_book.id"]),
        CheckConstraint(f"state IN ({', '.join(repr(state) for state in STATES)})", name="state"),
        CheckConstraint("state <> 'used' OR stay_id IS NOT NULL", name="used_for_a_stay"),
        CheckConstraint("stay_id IS NULL OR state IN ('presented', 'used')", name="of_a_stay"),
        Index("ix_voucher_book", "site_id", "book_id", "serial"),
        Index("ix_voucher_state", "site_id", "state", "serial"),
        Index(
            "ix_voucher_stay",
            "site_id",
            "stay_id",
            sqlite_where=text("stay_id IS NOT NULL"),
            postgresql_where=text("stay_id IS NOT NULL"),
        ),
    )


class VoucherIssue(Base):
    """领用登记: who took which serials, for what, on whose signature. `month` is the local month that a quota counts.

    `taker` and `signature` are a person's: they go when their purpose ends, the serials and the household's id stay.
    """

    __tablename__ = "voucher_issue"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    book_id: Mapped[str] = mapped_column(String(64))
    first_serial: Mapped[int] = mapped_column(BigInteger)
    last_serial: Mapped[int] = mapped_column(BigInteger)
    household_id: Mapped[str | None] = mapped_column(String(64))
    taker: Mapped[str] = mapped_column(Text, default="")
    purpose: Mapped[str] = mapped_column(Text)
    signature: Mapped[str] = mapped_column(Text)
    month: Mapped[str] = mapped_column(String(7))
    at: Mapped[At]
    operator: Mapped[str] = mapped_column(String(64))
    idempotency_key: Mapped[str] = mapped_column(String(200))
    content_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    __table_args__ = (
        ForeignKeyConstraint(["site_id", "book_id"], ["voucher_book.site_id", "voucher_book.id"]),
        UniqueConstraint("site_id", "idempotency_key"),
        Index(None, "site_id", "household_id", "month"),
        Index(None, "site_id", "at"),
    )


class VoucherMovement(Base):
    """One step of one voucher. Only ever grows (a trigger refuses changes).

    `business_day` is the first open day, as for the ledger: a closed day's movement never changes. `fen`: by how much the step
    changes what the voucher takes off a bill; over its steps they sum to what it takes off now.
    """

    __tablename__ = "voucher_movement"
    site_id: Mapped[SiteId]
    serial: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    book_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(10))
    from_state: Mapped[str] = mapped_column(String(10))
    to_state: Mapped[str] = mapped_column(String(10))
    at: Mapped[At]
    business_day: Mapped[date] = mapped_column(Date)
    fen: Mapped[Fen] = mapped_column(default=0)
    stay_id: Mapped[str | None] = mapped_column(String(64))
    issue_id: Mapped[str | None] = mapped_column(String(64))
    redemption_id: Mapped[str | None] = mapped_column(String(64))
    operator: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text, default="")
    __table_args__ = (
        Index(None, "site_id", "business_day", "book_id"),
        Index(None, "site_id", "book_id"),
    )


class VoucherRedemption(Base):
    """A code that was collected without a network and brought later. `state`: `queued` (its stay is not known yet), `done`,
    `refused` (needed a person), `resolved` (a person has decided).

    The code itself is not kept: whoever reads it could use it. Plates are not either.
    """

    __tablename__ = "voucher_redemption"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    serial: Mapped[int | None] = mapped_column(BigInteger)
    lane_id: Mapped[str] = mapped_column(String(40))
    at: Mapped[At]
    received_at: Mapped[At]
    state: Mapped[str] = mapped_column(String(10))
    stay_id: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[str] = mapped_column(Text, default="")
    operator: Mapped[str | None] = mapped_column(String(64))
    __table_args__ = (
        Index(
            "ix_voucher_redemption_queued",
            "site_id",
            "received_at",
            sqlite_where=text("state = 'queued'"),
            postgresql_where=text("state = 'queued'"),
        ),
        Index("ix_voucher_redemption_received", "site_id", "received_at", "id"),
    )


class VoucherStatement(Base):
    """A buyer's month, once: what was used of its books and posted to its account. Never changed."""

    __tablename__ = "voucher_statement"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    buyer_id: Mapped[str] = mapped_column(String(40))
    month: Mapped[str] = mapped_column(String(7))
    used: Mapped[int] = mapped_column(Integer)
    fen: Mapped[Fen]
    transaction_id: Mapped[str | None] = mapped_column(String(64))
    made_at: Mapped[At]
    operator: Mapped[str | None] = mapped_column(String(64))
    __table_args__ = (
        ForeignKeyConstraint(["site_id", "buyer_id"], ["voucher_buyer.site_id", "voucher_buyer.id"]),
        UniqueConstraint("site_id", "buyer_id", "month"),
    )
