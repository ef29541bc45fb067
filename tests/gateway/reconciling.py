"""Finance in the morning: a street whose drivers paid by phone, and what the channels say of it."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import select

from billing.close import Document, read_document
from gateway.channels.port import OrderSaid, OrderState
from gateway.flows.close import close_missed
from gateway.flows.orders.receiving import money_came
from gateway.flows.reconciliation.run import Reconciled, reconcile_day
from gateway.flows.statements import Imported, Who, import_file, record_empty
from gateway.flows.verify import verify
from gateway.runtime.ids import derive
from gateway.store import books
from gateway.store import tables as t
from simulators.discrepancies import fee
from simulators.statements import Deal, alipay_zip, unionpay, unionpay_name, wechat_fund_flow, wechat_trade
from tests.gateway.trade import Street, local

DAY = date(2026, 3, 2)
ONE = timedelta(days=1)
ACCOUNT = {"wechat": "1900000001", "alipay": "2088000000000001", "unionpay": "777290000000001"}
CLEARING_ENDS_EARLY = {"unionpay": timedelta(hours=1)}
"""UnionPay's day ends at 23:00: what comes later is in the next day's file."""
FINANCE = Who(operator="zhao")


class Morning(Street):
    """One site. `deals` are what the channels have, by channel: payments and refunds as they were made."""

    def __init__(self, parts: Any, **more: Any) -> None:
        super().__init__(parts, **more)
        self.deals: dict[str, list[Deal]] = {channel: [] for channel in ACCOUNT}
        self._paid = 0

    def pays(self, at: str = "11:10", channel: str = "wechat", plate: str = "", **more: Any) -> Deal:
        """A vehicle that came two hours before pays at the exit, by phone, and leaves. The deal, as the channel has it."""
        self._paid += 1
        plate = plate or f"浙A{self._paid:05d}"
        came = (local(at) - timedelta(hours=2)).strftime("%Y-%m-%d %H:%M:%S")
        self.passes("in-1", plate, came)
        self.arrives("out-1", plate, local(at).strftime("%Y-%m-%d %H:%M:%S"), id=f"out{self._paid}")
        deal = self.orders_and_pays(str(self.stay(plate).id), channel, **more)
        self.clock.set(self.clock.now() + timedelta(seconds=5))
        left = (self.clock.now()).astimezone(local(at).tzinfo).strftime("%Y-%m-%d %H:%M:%S")
        self.goes("out-1", left, after=f"out{self._paid}")
        return deal

    def orders_and_pays(self, stay: str, channel: str, told_fen: int | None = None) -> Deal:
        """An order of what is due, paid at once. The channel is told of it only by its statement."""
        number, due = self.orders(stay, channel)
        return self.is_told(number, due, channel, told_fen)

    def orders(self, stay: str, channel: str) -> tuple[str, int]:
        """An order of what is due: its number and its fen."""
        from gateway.flows import quote

        now = self.clock.now()
        due = int(quote.bill_document(self.parts, stay, now)["payable_fen"])
        number = derive("pg", stay, channel, now.isoformat()).replace("-", "")
        row = {
            "site_id": "xinyi", "id": number, "stay_id": stay, "merchant_id": "hushu", "channel": channel, "amount_fen": due,
            "state": "open", "quoted_at": now, "expires_at": now + timedelta(minutes=5), "look_at": now, "looks": 0,
            "paid_fen": 0, "applied_fen": 0, "refunded_fen": 0,
        }  # fmt: skip
        with self.parts.store.writing() as connection:
            connection.execute(t.PaymentOrder.__table__.insert().values(**row))
            connection.commit()
        return number, due

    def is_told(
        self, number: str, due: int, channel: str, told_fen: int | None = None, paid_at: datetime | None = None
    ) -> Deal:
        """The channel says that an order was paid, now or then."""
        at = paid_at or self.clock.now()
        said = OrderSaid(number=number, state=OrderState.PAID, amount_fen=due, trade=f"42{number}", paid_at=at)
        money_came(self.parts, "hushu", channel, said)
        fen = told_fen or due
        deal = Deal(order=number, number=f"42{number[:19]}", at=at, amount_fen=fen, fee_fen=fee(fen))
        self.deals[channel].append(deal)
        return deal

    def lacks(self, deal: Deal) -> None:
        """The channel knows nothing of it."""
        for deals in self.deals.values():
            if deal in deals:
                deals.remove(deal)

    def says(self, deal: Deal, **changed: Any) -> Deal:
        """The channel says something else of it."""
        for deals in self.deals.values():
            if deal in deals:
                deals[deals.index(deal)] = said = replace(deal, **changed)
                return said
        raise AssertionError

    def tells(self, channel: str = "wechat", day: date = DAY, *, flow: bool = False) -> Imported:
        """The channel's statement of a day comes, and is imported."""
        early = CLEARING_ENDS_EARLY.get(channel, timedelta(0))
        deals = [deal for deal in self.deals[channel] if (deal.local + early).date() == day]
        if not deals:
            return record_empty(
                self.parts, channel, day, FINANCE, kind="fund_flow" if flow else "trade", merchant="hushu"
            )
        account, name = ACCOUNT[channel], ""
        if channel == "unionpay":
            data, name = b"".join(unionpay(deals, account)), unionpay_name(account, day)
        elif channel == "alipay":
            data = alipay_zip(deals, account, day, datetime.combine(day + ONE, datetime.min.time(), UTC))
        else:
            data = b"".join((wechat_fund_flow if flow else wechat_trade)(deals, account))
        return import_file(self.parts, channel, io.BytesIO(data), FINANCE, merchant="hushu", name=name)

    def night(self, day: date = DAY) -> None:
        """Two o'clock, and the day is closed."""
        at = datetime.combine(day + ONE, datetime.min.time(), local("00:00").tzinfo) + timedelta(hours=2)
        self.clock.set(max(at.astimezone(UTC), self.clock.now()))
        list(close_missed(self.parts, day, "zhao"))

    def reconciles(self, day: date = DAY, **more: Any) -> Reconciled:
        return reconcile_day(self.parts, day, operator="zhao", **more)

    def kinds(self, found: Reconciled) -> Counter[str]:
        return Counter(one.kind for one in found.breaks)

    def breaks(self) -> dict[str, Any]:
        """By what they are about: the order's number, or the subject."""
        return {
            row.order_number or row.subject or row.stay_id or row.shift_id: row
            for row in self._all(select(t.ReconciliationBreak.__table__))
        }

    def steps(self, break_id: str) -> list[str]:
        step = t.ReconciliationStep.__table__
        return [
            row.action for row in self._all(select(step).where(step.c.break_id == break_id).order_by(step.c.sequence))
        ]

    def ledger(self) -> list[Any]:
        return list(self._all(select(t.LedgerTransaction.__table__).order_by(t.LedgerTransaction.at)))

    def records(self) -> list[Any]:
        """What is sealed as reconciled."""
        close = t.DayClose.__table__
        return list(self._all(select(close).where(close.c.kind == "reconciled").order_by(close.c.sequence)))

    def close_of(self, day: date) -> Document:
        return close_of(self.parts, day)

    def holds(self) -> None:
        report = verify(self.parts)
        assert report.ok, report.first_failure
        assert sum(self.accounts().values()) == 0


def close_of(parts: Any, day: date) -> Document:
    """What the close of a day says."""
    with parts.store.reading() as connection:
        record = books.close_of(connection, "xinyi", day)
    assert record is not None
    return read_document(record.canonical)
