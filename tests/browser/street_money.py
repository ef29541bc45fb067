"""What there is to see on finance's pages: invoice, charge, a buyer of vouchers with its month, a code brought late, a statement, arrears."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import select

from billing.invoices import Buyer
from gateway.flows import arrears_agreements, arrears_reminders
from gateway.flows.charges_books import By
from gateway.flows.invoices import asking, records
from gateway.flows.vouchers import books, offline
from gateway.store import tables as t
from tests.gateway.house import a_stay
from tests.gateway.people import put
from tests.gateway.trade import Street, local
from tests.gateway.voucher_desk import Desk, uses

COMPANY = Buyer(kind="company", title="杭州某某科技有限公司", tax_number="91330100799655058B")
STATEMENT = "cs-browser"
MONTH = "vs-browser"


class Pages(NamedTuple):
    """Their addresses."""

    invoice: str
    charge: str
    late_code: str
    month: str = f"/vouchers/statements/xinyi/{MONTH}"
    payment: str = "/vouchers/buyers/xinyi/cafe/payment"
    owing: str = "/money/arrears/xinyi.owing"
    rows: str = f"/money/statements/{STATEMENT}?line=4"


def a_cafe(street: Street, vouchers: Desk) -> None:
    """It bought a book; one voucher of it was used, and its month is billed."""
    books.register_buyer(
        street.parts, site="xinyi", buyer="cafe", kind="merchant", name="转角咖啡", operator="registrar"
    )
    (code,) = vouchers.issued("hour", 120, buyer="cafe", valid_to=local("2026-06-01 00:00"))
    uses(vouchers, code, "浙A00001", "2026-03-01")
    put(
        street,
        t.VoucherStatement,
        site_id="xinyi",
        id=MONTH,
        buyer_id="cafe",
        month="2026-03",
        used=1,
        fen=800,
        made_at=street.clock.now(),
    )


def papers(street: Street, stay: str) -> Pages:
    """An invoice of this stay, and the rest."""
    collected = offline.Collected(code="00000009-AAAAA-AAAAA", lane="xinyi.out-1", at=street.clock.now())
    (late,) = offline.bring(street.parts, [collected], operator="cashier")
    _a_charge(street)
    _a_statement(street)
    _arrears(street)
    return Pages(
        invoice=f"/money/invoices/{_an_invoice(street, stay)}",
        charge="/money/charges/xinyi.charge",
        late_code=f"/vouchers/redemptions/xinyi/{late.id}",
    )


def _an_invoice(street: Street, stay_id: str) -> str:
    now = street.clock.now()
    with street.parts.store.writing() as connection:
        stay = connection.execute(select(*t.Stay.__table__.c).where(t.Stay.id == stay_id)).one()
        row = asking.put(connection, stay, "hushu", COMPANY, now, count=0)
        sent = {"amount_fen": 1200, "tax_fen": 99, "rate": "0.09", "submitted_at": now}
        records.change(connection, row, state="issued", number="2633" + "9" * 16, issued_at=now, **sent)
        connection.commit()
    put(
        street,
        t.InvoiceFile,
        site_id="xinyi",
        invoice_id=row.id,
        part="blue",
        pdf=b"%PDF-1.4",
        received_at=now,
    )
    return str(row.id)


def _arrears(street: Street) -> None:
    """A stay that owes, what was proposed to be given up of another, and an agreement that waits for a second person."""
    now, finance = street.clock.now(), By(operator="finance", role="finance")
    left = {"exit_at": now - timedelta(days=2), "exit_lane": "out-1", "payable_fen": 800}
    a_stay(street.parts, "xinyi.owing", "浙E55555", at=now - timedelta(days=2, hours=2), state="left", **left)
    put(
        street,
        t.ArrearsWriteOff,
        site_id="xinyi",
        id="xinyi.given-up",
        stay_id="xinyi.owing",
        kind="owed",
        amount_fen=300,
        reason="车辆报废",
        state="proposed",
        proposed_at=now,
        proposed_by="console",
        decision="",
    )
    wanted = arrears_agreements.Wanted(site="xinyi", plate="浙F66666", limit_fen=5000, evidence="申请书 3")
    arrears_agreements.propose(street.parts, wanted, By(operator="registrar", role="registrar"))
    arrears_reminders.remind(street.parts, arrears_reminders.CsvSender(), ["xinyi"], finance)


def _a_charge(street: Street) -> None:
    put(
        street,
        t.Charge,
        site_id="xinyi",
        id="xinyi.charge",
        month="2026-03",
        household_id="3-502",
        kind="property_fee",
        pass_id="",
        gross_fen=3294,
        waived_fen=0,
        paid_fen=0,
        credited_fen=0,
        rule="property_fee",
        policy_id="hushu-residential",
        policy_version=1,
        charged_at=street.clock.now(),
        charged_by="finance",
        reversal="",
    )


def _a_statement(street: Street) -> None:
    now, lines = street.clock.now(), range(2, 8)
    put(
        street,
        t.ChannelStatement,
        site_id="xinyi",
        id=STATEMENT,
        merchant_id="hushu",
        channel="wechat",
        kind="trade",
        day=(now - timedelta(days=1)).date(),
        account="1900000001",
        digest=b"1" * 32,
        rows=len(lines),
        orphans=0,
        payments=len(lines),
        payments_fen=800 * len(lines),
        refunds=0,
        refunds_fen=0,
        fee_millifen=4800 * len(lines),
        imported_at=now,
        imported_by="finance",
    )
    for line in lines:
        put(
            street,
            t.ChannelStatementRow,
            site_id="xinyi",
            statement_id=STATEMENT,
            line=line,
            kind="payment",
            status="done",
            order_number=f"pg{line:030d}",
            channel_number=f"42{line:026d}",
            refund_number="",
            at=now - timedelta(days=1, minutes=line),
            amount_fen=800,
            fee_millifen=4800,
        )
