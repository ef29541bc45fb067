"""What names people beside their stays: registers, certificates, the audit trail, vouchers and requests, each after its own time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from gateway.flows import audit
from gateway.flows.retention import retire
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import with_settings
from tests.gateway.people import days_later, rows, visit
from tests.gateway.retiring import count, ends_soon
from tests.gateway.trade import Street, local


@pytest.fixture
def parts(parts: Parts) -> Parts:
    return ends_soon(parts)


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
