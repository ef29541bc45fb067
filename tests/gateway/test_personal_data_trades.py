"""Erasing somebody who bought a pass, took vouchers, signed for paying later and is charged every month: the books of all of it hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.flows import arrears_agreements, personal_data
from gateway.flows.arrears_agreements import Wanted
from gateway.flows.charges_books import By
from gateway.flows.personal_data import Asking
from gateway.flows.personal_data_holds import StillNeeded
from gateway.flows.personal_data_subject import Subject
from gateway.flows.verify import verify
from gateway.store import tables as t
from gateway.store.scrub import scrub
from gateway.wiring import Parts
from tests.gateway.pass_office import FINANCE, REGISTRAR, Office
from tests.gateway.people import days_later, found_in, rows, visit
from tests.gateway.trade import POLICY
from tests.gateway.voucher_desk import Desk

PLATE, SECOND, TAKER, SIGNED = "浙A10101", "浙A10102", "赵钱孙", "签字册第77页"
HOME = Subject("household", "101", "xinyi")
MANAGER = By(operator="sun", role="manager")


def asking(operator: str = "li") -> Asking:
    return Asking(operator=operator, origin="", sites=None, identity="核验单 1", reason="迁出", sees_low_income=True)


def whys(office: Office, subject: Subject = HOME) -> set[str]:
    with pytest.raises(StillNeeded) as refused:
        personal_data.propose(office.parts, subject, asking())
    return {hold.why for hold in refused.value.holds}


def erased(office: Office, subject: Subject) -> dict[str, Any]:
    proposed = personal_data.propose(office.parts, subject, asking())
    return personal_data.approve(office.parts, proposed["id"], operator="wu", origin="")


def an_agreement(office: Office) -> str:
    wanted = Wanted(site="street", plate=PLATE, limit_fen=5000, evidence=SIGNED)
    made = arrears_agreements.propose(office.parts, wanted, REGISTRAR)
    return arrears_agreements.approve(office.parts, made.id, MANAGER).id


def test_a_household_with_everything_is_erased_when_all_is_settled(office: Office, tmp_path: Path) -> None:
    office.sells(PLATE)
    an_agreement(office)
    Desk(office).book(count=4)
    Desk(office).issue(1, 2, household="101", signature=SIGNED)
    Desk(office).issue(3, taker=TAKER, signature=SIGNED)
    visit(office, PLATE, "2026-03-02")
    office.clock.advance(days=1)
    assert whys(office) == {"prepaid"}
    assert whys(office, Subject("plate", PLATE)) == {"prepaid"}
    office.charges()
    days_later(office, 40)
    assert whys(office) == {"owes"}
    (charge,) = [one for one in rows(office, t.Charge) if one.household_id == "101"]
    office.pays(charge.id, charge.gross_fen)
    office.earns()
    days_later(office, 1)
    before = office.accounts()
    report = verify(office.parts)
    assert report.ok, report.first_failure
    made = personal_data.export(office.parts, HOME, asking(), tmp_path / "copy.zip")
    assert [made.counts[kind] for kind in ("charge", "parking_pass", "pass_vehicle", "voucher_issue")] == [1, 1, 1, 1]
    assert made.counts["pay_later_agreement"] == 1
    erased(office, HOME)
    office.parts.store.engine.dispose()
    scrub(office.parts.store)
    assert found_in(office, PLATE, SECOND) == set()
    # On the same page of the book somebody else has signed.
    left = {one.taker: one.signature for one in rows(office, t.VoucherIssue)}
    assert left == {"": "", TAKER: SIGNED}
    assert SIGNED not in repr(rows(office, t.PayLaterAgreement))
    assert office.accounts() == before
    report = verify(office.parts)
    assert report.ok, report.first_failure
    homes = {one.household_id for one in rows(office, t.Charge)} | {
        one.household_id for one in rows(office, t.ParkingPass)
    }
    assert "101" not in homes
    assert len([home for home in homes if home and home[0] == "#"]) == 1


def test_a_refund_that_is_not_paid_out_waits_for_its_owner(office: Office) -> None:
    office.sells(PLATE)
    office.clock.advance(days=2)
    office.gives_back(rows(office, t.ParkingPass)[0].id)
    office.clock.advance(days=2)
    assert "dispute" in whys(office)


def test_who_has_written_off_arrears_can_go(parts: Parts) -> None:
    from gateway.flows import arrears_write_off

    office = Office(parts, mode="leave_first")
    office.passes("in-1", "沪C24680", "2026-03-02 09:00")
    office.passes("out-1", "沪C24680", "2026-03-02 10:00")
    days_later(office, 1)
    visitor = Subject("plate", "沪C24680")
    assert whys(office, visitor) == {"owes"}
    stay = office.stays()[0].id
    proposed = arrears_write_off.propose(office.parts, stay, "追缴无着", FINANCE)
    assert whys(office, visitor) == {"owes", "dispute"}
    arrears_write_off.approve(office.parts, proposed.id, MANAGER)
    erased(office, visitor)
    office.parts.store.engine.dispose()
    scrub(office.parts.store)
    assert found_in(office, "沪C24680") == set()
    office.books_hold()


def test_the_minutes_of_two_households_for_one_bill_still_add_up(parts: Parts) -> None:
    """A relative of two: the bill's facts say who gave what, and one of them is erased."""
    from gateway.flows import policies
    from tests.gateway.trade import Street

    street = Street(parts)
    little = POLICY.format(mode="pay_first").replace("minutes_per_month = 3600", "minutes_per_month = 70")
    policies.apply(parts, little.replace("version = 1", "version = 2").replace("2025-01-01", "2026-03-02"))
    parts.estates.__init__()  # type: ignore[misc] - the policy is new
    for number in ("1-101", "1-102"):
        street.register("households", {"household": number, "name": "某某"})
        street.clock.advance(seconds=1)
        street.register("relatives", {"household": number, "plate": "浙B67890", "relation": "parent"})
    visit(street, "浙B67890", "2026-03-02")
    (bill,) = [one for one in rows(street, t.Bill) if one.payable_fen == 0]
    assert set(bill.facts["drawn_by"]) == {"household:1-101", "household:1-102"}
    days_later(street, 1)
    for number in ("1-101", "1-102"):
        proposed = personal_data.propose(parts, Subject("household", number, "xinyi"), asking())
        personal_data.approve(parts, proposed["id"], operator="wu", origin="")
    said = repr([rows(street, table) for table in (t.Bill, t.AllowanceDraw, t.AllowanceBalance)])
    assert "1-101" not in said
    assert "1-102" not in said
    report = verify(parts)
    assert report.ok, report.first_failure
