"""Books with something of everything in them, for whoever asks what of them is checked: made by the flows, closed, and open for a day."""

from __future__ import annotations

import io
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from controllers.events import Kind, Opening
from gateway.flows import (
    arrears_agreements,
    arrears_reminders,
    arrears_write_off,
    charges_money,
    corrections,
    passes_refund,
    payment,
)
from gateway.flows.charges_books import By, Money
from gateway.flows.close import close_missed
from gateway.flows.corrections_work import Wanted
from gateway.flows.orders import refunds
from gateway.flows.orders.sending import send
from gateway.flows.statements import Who, import_file
from gateway.flows.vouchers import books, offline, payments, statements
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.channels.provider import Provider
from simulators.statements import Deal, wechat_trade
from tests.gateway.channel_house import Callers
from tests.gateway.pass_office import FINANCE, REGISTRAR
from tests.gateway.till import LI, WU, Till
from tests.gateway.trade import local
from tests.gateway.voucher_desk import Desk

MANAGER = By(operator="sun", role="manager")
WHY = "设备故障"
SUNDAY, MONDAY, TUESDAY = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)
THE_END = "2026-04-01"


class Whole(Callers, Till):
    """Two sites, staffed, whose drivers may also pay by phone."""

    def __init__(self, parts: Parts, provider: Provider, folder: Path) -> None:
        self.provider = provider
        super().__init__(self.with_channels(parts, provider, folder))
        self.desk = Desk(self)

    def fill(self, *, closes: bool = True) -> None:
        """Everything there is, on Monday and Tuesday; March closed, April open. Or no day closed, and then no buyer's month."""
        self.closing = closes
        self.registered()
        self.drawers()
        self.visits()
        self.owed()
        self.by_phone()
        self.vouchers()
        self.passes_and_charges()
        self.corrected()
        self.at("2026-03-03 02:10")
        self.closes_until(MONDAY)
        self.told_late()
        self.at(f"{THE_END} 02:10")
        self.closes_until(date(2026, 3, 31))
        self.after_the_close()

    def closes_until(self, day: date) -> None:
        self.earns()
        if self.closing:
            list(close_missed(self.parts, day))

    # ------------------------------------------------------------------ Monday

    def registered(self) -> None:
        always = {"valid_from": "2026-01-01", "valid_to": "2026-12-31"}
        self.register("relatives", {"household": "101", "plate": "浙A20101", "relation": "parent", **always})
        self.register("free-vehicles", {"plate": "浙A00120", "class": "ambulance", "valid_to": "2026-12-31"})
        self.register("blocklist", {"plate": "浙A66666", "reason": "x", "valid_to": "2026-12-31"})

    def drawers(self) -> None:
        """Li's shift goes to Wu and is short of a yuan; Wu's is closed."""
        self.at("2026-03-02 07:00")
        mine = self.opens(LI, 20_000)
        self.sold_pass = self.takes(LI)
        self.counts(mine, 40_000)
        self.brings(mine, 10_000)
        self.counts(mine, 29_900)
        self.offers(mine, WU)
        self.takes_over(mine, 29_900, WU)

    def visits(self) -> None:
        """One pays cash, one by channel, a relative's visit is partly free, a low income's is, an ambulance's and a short one are."""
        for minute, plate in enumerate(("浙A00001", "浙A00002", "浙A20101", "浙A10201", "浙A00120", "浙A00003")):
            self.passes("in-1", plate, f"2026-03-02 08:{minute:02d}")
        for minute, (plate, channel) in enumerate(
            (("浙A00001", "cash"), ("浙A00002", "wechat"), ("浙A00003", "alipay"))
        ):
            self.leaves_paid(plate, f"2026-03-02 10:{minute:02d}", channel)
        for minute, plate in enumerate(("浙A20101", "浙A10201", "浙A00120")):
            self.passes("out-1", plate, f"2026-03-02 11:{minute:02d}")
        self.paid_early("浙A00004")

    def leaves_paid(self, plate: str, at: str, channel: str, by: By = WU) -> str:
        self.arrives("out-1", plate, at)
        read, stay = f"e{self._events}", self.stay(plate)
        payment.take(
            self.parts,
            stay_id=stay.id,
            channel=channel,
            amount_fen=stay.payable_fen,
            operator=by.operator,
            role=by.role,
        )
        self.goes("out-1", f"{at}:30", after=read)
        return str(stay.id)

    def paid_early(self, plate: str) -> None:
        """Before leaving; and leaves in time."""
        self.passes("in-1", plate, "2026-03-02 12:00")
        self.at("2026-03-02 13:40")
        payment.take(self.parts, stay_id=self.stay(plate).id, channel="alipay", amount_fen=800)
        self.passes("out-1", plate, "2026-03-02 13:45")

    def owed(self) -> None:
        """By agreement: one collected elsewhere, one given up, one reminded of; and one that left while the gate was alone."""
        self.agreed("浙B12345")
        stays = []
        for hour in (8, 10, 12):
            self.passes("in-1", "浙B12345", f"2026-03-02 {hour:02d}:00")
            self.passes("out-1", "浙B12345", f"2026-03-02 {hour + 1:02d}:00")
            stays.append(self.newest("浙B12345").id)
        self.collects(stays[0], 400, "moganshan")
        proposed = arrears_write_off.propose(self.parts, stays[1], WHY, REGISTRAR)
        arrears_write_off.approve(self.parts, proposed.id, MANAGER)
        waits = arrears_write_off.propose(self.parts, stays[2], WHY, REGISTRAR)
        arrears_write_off.refuse(self.parts, waits.id, "no", MANAGER)
        self.passes("in-1", "浙B00002", "2026-03-02 09:00")
        self.alone("浙B00002", "2026-03-02 12:00")

    def agreed(self, plate: str) -> None:
        wanted = arrears_agreements.Wanted(site="xinyi", plate=plate, limit_fen=2000, evidence="contract 7")
        made = arrears_agreements.propose(self.parts, wanted, REGISTRAR)
        arrears_agreements.approve(self.parts, made.id, MANAGER)
        self.parts.estates.__init__()  # type: ignore[misc] - known within five seconds; the tests' clock stands still

    def alone(self, plate: str, at: str) -> None:
        """Opened by hand while the network was away."""
        self.clock.set(local(at[:-5] + "14:00"))
        name = f"off-{plate}"
        read = self.read("out-1", plate, local(at), opening=Opening.HAND, buffered=True, id=name)
        self.deliver(read, self.mark("out-1", Kind.PASSED, local(at), name, buffered=True))

    def newest(self, plate: str) -> Any:
        return [stay for stay in self.stays() if stay.plate == plate and stay.state != "void"][-1]

    def by_phone(self) -> None:
        """An order paid and partly paid back, one paid beyond the bill (paid back whole), one refused, one closed unpaid."""
        first = self.ordered("浙P00001", "wechat")
        made = refunds.propose(self.parts, first.id, WHY, LI, 400)
        refunds.approve(self.parts, made.id, 400, FINANCE)
        send(self.parts, made.id)
        no = refunds.propose(self.parts, first.id, WHY, LI, 100)
        refunds.refuse(self.parts, no.id, "没有多收", FINANCE)
        self.passes("in-1", "浙P00002", "2026-03-02 09:00")
        self.arrives("out-1", "浙P00002", "2026-03-02 11:10")
        twice = self.orders(self.newest("浙P00002").id, "alipay")
        self.pays_by_phone(twice)
        payment.take(self.parts, stay_id=twice.stay, channel="cash", amount_fen=1000, operator="wu", role="cashier")
        self.hears("alipay", self.notice(twice))
        (proposed,) = [one for one in self.rows(t.PaymentRefund) if one.state == "proposed"]
        refunds.approve(self.parts, proposed.id, 1000, FINANCE)
        self.clock.advance(seconds=1)
        send(self.parts, proposed.id)
        self.ordered("浙P00003", "wechat")
        third = self.ordered("浙P00004", "wechat")
        refunds.propose(self.parts, third.id, WHY, LI, 300)

    def ordered(self, plate: str, channel: str) -> Any:
        self.passes("in-1", plate, "2026-03-02 09:00")
        self.arrives("out-1", plate, "2026-03-02 11:10")
        order = self.orders(self.newest(plate).id, channel)
        self.pays_by_phone(order)
        self.hears(channel, self.notice(order))
        return order

    def vouchers(self) -> None:
        """Of the street's own and of a buyer's books: used, void, given back, collected without a network."""
        self.at("2026-03-02 08:00")
        books.register_buyer(
            self.parts, site="xinyi", buyer="cafe", kind="merchant", name="转角咖啡", operator="registrar"
        )
        late = local("2026-06-01 00:00")
        hours = self.desk.issued("hour", 120, count=4, buyer="cafe", valid_to=late)
        amounts = self.desk.issued("amount", 500, count=1, buyer="cafe", valid_to=late)
        (own,) = self.desk.issued("whole_stay", 0, valid_to=late)
        for number, code in enumerate((hours[0], amounts[0])):
            plate = f"浙V0000{number}"
            self.passes("in-1", plate, f"2026-03-02 15:{number:02d}")
            self.arrives("out-1", plate, f"2026-03-02 18:{number:02d}")
            said = self.desk.present(plate, code)
            if said.due_fen:
                payment.take(self.parts, stay_id=said.stay, channel="wechat", amount_fen=said.due_fen)
        self.desk.void(3, 3)
        self.desk.give_back(4, 4)
        self.passes("in-1", "浙V00009", "2026-03-02 09:00")
        self.alone("浙V00009", "2026-03-02 12:00")
        collected = offline.Collected(code=own, lane="xinyi.out-1", at=local("2026-03-02 12:01"))
        offline.bring(self.parts, [collected], operator="cashier")

    def passes_and_charges(self) -> None:
        """A pass given back and paid out, one that goes on, a household's with its charge; a charge paid, one reversed."""
        self.at("2026-03-02 16:00")
        refund = self.gives_back(self.sold_pass, MONDAY)
        passes_refund.pay_out(self.parts, refund.id, "cash", WU)
        self.sells("浙A10101", by=WU)
        self.renews(self.sells("浙D00002", by=WU).id, by=WU)
        proposed = passes_refund.propose(self.parts, self.sells("浙D00003", by=WU).id, WHY, REGISTRAR)
        passes_refund.refuse(self.parts, proposed.id, "no", FINANCE)
        self.charges()
        first = next(row for row in self.rows(t.Charge) if row.household_id == "101")
        charges_money.pay(self.parts, first.id, Money(channel="cash", amount_fen=1000), WU)

    def rows(self, model: Any) -> list[Any]:
        return list(self._all(select(*model.__table__.c).order_by(*model.__table__.primary_key)))

    def corrected(self) -> None:
        """A plate put right at once; an entry that a second person puts back, one that is refused, one that nobody has decided."""
        self.passes("in-1", "浙K00001", "2026-03-02 15:00")
        corrections.correct(self.parts, self.newest("浙K00001").id, Wanted(plate="浙K00011"), WHY, MANAGER)
        self.leaves_paid("浙K00011", "2026-03-02 17:00", "wechat")
        for number, decide in ((2, corrections.approve), (3, None), (4, False)):
            plate = f"浙K0000{number}"
            self.passes("in-1", plate, f"2026-03-02 15:0{number}")
            stay = self.leaves_paid(plate, f"2026-03-02 17:0{number}", "wechat")
            wanted = Wanted(entry_at=local(f"2026-03-02 13:0{number}"))
            made = corrections.correct(self.parts, stay, wanted, WHY, MANAGER)
            if decide:
                decide(self.parts, made.id, FINANCE)
            elif decide is False:
                corrections.refuse(self.parts, made.id, "no", FINANCE)

    # ------------------------------------------------------------------ Tuesday and April

    def told_late(self) -> None:
        """An exit of Monday that is told on Tuesday; a visit of Tuesday."""
        self.passes("in-1", "浙L00001", "2026-03-03 08:00")
        self.leaves_paid("浙L00001", "2026-03-03 10:00", "wechat")
        self.clock.set(local("2026-03-03 11:00"))
        for lane, at, name in (("in-1", "2026-03-02 20:00", "late-in"), ("out-1", "2026-03-02 22:30", "late-out")):
            read = self.read(lane, "浙L00002", local(at), opening=Opening.HAND, buffered=True, id=name)
            self.deliver(read, self.mark(lane, Kind.PASSED, local(at), name, buffered=True))
        self.at("2026-03-04 16:00")
        arrears_reminders.remind(self.parts, arrears_reminders.SimulatedSender(), None, FINANCE)

    def after_the_close(self) -> None:
        """A buyer's month and what it paid, what channels said they settled; a drawer counted and closed; a visit."""
        self.at(f"{THE_END} 09:00")
        if self.closing:
            statements.make_statements(self.parts, site="xinyi", month="2026-03")
            payments.pay(self.parts, "xinyi", "cafe", Money(channel="wechat", amount_fen=300), LI)
        self.passes("in-1", "浙M00001", f"{THE_END} 09:00")
        self.leaves_paid("浙M00001", f"{THE_END} 11:00", "wechat")
        self.passes("in-1", "浙M00002", f"{THE_END} 09:30")
        self.charges("2026-04")
        wrong = next(row for row in self.rows(t.Charge) if row.month == "2026-04")
        charges_money.reverse(self.parts, wrong.id, WHY, FINANCE)
        deal = Deal(
            order="P1",
            number="42P1",
            at=datetime(2026, 3, 2, 10, tzinfo=local("00:00").tzinfo),
            amount_fen=500,
            fee_fen=3,
        )
        bill = b"".join(wechat_trade([deal], "1900000001"))
        import_file(self.parts, "wechat", io.BytesIO(bill), Who(operator="fang"), merchant="hushu")
