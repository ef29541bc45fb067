"""What a correction takes along, what is said of it, and what is left of it when the plates have gone. On both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway.flows import payment, quote
from gateway.flows.explain import event_explanation, stay_explanation
from gateway.flows.pay_token import token
from gateway.flows.personal_data_subject import Subject
from gateway.flows.retention import retire
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.correction_office import OTHER, REASON, RIGHT, WRONG, Office
from tests.gateway.people import days_later, found_in
from tests.gateway.privacy import erased, handed_over
from tests.gateway.retiring import ends_soon
from tests.gateway.trade import Street
from tests.gateway.voucher_desk import Desk


@pytest.fixture
def office(parts: Parts) -> Office:
    return Office(parts)


def corrected_visit(office: Office) -> Any:
    """Misread at the entry, read right at the exit, corrected after it had left: 10 yuan, agreed by a second person."""
    street = office.street
    street.passes("in-1", WRONG, "09:00", id="in")
    street.arrives("out-1", RIGHT, "11:10", id="away")
    entered = street.stay(WRONG)
    office.corrects(entered.id, plate=RIGHT, entry_at="2026-03-02T08:30:00+08:00")
    stay = street.stay(RIGHT)
    street.clock.advance(seconds=20)
    payment.take(street.parts, stay_id=stay.id, channel="wechat", amount_fen=stay.payable_fen)
    street.goes("out-1", "11:11", after="away")
    return street.stay(RIGHT)


def test_a_voucher_goes_with_its_stay(office: Office) -> None:
    desk = Desk(office.street)
    [code] = desk.issued("hour", 120)
    office.street.passes("in-1", WRONG, "09:00")
    desk.present(WRONG, code)
    stay = office.street.stay(WRONG)
    office.corrects(stay.id, plate=RIGHT)
    office.street.arrives("out-1", RIGHT, "11:10", id="away")
    assert (office.street.stay(RIGHT).payable_fen, desk.states()) == (200, {"used": 1})
    desk.holds()


def test_a_voucher_that_is_not_needed_any_more_goes_back(office: Office) -> None:
    desk = Desk(office.street)
    [code] = desk.issued("hour", 120)
    office.street.passes("in-1", WRONG, "09:00")
    desk.present(WRONG, code)
    office.street.passes("out-1", WRONG, "10:40")
    assert desk.states() == {"used": 1}
    stay = office.street.stay(WRONG)
    office.corrects(stay.id, entry_at="2026-03-02T10:20:00+08:00")
    assert (office.street.stay(WRONG).payable_fen, desk.states()) == (0, {"issued": 1})
    desk.holds()


def test_the_bill_says_that_the_record_was_corrected(office: Office) -> None:
    stay = corrected_visit(office)
    told = stay_explanation(office.parts, stay.id, language="zh")["sentences"]
    assert told[1] == (
        "2026-03-02 11:10:00 工作人员更正了车牌和入场时间（原为 2026-03-02 09:00:00，改为 2026-03-02 08:30:00），原记录保留。"
    )
    english = stay_explanation(office.parts, stay.id, language="en")["sentences"]
    assert english[1].startswith("Staff corrected the plate and the entry (from 2026-03-02 09:00:00 to ")
    assert not any(plate in "".join(told + english) for plate in (RIGHT, WRONG))
    seen = event_explanation(office.parts, "xinyi", "d1", "in", language="zh")
    assert seen["sentences"][:2] == [
        "2026-03-02 09:00:00 入口车道 in-1：识别到车牌。",
        "后来工作人员更正了这次识别的车牌或时间，计费按更正后的记录。",
    ]
    page = quote.bill_by_token(office.parts, token(office.parts.settings.secret(), stay.id))
    assert page is not None
    assert page["zh"][0] == "本停车记录由工作人员更正过，账单按更正后的记录计算。"


def test_of_poverty_nothing_is_said_in_a_reason(office: Office) -> None:
    office.street.passes("in-1", WRONG, "09:00")
    stay = office.street.stay(WRONG)
    assert office.asks(stay.id, plate=RIGHT, reason="低保户的车").status_code == 422


def test_a_key_with_less_in_it_is_another_content(office: Office) -> None:
    office.street.passes("in-1", WRONG, "09:00")
    stay = office.street.stay(WRONG)
    entry = "2026-03-02T08:30:00+08:00"
    first = office.corrects(stay.id, plate=RIGHT, entry_at=entry, key="k")
    assert office.asks(stay.id, entry_at=entry, key="k").json()["type"].endswith("idempotency-key-reused")
    assert office.asks(stay.id, plate=RIGHT, key="k").json()["type"].endswith("idempotency-key-reused")
    assert office.corrects(stay.id, plate=RIGHT, entry_at=entry, key="k") == first


def test_an_implausible_stay_is_charged_once_its_entry_is_right(office: Office) -> None:
    """Its exit of weeks ago was never read. Nobody told the driver anything: the second person does."""
    street = office.street
    street.passes("in-1", RIGHT, "2026-03-02 09:00")
    street.arrives("out-1", RIGHT, "2026-03-20 11:10", id="away")
    stay = next(one for one in street.stays() if one.exit_event == "away")
    assert street.situations()["implausible_stay"] == 1
    made = office.corrects(stay.id, entry_at="2026-03-20T09:00:00+08:00")
    assert made["state"] == "made"  # it still waits at the exit
    assert street.stay(RIGHT).payable_fen == 1000
    assert "implausible_stay" not in street.situations()
    office.check()


def test_whoever_was_misread_can_be_erased_and_so_can_whoever_it_was(office: Office, tmp_path: Path) -> None:
    street = office.street
    corrected_visit(office)
    street.passes("in-1", WRONG, "13:00")
    street.passes("out-1", WRONG, "13:10")
    days_later(street, 2)
    assert handed_over(street, Subject("plate", RIGHT), tmp_path)["subject"]
    for plate in (WRONG, RIGHT):
        assert erased(street, Subject("plate", plate))["state"] == "erased"
        with street.parts.store.reading() as connection:
            rows = connection.execute(select(*t.StayCorrectionRead.__table__.c)).all()
            events = connection.execute(select(t.PlateEventRow.plate, t.PlateEventRow.plate_raw)).all()
        assert not any(plate in row for row in [*rows, *events])
    if street.parts.store.postgres:
        assert found_in(street, RIGHT, WRONG) == set()
    assert [row.reason for row in office.rows(t.StayCorrection)] == [REASON]
    office.check()


def test_the_plates_end_with_the_reads_and_the_trail_does_not(parts: Parts) -> None:
    office = Office(ends_soon(parts))
    stay = corrected_visit(office)
    days_later(office.street, 120)
    retire(office.parts)
    assert office.rows(t.StayCorrectionRead) == []
    [record] = office.sees(stay.id)["corrections"]
    assert (record["plate_before"], record["new_plate"], record["by"]) == (None, True, "mei")
    assert office.asks(stay.id, plate=OTHER).json()["type"].endswith("not-correctable")
    office.check()


def test_nothing_says_more_than_it_must(office: Office) -> None:
    """A stay that nobody corrected has the shape of the contract."""
    street: Street = office.street
    street.passes("in-1", RIGHT, "09:00")
    assert "corrections" not in office.sees(street.stay(RIGHT).id)
