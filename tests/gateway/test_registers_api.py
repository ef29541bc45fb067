"""The registers over HTTP: lists and pages, changes with reasons, imports with a preview, and who sees what."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from gateway.api import access
from gateway.flows import policies, registers
from gateway.flows.users import ROLES
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.asking import is_a_problem
from tests.gateway.house import Client, House, Staff, a_house
from tests.gateway.routes import entry_id, register_everything
from tests.gateway.trade import POLICY

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def house(parts: Parts) -> House:
    house = a_house(parts)
    register_everything(parts)
    return house


@pytest.fixture
def rita(house: House) -> Staff:
    house.hires("rita", "registrar")
    return house.as_("rita")


def plates(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["plate"] for item in answer.json()["items"]]


class TestLists:
    def test_pages_go_through_every_entry_once(self, house: House, rita: Staff) -> None:
        rows = [{"site": "xinyi", "household": "101", "plate": f"浙B{number:05d}"} for number in range(25)]
        assert registers.import_rows(house.parts, "vehicles", rows).ok
        rows = [{**row, "relation": "child"} for row in rows]
        assert registers.import_rows(house.parts, "relatives", rows).ok
        for kind in ("vehicles", "relatives"):
            seen, cursor = [], None
            while True:
                more = {"cursor": cursor} if cursor is not None else {}
                answer = rita.get(f"/api/v1/{kind}", limit="10", **more).json()
                seen += [item["id"] for item in answer["items"]]
                cursor = answer["next"]
                if cursor is None:
                    break
            assert len(seen) == len(set(seen)) == 26

    def test_filters(self, house: House, rita: Staff, clock: Any) -> None:
        rows = [
            {"site": "xinyi", "household": "102", "plate": "浙B00001", "valid_to": "2026-03-31"},
            {"site": "xinyi", "household": "102", "plate": "浙B00002", "valid_from": "2026-04-01"},
        ]
        assert registers.import_rows(
            house.parts, "vehicles", [{"valid_from": "", "valid_to": "", **row} for row in rows]
        ).ok
        assert plates(rita.get("/api/v1/vehicles", plate="b0000")) == ["浙B00001", "浙B00002"]
        assert plates(rita.get("/api/v1/vehicles", household="101")) == ["浙A12345"]
        assert plates(rita.get("/api/v1/vehicles", household="102", valid_at="2026-03-31")) == ["浙B00001"]
        assert plates(rita.get("/api/v1/vehicles", household="102", valid_at="2026-04-01")) == ["浙B00002"]
        assert plates(rita.get("/api/v1/vehicles", ends_by="2026-03-31")) == ["浙B00001"]
        assert plates(rita.get("/api/v1/vehicles", ends_by="2026-03-30")) == []
        assert plates(rita.get("/api/v1/vehicles", site="archive")) == []
        assert plates(rita.get("/api/v1/free-vehicles", **{"class": "ambulance"})) == ["浙A99999"]
        assert plates(rita.get("/api/v1/blocklist", household="101")) == []
        is_a_problem(rita.get("/api/v1/vehicles", valid_at="soon"), 422)
        is_a_problem(rita.get("/api/v1/vehicles", cursor="nonsense"), 422)

    @on_one_database
    def test_a_cursor_of_another_list_is_refused(self, house: House, rita: Staff) -> None:
        rows = [{"site": "xinyi", "household": "101", "plate": f"浙B{number:05d}"} for number in range(3)]
        assert registers.import_rows(house.parts, "vehicles", rows).ok
        cursor = rita.get("/api/v1/vehicles", limit="1").json()["next"]
        assert rita.get("/api/v1/relatives", cursor=cursor).status_code in {404, 422}

    def test_one_and_what_became_of_it(self, house: House, rita: Staff) -> None:
        vehicle = f"/api/v1/vehicles/{entry_id('vehicles')}"
        assert rita.get(vehicle).json()["plate"] == "浙A12345"
        assert rita.call("PATCH", vehicle, {"vehicle": "large", "reason": "a mistake"}).status_code == 200
        newest, first = rita.get(f"{vehicle}/history").json()["items"]
        assert (newest["operator"], newest["source"], newest["origin"]) == ("rita", "api", "192.0.2.1")
        assert (newest["before"]["vehicle"], newest["after"]["vehicle"], newest["reason"]) == (
            "small",
            "large",
            "a mistake",
        )
        assert first["before"] is None
        page = rita.get(f"{vehicle}/history", limit="1").json()
        assert [one["sequence"] for one in page["items"]] == [2]
        rest = rita.get(f"{vehicle}/history", cursor=page["next"]).json()
        assert ([one["sequence"] for one in rest["items"]], rest["next"]) == ([1], None)
        is_a_problem(rita.get("/api/v1/vehicles/xinyi.nothing"), 404, "not-found")


class TestChanges:
    def test_from_adding_to_the_end(self, rita: Staff) -> None:
        wanted = {"site": "xinyi", "household": "101", "plate": "浙A·11111", "reason": "bought"}
        added = rita.post("/api/v1/vehicles", wanted)
        assert added.status_code == 201, added.text
        document = added.json()
        assert (document["plate"], document["vehicle"], document["valid"]) == ("浙A11111", None, True)
        assert rita.post("/api/v1/vehicles", wanted).json() == document
        is_a_problem(rita.post("/api/v1/vehicles", {**wanted, "household": "102"}), 409, "already-registered")
        path = f"/api/v1/vehicles/{document['id']}"
        changed = rita.call("PATCH", path, {"valid_to": "2026-12-31", "reason": "leased"}).json()
        assert changed["valid_to"] == "2027-01-01T00:00:00+08:00"
        again = rita.call("PATCH", path, {"valid_to": None, "reason": "bought after all"}).json()
        assert again["valid_to"] is None
        ended = rita.post(f"{path}/end", {"reason": "sold"}).json()
        assert (ended["valid"], ended["valid_to"]) == (False, "2026-03-02T09:00:00+08:00")

    @on_one_database
    @pytest.mark.parametrize(
        "wrong",
        [
            {"reason": None},
            {"reason": ""},
            {"plate": ""},
            {"plate": "无牌车"},
            {"household": "999"},
            {"site": "atlantis"},
            {"vehicle": "tank"},
            {"colour": "blue"},
            {"valid_from": "soon"},
            {"valid_from": "2026-03-02", "valid_to": "2026-03-01"},
        ],
    )
    def test_what_is_wrong_is_told_and_changes_nothing(self, house: House, rita: Staff, wrong: dict[str, Any]) -> None:
        wanted = {"site": "xinyi", "household": "101", "plate": "浙A11111", "reason": "bought", **wrong}
        is_a_problem(rita.post("/api/v1/vehicles", wanted), 422, "invalid")
        assert len(rita.get("/api/v1/vehicles").json()["items"]) == 1

    @on_one_database
    def test_an_account_changes_only_its_sites(self, house: House) -> None:
        house.hires("anna", "registrar", "archive")
        anna = house.as_("anna")
        is_a_problem(
            anna.post("/api/v1/vehicles", {"site": "xinyi", "household": "101", "plate": "浙A11111", "reason": "x"}),
            422,
        )
        vehicle = f"/api/v1/vehicles/{entry_id('vehicles')}"
        for answer in (
            anna.get(vehicle),
            anna.get(f"{vehicle}/history"),
            anna.call("PATCH", vehicle, {"vehicle": "large", "reason": "x"}),
            anna.post(f"{vehicle}/end", {"reason": "x"}),
        ):
            is_a_problem(answer, 404, "not-found")
        is_a_problem(anna.get("/api/v1/vehicles", site="xinyi"), 403)
        assert anna.get("/api/v1/vehicles").json()["items"] == []
        refused = anna.call(
            "POST", "/api/v1/vehicles/import?reason=x", "site,household,plate\nxinyi,101,浙A1234\n".encode()
        )
        assert "no site 'xinyi'" in is_a_problem(refused, 422)["errors"][0]["what"]

    @on_one_database
    def test_the_console_needs_its_token_and_is_named_in_the_history(self, house: House, rita: Staff) -> None:
        browser = Client(house.app)
        csrf = browser.get("/login").text.split('name="csrf" value="')[1].split('"')[0]
        form = {"username": "rita", "password": "nine barriers in a row", "csrf": csrf}
        assert browser.post("/login", data=form).status_code == 303
        wanted = {"site": "xinyi", "household": "101", "plate": "浙A11111", "reason": "bought"}
        is_a_problem(browser.post("/api/v1/vehicles", json=wanted), 403)
        token = browser.get("/").text.split('name="csrf" value="')[1].split('"')[0]
        added = browser.post("/api/v1/vehicles", json=wanted, headers={"X-CSRF-Token": token})
        assert added.status_code == 201, added.text
        history = rita.get(f"/api/v1/vehicles/{added.json()['id']}/history").json()
        assert history["items"][0]["source"] == "console"

    @on_one_database
    def test_the_same_key_with_other_content_is_refused(self, rita: Staff) -> None:
        wanted = {"site": "xinyi", "household": "101", "plate": "浙A11111", "reason": "bought"}
        first = rita.post("/api/v1/vehicles", wanted, **{"Idempotency-Key": "k1"})
        assert rita.post("/api/v1/vehicles", wanted, **{"Idempotency-Key": "k1"}).json() == first.json()
        other = rita.post("/api/v1/vehicles", {**wanted, "plate": "浙A11112"}, **{"Idempotency-Key": "k1"})
        is_a_problem(other, 409, "idempotency-key-reused")

    @on_one_database
    def test_a_block_is_lifted_not_deleted(self, rita: Staff) -> None:
        block = f"/api/v1/blocklist/{entry_id('blocklist')}"
        lifted = rita.post(f"{block}/lift", {"reason": "paid"}).json()
        assert (lifted["lifted"], lifted["valid"]) == (True, False)
        assert plates(rita.get("/api/v1/blocklist", valid_at="2026-03-03")) == []
        assert plates(rita.get("/api/v1/blocklist")) == ["浙A66666"]


class TestImports:
    DATA = "小区,户号,车牌\nxinyi,101,浙A11111\nxinyi,102,浙A12345\n".encode("gbk")

    def test_first_a_preview_then_the_file(self, rita: Staff) -> None:
        seen = rita.call("POST", "/api/v1/vehicles/import?preview=true", self.DATA).json()
        assert (seen["added"], seen["changed"], seen["problems"]) == (1, 1, [])
        assert [(one["line"], one["action"]) for one in seen["changes"]] == [(2, "add"), (3, "change")]
        assert (seen["changes"][1]["before"]["household"], seen["changes"][1]["after"]["household"]) == ("101", "102")
        assert len(rita.get("/api/v1/vehicles").json()["items"]) == 1
        done = rita.call("POST", "/api/v1/vehicles/import?reason=yearly&name=v.csv", self.DATA).json()
        assert (done["preview"], done["added"], done["changed"], done["changes"]) == (False, 1, 1, [])
        again = rita.call("POST", "/api/v1/vehicles/import?reason=yearly", self.DATA).json()
        assert (again["added"], again["changed"], again["unchanged"]) == (0, 0, 2)

    def test_bad_rows_are_listed_with_line_and_reason(self, rita: Staff) -> None:
        data = "site,household,plate\nxinyi,101,浙A11111\nxinyi,999,浙A1\nxinyi,101,\n".encode()
        document = is_a_problem(rita.call("POST", "/api/v1/vehicles/import?reason=x", data), 422, "bad-rows")
        assert [error["where"] for error in document["errors"]] == ["line 3", "line 4"]
        assert document["count"] == 2
        assert len(rita.get("/api/v1/vehicles").json()["items"]) == 1
        seen = rita.call("POST", "/api/v1/vehicles/import?preview=true", data)
        assert seen.status_code == 200
        assert [one["line"] for one in seen.json()["problems"]] == [3, 4]

    @on_one_database
    def test_what_is_no_file_or_has_no_reason_or_is_too_large(self, rita: Staff) -> None:
        silent = is_a_problem(rita.call("POST", "/api/v1/vehicles/import", self.DATA), 422)
        assert "?reason=" in silent["detail"]
        is_a_problem(rita.call("POST", "/api/v1/vehicles/import?reason=x", b"PK\x03\x04 no workbook"), 422)
        is_a_problem(rita.call("POST", "/api/v1/vehicles/import?reason=x", b""), 422)
        is_a_problem(rita.call("POST", "/api/v1/vehicles/import?reason=x", b"x" * (16 * 1024 * 1024 + 1)), 413)
        rows = b"site,household,plate\n" + b"xinyi,101,A00001\n" * 10_000
        assert rita.call("POST", "/api/v1/vehicles/import?preview=true", rows).json()["added"] == 1

    @on_one_database
    def test_who_may_not_import_is_refused_before_the_file_is_read(self, house: House) -> None:
        house.hires("gus", "guard")
        is_a_problem(house.as_("gus").call("POST", "/api/v1/vehicles/import?reason=x", self.DATA), 403)


@on_one_database
class TestWhoSeesWhat:
    def test_no_name_beyond_registrar_and_finance(self, house: House) -> None:
        everybody = house.one_of_each()
        learned: set[str] = set()
        for kind in access.REGISTER_READERS:
            for end in ("", "/history"):
                path = f"/api/v1/{kind}/{entry_id(kind)}{end}"
                for role in ROLES:
                    answer = everybody[role].get(path)
                    if any(word in answer.text for word in ("张三", "张老")):
                        learned.add(role)
        assert learned == access.SEES_LOW_INCOME

    def test_a_gate_learns_plates_and_classes_and_no_household(self, house: House) -> None:
        for role in ("guard", "cashier"):
            house.hires(role, role)
            staff = house.as_(role)
            (vehicle,) = staff.get("/api/v1/vehicles").json()["items"]
            assert vehicle.keys() == {"id", "site", "plate", "vehicle", "valid_from", "valid_to", "valid"}
            (free,) = staff.get("/api/v1/free-vehicles").json()["items"]
            assert free["class"] == "ambulance"
            (block,) = staff.get("/api/v1/blocklist").json()["items"]
            assert block["reason"] == "损坏道闸未处理"
            # Nor by asking for the household until the plate comes up.
            is_a_problem(staff.get("/api/v1/vehicles", household="101"), 422)
            for kind in ("relatives", "households", "certificates", "passes"):
                is_a_problem(staff.get(f"/api/v1/{kind}"), 403)

    def test_passes_and_certificates_are_for_two_roles(self, house: House) -> None:
        everybody = house.one_of_each()
        for kind in ("passes", "certificates"):
            for end in ("", f"/{entry_id(kind)}", f"/{entry_id(kind)}/history"):
                allowed = {role for role in ROLES if everybody[role].get(f"/api/v1/{kind}{end}").status_code == 200}
                assert allowed == {"registrar", "finance"}

    def test_a_certificate_is_shown_masked_also_to_those(self, house: House, rita: Staff) -> None:
        first = rita.get("/api/v1/certificates").json()["items"][0]
        assert first["number"] == "····042"
        assert first["household"] == "101"
        for path in ("", f"/{entry_id('certificates')}", f"/{entry_id('certificates')}/history"):
            assert "HZ-0042" not in rita.get(f"/api/v1/certificates{path}").text

    def test_the_reminder_list(self, house: House, rita: Staff) -> None:
        policies.apply(
            house.parts, POLICY.format(mode="pay_first").replace("[low_income]", "[low_income]\nreview_months = 6")
        )
        assert rita.get("/api/v1/certificates", due="2026-09-01").json()["items"] == []
        is_a_problem(rita.get("/api/v1/certificates", due="0001-01-01"), 422, "invalid")
        due = rita.get("/api/v1/certificates", due="2026-09-02").json()["items"]
        assert [one["review_due"] for one in due] == ["2026-09-02", "2026-09-02"]
        path = f"/api/v1/certificates/{entry_id('certificates')}/review"
        assert rita.post(path, {"reason": "papers seen"}).status_code == 200
        house.parts.clock.advance(days=30)  # type: ignore[attr-defined]
        rita = house.as_("rita")
        assert rita.post(path, {"reason": "papers seen again"}).json()["review_due"] == "2026-10-01"

    def test_free_classes_with_their_rules_are_for_all(self, house: House) -> None:
        policies.apply(house.parts, POLICY.format(mode="pay_first"))
        house.hires("committee", "committee", "xinyi")
        classes = house.as_("committee").get("/api/v1/free-classes").json()["items"]
        assert [(one["site"], one["class"]) for one in classes] == [("xinyi", "emergency"), ("xinyi", "ambulance")]
        assert classes[0]["rule"]["zh"] == "号牌为警车、应急的车辆：免费停车"
        assert classes[1]["rule"]["en"] == "vehicles listed by staff: free"

    def test_the_audit_trail_has_who_and_why(self, house: House, rita: Staff) -> None:
        rita.post(f"/api/v1/vehicles/{entry_id('vehicles')}/end", {"reason": "sold"})
        with house.parts.store.reading() as connection:
            line = connection.execute(select(t.AuditEntry).order_by(t.AuditEntry.id.desc()).limit(1)).one()
        assert (line.operator, line.action, line.site_id, line.subject, line.reason, line.origin) == (
            "rita",
            "registry.end vehicles",
            "xinyi",
            "浙A12345",
            "sold",
            "192.0.2.1",
        )
