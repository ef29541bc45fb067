"""渠道账单: what channels said they settled, as it was imported. Bytes are not kept: they name plates and payers, and the channel has them."""

from __future__ import annotations

from datetime import date

from sqlalchemy import BigInteger, Date, Index, Integer, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Fen, Key, SiteId


class ChannelStatement(Base):
    """A channel's statement of one day of a merchant account (收款主体). Never changes, but for which later one replaced it.

    `site_id` is the account's home site, where rows stand that no order of ours leads to. `account` is the channel's own number of it, empty
    where the file does not say. `digest`: SHA-256 of the file, unpacked; of a day on which the channel had nothing, of no bytes. Fees are in
    1/1000 fen.
    """

    __tablename__ = "channel_statement"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    merchant_id: Mapped[str] = mapped_column(String(40))
    channel: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(12))
    day: Mapped[date] = mapped_column(Date)
    account: Mapped[str] = mapped_column(String(64))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    rows: Mapped[int] = mapped_column(Integer)
    orphans: Mapped[int] = mapped_column(Integer)
    payments: Mapped[int] = mapped_column(Integer)
    payments_fen: Mapped[Fen]
    refunds: Mapped[int] = mapped_column(Integer)
    refunds_fen: Mapped[Fen]
    fee_millifen: Mapped[int] = mapped_column(BigInteger)
    imported_at: Mapped[At]
    imported_by: Mapped[Key]
    replaced_by: Mapped[str | None] = mapped_column(String(64))
    __table_args__ = (
        Index(
            "uq_channel_statement_stands",
            "merchant_id",
            "channel",
            "kind",
            "day",
            "account",
            unique=True,
            sqlite_where=text("replaced_by IS NULL"),
            postgresql_where=text("replaced_by IS NULL"),
        ),
        Index(None, "day"),
        Index(None, "channel", "account"),
    )


class ChannelStatementRow(Base):
    """A row of a statement, as `billing.statements.Row` says it. Only ever grows. `site_id` is where the order is of."""

    __tablename__ = "channel_statement_row"
    site_id: Mapped[SiteId]
    statement_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    line: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(10))
    order_number: Mapped[Key]
    channel_number: Mapped[Key]
    refund_number: Mapped[Key]
    at: Mapped[At]
    amount_fen: Mapped[Fen]
    fee_millifen: Mapped[int | None] = mapped_column(BigInteger)
    settled_fen: Mapped[int | None] = mapped_column(BigInteger)
    __table_args__ = (Index(None, "site_id", "order_number"),)
