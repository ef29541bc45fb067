"""Vouchers at the desk and at the exit: made, issued, presented, used once, and everything adds up."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from controllers.commands import Action, Reason
from controllers.events import Kind, Opening
from gateway.flows import arrears_write_off, payment, quote
from gateway.flows.charges_books import By
from gateway.flows.refusals import Invalid, KeyReused, NotFound
from gateway.flows.vouchers import books, redeem, register
from gateway.flows.vouchers.refusals import (
    QuotaReached,
    VoucherNotIssued,
    VoucherNotNow,
    VoucherNotValid,
    VoucherOver,
    VoucherState,
    VoucherUsed,
)
from gateway.runtime.settings import Settings
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.trade import Street, local
from tests.gateway.voucher_desk import Desk


@pytest.fixture
def street(parts: Parts) -> Street:
    return Street(parts)


@pytest.fixture
def desk(street: Street) -> Desk:
    return Desk(street)


def at_the_exit(street: Street, plate: str = "浙A12345", at: str = "12:00") -> None:
    """Three hours: 1200 fen."""
    street.passes("in-1", plate, "09:00")
    command = street.arrives("out-1", plate, at)
    assert command is not None
    assert command.reason is Reason.PAYMENT_DUE


class TestBooks:
    def test_serials_count_up_within_the_site(self, desk: Desk) -> None:
        first, second = desk.book(count=10), desk.book("amount", 500, 5)
        assert (first.first_serial, first.last_serial) == (1, 10)
        assert (second.first_serial, second.last_serial) == (11, 15)
        assert first.id.startswith("xinyi.")
        assert desk.states() == {"stock": 15}
        desk.holds()

    def test_the_same_key_is_the_same_book(self, desk: Desk) -> None:
        first = desk.book(idempotency_key="b1")
        assert desk.book(idempotency_key="b1") == first
        with pytest.raises(KeyReused):
            desk.book(count=11, idempotency_key="b1")
        assert desk.states() == {"stock": 10}

    @pytest.mark.parametrize(
        ("wrong", "word"),
        [
            ({"kind": "day"}, "kind"),
            ({"value": 0}, "value"),
            ({"count": 5_001}, "count"),
            ({"valid_to": local("2026-03-01 00:00")}, "valid_to"),
            ({"valid_from": local("2026-01-01 00:00"), "valid_to": local("2026-02-01 00:00")}, "valid_to"),
            ({"buyer": "nobody"}, "buyer"),
            ({"title": "x" * 61}, "title"),
        ],
    )
    def test_a_book_that_cannot_be_is_refused(self, desk: Desk, wrong: dict[str, Any], word: str) -> None:
        with pytest.raises(Invalid, match=f"^{word}:"):
            desk.book(**wrong)
        assert desk.states() == {}

    def test_a_site_that_is_not_there(self, desk: Desk) -> None:
        with pytest.raises(NotFound):
            books.make_book(
                desk.parts, site="atlantis", kind="hour", value=60, count=1, operator="x",
                valid_from=local("09:00"), valid_to=local("2026-04-01 00:00"),
            )  # fmt: skip

    def test_what_happened_to_a_voucher_cannot_be_changed(self, desk: Desk) -> None:
        desk.book()
        for change in ("UPDATE voucher_movement SET kind = 'issue'", "DELETE FROM voucher_movement"):
            with pytest.raises(DBAPIError, match="only ever grows"), desk.parts.store.writing() as connection:
                connection.execute(text(change))


class TestRegister:
    def test_who_took_what_is_on_record(self, desk: Desk) -> None:
        book = desk.book()
        issue = desk.issue(3, 5, purpose="wedding", signature="sheet 7/12", taker="Ms Wang")
        (row,) = desk.rows(t.VoucherIssue)
        assert (row.id, row.first_serial, row.last_serial) == (issue.id, 3, 5)
        assert (row.taker, row.purpose, row.signature, row.operator) == (
            "Ms Wang",
            "wedding",
            "sheet 7/12",
            "registrar",
        )
        assert (desk.state(2), desk.state(3), desk.state(6)) == ("stock", "issued", "stock")
        assert desk.stock(book.id).issued == 3
        assert "Wang" not in str([row.detail for row in desk.rows(t.AuditEntry)]), (
            "the register ends, the trail does not"
        )
        desk.holds()

    def test_it_is_all_or_nothing(self, desk: Desk) -> None:
        desk.book()
        desk.issue(5)
        with pytest.raises(VoucherState, match="00000005 is issued"):
            desk.issue(3, 7)
        with pytest.raises(NotFound, match="00000011"):
            desk.issue(9, 11)
        assert desk.states() == {"stock": 9, "issued": 1}

    def test_two_books_are_two_issues(self, desk: Desk) -> None:
        desk.book(count=2), desk.book("amount", 500, 2)
        with pytest.raises(VoucherState, match="several books"):
            desk.issue(2, 3)

    def test_nothing_is_handed_out_without_a_signature_and_a_name(self, desk: Desk) -> None:
        desk.book()
        for missing in ("purpose", "signature", "taker"):
            with pytest.raises(Invalid, match=f"^{missing}:"):
                desk.issue(1, **{missing: " "})

    def test_a_household_takes_no_more_than_its_quota_of_the_month(self, desk: Desk) -> None:
        desk.street.register("households", {"household": "101", "name": "x", "area_m2": "50"})
        desk.book(count=60)
        desk.issue(1, 15, household="101")
        with pytest.raises(QuotaReached, match="5 are left"):
            desk.issue(16, 21, household="101")
        desk.issue(16, 20, household="101")
        with pytest.raises(QuotaReached):
            desk.issue(21, household="101")
        desk.give_back(1, 3)
        desk.issue(1, 3, household="101")
        with pytest.raises(QuotaReached):
            desk.issue(21, household="101")
        desk.street.clock.set(local("2026-03-31 23:59"))
        with pytest.raises(QuotaReached):
            desk.issue(21, household="101")
        desk.holds()

    def test_the_next_month_is_another_quota(self, desk: Desk) -> None:
        desk.street.register("households", {"household": "101", "name": "x", "area_m2": "50"})
        desk.book(count=60, valid_to=local("2026-06-01 00:00"))
        desk.issue(1, 20, household="101")
        desk.street.clock.set(local("2026-04-01 00:00"))
        assert desk.issue(21, 40, household="101").month == "2026-04"

    def test_an_unknown_household_takes_nothing(self, desk: Desk) -> None:
        desk.book()
        with pytest.raises(NotFound, match="household 999"):
            desk.issue(1, household="999")

    def test_no_quota_means_no_limit(self, desk: Desk) -> None:
        desk.street.register("households", {"household": "101", "name": "x", "area_m2": "50"})
        desk.parts = without_quota(desk.parts)
        desk.book(count=60)
        desk.issue(1, 60, household="101")

    def test_a_merchants_book_is_for_no_household(self, desk: Desk) -> None:
        desk.street.register("households", {"household": "101", "name": "x", "area_m2": "50"})
        books.register_buyer(
            desk.parts, site="xinyi", buyer="cafe", kind="merchant", name="转角咖啡", operator="registrar"
        )
        desk.book(buyer="cafe")
        with pytest.raises(Invalid, match="household"):
            desk.issue(1, household="101")
        desk.issue(1, 10, taker="转角咖啡")

    def test_what_is_returned_can_be_issued_again(self, desk: Desk) -> None:
        book = desk.book()
        desk.issue(1, 5)
        assert desk.give_back(4, 5) == 2
        assert desk.give_back(4, 5) == 0, "a repeat changes nothing"
        assert desk.states() == {"stock": 5, "issued": 3, "returned": 2}
        desk.issue(5, taker="Ms Wang")
        assert desk.walked(5) == ["make", "issue", "return", "issue"]
        assert desk.stock(book.id).issued == 4
        with pytest.raises(VoucherState):
            desk.give_back(4, 6)
        desk.holds()

    def test_the_same_key_is_the_same_issue(self, desk: Desk) -> None:
        desk.book()
        first = desk.issue(1, 2, idempotency_key="i1")
        assert desk.issue(1, 2, idempotency_key="i1") == first
        with pytest.raises(KeyReused):
            desk.issue(1, 2, idempotency_key="i1", purpose="other")
        assert desk.states() == {"stock": 8, "issued": 2}

    def test_void_counts_apart_whether_it_was_issued_or_not(self, desk: Desk) -> None:
        book = desk.book()
        desk.issue(1, 3)
        assert desk.void(3, 4) == 2
        stock = desk.stock(book.id)
        assert (stock.issued, stock.void, stock.scrapped, stock.outstanding) == (3, 1, 1, 2)
        with pytest.raises(VoucherState):
            desk.issue(3)
        desk.holds()


def without_quota(parts: Parts) -> Parts:
    settings: Settings = parts.settings.model_copy(update={"voucher_household_month_max": 0})
    return Parts(settings=settings, clock=parts.clock, store=parts.store, metrics=parts.metrics)


class TestExpiry:
    def test_what_was_not_used_in_time_expires(self, desk: Desk) -> None:
        book = desk.book()
        desk.issue(1, 6)
        desk.give_back(6, 6)
        assert register.expire(desk.parts) == 0
        desk.street.clock.set(local("2026-04-02 23:00"))
        assert register.expire(desk.parts) == 0  # codes collected without a network may still come
        desk.street.clock.set(local("2026-04-03 00:00"))
        assert register.expire(desk.parts) == 10
        assert register.expire(desk.parts) == 0
        stock = desk.stock(book.id)
        assert (stock.issued, stock.expired, stock.scrapped, stock.outstanding) == (5, 5, 5, 0)
        desk.holds()

    def test_one_that_was_presented_in_time_does_not(self, desk: Desk) -> None:
        (code,) = desk.issued(valid_to=local("13:00"))
        desk.street.passes("in-1", "浙A12345", "09:00")
        desk.street.clock.set(local("12:59"))
        desk.present("浙A12345", code)
        desk.street.clock.set(local("13:30"))
        assert register.expire(desk.parts) == 0
        out = desk.street.arrives("out-1", "浙A12345", "13:30")
        assert out is not None
        assert desk.state(1) == "used"

    def test_an_old_book_is_issued_to_nobody(self, desk: Desk) -> None:
        desk.book()
        desk.street.clock.set(local("2026-04-02 00:00"))
        with pytest.raises(VoucherOver):
            desk.issue(1)


class TestAtTheExit:
    def test_an_hour_voucher_lowers_what_is_due(self, desk: Desk) -> None:
        (code,) = desk.issued("hour", 120)
        at_the_exit(desk.street)
        said = desk.present("浙A12345", code)
        assert (said.state, said.due_fen, said.opens, said.voucher) == ("used", 400, False, "00000001")
        payment.take(desk.parts, stay_id=said.stay, channel="wechat", amount_fen=400)
        assert desk.street.stay("浙A12345").state == "left"
        assert desk.street.accounts() == {
            "income:parking": -1200,
            "waived:hour_voucher": 800,
            "assets:channel:wechat": 400,
        }
        assert desk.walked(1) == ["make", "issue", "present", "use"]
        desk.holds()

    def test_a_whole_stay_voucher_opens_the_lane(self, desk: Desk) -> None:
        (code,) = desk.issued("whole_stay", 0)
        at_the_exit(desk.street)
        said = desk.present("浙A12345", code)
        assert (said.state, said.due_fen, said.opens) == ("used", 0, True)
        with desk.parts.store.reading() as connection:
            rows = connection.execute(text("SELECT action, reason, true_reason FROM command ORDER BY planned_at")).all()
        assert tuple(rows[-1]) == ("open", "voucher", "whole_stay_voucher")
        assert desk.street.stay("浙A12345").state == "left"
        assert desk.street.accounts() == {"income:parking": -1200, "waived:whole_stay_voucher": 1200}
        desk.holds()

    def test_presented_while_parking_it_counts_at_the_exit(self, desk: Desk) -> None:
        (code,) = desk.issued("amount", 5000)
        desk.street.passes("in-1", "浙A12345", "09:00")
        desk.street.clock.set(local("11:00"))
        said = desk.present("浙A12345", code)
        assert (said.state, said.due_fen) == ("presented", 0)
        assert desk.states() == {"presented": 1}
        out = desk.street.passes("out-1", "浙A12345", "12:00")
        assert (out.action, out.reason) == (Action.OPEN, Reason.VOUCHER)
        assert desk.street.accounts() == {"income:parking": -1200, "waived:amount_voucher": 1200}
        assert desk.state(1) == "used"
        desk.holds()

    def test_a_bill_names_the_kind_and_nobody(self, desk: Desk) -> None:
        desk.street.register("households", {"household": "101", "name": "王小明", "area_m2": "50"})
        desk.book("hour", 120)
        desk.issue(1, household="101", taker="王小明")
        at_the_exit(desk.street)
        said = desk.present("浙A12345", desk.code(1))
        document = quote.bill_document(desk.parts, said.stay)
        assert [line["kind"] for line in document["lines"]][-1] == "hour_voucher"
        assert document["vouchers_used"] == [True]
        assert "101" not in str(document["lines"])
        assert "王" not in str(document)

    def test_one_that_is_not_needed_goes_back_to_its_holder(self, desk: Desk) -> None:
        (code,) = desk.issued("hour", 60)
        desk.street.passes("in-1", "浙A12345", "09:00")
        desk.street.clock.set(local("09:10"))
        desk.present("浙A12345", code)
        desk.street.passes("out-1", "浙A12345", "09:25")
        assert desk.walked(1) == ["make", "issue", "present", "release"]
        assert desk.state(1) == "issued"
        at_the_exit(desk.street, "浙B11111", "12:00")
        assert desk.present("浙B11111", code).state == "used"
        desk.holds()

    def test_one_that_backs_away_has_it_still(self, desk: Desk) -> None:
        (code,) = desk.issued("hour", 120)
        desk.street.passes("in-1", "浙A12345", "09:00")
        desk.street.arrives("out-1", "浙A12345", "12:00", id="out")
        desk.present("浙A12345", code)
        desk.street.deliver(desk.street.mark("out-1", Kind.REVERSED, local("12:01"), "out"))
        assert desk.state(1) == "presented"
        desk.street.clock.set(local("12:10"))
        other = desk.street
        other.passes("in-1", "浙B11111", "12:10")
        with pytest.raises(VoucherUsed):
            desk.present("浙B11111", code)
        asked = other.arrives("out-1", "浙A12345", "13:00")
        assert asked is not None
        assert asked.pay is not None
        assert asked.pay.fen == 800
        assert desk.walked(1) == ["make", "issue", "present", "use", "unuse", "use"]
        desk.holds()

    def test_several_kinds_price_as_the_policy_says(self, desk: Desk) -> None:
        hour, amount = desk.issued("hour", 120)[0], desk.issued("amount", 500)[0]
        at_the_exit(desk.street)
        assert desk.present("浙A12345", amount).due_fen == 700
        said = desk.present("浙A12345", hour)
        assert (said.due_fen, said.opens) == (0, True)
        assert desk.street.accounts() == {
            "income:parking": -1200,
            "waived:hour_voucher": 800,
            "waived:amount_voucher": 400,
        }
        assert desk.walked(1) == ["make", "issue", "present", "use"]
        assert desk.walked(2) == ["make", "issue", "present", "use", "revalue"]
        desk.holds()

    def test_a_correction_takes_it_back_and_uses_it_again(self, desk: Desk) -> None:
        """A late entry makes the stay shorter than the free minutes: nothing is used up for nothing."""
        (code,) = desk.issued("whole_stay", 0)
        at_the_exit(desk.street)
        desk.present("浙A12345", code)
        street = desk.street
        street.clock.set(local("13:00"))
        late = street.read("in-1", "浙A12345", local("11:50"), buffered=True, id="late")
        street.deliver(late, street.mark("in-1", Kind.PASSED, local("11:50"), "late", buffered=True))
        assert street.accounts() == {}
        assert desk.state(1) == "issued"
        desk.holds()

    def test_paid_early_it_stays_used(self, desk: Desk) -> None:
        (code,) = desk.issued("hour", 120)
        desk.street.passes("in-1", "浙A12345", "09:00")
        desk.street.clock.set(local("12:00"))
        stay = desk.present("浙A12345", code).stay
        payment.take(desk.parts, stay_id=stay, channel="wechat", amount_fen=400)
        assert desk.state(1) == "used"
        assert desk.street.passes("out-1", "浙A12345", "12:10").reason is Reason.PAID
        assert desk.street.stay("浙A12345").payable_fen == 400
        desk.holds()


class TestPartlyPaid:
    """One hour is paid (400), the vehicle stays for three (1200): 800 is due at its exit."""

    @pytest.fixture
    def stay(self, desk: Desk) -> str:
        desk.street.passes("in-1", "浙A12345", "09:00")
        desk.street.clock.set(local("10:00"))
        found: str = desk.street.stay("浙A12345").id
        payment.take(desk.parts, stay_id=found, channel="wechat", amount_fen=400)
        return found

    def comes(self, desk: Desk, at: str = "12:00") -> int:
        asked = desk.street.arrives("out-1", "浙A12345", at)
        assert asked is not None
        return asked.pay.fen if asked.pay is not None else 0

    def test_a_voucher_takes_off_what_is_still_due(self, desk: Desk, stay: str) -> None:
        (code,) = desk.issued("hour", 60)
        assert self.comes(desk) == 800
        said = desk.present("浙A12345", code)
        assert (said.stay, said.state, said.due_fen) == (stay, "used", 400)
        payment.take(desk.parts, stay_id=stay, channel="wechat", amount_fen=400)
        assert desk.street.accounts() == {
            "income:parking": -1200,
            "waived:hour_voucher": 400,
            "assets:channel:wechat": 800,
        }
        desk.holds()

    def test_it_opens_where_it_settles_the_rest(self, desk: Desk, stay: str) -> None:
        (code,) = desk.issued("hour", 120)
        assert self.comes(desk) == 800
        said = desk.present("浙A12345", code)
        assert (said.state, said.due_fen, said.opens) == ("used", 0, True)
        assert "liability:prepaid" not in desk.street.accounts()
        assert desk.street.stay("浙A12345").paid_fen == 400
        desk.holds()

    def test_of_several_only_those_are_used_without_which_something_were_due(self, desk: Desk, stay: str) -> None:
        codes = desk.issued("hour", 60, count=3)
        for code in codes:
            assert desk.present("浙A12345", code).state == "presented"
        assert quote.bill_document(desk.parts, stay)["payable_fen"] == 400, "it is paid and holds: nothing is needed"
        assert self.comes(desk) == 0
        assert desk.states() == {"used": 2, "issued": 1}
        assert desk.street.accounts() == {
            "income:parking": -1200,
            "waived:hour_voucher": 800,
            "assets:channel:wechat": 400,
        }
        desk.holds()

    def test_within_the_time_to_leave_none_is_used(self, desk: Desk, stay: str) -> None:
        (code,) = desk.issued("whole_stay", 0)
        assert desk.present("浙A12345", code).stay == stay
        assert self.comes(desk, "10:10") == 0
        assert desk.states() == {"issued": 1}, "and it goes back to its holder"
        desk.holds()

    def test_one_for_the_whole_stay_leaves_what_was_paid_on_record(self, desk: Desk, stay: str) -> None:
        """Nothing is given back at the exit: what was paid beyond the bill stands as owed, until two people decide."""
        (code,) = desk.issued("whole_stay", 0)
        assert self.comes(desk) == 800
        assert desk.present("浙A12345", code).due_fen == 0
        assert desk.street.accounts() == {
            "income:parking": -1200,
            "waived:whole_stay_voucher": 1200,
            "assets:channel:wechat": 400,
            "liability:prepaid": -400,
        }
        one = arrears_write_off.propose(desk.parts, stay, "kept", By(operator="wang", role="finance"))
        assert (one.kind, one.amount_fen) == ("overpaid", 400)
        desk.holds()

    def test_an_earlier_exit_gives_it_back_where_the_payment_is_enough(self, desk: Desk) -> None:
        (code,) = desk.issued("hour", 60)
        at_the_exit(desk.street)
        stay = desk.present("浙A12345", code).stay
        payment.take(desk.parts, stay_id=stay, channel="wechat", amount_fen=800)
        street = desk.street
        street.clock.set(local("13:00"))
        left = street.read("out-2", "浙A12345", local("11:00"), buffered=True, opening=Opening.OFFLINE_EXIT)
        street.deliver(left, street.mark("out-2", Kind.PASSED, local("11:00"), left.event.id, buffered=True))
        assert desk.walked(1) == ["make", "issue", "present", "use", "unuse", "release"]
        assert street.accounts() == {"income:parking": -800, "assets:channel:wechat": 800}
        desk.holds()


class TestRefusals:
    def test_the_same_code_again_is_the_same(self, desk: Desk) -> None:
        (code,) = desk.issued("hour", 60)
        at_the_exit(desk.street)
        first = desk.present("浙A12345", code)
        again = desk.present("浙A12345", code.lower().replace("-", ""))
        assert (again.state, again.due_fen) == (first.state, first.due_fen)
        assert desk.walked(1) == ["make", "issue", "present", "use"]

    def test_a_copy_is_refused(self, desk: Desk) -> None:
        (code,) = desk.issued("whole_stay", 0)
        at_the_exit(desk.street)
        desk.present("浙A12345", code)
        at_the_exit(desk.street, "浙B11111")
        with pytest.raises(VoucherUsed):
            desk.present("浙B11111", code)
        assert (desk.street.stay("浙B11111").state, desk.street.stay("浙B11111").payable_fen) == ("inside", 1200)
        desk.holds()

    def test_forged_altered_and_foreign_codes_are_refused(self, desk: Desk) -> None:
        (code,) = desk.issued()
        at_the_exit(desk.street)
        altered = code[:7] + "2" + code[8:]
        for wrong in (altered, code[:-1] + ("0" if code[-1] != "0" else "1"), desk.code(1, "archive"), "nonsense", ""):
            with pytest.raises(VoucherNotValid):
                desk.present("浙A12345", wrong)
        with pytest.raises(VoucherNotValid, match="ever made"):
            desk.present("浙A12345", desk.code(77))
        assert desk.states() == {"issued": 1}

    def test_one_from_the_drawer_is_refused(self, desk: Desk) -> None:
        desk.book()
        desk.issue(1)
        desk.give_back(1, 1)
        at_the_exit(desk.street)
        for serial in (1, 2):
            with pytest.raises(VoucherNotIssued):
                desk.present("浙A12345", desk.code(serial))

    def test_void_expired_and_early_ones_are_refused(self, desk: Desk) -> None:
        lost, late = desk.issued(count=2, valid_to=local("11:00"))
        desk.void(1, 1)
        (early,) = desk.issued(valid_from=local("2026-03-03 00:00"))
        at_the_exit(desk.street)
        for wrong in (lost, late, early):
            with pytest.raises(VoucherOver):
                desk.present("浙A12345", wrong)

    def test_where_nothing_is_due_the_voucher_is_kept(self, desk: Desk) -> None:
        (code,) = desk.issued()
        desk.street.passes("in-1", "浙A12345", "09:00")
        desk.street.passes("out-1", "浙A12345", "09:20")
        with pytest.raises(VoucherNotNow):
            desk.present("浙A12345", code)
        assert desk.states() == {"issued": 1}

    def test_an_unknown_stay(self, desk: Desk) -> None:
        (code,) = desk.issued()
        with pytest.raises(NotFound):
            redeem.present(desk.parts, stay_id="xinyi.nothing", code=code)

    def test_void_is_not_for_what_a_stay_holds(self, desk: Desk) -> None:
        (code,) = desk.issued()
        at_the_exit(desk.street)
        desk.present("浙A12345", code)
        with pytest.raises(VoucherState):
            desk.void(1, 1)

    def test_withdrawn_it_can_be_presented_elsewhere(self, desk: Desk) -> None:
        (code,) = desk.issued()
        desk.street.passes("in-1", "浙A12345", "09:00")
        stay = desk.present("浙A12345", code).stay
        redeem.withdraw(desk.parts, stay_id=stay, serial=1, reason="wrong car", operator="console")
        assert desk.walked(1)[-1] == "withdraw"
        at_the_exit(desk.street, "浙B11111")
        said = desk.present("浙B11111", code)
        with pytest.raises(VoucherNotNow):
            redeem.withdraw(desk.parts, stay_id=said.stay, serial=1, reason="x", operator="console")
        with pytest.raises(NotFound):
            redeem.withdraw(desk.parts, stay_id=stay, serial=1, reason="x", operator="console")
        desk.holds()
