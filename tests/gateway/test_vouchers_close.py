"""The day's movement of vouchers in the close, what verify finds when somebody changes something."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
import pytest

from billing.close import read_document
from controllers.events import Opening
from gateway.flows.charges_books import By
from gateway.flows.close import close_day
from gateway.flows.verify import verify
from gateway.flows.vouchers import day as by_day
from gateway.flows.vouchers import reading, register
from gateway.store import books as store_books
from gateway.store import tables as t
from tests.gateway.books import Books
from tests.gateway.trade import local
from tests.gateway.voucher_desk import Desk, close_until, uses

TILL = By(operator="li", role="cashier")
MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)


def sealed(desk: Desk, day: date) -> dict[str, dict[str, object]]:
    with desk.parts.store.reading() as connection:
        record = store_books.close_of(connection, "xinyi", day)
    assert record is not None
    return {one.book: msgspec.to_builtins(one) for one in read_document(record.canonical).vouchers}


class TestClose:
    def test_a_site_without_vouchers_says_nothing_of_them(self, desk: Desk) -> None:
        desk.street.clock.set(local("2026-03-03 02:00"))
        close_until(desk, MONDAY)
        with desk.parts.store.reading() as connection:
            record = store_books.close_of(connection, "xinyi", MONDAY)
        assert record is not None
        assert b"vouchers" not in record.canonical, "as closes were before there were any"
        desk.holds()

    def test_the_days_movement_is_sealed_and_carried_on(self, desk: Desk) -> None:
        codes = desk.issued("hour", 120, count=3)
        book = desk.rows(t.VoucherBook)[0].id
        uses(desk, codes[0], "浙A00001")
        uses(desk, codes[1], "浙A00002", "2026-03-03")
        desk.void(3, 3)
        desk.street.clock.set(local("2026-03-04 02:00"))
        close_until(desk, TUESDAY)
        monday, tuesday = sealed(desk, MONDAY)[book], sealed(desk, TUESDAY)[book]
        assert monday["moved"] == {"issue": 3, "make": 3, "present": 1, "use": 1}
        assert monday["fen"] == 800
        assert tuesday["moved"] == {"present": 1, "use": 1, "void": 1}
        assert tuesday["stands"] == {
            "made": 3, "stock": 0, "returned": 0, "scrapped": 0, "issued": 3, "used": 2, "void": 1, "expired": 0, "outstanding": 0
        }  # fmt: skip
        desk.holds()

    def test_a_book_at_rest_is_left_out_and_comes_back(self, desk: Desk) -> None:
        (code,) = desk.issued("whole_stay", 0)
        book = desk.rows(t.VoucherBook)[0].id
        desk.street.passes("in-1", "浙A12345", "09:00")
        desk.street.arrives("out-1", "浙A12345", "12:00", id="out")
        desk.present("浙A12345", code)
        desk.street.clock.set(local("2026-03-04 02:00"))
        close_until(desk, TUESDAY)
        assert sealed(desk, TUESDAY) == {}
        street = desk.street
        late = street.read("in-1", "浙A12345", local("11:50"), buffered=True, id="late")
        street.deliver(late)
        assert desk.state(1) == "issued", "a shorter stay needs it no more"
        street.clock.set(local("2026-03-05 02:00"))
        close_until(desk, date(2026, 3, 4))
        wednesday = sealed(desk, date(2026, 3, 4))[book]
        assert wednesday["moved"] == {"release": 1, "unuse": 1}
        assert wednesday["fen"] == -1200
        assert wednesday["stands"]["outstanding"] == 1  # type: ignore[index]
        desk.holds()

    def test_a_closed_day_takes_no_movement(self, desk: Desk) -> None:
        codes = desk.issued("whole_stay", 0)
        desk.street.passes("in-1", "浙A12345", "23:00")
        desk.street.clock.set(local("2026-03-03 02:00"))
        close_until(desk, MONDAY)
        street = desk.street
        read = street.read("out-1", "浙A12345", local("23:55"), buffered=True, opening=Opening.HAND, id="o")
        street.deliver(read)
        desk.present("浙A12345", codes[0])
        days = {(row.kind, row.business_day) for row in desk.rows(t.VoucherMovement)}
        assert ("use", TUESDAY) in days
        assert ("use", MONDAY) not in days
        desk.holds()

    def test_stock_after_a_close_is_what_all_movements_come_to(self, desk: Desk) -> None:
        """A book that rests, one that moves again after its last one was used, one made later; on a closed day and on open ones."""
        codes = desk.issued("hour", 120, count=2)
        uses(desk, codes[0], "浙A00001")
        uses(desk, codes[1], "浙A00002")
        desk.book(count=5)
        at_rest = desk.book(count=3)
        desk.street.clock.set(local("2026-03-03 02:00"))
        close_until(desk, MONDAY)
        desk.issue(3, 4)
        desk.street.clock.set(local("2026-03-04 09:00"))
        desk.issue(5)
        with desk.parts.store.reading() as connection:
            here = (t.VoucherMovement.site_id == "xinyi",)
            for day in (MONDAY, TUESDAY, TUESDAY + timedelta(days=1), TUESDAY + timedelta(days=9)):
                found = by_day.shown(connection, "xinyi", day)
                assert found == by_day.report(connection, here, day), day
                alone = by_day.shown(connection, "xinyi", day, {at_rest.id})
                assert alone == [one for one in found if one.book == at_rest.id]
            assert len(found) == 2

    def test_stock_is_reported_by_day(self, desk: Desk) -> None:
        codes = desk.issued("hour", 120, count=3)
        uses(desk, codes[0], "浙A00001")
        uses(desk, codes[1], "浙A00002", "2026-03-03")
        with desk.parts.store.reading() as connection:
            (monday,), (tuesday,) = (
                reading.stock(connection, None, MONDAY),
                reading.stock(connection, frozenset({"xinyi"}), TUESDAY),
            )
            assert reading.stock(connection, frozenset({"archive"}), MONDAY) == []
        assert (monday["moved"], monday["stands"]["used"], monday["balances"]) == (
            {"issue": 3, "make": 3, "present": 1, "use": 1},
            1,
            True,
        )
        assert (tuesday["stands"]["used"], tuesday["stands"]["outstanding"]) == (2, 1)


class TestVerify:
    @pytest.mark.parametrize(
        ("change", "what"),
        [
            ("UPDATE voucher SET state = 'issued', stay_id = NULL WHERE serial = 1", "voucher"),
            ("UPDATE voucher SET state = 'void' WHERE serial = 2", "voucher"),
            ("UPDATE voucher SET movements = movements + 1 WHERE serial = 2", "voucher"),
            ("DELETE FROM voucher WHERE serial = 3", "voucher_book"),
            ("DELETE FROM voucher_movement WHERE serial = 2 AND sequence = 2", "voucher"),
            ("UPDATE voucher_movement SET from_state = 'void' WHERE serial = 2 AND sequence = 2", "voucher"),
            ("UPDATE voucher_movement SET kind = 'return' WHERE serial = 2 AND sequence = 2", "voucher"),
            ("UPDATE voucher_movement SET fen = fen + 1 WHERE serial = 1 AND kind = 'use'", "stay"),
            ("UPDATE voucher_movement SET stay_id = 'xinyi.x' WHERE serial = 1 AND kind = 'use'", "stay"),
            ("UPDATE voucher_issue SET last_serial = last_serial - 1", "voucher_book"),
            ("DELETE FROM voucher_issue", "voucher_book"),
            ("UPDATE voucher_book SET last_serial = 9", "voucher_book"),
        ],
    )
    def test_what_was_changed_is_named(self, desk: Desk, change: str, what: str) -> None:
        codes = desk.issued("hour", 120, count=3)
        uses(desk, codes[0], "浙A00001")
        desk.holds()
        Books.change(desk, change)
        report = verify(desk.parts)
        assert report.first_failure is not None
        assert report.first_failure.what == what, report.first_failure

    def test_a_changed_movement_of_a_closed_day_is_named_by_the_close(self, desk: Desk) -> None:
        desk.issued("hour", 120, count=3)
        desk.street.clock.set(local("2026-03-03 02:00"))
        close_until(desk, MONDAY)
        desk.holds()
        Books.change(desk, "UPDATE voucher_movement SET business_day = '2026-03-03' WHERE kind = 'issue'")
        report = verify(desk.parts)
        assert report.first_failure is not None
        assert (report.first_failure.what, report.first_failure.id) == ("close", "xinyi:2026-03-02")

    def test_what_was_checked_is_counted(self, desk: Desk) -> None:
        codes = desk.issued("hour", 120, count=3)
        uses(desk, codes[0], "浙A00001")
        checked = verify(desk.parts).checked
        assert (checked["voucher_books"], checked["voucher_stays"]) == (1, 1)


def test_closing_by_hand_and_by_the_job_say_the_same(desk: Desk) -> None:
    desk.issued("hour", 120, count=3)
    register.expire(desk.parts)
    desk.street.clock.set(local("2026-03-03 02:00"))
    close_day(desk.parts, date(2026, 3, 1))
    first = close_day(desk.parts, MONDAY)
    assert close_day(desk.parts, MONDAY) == first


@pytest.mark.parametrize("change", ["DELETE FROM voucher_issue", "UPDATE voucher SET state = 'void' WHERE serial = 2"])
def test_a_book_that_does_not_fit_is_told_with_its_day(desk: Desk, change: str) -> None:
    book = desk.rows(t.VoucherBook)[0].id if desk.issued("hour", 120, count=3) else ""
    Books.change(desk, change)
    desk.street.clock.set(local("2026-03-04 02:00"))
    close_until(desk, TUESDAY)
    (item,) = [row for row in desk.rows(t.ExceptionItem) if row.kind == "voucher_count"]
    assert (item.subject, item.state, item.count) == (book, "open", 1)
    with desk.parts.store.reading() as connection:
        record = store_books.close_of(connection, "xinyi", MONDAY)
    assert record is not None
    carried = [(one.kind, one.age_days, one.count) for one in read_document(record.canonical).exceptions]
    assert carried == [("voucher_count", 0, 1)]
