"""What reports keep of days that are over, so that a year is read in thousands of rows and not in millions (ADR 0035). Of nobody."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Date, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Fen, Serial, SiteId


class Summed(Base):
    """How far a site's days are summed: `through` by its stays, local days of `zone`; `books_through` by its ledger. Null: not at all."""

    __tablename__ = "summed"
    site_id: Mapped[SiteId]
    zone: Mapped[str] = mapped_column(String(64))
    through: Mapped[date | None] = mapped_column(Date)
    books_through: Mapped[date | None] = mapped_column(Date)


class DaySum(Base):
    """A day of a site that is over; one in which nothing moved has no row.

    `came`, `went`: of the stays whose ends are both known or still to come, from which follows how many were inside. `quarters`: entries, then
    exits, by quarter of an hour, four bytes each. `lengths`: of those who left, by band, how many and their minutes, eight bytes each.
    """

    __tablename__ = "day_sum"
    site_id: Mapped[SiteId]
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    came: Mapped[int] = mapped_column(Integer)
    went: Mapped[int] = mapped_column(Integer)
    quarters: Mapped[bytes] = mapped_column(LargeBinary)
    lengths: Mapped[bytes] = mapped_column(LargeBinary)
    # How many were inside follows from all days before, without their quarters.
    __table_args__ = (Index("ix_day_sum_inside", "site_id", "day", "came", "went"),)


class LaneSum(Base):
    """Entries and exits of a lane on such a day. `lane` is empty where nobody knows which."""

    __tablename__ = "lane_sum"
    site_id: Mapped[SiteId]
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    lane: Mapped[str] = mapped_column(String(40), primary_key=True)
    entries: Mapped[int] = mapped_column(Integer)
    exits: Mapped[int] = mapped_column(Integer)


class IncomeSum(Base):
    """What the ledger has of a closed business day: by the lane where the stay had left (empty: none), and by `part`: one of the five
    sums, or `waived:` and the benefit. Signed as postings are.
    """

    __tablename__ = "income_sum"
    site_id: Mapped[SiteId]
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    lane: Mapped[str] = mapped_column(String(40), primary_key=True)
    account: Mapped[str] = mapped_column(String(120), primary_key=True)
    fen: Mapped[Fen]


class AccountSum(Base):
    """What an account took and gave on a closed business day, neither of them below nothing."""

    __tablename__ = "account_sum"
    site_id: Mapped[SiteId]
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    account: Mapped[str] = mapped_column(String(120), primary_key=True)
    debit_fen: Mapped[Fen]
    credit_fen: Mapped[Fen]


class BalanceSum(Base):
    """What an account stood at when a month ended whose days are closed, a debit positive; one that stood at nothing has no row.

    From it and the days since follows what stood before any day.
    """

    __tablename__ = "balance_sum"
    site_id: Mapped[SiteId]
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    account: Mapped[str] = mapped_column(String(120), primary_key=True)
    fen: Mapped[Fen]


class LateChange(Base):
    """A stay's entry or exit came, went or changed long after it: the sums of the local day of `at` hold no more, until they are made anew."""

    __tablename__ = "late_change"
    id: Mapped[Serial]
    site_id: Mapped[str] = mapped_column(String(40))
    stay_id: Mapped[str] = mapped_column(String(64))
    at: Mapped[At]
    __table_args__ = (Index(None, "site_id", "id"),)
