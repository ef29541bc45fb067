"""Payments through channels: orders, what the channels told of them, and money that goes back; also in cash."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Fen, Instant, Key, SiteId

ASKED_ABOUT = "state IN ('created', 'open', 'closing')"
ON_ITS_WAY = "state IN ('approved', 'sent')"


class PaymentOrder(Base):
    """An order at a payment channel, for what a stay owed at `quoted_at`. Its id is the order number there.

    `created`: here, and perhaps there; `open`: it can be paid; `closing`: the bill has moved, or it is too late; `paid`, `closed`,
    `refunded` (to the last fen). What the channel received is `paid_fen`; `applied_fen` of it is booked on the stay, the rest is owed
    back. A closed order that was paid all the same is paid.
    """

    __tablename__ = "payment_order"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    stay_id: Mapped[Key]
    merchant_id: Mapped[str] = mapped_column(String(40))
    channel: Mapped[str] = mapped_column(String(20))
    amount_fen: Mapped[Fen]
    state: Mapped[str] = mapped_column(String(8))
    code: Mapped[str | None] = mapped_column(String(512))
    quoted_at: Mapped[At]
    expires_at: Mapped[At]
    look_at: Mapped[At]
    looks: Mapped[int] = mapped_column(Integer, default=0)
    trade: Mapped[str | None] = mapped_column(String(64))
    paid_at: Mapped[datetime | None] = mapped_column(Instant)
    told_at: Mapped[datetime | None] = mapped_column(Instant)
    paid_fen: Mapped[Fen] = mapped_column(default=0)
    applied_fen: Mapped[Fen] = mapped_column(default=0)
    refunded_fen: Mapped[Fen] = mapped_column(default=0)
    payment_id: Mapped[str | None] = mapped_column(String(64))
    ordered_by: Mapped[str | None] = mapped_column(String(64))
    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="positive"),
        CheckConstraint(
            "paid_fen IN (0, amount_fen) AND applied_fen BETWEEN 0 AND paid_fen AND refunded_fen BETWEEN 0 AND paid_fen",
            name="no_more_than_paid",
        ),
        Index(None, "id"),
        Index(None, "site_id", "stay_id"),
        Index("ix_payment_order_quoted", "site_id", "quoted_at", "id"),
        Index(
            "uq_payment_order_one_open",
            "site_id",
            "stay_id",
            unique=True,
            sqlite_where=text("state IN ('created', 'open')"),
            postgresql_where=text("state IN ('created', 'open')"),
        ),
        Index("ix_payment_order_look", "look_at", sqlite_where=text(ASKED_ABOUT), postgresql_where=text(ASKED_ABOUT)),
    )


class PaymentNotice(Base):
    """A callback of a channel that was really its own: once by its id there. `subject`: the order or the refund."""

    __tablename__ = "payment_notice"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    subject: Mapped[str] = mapped_column(String(32))
    at: Mapped[At]


class PaymentRefund(Base):
    """Money of an order on its way back to whoever paid. Its id is the refund number at the channel, which never changes.

    `proposed`, by a person or by the service for what was paid beyond the bill; `approved` by a second person, or `refused`; `sent`;
    `done`, or `failed`: the channel could not, and the money is still owed. `off_stay_fen` of it was taken off the stay, and of that
    `given_up_fen` was due and is not asked for again.
    """

    __tablename__ = "payment_refund"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    order_id: Mapped[str] = mapped_column(String(32))
    stay_id: Mapped[Key]
    amount_fen: Mapped[Fen]
    off_stay_fen: Mapped[Fen] = mapped_column(default=0)
    given_up_fen: Mapped[Fen] = mapped_column(default=0)
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(8))
    proposed_at: Mapped[At]
    proposed_by: Mapped[str] = mapped_column(String(64))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    decided_by: Mapped[str | None] = mapped_column(String(64))
    decision: Mapped[str] = mapped_column(Text, default="")
    look_at: Mapped[At]
    looks: Mapped[int] = mapped_column(Integer, default=0)
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
    done_at: Mapped[datetime | None] = mapped_column(Instant)
    problem: Mapped[str] = mapped_column(Text, default="")
    off_transaction_id: Mapped[str | None] = mapped_column(String(64))
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="positive"),
        CheckConstraint(
            "off_stay_fen BETWEEN 0 AND amount_fen AND given_up_fen BETWEEN 0 AND off_stay_fen", name="parts_of_it"
        ),
        Index(None, "id"),
        Index(None, "site_id", "order_id"),
        Index(None, "site_id", "stay_id"),
        Index("ix_payment_refund_proposed", "site_id", "proposed_at", "id"),
        Index("uq_payment_refund_key", "site_id", "idempotency_key", unique=True),
        Index("ix_payment_refund_look", "look_at", sqlite_where=text(ON_ITS_WAY), postgresql_where=text(ON_ITS_WAY)),
        Index(
            "ix_payment_refund_sent",
            "site_id",
            "sent_at",
            sqlite_where=text("sent_at IS NOT NULL"),
            postgresql_where=text("sent_at IS NOT NULL"),
        ),
    )


class CashRefund(Base):
    """Cash of a payment on its way back to whoever paid: `proposed`, `approved` by a second person or `refused`, `paid`.

    Paid, it was handed out of the drawer of `shift_id`, and taken off the stay by `transaction_id`; `given_up_fen` of it was due, and is
    not asked for again.
    """

    __tablename__ = "cash_refund"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    payment_id: Mapped[Key]
    stay_id: Mapped[Key]
    amount_fen: Mapped[Fen]
    given_up_fen: Mapped[Fen] = mapped_column(default=0)
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(8))
    proposed_at: Mapped[At]
    proposed_by: Mapped[str] = mapped_column(String(64))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    decided_by: Mapped[str | None] = mapped_column(String(64))
    decision: Mapped[str] = mapped_column(Text, default="")
    paid_at: Mapped[datetime | None] = mapped_column(Instant)
    paid_by: Mapped[str | None] = mapped_column(String(64))
    shift_id: Mapped[str | None] = mapped_column(String(64))
    transaction_id: Mapped[str | None] = mapped_column(String(64))
    idempotency_key: Mapped[str] = mapped_column(String(200))
    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="positive"),
        CheckConstraint("given_up_fen BETWEEN 0 AND amount_fen", name="part_of_it"),
        UniqueConstraint("site_id", "idempotency_key"),
        Index(None, "site_id", "payment_id"),
        Index(None, "site_id", "stay_id"),
        Index("ix_cash_refund_proposed", "site_id", "proposed_at", "id"),
    )
