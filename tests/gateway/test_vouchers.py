"""Vouchers at the exit: presented, used once, refused where they must be, and everything adds up."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from controllers.commands import Action, Reason
from controllers.events import Kind, Opening
from gateway.flows import arrears_write_off, payment, quote
from gateway.flows.charges_books import By
from gateway.flows.refusals import NotFound
from gateway.flows.vouchers import redeem
from gateway.flows.vouchers.refusals import (
    VoucherNotIssued,
    VoucherNotNow,
    VoucherNotValid,
    VoucherOver,
    VoucherState,
    VoucherUsed,
)
from tests.gateway.trade import Street, local
from tests.gateway.voucher_desk import Desk


def at_the_exit(street: Street, plate: str = "浙A12345", at: str = "12:00") -> None:
    """Three hours: 1200 fen."""
    street.passes("in-1", plate, "09:00")
    command = street.arrives("out-1", plate, at)
    assert command is not None
    assert command.reason is Reason.PAYMENT_DUE


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
