"""What has served its purpose is deleted; the books still hold, and whoever comes again is a stranger."""

from __future__ import annotations

import re
import sqlite3
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, insert, select

from controllers.events import Kind
from gateway.flows import payment, quote
from gateway.flows.close import close_missed
from gateway.flows.retention import retire
from gateway.flows.verify import verify
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import with_settings
from tests.gateway.test_query_plans import Connection, Cursor, plan, scanned
from tests.gateway.trade import SHANGHAI, Street, local

KEPT = {"ledger_transaction", "posting", "day_close", "bill", "payment", "allowance_draw", "audit_entry", "site_books"}


@pytest.fixture
def parts(parts: Parts) -> Parts:
    return with_settings(parts, retention_plates_days=90, retention_records_days=30, retention_pictures_days=7)


@pytest.fixture
def street(parts: Parts) -> Street:
    return Street(parts)


def visit(street: Street, plate: str, day: str, *, pays: bool = True) -> str:
    """In at nine, out at eleven, paid in cash. Returns the stay's id."""
    street.passes("in-1", plate, f"{day} 09:00")
    street.arrives("out-1", plate, f"{day} 11:00")
    stay = next(one for one in street.stays() if one.plate == plate and one.started_at == local(f"{day} 09:00"))
    due = int(quote.bill_document(street.parts, stay.id)["payable_fen"])
    if pays and due:
        payment.take(street.parts, stay_id=stay.id, channel="cash", amount_fen=due, operator="kim", role="cashier")
    read = next(one for one in rows(street, t.PlateEventRow) if one.plate == plate and one.at == local(f"{day} 11:00"))
    street.clock.advance(seconds=5)
    street.deliver(street.mark("out-1", Kind.PASSED, street.clock.now(), read.event_id))
    return str(stay.id)


def rows(street: Street, table: Any) -> list[Any]:
    with street.parts.store.reading() as connection:
        return list(connection.execute(select(table.__table__)))


def count(street: Street, table: Any, *conditions: Any) -> int:
    with street.parts.store.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one())


def books(street: Street) -> dict[str, list[Any]]:
    with street.parts.store.reading() as connection:
        tables = t.Base.metadata.tables
        return {name: sorted(map(repr, connection.execute(select(tables[name])))) for name in KEPT}


def days_later(street: Street, days: int) -> None:
    """So many days go by, each closed."""
    street.clock.advance(days=days)
    today: date = street.clock.now().astimezone(SHANGHAI).date()
    list(close_missed(street.parts, today - timedelta(days=1)))


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
    days_later(street, 60)
    before = books(street)
    assert retire(street.parts) == "4 events, 1 vehicles"
    assert retire(street.parts) == ""
    assert (count(street, t.PlateEventRow), count(street, t.Presence)) == (0, 0)
    (left,) = street.stays()
    assert (left.id, left.state, left.plate[0], left.paid_fen) == (stay, "left", "#", 800)
    assert "浙A12345" not in repr([rows(street, table) for table in t.Base.__subclasses__()])
    assert books(street) == before
    report = verify(street.parts)
    assert report.ok, report.first_failure
    assert quote.bill_document(street.parts, stay)["gross_fen"] == 800


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
    parts.store.engine.dispose()
    event.listen(parts.store.engine, "do_connect", lambda _d, _r, _a, options: options.update(factory=Connection))
    Cursor.seen = set()
    assert retire(parts)
    statements = {one for one in Cursor.seen if re.match(r"\s*(SELECT|UPDATE|DELETE)", one)}
    assert len(statements) > 10
    with sqlite3.connect(database_url.removeprefix("sqlite:///")) as connection:
        slow = {one: found for one in statements if (found := scanned(plan(connection, one)))}
    connection.close()
    assert not slow
