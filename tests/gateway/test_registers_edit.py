"""One entry at a time: with a reason, with its history, never deleted; and a repeated request does no harm."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from gateway.flows import estate, registers, registers_edit, registers_history
from gateway.flows.reading import Slice
from gateway.flows.refusals import AlreadyRegistered, Invalid, KeyReused, NotFound
from gateway.flows.registers_edit import Request
from gateway.flows.registers_kinds import REGISTERS
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import site_file
from tests.gateway.routes import ROWS, entry_id, register_everything

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
EVERYTHING = Slice(None, 100)


@pytest.fixture
def street(parts: Parts) -> Parts:
    estate.apply(parts, site_file("xinyi", "archive"))
    register_everything(parts)
    return parts


def asks(reason: str = "asked for", **more: Any) -> Request:
    values: dict[str, Any] = {"operator": "rita", "source": "api", "origin": "192.0.2.7", "sites": None, **more}
    return Request(reason=reason, **values)


def history(parts: Parts, kind: str, **key: Any) -> list[dict[str, Any]]:
    """The newest first."""
    with parts.store.reading() as connection:
        row = registers_edit.find(connection, kind, entry_id(kind, key or None), None)
        return [change for _, change in registers_history.of_entry(connection, kind, row, EVERYTHING)]


def rows(parts: Parts, model: Any) -> list[Any]:
    with parts.store.reading() as connection:
        return list(connection.execute(select(model).order_by(*model.__table__.primary_key.columns)))


VEHICLE = {"site": "xinyi", "household": "101", "plate": "浙a·11111", "vehicle": "small"}


class TestHistory:
    def test_who_when_from_where_why_before_and_after(self, street: Parts, clock: Any) -> None:
        registers_edit.add(street, "vehicles", VEHICLE, asks("bought"))
        changed_at = clock.advance(days=1)
        vehicle = entry_id("vehicles", {"plate": "浙A11111"})
        registers_edit.alter(street, "vehicles", vehicle, {"household": "102"}, asks("sold to his son"))
        clock.advance(days=1)
        registers_edit.end(street, "vehicles", vehicle, None, asks("moved away"))
        last, second, first = history(street, "vehicles", plate="浙A11111")
        assert [one["sequence"] for one in (first, second, last)] == [1, 2, 3]
        assert [one["action"] for one in (first, second, last)] == ["add", "change", "end"]
        assert (first["before"], first["after"]["plate"]) == (None, "浙A11111")
        assert (second["operator"], second["source"], second["origin"]) == ("rita", "api", "192.0.2.7")
        assert (second["at"], second["reason"]) == (changed_at, "sold to his son")
        assert (second["before"]["household"], second["after"]["household"]) == ("101", "102")
        assert (last["before"]["valid_to"], last["after"]["valid_to"]) == (None, clock.now())

    def test_an_import_says_which_file(self, street: Parts) -> None:
        data = "site,household,plate,vehicle\nxinyi,101,浙A12345,large\n".encode()
        registers.import_file(street, "vehicles", data, operator="kim", source="may.csv", reason="yearly list")
        newest, first = history(street, "vehicles")
        assert (newest["source"], newest["file"], newest["reason"]) == ("file", "may.csv", "yearly list")
        assert len(newest["digest"]) == 64
        assert (newest["before"]["vehicle"], newest["after"]["vehicle"]) == ("small", "large")
        assert first["source"] == "system"

    def test_it_only_grows(self, street: Parts) -> None:
        for words in ("UPDATE register_change SET reason = 'x'", "DELETE FROM register_change"):
            with pytest.raises(DBAPIError, match="only ever grows"), street.store.writing() as connection:
                connection.execute(text(words))

    @on_one_database
    def test_a_certificates_number_is_in_no_row_of_it(self, street: Parts) -> None:
        stored = str(rows(street, t.RegisterChange)) + str(rows(street, t.AuditEntry))
        assert "HZ-0042" not in stored
        (first, *_) = history(street, "certificates")
        assert first["after"]["issuer"] == "低保 office"
        assert not {"number", "number_digest", "number_encrypted"} & first["after"].keys()

    @on_one_database
    def test_the_audit_trail_names_no_household_with_a_certificate_and_no_plate_with_a_pass(
        self, street: Parts
    ) -> None:
        wanted = {"site": "xinyi", "household": "102", "number": "HZ-9", "issuer": "民政局"}
        registers_edit.add(street, "certificates", wanted, asks("低保证 shown"))
        line = rows(street, t.AuditEntry)[-1]
        assert line.action == "registry.add certificates"
        assert (line.subject, line.site_id, line.reason, line.detail) == ("", "", "", {})

    @on_one_database
    def test_a_change_and_its_history_are_one_transaction(self, street: Parts) -> None:
        with street.store.writing() as connection:
            refusing = "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
            connection.execute(text(f"CREATE TRIGGER full BEFORE INSERT ON audit_entry {refusing}"))
            connection.commit()
        before = len(rows(street, t.RegisterChange))
        with pytest.raises(DBAPIError, match="the disk is full"):
            registers_edit.add(street, "vehicles", VEHICLE, asks())
        assert len(rows(street, t.RegisterChange)) == before
        assert len(rows(street, t.ResidentVehicle)) == 1


class TestAdding:
    def test_a_plate_is_stored_in_its_one_form(self, street: Parts) -> None:
        assert registers_edit.add(street, "vehicles", VEHICLE, asks())["plate"] == "浙A11111"

    def test_the_same_again_is_the_same_and_something_else_is_refused(self, street: Parts) -> None:
        first = registers_edit.add(street, "vehicles", VEHICLE, asks())
        assert registers_edit.add(street, "vehicles", VEHICLE, asks()) == first
        assert len(history(street, "vehicles", plate="浙A11111")) == 1
        with pytest.raises(AlreadyRegistered):
            registers_edit.add(street, "vehicles", {**VEHICLE, "household": "102"}, asks())

    def test_what_had_ended_begins_anew_and_not_before(self, street: Parts, clock: Any) -> None:
        vehicle = entry_id("vehicles")
        ended = registers_edit.end(street, "vehicles", vehicle, None, asks())["valid_to"]
        again_at = clock.advance(days=40)
        wanted = {"site": "xinyi", "household": "102", "plate": "浙A12345"}
        again = registers_edit.add(street, "vehicles", wanted, asks("came back"))
        assert (again["valid_from"], again["valid_to"], again["household"]) == (again_at, None, "102")
        newest = history(street, "vehicles")[0]
        assert (newest["action"], newest["before"]["valid_to"]) == ("add", ended)

    @pytest.mark.parametrize("missing", ["resident", "evidence", "approver"])
    @on_one_database
    def test_a_relative_needs_evidence(self, street: Parts, missing: str) -> None:
        relative = {**ROWS["relatives"][0], "plate": "浙A33333"}
        with pytest.raises(Invalid, match=f"{missing} is missing"):
            registers_edit.add(street, "relatives", {**relative, missing: " "}, asks())
        added = registers_edit.add(street, "relatives", relative, asks())
        assert (added["resident"], added["evidence"], added["approver"]) == ("张三", "户口簿 12", "王五")

    @on_one_database
    @pytest.mark.parametrize("reason", ["", "   ", "低保户"])
    def test_without_a_reason_that_may_be_read_nothing_changes(self, street: Parts, reason: str) -> None:
        with pytest.raises(Invalid, match="reason"):
            registers_edit.add(street, "vehicles", VEHICLE, asks(reason))
        assert len(rows(street, t.ResidentVehicle)) == 1

    @on_one_database
    def test_another_sites_are_not_there(self, street: Parts) -> None:
        mine = asks(sites=frozenset({"archive"}))
        with pytest.raises(Invalid, match="no site 'xinyi'"):
            registers_edit.add(street, "vehicles", VEHICLE, mine)
        with pytest.raises(NotFound):
            registers_edit.alter(street, "vehicles", entry_id("vehicles"), {"vehicle": "large"}, mine)


class TestKeys:
    def test_a_repeated_request_changes_once(self, street: Parts) -> None:
        certificate = entry_id("certificates")
        request = asks("papers seen", idempotency_key="k1")
        first = registers_edit.review(street, certificate, None, request)
        assert registers_edit.review(street, certificate, None, request) == first
        assert [one["action"] for one in history(street, "certificates")] == ["review", "add"]
        with pytest.raises(KeyReused):
            registers_edit.review(street, certificate, "2026-12-31", request)
        with pytest.raises(KeyReused):
            registers_edit.add(street, "vehicles", VEHICLE, asks("papers seen", idempotency_key="k1"))


class TestEnds:
    def test_a_household_takes_with_it_what_hangs_on_it(self, street: Parts, clock: Any) -> None:
        registers_edit.end(street, "households", entry_id("households"), "2026-03-31", asks("moved away"))
        until = datetime(2026, 3, 31, 16, tzinfo=UTC)
        assert [row.valid_to for row in rows(street, t.Household)] == [until, None]
        for model in (t.ResidentVehicle, t.Relative, t.Certificate):
            assert {row.valid_to for row in rows(street, model)} == {until}
        assert history(street, "relatives")[0]["action"] == "end"
        # Nobody is added to who has gone.
        clock.set(datetime(2026, 4, 2, tzinfo=UTC))
        with pytest.raises(Invalid, match="has ended"):
            registers_edit.add(street, "vehicles", VEHICLE, asks())
        report = registers.import_rows(street, "vehicles", [VEHICLE])
        assert "has ended" in report.problems[0].reason

    @on_one_database
    def test_an_end_is_not_past_and_ends_once(self, street: Parts, clock: Any) -> None:
        vehicle = entry_id("vehicles")
        with pytest.raises(Invalid, match="is past"):
            registers_edit.end(street, "vehicles", vehicle, "2026-03-01", asks())
        with pytest.raises(Invalid, match="neither"):
            registers_edit.end(street, "vehicles", vehicle, "soon", asks())
        ended = registers_edit.end(street, "vehicles", vehicle, None, asks())
        clock.advance(hours=1)
        assert registers_edit.end(street, "vehicles", vehicle, None, asks())["valid_to"] == ended["valid_to"]
        assert len(history(street, "vehicles")) == 2

    @on_one_database
    def test_an_earlier_end_yes_a_later_one_is_a_change(self, street: Parts) -> None:
        vehicle = entry_id("vehicles")
        registers_edit.end(street, "vehicles", vehicle, "2026-06-30", asks())
        registers_edit.end(street, "vehicles", vehicle, "2026-05-31", asks())
        with pytest.raises(Invalid, match="ends on"):
            registers_edit.end(street, "vehicles", vehicle, "2026-07-31", asks())
        later = registers_edit.alter(street, "vehicles", vehicle, {"valid_to": "2026-07-31"}, asks())
        assert later["valid_to"] == datetime(2026, 7, 31, 16, tzinfo=UTC)

    @on_one_database
    def test_what_has_not_begun_never_begins(self, street: Parts) -> None:
        wanted = {**VEHICLE, "valid_from": "2026-05-01"}
        registers_edit.add(street, "vehicles", wanted, asks())
        ended = registers_edit.end(street, "vehicles", entry_id("vehicles", {"plate": "浙A11111"}), None, asks())
        assert ended["valid_from"] == ended["valid_to"]

    def test_a_block_is_lifted_and_set_again(self, street: Parts) -> None:
        block = entry_id("blocklist")
        assert registers_edit.lift(street, block, asks("paid"))["lifted"]
        assert registers_edit.lift(street, block, asks("paid"))["lifted"]
        wanted = {"site": "xinyi", "plate": "浙A66666", "reason": "占用消防通道"}
        assert not registers_edit.add(street, "blocklist", wanted, asks("占用消防通道"))["lifted"]
        assert [one["action"] for one in history(street, "blocklist")] == ["add", "lift", "add"]

    @on_one_database
    def test_a_change_keeps_a_lifted_block_lifted(self, street: Parts) -> None:
        block = entry_id("blocklist")
        registers_edit.lift(street, block, asks("paid"))
        assert registers_edit.alter(street, "blocklist", block, {"reason": "a word"}, asks())["lifted"]

    @on_one_database
    def test_the_key_of_an_entry_is_not_changed(self, street: Parts) -> None:
        with pytest.raises(Invalid, match="plate"):
            registers_edit.alter(street, "vehicles", entry_id("vehicles"), {"plate": "浙A11111"}, asks())


@on_one_database
@pytest.mark.parametrize("kind", list(REGISTERS))
@pytest.mark.parametrize(
    "token", ["", "x", "W10", "WzEwMDFd", "WyIiXQ", "!!!", "W251bGxd", "WyJhIiwiYiIsImMiLCJkIl0", "é"]
)
def test_an_id_that_is_none_is_not_found(street: Parts, kind: str, token: str) -> None:
    with pytest.raises(NotFound), street.store.reading() as connection:
        registers_edit.find(connection, kind, f"xinyi.{token}", None)


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_who_change_one_entry_leave_two_changes(street: Parts) -> None:
    vehicle = entry_id("vehicles")
    start = threading.Barrier(4)

    def change(number: int) -> None:
        start.wait()
        for turn in range(5):
            word = ("small", "large", "motorcycle")[(number + turn) % 3]
            registers_edit.alter(street, "vehicles", vehicle, {"vehicle": word}, asks(f"turn {turn}"))

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = history(street, "vehicles")
    assert [one["sequence"] for one in found] == list(range(len(found), 0, -1))
    for newer, older in pairwise(found):
        assert newer["before"] == older["after"], "each change begins where the one before it ended"
    with street.store.reading() as connection:
        (vehicle_type,) = connection.execute(
            select(t.ResidentVehicle.vehicle).where(t.ResidentVehicle.plate == "浙A12345")
        ).one()
        assert found[0]["after"]["vehicle"] == vehicle_type
        assert connection.execute(select(func.count()).select_from(t.RegisterChange)).scalar_one() >= len(found)


@on_one_database
def test_what_holds_does_not_end_before_now(street: Parts) -> None:
    registers_edit.add(street, "vehicles", VEHICLE, asks())
    vehicle = entry_id("vehicles", {"plate": "浙A11111"})
    with pytest.raises(Invalid, match="valid_to: 2020-01-02 00:00:00 is past"):
        registers_edit.alter(street, "vehicles", vehicle, {"valid_to": "2020-01-01"}, asks("never was"))


@on_one_database
def test_nobody_is_listed_free_for_ever(street: Parts) -> None:
    row = {"site": "xinyi", "plate": "浙A99997", "class": "ambulance"}
    with pytest.raises(Invalid, match="valid_to"):
        registers_edit.add(street, "free-vehicles", row, asks())
    registers_edit.add(street, "free-vehicles", {**row, "valid_to": "2027-12-31"}, asks())
    listed = entry_id("free-vehicles", {"plate": "浙A99997", "class_id": "ambulance"})
    with pytest.raises(Invalid, match="valid_to"):
        registers_edit.alter(street, "free-vehicles", listed, {"valid_to": ""}, asks("for ever"))
