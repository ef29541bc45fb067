"""What has served its purpose is deleted; the books still hold, and whoever comes again is a stranger."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from gateway.flows import quote, stays_found
from gateway.flows.reading import Slice
from gateway.flows.retention import retire
from gateway.flows.verify import verify
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.people import days_later, rows, tables, visit
from tests.gateway.retiring import count, ends_soon, ran
from tests.gateway.test_query_plans import Cursor, plan, scanned, watched_store
from tests.gateway.trade import SHANGHAI, Street, local


@pytest.fixture
def parts(parts: Parts) -> Parts:
    return ends_soon(parts)


KEPT = {"ledger_transaction", "posting", "day_close", "bill", "payment", "allowance_draw", "audit_entry", "site_books"}


def books(street: Street) -> dict[str, list[str]]:
    return tables(street, KEPT)


def test_of_a_vehicle_that_comes_no_more_nothing_is_left_but_its_stay_and_its_money(street: Street) -> None:
    stay = visit(street, "浙A12345", "2026-03-02")
    with street.parts.store.writing() as connection:
        one = rows(street, t.PlateEventRow)[0]
        connection.execute(
            insert(t.Image).values(
                site_id="xinyi", device_id="d1", event_id=one.event_id, jpeg=b"\xff", received_at=street.clock.now()
            )
        )
        connection.execute(
            insert(t.Quarantine).values(
                topic="x", payload=b"x", digest=bytes(16), code="not_json", detail="", received_at=street.clock.now()
            )
        )
        connection.commit()
    days_later(street, 60)
    before = books(street)
    assert "pictures" in retire(street.parts)
    assert (count(street, t.Image), count(street, t.Quarantine), count(street, t.CommandRow)) == (0, 0, 0)
    assert street.stay("浙A12345").id == stay
    assert books(street) == before
    days_later(street, 60)
    before = books(street)
    assert retire(street.parts) == "4 events, 1 vehicles"
    assert retire(street.parts) == ""
    assert (count(street, t.PlateEventRow), count(street, t.Presence)) == (0, 0)
    (left,) = street.stays()
    assert (left.id, left.state, left.plate[0], left.paid_fen) == (stay, "left", "#", 800)
    assert "浙A12345" not in repr([rows(street, table) for table in t.Base.__subclasses__()])
    assert ran(street, "events", "vehicles", "pictures") == {"events": 4, "vehicles": 1, "pictures": 0}
    assert books(street) == before
    report = verify(street.parts)
    assert report.ok, report.first_failure
    assert quote.bill_document(street.parts, stay)["gross_fen"] == 800


def test_a_stay_that_keeps_its_plate_is_still_found_by_it(street: Street) -> None:
    """One that staff put right to begin later than anything was read of its vehicle."""
    stay = visit(street, "浙A12345", "2026-03-02")
    days_later(street, 120)
    with street.parts.store.writing() as connection:
        connection.execute(update(t.Stay).values(started_at=street.clock.now() - timedelta(days=1)))
        connection.commit()
    assert retire(street.parts)
    with street.parts.store.reading() as connection:
        found = stays_found.stays(connection, None, stays_found.StayFilter(plate="1234"), Slice(None, 5))
    assert [one["id"] for _, one in found] == [stay]


def test_who_comes_again_is_a_stranger_and_the_old_stay_stands(street: Street) -> None:
    visit(street, "浙A12345", "2026-03-02")
    days_later(street, 120)
    retire(street.parts)
    old = street.stays()
    accounts = street.accounts()
    new = visit(street, "浙A12345", "2026-07-20")
    assert street.stay("浙A12345").id == new
    assert [stay for stay in street.stays() if stay.id != new] == old
    assert street.accounts() != accounts
    assert verify(street.parts).ok


def test_of_a_vehicle_that_still_comes_only_what_nothing_can_change_any_more_goes(street: Street) -> None:
    stays = [visit(street, "浙A12345", day) for day in ("2026-03-02", "2026-03-12", "2026-03-22")]
    days_later(street, 120)
    visit(street, "浙A12345", f"{street.clock.now().astimezone(SHANGHAI):%Y-%m-%d}")
    days_later(street, 2)
    before = {stay.id: stay for stay in street.stays()}
    assert retire(street.parts) == "9 commands, 8 events, 1 vehicles"
    after = {stay.id: stay for stay in street.stays()}
    assert [after[stay].plate[0] for stay in stays] == ["#", "#", "浙"]
    visit(street, "浙A12345", f"{street.clock.now().astimezone(SHANGHAI):%Y-%m-%d}")
    now = {stay.id: {**stay._mapping, "plate": ""} for stay in street.stays()}
    assert {stay: now[stay] for stay in before} == {stay: {**row._mapping, "plate": ""} for stay, row in before.items()}
    assert verify(street.parts).ok


@pytest.mark.parametrize("owes", [True, False])
def test_who_is_inside_or_owes_something_keeps_the_plate(street: Street, owes: bool) -> None:
    if owes:
        visit(street, "浙A12345", "2026-03-02", pays=False)
    else:
        street.passes("in-1", "浙A12345", "2026-03-02 09:00")
    days_later(street, 120)
    events = count(street, t.PlateEventRow)
    retire(street.parts)
    assert street.stay("浙A12345")
    assert count(street, t.PlateEventRow) == events
    street.passes("in-1", "浙A12345", f"{street.clock.now().astimezone(SHANGHAI):%F %T}")
    assert verify(street.parts).ok


def test_what_came_after_its_close_leaves_a_trace_so_that_the_close_can_still_be_checked(street: Street) -> None:
    """The exit of 2 March is told on 4 March: the stay changes after its day is sealed, and `verify` must know why."""
    street.passes("in-1", "浙A12345", "2026-03-02 09:00")
    street.passes("in-1", "浙A99999", "2026-03-02 09:30")
    days_later(street, 2)
    street.deliver(street.read("out-2", "浙A12345", local("2026-03-02 09:20"), buffered=True))
    days_later(street, 120)
    assert verify(street.parts).ok
    retire(street.parts)
    (trace,) = [one for one in rows(street, t.PlateEventRow) if one.at == local("2026-03-02 09:20")]
    assert (trace.plate, trace.plate_raw) == (None, None)
    report = verify(street.parts)
    assert report.ok, report.first_failure


def test_an_open_day_loses_nothing(street: Street) -> None:
    """Nobody closed for months: openings and passages are still to be counted."""
    visit(street, "浙A12345", "2026-03-02")
    street.clock.advance(days=400)
    assert retire(street.parts) == ""
    days_later(street, 0)
    assert verify(street.parts).ok


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_old_is_found_by_an_index(parts: Parts, database_url: str) -> None:
    street = Street(parts)
    visit(street, "浙A12345", "2026-03-02")
    days_later(street, 120)
    Cursor.seen = set()
    with watched_store(database_url) as store:
        assert retire(replace(parts, store=store))
    statements = {one for one in Cursor.seen if re.match(r"\s*(SELECT|UPDATE|DELETE)", one)}
    assert len(statements) > 10
    with sqlite3.connect(database_url.removeprefix("sqlite:///")) as connection:
        slow = {one: found for one in statements if (found := scanned(plan(connection, one)))}
    connection.close()
    read_through = set().union(*slow.values())
    # As many rows as there are residents, vouchers handed out and requests: once a night, and no gate waits for it.
    assert read_through <= {
        "blocked_vehicle",
        "certificate",
        "door_member",
        "free_vehicle",
        "household",
        "invoice",
        "pass_held",
        "pass_vehicle",
        "pay_later_agreement",
        "personal_data_request",
        "relative",
        "resident_vehicle",
        "retention_run",
        "voucher_issue",
    }


def test_a_vehicle_that_drew_minutes_for_itself_is_not_named_in_its_draws(street: Street) -> None:
    """An allowance per vehicle: its draws and bills name the vehicle, until it comes no more."""
    from gateway.flows import policies
    from tests.gateway.trade import POLICY

    per_vehicle = POLICY.format(mode="pay_first").replace('per = "household"', 'per = "vehicle"')
    later = per_vehicle.replace("version = 1", "version = 2").replace("2025-01-01", "2026-03-02")
    policies.apply(street.parts, later)
    street.register("households", {"household": "3-502", "name": "王小明"})
    street.register("relatives", {"household": "3-502", "plate": "浙B67890", "relation": "parent"})
    visit(street, "浙B67890", "2026-03-02")
    assert street.drawn("vehicle:浙B67890", "2026-03") == 120
    days_later(street, 120)
    retire(street.parts)
    assert "浙B67890" not in repr([rows(street, table) for table in (t.AllowanceDraw, t.AllowanceBalance, t.Bill)])
    assert sum(one.drawn_minutes for one in rows(street, t.AllowanceBalance)) == 120
    report = verify(street.parts)
    assert report.ok, report.first_failure
