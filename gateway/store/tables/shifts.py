"""班次: cashiers' turns, and what became of the money in their drawers. Integer fen."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Fen, Instant, Json, SiteId


class Shift(Base):
    """One cashier's turn. A cashier has at most one open shift a site, a drawer at most one open shift.

    `drawer`: null where it opened by itself, with the first cash taken. `float_fen` is what it began with; `from_shift` the shift that
    handed it over. `closed_by`: the cashier, the one who took over, or a manager.
    """

    __tablename__ = "shift"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    cashier: Mapped[str] = mapped_column(String(64))
    drawer: Mapped[str | None] = mapped_column(String(40))
    opened_at: Mapped[At]
    float_fen: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    from_shift: Mapped[str | None] = mapped_column(String(64))
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    closed_by: Mapped[str | None] = mapped_column(String(64))
    __table_args__ = (
        Index(
            "uq_shift_one_open",
            "site_id",
            "cashier",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index(
            "uq_shift_one_at_a_drawer",
            "site_id",
            "drawer",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index(None, "site_id", "opened_at"),
    )


class ShiftStep(Base):
    """What was done to a drawer, or to the site's safe (`shift_id` = `safe`). Only ever grows.

    | kind | `amount_fen` | `operator`, `other` |
    |---|---|---|
    | `open` | the float, out of `place` or of the shift before | the cashier; who handed it over |
    | `count` | - | the cashier |
    | `deposit` | into `place` | the cashier |
    | `offer` | - | the cashier; who is to take over |
    | `force` | - | the manager who counted; who is to take over |
    | `handover` | into `next_shift` | who took over; the cashier who left |
    | `close` | into `place` | the cashier, or a manager; then `other` is the cashier who left |
    | `safe` | into the safe from the bank, below 0 to the bank | finance |

    `expected_fen` is what the ledger had in the drawer, `counted_fen` what `pieces` (how many by denomination in fen) came to. Where a
    shift ended and they differed, `code` is `cash_over` or `cash_short`, and `break_id` names the difference in `suspense`.
    `transaction_id` moved the amount.
    """

    __tablename__ = "shift_step"
    site_id: Mapped[SiteId]
    shift_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    at: Mapped[At]
    operator: Mapped[str] = mapped_column(String(64))
    other: Mapped[str | None] = mapped_column(String(64))
    place: Mapped[str | None] = mapped_column(String(4))
    amount_fen: Mapped[Fen | None]
    expected_fen: Mapped[Fen | None]
    counted_fen: Mapped[Fen | None]
    pieces: Mapped[dict[str, Any] | None] = mapped_column(Json)
    code: Mapped[str | None] = mapped_column(String(10))
    break_id: Mapped[str | None] = mapped_column(String(64))
    transaction_id: Mapped[str | None] = mapped_column(String(64))
    next_shift: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    content_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    __table_args__ = (
        UniqueConstraint("site_id", "idempotency_key"),
        UniqueConstraint("site_id", "break_id"),
        CheckConstraint("counted_fen >= 0", name="counted"),
        Index(None, "site_id", "at"),
    )
