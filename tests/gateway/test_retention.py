"""What has served its purpose is deleted; the books still hold, and whoever comes again is a stranger."""

from __future__ import annotations

import re
import sqlite3
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, event, func, insert, select

from controllers.events import Kind
from gateway.flows import audit, payment, quote
from gateway.flows.close import close_missed
from gateway.flows.retention import KINDS, retire, retire_daily
from gateway.flows.retention_report import runs
from gateway.flows.verify import verify
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import with_settings
from tests.gateway.test_query_plans import Connection, Cursor, plan, scanned
from tests.gateway.trade import SHANGHAI, Street, local

KEPT = {"ledger_transaction", "posting", "day_close", "bill", "payment", "allowance_draw", "audit_entry", "site_books"}


@pytest.fixture
def parts(parts: Parts) -> Parts:
    return with_settings(
        parts,
        retention_plates_days=90,
        retention_records_days=30,
        retention_pictures_days=7,
        retention_quarantine_days=30,
        retention_origins_days=100_000,
    )


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


def ran(street: Street, *kinds: str) -> dict[str, int]:
    """What the newest run left on record, by kind."""
    with street.parts.store.reading() as connection:
        found = runs(connection, None, None, 1000)
    return {row["kind"]: row["deleted"] for row in found if row["day"] == found[0]["day"] and row["kind"] in kinds}


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
    assert ran(street, "events", "vehicles", "pictures") == {"events": 4, "vehicles": 1, "pictures": 0}
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
    read_through = set().union(*slow.values())
    # As many rows as there are residents, vouchers handed out and requests: once a night, and no gate waits for it.
    assert read_through <= {
        "blocked_vehicle",
        "certificate",
        "free_vehicle",
        "household",
        "pass_held",
        "pass_vehicle",
        "pay_later_agreement",
        "personal_data_request",
        "relative",
        "resident_vehicle",
        "retention_run",
        "voucher_issue",
    }


# --- registers and what else names people ----------------------------------------------------------------------------


def history(street: Street) -> list[Any]:
    return [one for one in rows(street, t.RegisterChange) if one.after]


def test_names_evidence_and_registrations_go_each_after_its_own_time(street: Street) -> None:
    street.parts = with_settings(
        street.parts, retention_names_days=30, retention_evidence_days=60, retention_registrations_days=90
    )
    street.register("households", {"household": "3-502", "name": "王小明"})
    street.register(
        "relatives",
        {
            "household": "3-502",
            "plate": "浙B67890",
            "relation": "parent",
            "name": "王芳芳",
            "resident": "王小明",
            "evidence": "存根118",
            "valid_to": "2026-04-01",
        },
    )
    day = local("2026-04-02 00:00")
    for days, name, evidence in ((29, "王芳芳", "存根118"), (31, "", "存根118"), (61, "", "")):
        street.clock.set(day + timedelta(days=days))
        retire(street.parts)
        (relative,) = rows(street, t.Relative)
        assert (relative.name, relative.resident, relative.evidence) == (name, name and "王小明", evidence)
    assert [one.name for one in rows(street, t.Household)] == ["王小明"]
    street.clock.set(day + timedelta(days=91))
    audit.note(street.parts, operator="li", action="registry.end relatives", site="xinyi", subject="浙B67890")
    assert retire(street.parts) == "1 registrations"
    assert "浙B67890" not in repr(rows(street, t.AuditEntry))
    assert rows(street, t.Relative) == []
    assert "王芳芳" not in repr(rows(street, t.RegisterChange))
    assert len(history(street)) == 1
    assert retire(street.parts) == ""


def test_the_registration_of_who_is_still_inside_is_kept_for_the_bill(street: Street) -> None:
    street.parts = with_settings(street.parts, retention_registrations_days=30)
    street.register("free-vehicles", {"plate": "浙A00120", "class": "ambulance", "valid_to": "2026-03-02"})
    street.passes("in-1", "浙A00120", "2026-03-02 09:00")
    days_later(street, 60)
    retire(street.parts)
    assert count(street, t.FreeVehicle) == 1


def test_a_certificate_goes_whole_with_its_history(street: Street) -> None:
    street.parts = with_settings(street.parts, retention_certificates_days=30)
    street.register("households", {"household": "3-502", "name": "王小明"})
    street.register(
        "certificates", {"household": "3-502", "number": "杭低保1", "issuer": "民政科", "valid_to": "2026-03-31"}
    )
    street.clock.set(local("2026-04-30 12:00"))
    assert "certificates" not in retire(street.parts)
    street.clock.set(local("2026-05-02 12:00"))
    assert retire(street.parts) == "1 certificates"
    assert rows(street, t.Certificate) == []
    assert "民政科" not in repr(rows(street, t.RegisterChange))


def test_an_entry_of_the_blocklist_goes_after_its_end(street: Street) -> None:
    street.register("blocklist", {"plate": "浙A99999", "reason": "逃费", "valid_to": "2026-03-31"})
    street.register("blocklist", {"plate": "浙A88888", "reason": "逃费"})
    street.clock.set(local("2026-09-01 12:00"))
    assert retire(street.parts) == "1 blocklist"
    assert [one.plate for one in rows(street, t.BlockedVehicle)] == ["浙A88888"]


def test_addresses_of_the_audit_trail_go_and_who_did_what_stays(street: Street) -> None:
    street.parts = with_settings(street.parts, retention_origins_days=183)
    audit.note(street.parts, operator="li", action="note", origin="192.0.2.7")
    before = len(rows(street, t.AuditEntry))
    street.clock.advance(days=184)
    audit.note(street.parts, operator="li", action="note", origin="192.0.2.8")
    assert "origins" in retire(street.parts)
    origins = sorted(one.origin for one in rows(street, t.AuditEntry) if one.action == "note")
    assert origins == ["", "192.0.2.8"]
    assert len(rows(street, t.AuditEntry)) == before + 1
    assert retire(street.parts) == ""


def test_who_took_vouchers_is_forgotten_and_the_serials_stay(street: Street) -> None:
    put = {
        "site_id": "xinyi",
        "id": "b-1",
        "kind": "minutes",
        "value": 60,
        "first_serial": 1,
        "last_serial": 10,
        "valid_from": street.clock.now(),
        "valid_to": street.clock.now() + timedelta(days=90),
        "title": "",
        "made_at": street.clock.now(),
        "operator": "li",
        "idempotency_key": "k",
        "content_hash": bytes(32),
    }
    issue = {
        "site_id": "xinyi",
        "id": "i-1",
        "book_id": "b-1",
        "first_serial": 1,
        "last_serial": 3,
        "household_id": "3-502",
        "taker": "王小明",
        "purpose": "访客",
        "signature": "签字册 12",
        "month": "2026-03",
        "at": street.clock.now(),
        "operator": "li",
        "idempotency_key": "k",
        "content_hash": b"\1" * 32,
    }
    with street.parts.store.writing() as connection:
        connection.execute(insert(t.VoucherBook).values(**put))
        connection.execute(insert(t.VoucherIssue).values(**issue))
        connection.commit()
    street.clock.advance(days=1094)
    retire(street.parts)
    assert rows(street, t.VoucherIssue)[0].taker == "王小明"
    street.clock.advance(days=2)
    assert "1 voucher_takers" in retire(street.parts)
    (left,) = rows(street, t.VoucherIssue)
    assert (left.taker, left.signature, left.first_serial, left.household_id) == ("", "", 1, "3-502")
    assert retire(street.parts) == ""


def test_a_proposal_that_nobody_decides_names_nobody_for_long(street: Street) -> None:
    from gateway.flows import personal_data
    from gateway.flows.personal_data_subject import Subject

    visit(street, "浙A12345", "2026-03-02")
    street.clock.advance(hours=1)
    asking = personal_data.Asking(operator="li", origin="", sites=None, identity="1", reason="2")
    personal_data.propose(street.parts, Subject("plate", "浙A12345"), asking)
    street.clock.advance(days=29)
    retire(street.parts)
    assert rows(street, t.PersonalDataRequest)[0].state == "proposed"
    street.clock.advance(days=2)
    assert "1 requests" in retire(street.parts)
    (request,) = rows(street, t.PersonalDataRequest)
    assert (request.state, request.sealed) == ("expired", None)
    street.clock.advance(days=1100)
    retire(street.parts)
    assert rows(street, t.PersonalDataRequest) == []


# --- the daily job and what it leaves on record ----------------------------------------------------------------------


def test_the_job_runs_once_a_day_and_leaves_a_row_for_every_kind(street: Street) -> None:
    visit(street, "浙A12345", "2026-03-02")
    days_later(street, 120)
    street.clock.set(local("2026-06-30 03:00"))
    assert retire_daily(street.parts) == ""
    with street.parts.store.reading() as connection:
        assert runs(connection, None, None, 10) == []
    street.clock.set(local("2026-06-30 03:40"))
    assert "1 vehicles" in retire_daily(street.parts)
    with street.parts.store.reading() as connection:
        found = runs(connection, None, None, 100)
    assert {row["kind"] for row in found} == KINDS.keys()
    assert {row["day"] for row in found} == {"2026-06-30"}
    vehicles = next(row for row in found if row["kind"] == "vehicles")
    assert (vehicles["deleted"], vehicles["unfinished"]) == (1, False)
    assert vehicles["older_than"] == street.clock.now() - timedelta(days=90)
    assert "浙A" not in repr(rows(street, t.RetentionRun))
    street.clock.advance(hours=5)
    visit(street, "浙A12345", "2026-06-30")
    assert retire_daily(street.parts) == ""


def test_what_one_run_cannot_do_the_next_hour_goes_on_with(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.flows import retention

    for number in range(5):
        street.clock.set(local("2026-03-02 09:00"))
        with street.parts.store.writing() as connection:
            connection.execute(
                insert(t.Quarantine).values(
                    topic="x",
                    payload=b"x",
                    digest=bytes([number]) * 16,
                    code="not_json",
                    detail="",
                    received_at=street.clock.now(),
                )
            )
            connection.commit()
    street.clock.set(local("2026-06-30 04:00"))
    monkeypatch.setattr(retention, "ROWS_A_RUN", 4)
    monkeypatch.setattr(retention, "ROWS_AT_A_TIME", 2)
    monkeypatch.setattr(retention, "_old_quarantine", None)
    kind = retention.KINDS["quarantined"]
    monkeypatch.setitem(retention.KINDS, "quarantined", kind._replace(end=two_at_a_time))
    assert retire_daily(street.parts) == "4 quarantined"
    assert retire_daily(street.parts) == "1 quarantined"
    assert retire_daily(street.parts) == ""
    assert ran(street, "quarantined") == {"quarantined": 5}


def two_at_a_time(connection: Any, before: Any) -> int:
    quarantine = t.Quarantine.__table__.c
    ids = connection.execute(select(quarantine.id).where(quarantine.received_at < before).limit(2)).scalars().all()
    connection.execute(delete(t.Quarantine).where(quarantine.id.in_(ids)))
    return len(ids)


def test_after_an_erasure_the_night_writes_the_file_anew(street: Street) -> None:
    from gateway.flows import personal_data
    from gateway.flows.personal_data_subject import Subject
    from tests.gateway.people import found_in

    visit(street, "沪C24680", "2026-03-02")
    days_later(street, 1)
    asking = personal_data.Asking(operator="li", origin="", sites=None, identity="1", reason="2")
    proposed = personal_data.propose(street.parts, Subject("plate", "沪C24680"), asking)
    personal_data.approve(street.parts, proposed["id"], operator="wu", origin="")
    street.parts.store.engine.dispose()
    done = retire(street.parts)
    assert ("1 freed_pages" in done) is (not street.parts.store.postgres)
    street.parts.store.engine.dispose()
    assert found_in(street, "沪C24680") == set()
    assert retire(street.parts) == ""


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
