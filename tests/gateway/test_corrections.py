"""更正 through the API, on both databases: a stay's plate or entry is put right, the old record stays visible, the books follow."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from controllers.events import Kind, Opening
from gateway.flows import payment
from gateway.flows.close import close_day
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.correction_office import OTHER, REASON, RIGHT, WRONG, Office
from tests.gateway.rules import Ruled, allowance, tariff
from tests.gateway.trade import Street, local

MOTHER, HOLDER = "浙A00003", "household:3-201"


@pytest.fixture
def office(parts: Parts) -> Office:
    return Office(parts)


def test_an_entry_that_was_misread_finds_its_exit(office: Office) -> None:
    street = office.street
    street.passes("in-1", WRONG, "09:00")
    street.arrives("out-1", RIGHT, "11:10", id="away")
    assert street.situations()["no_entry"] == 1
    entered = street.stay(WRONG)
    made = office.corrects(entered.id, plate="浙a·12345")
    assert (made["state"], made["plate_before"], made["plate_after"]) == ("made", WRONG, RIGHT)
    stay = street.stay(RIGHT)
    assert (stay.id, stay.state, stay.exit_event, stay.payable_fen) == (entered.id, "inside", "away", 1000)
    assert [one.plate for one in street.stays() if one.state != "void"] == [RIGHT]
    assert "no_entry" not in street.situations()
    # It pays and leaves as anybody does.
    payment.take(street.parts, stay_id=stay.id, channel="wechat", amount_fen=1000)
    street.goes("out-1", "11:12", after="away")
    assert street.stay(RIGHT).state == "left"
    office.check()


def test_the_old_record_stays_visible(office: Office) -> None:
    street = office.street
    street.passes("in-1", WRONG, "09:00")
    entered = street.stay(WRONG)
    office.corrects(entered.id, plate=RIGHT, entry_at="2026-03-02T08:40:00+08:00")
    seen = office.sees(entered.id)
    assert (seen["plate"], seen["entry_at"]) == (RIGHT, "2026-03-02T08:40:00+08:00")
    [record] = seen["corrections"]
    assert (record["plate_before"], record["entry_before"]) == (WRONG, "2026-03-02T09:00:00+08:00")
    assert (record["by"], record["reason"]) == ("mei", REASON)
    line = next(row for row in office.rows(t.AuditEntry) if row.action == "stay.correct")
    assert (line.operator, line.subject, line.reason) == ("mei", entered.id, REASON)
    assert line.detail["entry"] == ["2026-03-02T01:00:00+00:00", "2026-03-02T00:40:00+00:00"]
    # What the device said is still there.
    read = next(row for row in office.rows(t.PlateEventRow) if row.event_id == entered.entry_event)
    assert (read.plate, read.plate_raw, read.device_at) == (RIGHT, WRONG, local("09:00"))
    office.check()


def test_a_gate_is_never_opened_by_it(office: Office) -> None:
    street = office.street
    street.register("free-vehicles", {"plate": RIGHT, "class": "ambulance", "valid_to": "2026-12-31"})
    street.passes("in-1", RIGHT, "09:00")
    street.arrives("out-1", WRONG, "11:10", id="away")
    before = len(office.rows(t.CommandRow))
    unknown = next(one for one in street.stays() if one.plate == WRONG)
    office.corrects(unknown.id, plate=RIGHT)
    assert len(office.rows(t.CommandRow)) == before
    # Its next read finds it free, although the camera still misreads it.
    command = street.arrives("out-1", WRONG, "11:10:15", id="again")
    assert command is not None
    assert (command.action, command.reason) == ("open", "free_class")
    street.goes("out-1", "11:10:20", after="again")
    [stay] = [one for one in street.stays() if one.state != "void"]
    assert (stay.plate, stay.state, stay.payable_fen) == (RIGHT, "left", 0)
    # The record of the exit that was taken for a stranger's is void and there.
    assert office.sees(unknown.id)["state"] == "void"
    office.check()


def paid_visit(street: Street, plate: str, exit_at: str = "11:10") -> Any:
    street.passes("in-1", plate, "09:00")
    street.arrives("out-1", plate, exit_at, id="away")
    stay = street.stay(plate)
    payment.take(street.parts, stay_id=stay.id, channel="wechat", amount_fen=stay.payable_fen)
    street.goes("out-1", exit_at + ":40", after="away")
    return street.stay(plate)


def test_what_was_paid_stays_with_the_stay_and_a_refund_is_proposed_not_made(office: Office) -> None:
    street = office.street
    street.register("households", {"household": "3-201", "name": "张三", "area_m2": "60"})
    street.register("vehicles", {"household": "3-201", "plate": RIGHT, "vehicle": "small"})
    street.register(
        "passes", {"plate": RIGHT, "pass": "resident-monthly", "valid_from": "2026-01-01", "valid_to": "2026-12-31"}
    )
    stay = paid_visit(street, WRONG)
    made = office.corrects(stay.id, plate=RIGHT)
    assert (made["payable_before_fen"], made["payable_after_fen"]) == (1000, 0)
    after = street.stay(RIGHT)
    assert (after.id, after.state, after.paid_fen, after.payable_fen) == (stay.id, "left", 1000, 0)
    assert after.household_id == "3-201"
    assert street.accounts()["liability:prepaid"] == -1000
    assert street.situations()["overpaid"] == 1
    assert {row.operator for row in office.rows(t.LedgerTransaction)} == {None, "mei"}
    assert [row.kind for row in office.rows(t.Bill)] == ["exit", "exit"]
    office.check()


def test_free_minutes_go_back_to_their_month(parts: Parts) -> None:
    street = Ruled(parts, tariff(), allowance(200))
    street.relative("3-201", MOTHER)
    office = Office(parts, street)
    stay = street.visit(MOTHER, "2026-03-31 23:00", "2026-04-01 01:00")
    assert street.draws() == {(HOLDER, "2026-03"): 60, (HOLDER, "2026-04"): 60}
    # It was somebody else's: the bill rises after the exit, so that a second person decides.
    proposed = office.corrects(stay.id, plate=OTHER)
    assert (proposed["state"], proposed["payable_after_fen"]) == ("proposed", 200)
    assert street.draws() == {(HOLDER, "2026-03"): 60, (HOLDER, "2026-04"): 60}
    assert street.situations()["correction_proposed"] == 1
    assert office.approves(proposed, "mei").status_code == 409
    answer = office.approves(proposed)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["decided_by"]) == ("made", "fang")
    assert street.draws() == {}
    after = street.stay(OTHER)
    assert (after.id, after.payable_fen) == (stay.id, 200)
    assert "correction_proposed" not in street.situations()
    assert office.approves(proposed).status_code == 409
    office.check()


def test_a_proposal_that_is_refused_changes_nothing(office: Office) -> None:
    stay = paid_visit(office.street, WRONG)
    proposed = office.corrects(stay.id, entry_at="2026-03-02T07:00:00+08:00")
    assert proposed["state"] == "proposed"
    assert office.asks(stay.id, entry_at="2026-03-02T06:00:00+08:00").json()["type"].endswith("already-proposed")
    path = f"/api/v1/stays/{stay.id}/corrections/{proposed['id']}/refusal"
    assert office.as_("mei").post(path, {"reason": "no"}).status_code == 409
    refused = office.as_("fang").post(path, {"reason": "图片看不清"})
    assert (refused.status_code, refused.json()["state"]) == (200, "refused")
    assert office.street.stay(WRONG).payable_fen == 1000
    assert [one["state"] for one in office.sees(stay.id)["corrections"]] == ["refused"]
    office.check()


def test_an_entry_that_is_moved_reprices_by_the_difference(office: Office) -> None:
    stay = paid_visit(office.street, WRONG)
    made = office.corrects(stay.id, entry_at="2026-03-02T10:05:00+08:00")
    # 65 minutes: 4 yuan and one started half hour.
    assert (made["payable_before_fen"], made["payable_after_fen"]) == (1000, 600)
    [first, second] = office.rows(t.LedgerTransaction)[-2:]
    assert office.street.accounts()["liability:prepaid"] == -400
    assert office.street.accounts()["income:parking"] == -600
    assert first.kind != second.kind
    office.check()


@pytest.mark.parametrize(
    ("wanted", "slug"),
    [
        ({"entry_at": "2026-03-02T11:10:00+08:00"}, "invalid"),
        ({"entry_at": "2026-03-02T11:10:00+08:00", "part": "entry"}, "invalid"),
        ({"entry_at": "2026-03-05T09:00:00+08:00"}, "invalid"),
        ({"entry_at": "2025-03-02T09:00:00+08:00"}, "invalid"),  # another year typed: the bill would be gone
        ({"plate": "?"}, "invalid"),
        ({}, "invalid"),
        ({"plate": WRONG}, "nothing-to-correct"),
        ({"entry_at": "2026-03-02T09:00:00+08:00"}, "nothing-to-correct"),
        ({"plate": OTHER}, "stays-overlap"),
        ({"entry_at": "2026-03-02T05:55:00+08:00"}, "stays-overlap"),
    ],
)
def test_what_cannot_be_is_refused(office: Office, wanted: dict[str, str], slug: str) -> None:
    street = office.street
    # Another stay of the vehicle ended at 06:00; another vehicle was inside from 08:00 to 12:00.
    street.passes("in-1", WRONG, "05:00")
    street.passes("out-1", WRONG, "05:20")
    street.passes("in-1", WRONG, "05:40")
    street.passes("out-1", WRONG, "06:00")
    street.passes("in-1", OTHER, "08:00")
    street.passes("in-1", WRONG, "09:00")
    street.arrives("out-1", WRONG, "11:10", id="away")
    stay = next(one for one in street.stays() if one.exit_event == "away")
    payment.take(street.parts, stay_id=stay.id, channel="wechat", amount_fen=1000)
    street.goes("out-1", "11:10:40", after="away")
    street.arrives("out-1", OTHER, "12:00", id="other-away")
    before = [tuple(row) for row in street.stays()]
    answer = office.asks(stay.id, **wanted)
    assert answer.status_code in {409, 422}, answer.text
    assert answer.json()["type"].endswith(slug)
    assert [tuple(row) for row in street.stays()] == before
    assert office.rows(t.StayCorrection) == []


def test_the_same_key_is_the_same_correction(office: Office) -> None:
    office.street.passes("in-1", WRONG, "09:00")
    stay = office.street.stay(WRONG)
    first = office.corrects(stay.id, plate=RIGHT, key="once")
    assert office.corrects(stay.id, plate=RIGHT, key="once") == first
    assert office.asks(stay.id, plate=OTHER, key="once").json()["type"].endswith("idempotency-key-reused")
    assert len(office.rows(t.StayCorrection)) == 1


def test_who_takes_money_corrects_nothing(office: Office) -> None:
    office.street.passes("in-1", WRONG, "09:00")
    stay = office.street.stay(WRONG)
    assert office.asks(stay.id, plate=RIGHT, name="li").status_code == 403
    for role in ("guard", "console", "registrar", "committee", "auditor"):
        office.house.hires(role, role)
        assert office.asks(stay.id, plate=RIGHT, name=role).status_code == 403
    assert office.asks("nowhere.at-all", plate=RIGHT).status_code == 404


def test_it_can_be_taken_back(office: Office) -> None:
    stay = paid_visit(office.street, WRONG)
    office.street.register(
        "free-vehicles", {"plate": RIGHT, "class": "ambulance", "valid_from": "2026-01-01", "valid_to": "2026-12-31"}
    )
    office.corrects(stay.id, plate=RIGHT)
    back = office.corrects(stay.id, plate=WRONG)
    assert back["state"] == "proposed"
    assert office.approves(back).status_code == 200
    after = office.street.stay(WRONG)
    assert (after.id, after.payable_fen, after.paid_fen) == (stay.id, 1000, 1000)
    assert "liability:prepaid" not in office.street.accounts()
    assert len(office.sees(stay.id)["corrections"]) == 2
    office.check()


def test_only_one_end_was_misread(office: Office) -> None:
    """The vehicle that left was another one: its own stay ends, and the first goes on."""
    street = office.street
    street.passes("in-1", OTHER, "08:00")
    street.passes("in-1", WRONG, "09:00")
    street.clock.set(local("11:10:05"))
    street.deliver(street.read("out-1", WRONG, local("11:10"), id="away"))
    street.deliver(street.mark("out-1", Kind.PASSED, local("11:10:05"), "away", opening=Opening.HAND))
    stay = street.stay(WRONG)
    assert stay.state == "left"
    made = office.corrects(stay.id, plate=OTHER, part="exit")
    assert made["state"] == "proposed"  # the other one left as well, and owes more than it was told
    assert office.approves(made).status_code == 200
    assert (street.stay(WRONG).state, street.stay(OTHER).state) == ("inside", "left")
    assert street.stay(OTHER).payable_fen > 0
    office.check()


def test_two_reads_of_one_vehicle_were_two_stays(office: Office) -> None:
    """Read wrong, let in, read right fifteen seconds later: one vehicle that is inside twice."""
    street = office.street
    street.arrives("in-1", WRONG, "09:00", id="first")
    street.arrives("in-1", RIGHT, "09:00:15", id="second")
    street.goes("in-1", "09:00:20", after="second")
    assert {one.plate for one in street.stays() if one.state == "inside"} == {WRONG, RIGHT}
    twin = street.stay(WRONG)
    office.corrects(twin.id, plate=RIGHT)
    stay = street.stay(RIGHT)
    assert (stay.state, stay.entry_at, stay.confirmed) == ("inside", local("09:00"), True)
    street.passes("out-1", RIGHT, "09:20")
    assert street.stay(RIGHT).state == "left"
    office.check()


def test_who_waits_at_the_exit_stays_who_staff_said(office: Office) -> None:
    """For longer than anybody looks back, misread every fifty seconds."""
    street = office.street
    street.passes("in-1", RIGHT, "09:00")
    street.arrives("out-1", WRONG, "11:00", id="w0")
    unknown = next(one for one in street.stays() if one.plate == WRONG)
    office.corrects(unknown.id, plate=RIGHT)
    for number in range(1, 90):
        street.clock.advance(seconds=50)
        street.deliver(street.read("out-1", WRONG, street.clock.now(), id=f"w{number}"))
    assert {one.plate for one in street.stays() if one.state != "void"} == {RIGHT}
    stay = street.stay(RIGHT)
    assert (stay.exit_at, stay.payable_fen) == (local("11:00"), 800)
    payment.take(street.parts, stay_id=stay.id, channel="wechat", amount_fen=800)
    assert street.parts.store.postgres or office.rows(t.CommandRow)[-1].action == "open"
    street.goes("out-1", "12:20", after="w89")
    assert street.stay(RIGHT).state == "left"
    office.check()


def test_what_is_told_late_follows(office: Office) -> None:
    """The device tells of a second read of the same passage, misread as well, an hour after the correction."""
    street = office.street
    street.arrives("in-1", WRONG, "09:00", id="in")
    stay = street.stay(WRONG)
    office.corrects(stay.id, plate=RIGHT, entry_at="2026-03-02T08:50:00+08:00")
    street.clock.set(local("10:30"))
    street.deliver(street.read("in-1", WRONG, local("09:00:15"), id="again", buffered=True))
    street.deliver(street.mark("in-1", Kind.PASSED, local("09:00:20"), "again"))
    street.deliver(street.read("in-1", WRONG, local("08:59:45"), id="before", buffered=True))
    [after] = [one for one in street.stays() if one.state != "void"]
    assert (after.plate, after.id, after.entry_at, after.confirmed) == (RIGHT, stay.id, local("08:50"), True)
    # The vehicle whose plate it is comes itself, at another hour.
    street.passes("in-1", WRONG, "10:40")
    assert {one.plate for one in street.stays() if one.state == "inside"} == {RIGHT, WRONG}
    office.check()


def test_a_closed_day_does_not_change(office: Office) -> None:
    street = office.street
    street.register(
        "free-vehicles", {"plate": RIGHT, "class": "ambulance", "valid_from": "2026-01-01", "valid_to": "2026-12-31"}
    )
    stay = paid_visit(street, WRONG)
    street.clock.set(local("2026-03-03 02:00"))
    close_day(office.parts, date(2026, 3, 1))
    close_day(office.parts, date(2026, 3, 2))
    sealed = [row.canonical for row in office.rows(t.DayClose)]
    street.clock.set(local("2026-03-03 09:00"))
    office.corrects(stay.id, plate=RIGHT, entry_at="2026-03-02T10:00:00+08:00")
    late = [row for row in office.rows(t.LedgerTransaction) if row.belongs_to is not None]
    assert [(row.business_day, row.belongs_to, row.operator) for row in late] == [
        (date(2026, 3, 3), date(2026, 3, 2), "mei")
    ]
    assert [row.canonical for row in office.rows(t.DayClose)] == sealed
    office.check()


def test_what_was_paid_early_is_priced_for_the_right_vehicle(office: Office) -> None:
    street = office.street
    street.register(
        "free-vehicles", {"plate": RIGHT, "class": "ambulance", "valid_from": "2026-01-01", "valid_to": "2026-12-31"}
    )
    street.passes("in-1", WRONG, "09:00")
    street.clock.set(local("11:10"))
    stay = street.stay(WRONG)
    payment.take(street.parts, stay_id=stay.id, channel="wechat", amount_fen=1000)
    office.corrects(stay.id, plate=RIGHT)
    street.passes("out-1", RIGHT, "11:20")
    after = street.stay(RIGHT)
    assert (after.state, after.payable_fen, after.paid_fen) == ("left", 0, 1000)
    assert street.accounts()["liability:prepaid"] == -1000
    office.check()


def test_the_clock_does_not_matter(office: Office) -> None:
    """Years of nothing later the record can still be corrected, as long as its reads are kept."""
    stay = paid_visit(office.street, WRONG)
    office.street.clock.advance(days=30)
    office.corrects(stay.id, plate=RIGHT)
    assert office.street.stay(RIGHT).exit_at - office.street.stay(RIGHT).entry_at == timedelta(minutes=130)
    office.check()
