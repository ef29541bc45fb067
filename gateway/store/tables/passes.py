"""包月 and monthly charges: what was sold or charged, for which days, what was taken for it, and what of it is income.

Amounts are integer fen. Days are local days of the site; a period is half-open `[first_day, end_day)`. `pass_held` (registers) is
what the gates read; it follows from these rows.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Date, Index, Integer, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Fen, Instant, SiteId


class ParkingPass(Base):
    """A pass: one paid space, for the vehicles that `pass_vehicle` names, in the periods of `pass_period`.

    `anchor_day` is the day of the month on which its months begin (the last day of a shorter month), so that a pass which began on a
    31st loses no day by its renewals. `billed`: `counter` (paid when sold) or `monthly` (charged by the monthly run).
    """

    __tablename__ = "parking_pass"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    offer_id: Mapped[str] = mapped_column(String(64))
    household_id: Mapped[str | None] = mapped_column(String(64))
    anchor_day: Mapped[int] = mapped_column(Integer)
    billed: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[At]
    created_by: Mapped[str] = mapped_column(String(64))
    __table_args__ = (
        Index(None, "site_id", "household_id"),
        Index("ix_parking_pass_created", "site_id", "created_at", "id"),
        CheckConstraint("anchor_day BETWEEN 1 AND 31", name="a_day_of_a_month"),
    )


class PassPeriod(Base):
    """A paid period of a pass. What the gates and the income go by ends on `ended_day` where it was ended before `end_day`.

    `gross_fen` is the price, `waived_fen` what of it was waived; the rest was paid or is receivable. `next_day` is the first day whose
    income is not posted yet.
    """

    __tablename__ = "pass_period"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    pass_id: Mapped[str] = mapped_column(String(64))
    first_day: Mapped[date] = mapped_column(Date)
    end_day: Mapped[date] = mapped_column(Date)
    ended_day: Mapped[date | None] = mapped_column(Date)
    gross_fen: Mapped[Fen]
    waived_fen: Mapped[Fen]
    policy_id: Mapped[str] = mapped_column(String(64))
    policy_version: Mapped[int] = mapped_column(Integer)
    next_day: Mapped[date] = mapped_column(Date)
    created_at: Mapped[At]
    created_by: Mapped[str] = mapped_column(String(64))
    idempotency_key: Mapped[str] = mapped_column(String(200))
    content_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    __table_args__ = (
        UniqueConstraint("site_id", "idempotency_key"),
        Index(None, "site_id", "pass_id", "first_day"),
        Index("ix_pass_period_end", "site_id", "end_day"),
        Index(
            "ix_pass_period_unearned",
            "site_id",
            "next_day",
            sqlite_where=text("next_day < coalesce(ended_day, end_day)"),
            postgresql_where=text("next_day < coalesce(ended_day, end_day)"),
        ),
        CheckConstraint("first_day < end_day", name="has_days"),
        CheckConstraint("ended_day IS NULL OR ended_day BETWEEN first_day AND end_day", name="ends_within"),
        CheckConstraint("waived_fen BETWEEN 0 AND gross_fen", name="waived_of_gross"),
        CheckConstraint("next_day BETWEEN first_day AND end_day", name="earned_within"),
    )


class PassVehicle(Base):
    """A vehicle of a pass, from when until when. A transfer ends one and begins another at the same instant."""

    __tablename__ = "pass_vehicle"
    site_id: Mapped[SiteId]
    pass_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True)
    plate: Mapped[str] = mapped_column(String(16))
    since: Mapped[datetime | None] = mapped_column(Instant)
    until: Mapped[datetime | None] = mapped_column(Instant)
    operator: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    __table_args__ = (Index(None, "site_id", "plate"),)


class PassRefund(Base):
    """A refund of a pass: proposed by one, decided by another, then paid out. `state`: proposed, approved, refused, paid."""

    __tablename__ = "pass_refund"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    pass_id: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(8))
    wanted_from: Mapped[date] = mapped_column(Date)
    ended_day: Mapped[date | None] = mapped_column(Date)
    amount_fen: Mapped[int | None]
    reason: Mapped[str] = mapped_column(Text)
    proposed_at: Mapped[At]
    proposed_by: Mapped[str] = mapped_column(String(64))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    decided_by: Mapped[str | None] = mapped_column(String(64))
    decision: Mapped[str] = mapped_column(Text)
    channel: Mapped[str | None] = mapped_column(String(20))
    shift_id: Mapped[str | None] = mapped_column(String(64))
    paid_at: Mapped[datetime | None] = mapped_column(Instant)
    paid_by: Mapped[str | None] = mapped_column(String(64))
    __table_args__ = (
        Index(
            "uq_pass_refund_one_open",
            "site_id",
            "pass_id",
            unique=True,
            sqlite_where=text("state = 'proposed'"),
            postgresql_where=text("state = 'proposed'"),
        ),
        CheckConstraint("amount_fen >= 0", name="not_negative"),
    )


class PassIncomeRun(Base):
    """The income of all passes of a site for one day, as one ledger transaction. What is sold for past days adds a run of that day."""

    __tablename__ = "pass_income_run"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    day: Mapped[date] = mapped_column(Date)
    sequence: Mapped[int] = mapped_column(Integer)
    periods: Mapped[int] = mapped_column(Integer)
    income_fen: Mapped[Fen]
    waived_fen: Mapped[Fen]
    transaction_id: Mapped[str | None] = mapped_column(String(64))
    __table_args__ = (UniqueConstraint("site_id", "day", "sequence"),)


class PassIncome(Base):
    """What one day of a period is income, and what of it was waived. Only ever grows."""

    __tablename__ = "pass_income"
    site_id: Mapped[SiteId]
    period_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    run_id: Mapped[str] = mapped_column(String(64))
    income_fen: Mapped[Fen]
    waived_fen: Mapped[Fen]
    __table_args__ = (Index(None, "site_id", "run_id"),)


class Charge(Base):
    """A monthly charge to a household: its property fee, or the month of a pass that is billed monthly.

    What is due is `gross_fen − waived_fen − credited_fen − paid_fen`: `paid_fen` is the sum of its payments, `credited_fen` what the end
    of its pass took off. A charge that was reversed says by whom and why.
    """

    __tablename__ = "charge"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    month: Mapped[str] = mapped_column(String(7))
    household_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    pass_id: Mapped[str] = mapped_column(String(64))
    period_id: Mapped[str | None] = mapped_column(String(64))
    gross_fen: Mapped[Fen]
    waived_fen: Mapped[Fen]
    paid_fen: Mapped[Fen]
    credited_fen: Mapped[Fen]
    rule: Mapped[str] = mapped_column(String(120))
    policy_id: Mapped[str] = mapped_column(String(64))
    policy_version: Mapped[int] = mapped_column(Integer)
    charged_at: Mapped[At]
    charged_by: Mapped[str] = mapped_column(String(64))
    transaction_id: Mapped[str | None] = mapped_column(String(64))
    reversed_at: Mapped[datetime | None] = mapped_column(Instant)
    reversed_by: Mapped[str | None] = mapped_column(String(64))
    reversal: Mapped[str] = mapped_column(Text)
    __table_args__ = (
        Index(
            "uq_charge_once_a_month",
            "site_id",
            "month",
            "household_id",
            "kind",
            "pass_id",
            unique=True,
            sqlite_where=text("reversed_at IS NULL"),
            postgresql_where=text("reversed_at IS NULL"),
        ),
        Index("ix_charge_charged", "site_id", "charged_at", "id"),
        Index("ix_charge_household", "site_id", "household_id"),
        CheckConstraint("waived_fen BETWEEN 0 AND gross_fen", name="waived_of_gross"),
        CheckConstraint("paid_fen >= 0 AND credited_fen >= 0", name="not_negative"),
        CheckConstraint("paid_fen + credited_fen <= gross_fen - waived_fen", name="paid_of_payable"),
    )


class ChargePayment(Base):
    """Money taken for something other than a stay of this site. Only ever grows.

    `purpose`: `pass` (its period), `charge`, `arrears` (a stay of another site, collected here) or `voucher` (a buyer of vouchers).
    `subject` is its id.
    """

    __tablename__ = "charge_payment"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(8))
    subject: Mapped[str] = mapped_column(String(64))
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
        Index(None, "site_id", "purpose", "subject"),
        Index(None, "site_id", "at"),
    )
