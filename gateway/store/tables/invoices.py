"""Electronic invoices (数电票): what was asked for, what was sent to the provider, and what the tax authority made of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Fen, Instant, Json, Key, SiteId

ASKED_ABOUT = "state IN ('requested', 'submitted', 'red_requested', 'red_submitted')"
UNDER_WAY = "state IN ('requested', 'submitted')"
ISSUED = "state = 'issued'"


class Invoice(Base):
    """A blue invoice of a stay and, where it had to be reversed as a whole, its red one. Its id is the number at the provider.

    `requested`: nothing was sent yet, `amount_fen` is 0; `submitted`: what it says is fixed; `issued`, `refused` or `withdrawn` (there
    was nothing left to invoice); `red_requested`, `red_submitted`, `red_refused`, `red_issued`. `goods`, `seller` and `premises` are what it said, as
    sent. `replaces`: the one whose rest it is, after a refund in part. `row_hash` is over everything here that is nobody's
    (`gateway.flows.invoices_records`): the buyer can be taken out, and nothing else can change unseen.
    """

    __tablename__ = "invoice"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    stay_id: Mapped[Key]
    merchant_id: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(13))
    requested_at: Mapped[At]
    requested_by: Mapped[str | None] = mapped_column(String(64))
    buyer_kind: Mapped[str] = mapped_column(String(8))
    buyer_title: Mapped[str] = mapped_column(Text)
    buyer_tax_number: Mapped[str] = mapped_column(String(20))
    buyer_email: Mapped[str] = mapped_column(String(100))
    buyer_phone: Mapped[str] = mapped_column(String(20))
    plate: Mapped[str] = mapped_column(String(16))
    amount_fen: Mapped[Fen] = mapped_column(default=0)
    tax_fen: Mapped[Fen] = mapped_column(default=0)
    rate: Mapped[str] = mapped_column(String(10), default="0")
    goods: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    seller: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    premises: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    place: Mapped[str] = mapped_column(Text, default="")
    entry_at: Mapped[datetime | None] = mapped_column(Instant)
    exit_at: Mapped[datetime | None] = mapped_column(Instant)
    submitted_at: Mapped[datetime | None] = mapped_column(Instant)
    number: Mapped[str | None] = mapped_column(String(20))
    issued_at: Mapped[datetime | None] = mapped_column(Instant)
    red_cause: Mapped[str | None] = mapped_column(String(12))
    red_requested_at: Mapped[datetime | None] = mapped_column(Instant)
    red_requested_by: Mapped[str | None] = mapped_column(String(64))
    red_number: Mapped[str | None] = mapped_column(String(20))
    red_issued_at: Mapped[datetime | None] = mapped_column(Instant)
    replaces: Mapped[str | None] = mapped_column(String(32))
    problem: Mapped[str] = mapped_column(Text, default="")
    look_at: Mapped[At]
    looks: Mapped[int] = mapped_column(Integer, default=0)
    row_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    __table_args__ = (
        CheckConstraint("amount_fen >= 0 AND tax_fen BETWEEN 0 AND amount_fen", name="tax_is_part_of_it"),
        Index(None, "id"),
        Index(None, "site_id", "stay_id"),
        Index("ix_invoice_requested", "site_id", "requested_at", "id"),
        Index("ix_invoice_issued", "site_id", "issued_at"),
        Index("ix_invoice_red_issued", "site_id", "red_issued_at"),
        Index("ix_invoice_plate", "site_id", "plate"),
        Index(
            "uq_invoice_one_under_way",
            "site_id",
            "stay_id",
            unique=True,
            sqlite_where=text(UNDER_WAY),
            postgresql_where=text(UNDER_WAY),
        ),
        Index("ix_invoice_look", "look_at", sqlite_where=text(ASKED_ABOUT), postgresql_where=text(ASKED_ABOUT)),
        Index("ix_invoice_stands", "site_id", "stay_id", sqlite_where=text(ISSUED), postgresql_where=text(ISSUED)),
    )


class InvoiceFile(Base):
    """The PDF of an invoice (`blue`) or of its red one (`red`), as the provider delivered it."""

    __tablename__ = "invoice_file"
    site_id: Mapped[SiteId]
    invoice_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    part: Mapped[str] = mapped_column(String(4), primary_key=True)
    pdf: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[At]
    __table_args__ = (
        ForeignKeyConstraint(["site_id", "invoice_id"], ["invoice.site_id", "invoice.id"]),
        Index(None, "received_at"),
    )
