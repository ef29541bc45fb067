"""What buyers of vouchers owe, by months, and how they pay it."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from sqlalchemy import text

from gateway.flows import verify_passes, verify_vouchers
from gateway.flows.charges_books import By, Money
from gateway.flows.reading import Slice
from gateway.flows.refusals import AmountNotDue, ChannelClosed, KeyReused, NotFound
from gateway.flows.verify import verify
from gateway.flows.verify_scope import Failure, Look, Scope
from gateway.flows.vouchers import books, payments, reading, statements
from gateway.flows.vouchers.daily import tend
from gateway.flows.vouchers.refusals import MonthNotClosed
from gateway.store import books as store_books
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.books import Books
from tests.gateway.trade import local
from tests.gateway.voucher_desk import Desk, close_until, uses

TILL = By(operator="li", role="cashier")
MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)


@pytest.fixture
def cafe(desk: Desk) -> list[str]:
    books.register_buyer(desk.parts, site="xinyi", buyer="cafe", kind="merchant", name="转角咖啡", operator="registrar")
    hours = desk.issued("hour", 120, count=3, buyer="cafe", valid_to=local("2026-06-01 00:00"))
    amounts = desk.issued("amount", 500, count=2, buyer="cafe", valid_to=local("2026-06-01 00:00"))
    return hours + amounts


def closes(desk: Desk, day: date, clock: str) -> None:
    desk.street.clock.set(local(clock))
    close_until(desk, day)


def march_closes(desk: Desk) -> None:
    closes(desk, date(2026, 3, 31), "2026-04-01 02:00")


class TestStatements:
    def test_a_buyer_owes_what_its_vouchers_took_off(self, desk: Desk, cafe: list[str]) -> None:
        own = desk.issued("whole_stay", 0)
        uses(desk, cafe[0], "浙A00001")
        uses(desk, cafe[3], "浙A00002", "2026-03-03")
        uses(desk, own[0], "浙A00003", "2026-03-04")
        march_closes(desk)
        (made,) = statements.make_statements(desk.parts, site="xinyi", month="2026-03")
        assert (made.buyer, made.used, made.fen) == ("cafe", 2, 1300)
        accounts = desk.street.accounts()
        assert accounts["assets:receivable:merchant-cafe"] == 1300
        assert accounts["waived:whole_stay_voucher"] == 1200
        assert "waived:hour_voucher" not in accounts, "nothing was given away: the merchant pays for it"
        assert sum(accounts.values()) == 0
        with desk.parts.store.reading() as connection:
            lines = statements.lines(connection, made.id, "xinyi")
        assert [(line["voucher"], line["amount_fen"]) for line in lines] == [("00000001", 800), ("00000004", 500)]
        desk.holds()

    def test_made_again_it_is_the_same(self, desk: Desk, cafe: list[str]) -> None:
        uses(desk, cafe[0], "浙A00001")
        march_closes(desk)
        first = statements.make_statements(desk.parts, site="xinyi", month="2026-03")
        desk.street.clock.set(local("2026-04-20 12:00"))
        assert statements.make_statements(desk.parts, site="xinyi", month="2026-03", operator="fin") == first
        assert desk.street.accounts()["assets:receivable:merchant-cafe"] == 800

    def test_a_month_that_is_not_closed_is_not_billed(self, desk: Desk, cafe: list[str]) -> None:
        uses(desk, cafe[0], "浙A00001")
        desk.street.clock.set(local("2026-04-01 01:00"))
        with pytest.raises(MonthNotClosed, match="no day of xinyi"):
            statements.make_statements(desk.parts, site="xinyi", month="2026-03")
        close_until(desk, date(2026, 3, 30))
        with pytest.raises(MonthNotClosed, match="2026-03-31"):
            statements.make_statements(desk.parts, site="xinyi", month="2026-03")
        assert statements.make_due(desk.parts) == 0

    def test_a_correction_after_the_month_counts_to_the_next(self, desk: Desk, cafe: list[str]) -> None:
        street = desk.street
        street.passes("in-1", "浙A12345", "2026-03-31 09:00")
        street.arrives("out-1", "浙A12345", "2026-03-31 12:00", id="out")
        desk.present("浙A12345", cafe[0])
        march_closes(desk)
        (march,) = statements.make_statements(desk.parts, site="xinyi", month="2026-03")
        assert (march.used, march.fen) == (1, 800)
        street.clock.set(local("2026-04-01 12:00"))
        street.deliver(street.read("in-1", "浙A12345", local("2026-03-31 11:45"), buffered=True, id="late"))
        street.clock.set(local("2026-05-01 02:00"))
        close_until(desk, date(2026, 4, 30))
        (april,) = statements.make_statements(desk.parts, site="xinyi", month="2026-04")
        assert (april.used, april.fen) == (-1, -800)
        assert "assets:receivable:merchant-cafe" not in desk.street.accounts()
        desk.holds()

    def test_a_month_of_nothing_is_a_month(self, desk: Desk, cafe: list[str]) -> None:
        assert len(cafe) == 5
        march_closes(desk)
        (made,) = statements.make_statements(desk.parts, site="xinyi", month="2026-03")
        assert (made.used, made.fen, made.transaction) == (0, 0, None)
        desk.holds()

    def test_the_daily_job_expires_and_bills_once(self, desk: Desk, cafe: list[str]) -> None:
        uses(desk, cafe[0], "浙A00001")
        desk.issued("hour", 60)
        march_closes(desk)
        assert tend(desk.parts) == "1 buyers' months made"
        desk.street.clock.advance(hours=48)
        assert tend(desk.parts) == "1 vouchers expired"
        assert tend(desk.parts) == ""
        desk.holds()

    def test_a_changed_month_is_named(self, desk: Desk, cafe: list[str]) -> None:
        uses(desk, cafe[0], "浙A00001")
        march_closes(desk)
        statements.make_statements(desk.parts, site="xinyi", month="2026-03")
        Books.change(desk, "UPDATE voucher_statement SET fen = fen - 100")
        report = verify(desk.parts)
        assert report.first_failure is not None
        assert report.first_failure.what == "voucher_statement"

    def test_a_month_is_never_changed(self, desk: Desk, cafe: list[str]) -> None:
        assert cafe
        march_closes(desk)
        statements.make_statements(desk.parts, site="xinyi", month="2026-03")
        with pytest.raises(Exception, match="only ever grows"), desk.parts.store.writing() as connection:
            connection.execute(text("DELETE FROM voucher_statement"))


def account(desk: Desk) -> dict[str, int]:
    """What is due of each month, as the list of months says; and the sum, as the list of buyers says."""
    with desk.parts.store.reading() as connection:
        months = {
            one["month"]: one["due_fen"]
            for _, one in reading.statements(connection, None, Slice(None, 100), buyer="cafe")
        }
        ((_, buyer),) = reading.buyers(connection, None, Slice(None, 100))
    assert buyer["due_fen"] == sum(months.values())
    return months


def pays(desk: Desk, fen: int, key: str | None = None, *, buyer: str = "cafe", channel: str = "cash") -> payments.Paid:
    return payments.pay(desk.parts, "xinyi", buyer, Money(channel=channel, amount_fen=fen), TILL, key)


class TestPayments:
    @pytest.fixture
    def march(self, desk: Desk, cafe: list[str]) -> Desk:
        """800 are due for March."""
        uses(desk, cafe[0], "浙A00001")
        march_closes(desk)
        statements.make_due(desk.parts)
        return desk

    def test_a_buyer_pays_in_parts_and_never_more_than_it_owes(self, march: Desk) -> None:
        assert account(march) == {"2026-03": 800}
        for wrong in (0, -1, 801):
            with pytest.raises(AmountNotDue):
                pays(march, wrong)
        first = pays(march, 300)
        assert (first.buyer, first.channel, first.amount_fen, first.due_fen) == ("cafe", "cash", 300, 500)
        assert account(march) == {"2026-03": 500}
        assert pays(march, 500, channel="wechat").due_fen == 0
        with pytest.raises(AmountNotDue):
            pays(march, 1)
        accounts = march.street.accounts()
        assert "assets:receivable:merchant-cafe" not in accounts
        assert accounts["assets:channel:wechat"] == 500 + 400, "400 are the visitor's own"
        (shift,) = [row for row in march.rows(t.Shift) if row.cashier == "li"]
        assert accounts[f"assets:cash:{shift.id}"] == 300
        assert [row.detail["amount_fen"] for row in march.rows(t.AuditEntry) if row.action == "voucher.pay"] == [
            300,
            500,
        ]
        march.holds()

    def test_the_same_payment_counts_once(self, march: Desk) -> None:
        first = pays(march, 800, "k")
        assert pays(march, 800, "k") == first
        with pytest.raises(KeyReused):
            pays(march, 700, "k")
        assert [row.amount_fen for row in march.rows(t.ChargePayment)] == [800]
        march.holds()

    def test_two_tills_at_the_same_instant_take_it_once(self, march: Desk) -> None:
        def pay() -> bool:
            try:
                pays(march, 800)
            except AmountNotDue:
                return False
            return True

        with ThreadPoolExecutor(4) as tills:
            assert sorted(one.result() for one in [tills.submit(pay) for _ in range(4)]) == [False, False, False, True]
        march.holds()

    def test_nobody_pays_for_a_buyer_that_is_not_there_or_by_a_channel_that_takes_nothing(self, march: Desk) -> None:
        with pytest.raises(NotFound, match="registered"):
            pays(march, 1, buyer="nobody")
        with pytest.raises(NotFound):
            payments.pay(march.parts, "atlantis", "cafe", Money(channel="cash", amount_fen=1), TILL)
        real = Parts(
            settings=march.parts.settings.model_copy(update={"test": False}),
            clock=march.street.clock,
            store=march.parts.store,
            metrics=march.parts.metrics,
        )
        with pytest.raises(ChannelClosed):
            payments.pay(real, "xinyi", "cafe", Money(channel="wechat", amount_fen=800), TILL)
        assert march.rows(t.ChargePayment) == []

    def test_the_oldest_month_is_paid_first_and_a_month_below_zero_goes_off_too(
        self, desk: Desk, cafe: list[str]
    ) -> None:
        street = desk.street
        street.passes("in-1", "浙A12345", "2026-03-31 09:00")
        street.arrives("out-1", "浙A12345", "2026-03-31 12:00", id="out")
        desk.present("浙A12345", cafe[0])
        march_closes(desk)
        statements.make_due(desk.parts)
        pays(desk, 800)
        street.clock.set(local("2026-04-01 12:00"))
        street.deliver(street.read("in-1", "浙A12345", local("2026-03-31 11:45"), buffered=True, id="late"))
        closes(desk, date(2026, 4, 30), "2026-05-01 02:00")
        statements.make_due(desk.parts)
        assert account(desk) == {"2026-04": 0, "2026-03": 0}, "the 800 paid stand to its credit"
        desk.holds()
        uses(desk, cafe[1], "浙A00002", "2026-05-04")
        uses(desk, cafe[3], "浙A00003", "2026-05-05")
        closes(desk, date(2026, 5, 31), "2026-06-01 02:00")
        statements.make_due(desk.parts)
        assert account(desk) == {"2026-05": 500, "2026-04": 0, "2026-03": 0}
        with pytest.raises(AmountNotDue):
            pays(desk, 501)
        pays(desk, 500)
        assert "assets:receivable:merchant-cafe" not in street.accounts()
        desk.holds()

    def test_it_is_in_the_close_of_its_day(self, march: Desk) -> None:
        pays(march, 800)
        (shift,) = [row for row in march.rows(t.Shift) if row.cashier == "li"]
        closes(march, date(2026, 4, 1), "2026-04-02 02:00")
        with march.parts.store.reading() as connection:
            record = store_books.close_of(connection, "xinyi", date(2026, 4, 1))
        assert record is not None
        assert f'"assets:cash:{shift.id}"'.encode() in record.canonical
        march.holds()

    @pytest.mark.parametrize(
        ("change", "what"),
        [
            ("UPDATE charge_payment SET amount_fen = amount_fen - 1", "charge_payment"),
            ("UPDATE charge_payment SET subject = 'shop'", "charge_payment"),
            ("UPDATE charge_payment SET purpose = 'charge'", "charge_payment"),
            ("UPDATE posting SET account = 'assets:receivable:merchant-cafe' WHERE account = 'income:parking'", "voucher_buyer"),
        ],
    )  # fmt: skip
    def test_verify_names_what_was_changed(self, march: Desk, change: str, what: str) -> None:
        pays(march, 500)
        march.holds()
        Books.change(march, change)
        assert what in {one.what for one in failures_of(march)}


def failures_of(desk: Desk) -> list[Failure]:
    with desk.parts.store.reading() as connection:
        look = Look(connection, Scope(None, None, desk.parts.settings.zone), Counter(), lambda _: None)
        return [*verify_passes.failures(look), *verify_vouchers.failures(look)]
