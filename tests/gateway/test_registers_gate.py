"""What the registers say is what the gate does: every period, the classes in words, and the public list of who drove free."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from billing import free_classes
from billing.free_classes import rule_of
from billing.policy import FreeClass
from controllers.commands import Reason
from controllers.plate import PlateClass
from gateway.api.app import create_app
from gateway.flows import offline_list, registers, registers_edit
from gateway.flows.posting import month_bounds
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.registers_classes import free_passages
from gateway.flows.registers_edit import Request
from gateway.flows.verify import verify
from gateway.store.estate import load_estate
from tests.gateway.house import Client
from tests.gateway.routes import ROWS, entry_id
from tests.gateway.trade import SHANGHAI, Street, local

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ASKS = Request(operator="rita", source="api", origin="", reason="asked for", sites=None)


def a_home(street: Street, **vehicle: str) -> None:
    street.register("households", {"household": "101"})
    if vehicle:
        street.register("vehicles", {"household": "101", "valid_from": "", "valid_to": "", **vehicle})


class TestPeriods:
    def test_a_certificate_frees_a_vehicle_only_while_it_is_the_households(self, street: Street) -> None:
        a_home(street, plate="浙A00001", valid_to="2026-03-01")
        street.register("vehicles", {"household": "101", "plate": "浙A00002", "valid_from": "2026-03-03"})
        street.register("vehicles", {"household": "101", "plate": "浙A00003", "valid_to": "2026-03-02"})
        street.register("certificates", {"household": "101", "number": "DB-1", "issuer": "民政局"})
        for plate, reason in (
            ("浙A00001", Reason.TEMPORARY),
            ("浙A00002", Reason.TEMPORARY),
            ("浙A00003", Reason.RESIDENT),
        ):
            assert street.passes("in-1", plate, "09:00").reason is reason, plate

    def test_only_who_is_registered_now_may_enter_where_residents_live(self, street: Street) -> None:
        a_home(street, plate="浙A00001")
        street.register("vehicles", {"household": "101", "plate": "浙A00002", "valid_to": "2026-03-01"})
        assert street.passes("in-2", "浙A00001", "09:00").reason is Reason.TEMPORARY
        assert street.arrives("in-2", "浙A00002", "09:01").reason is Reason.NOT_REGISTERED
        registers_edit.end(street.parts, "vehicles", entry_id("vehicles", {"plate": "浙A00001"}), None, ASKS)
        street.passes("out-2", "浙A00001", "09:10")
        assert street.arrives("in-2", "浙A00001", "09:20").reason is Reason.NOT_REGISTERED

    def test_a_free_vehicle_and_a_block_from_their_days_on(self, street: Street) -> None:
        street.register(
            "free-vehicles",
            {"plate": "浙A99999", "class": "ambulance", "valid_to": "2026-12-31", "valid_from": "2026-03-03"},
        )
        street.register("blocklist", {"plate": "浙A66666", "reason": "损坏道闸", "valid_from": "2026-03-03"})
        assert street.passes("in-1", "浙A99999", "09:00").reason is Reason.TEMPORARY
        assert street.passes("in-1", "浙A66666", "09:00").reason is Reason.TEMPORARY
        street.passes("out-1", "浙A66666", "09:10")
        street.passes("out-1", "浙A99999", "09:11")
        assert street.passes("in-1", "浙A99999", "2026-03-03 00:00").reason is Reason.FREE_CLASS
        assert street.arrives("in-1", "浙A66666", "2026-03-03 00:00").reason is Reason.BLOCKED

    def test_a_lifted_block_opens_at_once(self, street: Street) -> None:
        street.register("blocklist", {"plate": "浙A66666", "reason": "损坏道闸"})
        assert street.arrives("in-1", "浙A66666", "09:00").reason is Reason.BLOCKED
        registers_edit.lift(street.parts, entry_id("blocklist"), ASKS)
        assert street.arrives("in-1", "浙A66666", "09:05").reason is Reason.TEMPORARY

    def test_an_offline_gate_knows_the_same(self, street: Street) -> None:
        a_home(street, plate="浙A00001", valid_to="2026-03-01")
        street.register("vehicles", {"household": "101", "plate": "浙A00002", "valid_to": "2026-03-05"})
        street.register("vehicles", {"household": "101", "plate": "浙A00003", "valid_from": "2026-03-05"})
        street.register(
            "certificates", {"household": "101", "number": "DB-1", "issuer": "民政局", "valid_to": "2026-03-31"}
        )
        street.register(
            "free-vehicles",
            {"plate": "浙A99999", "class": "ambulance", "valid_to": "2026-12-31", "valid_from": "2026-03-05"},
        )
        with street.parts.store.reading() as connection:
            listed = offline_list.entries(connection, load_estate(connection), "xinyi", local("09:00"))
        assert listed == {"浙A00002": local("2026-03-06 00:00")}

    def test_a_households_end_ends_what_the_gate_gives(self, street: Street) -> None:
        a_home(street, plate="浙A00001")
        street.register("relatives", {"household": "101", "plate": "浙A00002", "relation": "parent"})
        assert street.passes("in-1", "浙A00002", "09:00").reason is Reason.RELATIVE_ALLOWANCE
        registers_edit.end(street.parts, "households", entry_id("households"), "2026-03-02", ASKS)
        assert street.passes("in-1", "浙A00001", "2026-03-03 09:00").reason is Reason.TEMPORARY
        # Who entered before the end leaves by what held at the entry.
        out = street.passes("out-1", "浙A00002", "2026-03-03 10:00")
        assert out.reason is Reason.RELATIVE_ALLOWANCE


class TestVerify:
    def test_a_period_moved_past_the_history_is_found(self, street: Street) -> None:
        a_home(street, plate="浙A00001", valid_to="2026-03-31")
        assert verify(street.parts).ok
        assert verify(street.parts).checked["register_entries"] == 2
        with street.parts.store.writing() as connection:
            connection.execute(text("UPDATE resident_vehicle SET valid_to = NULL"))
            connection.commit()
        failure = verify(street.parts).first_failure
        assert failure is not None
        assert (failure.what, failure.why) == ("vehicles", "its valid_to is not what its newest change says")
        assert "浙A" not in failure.id

    def test_it_holds_through_every_kind_of_change(self, street: Street) -> None:
        for kind, rows in ROWS.items():
            offered = [{**row, "pass": "resident-monthly"} if "pass" in row else row for row in rows]
            assert registers.import_rows(street.parts, kind, offered).ok
        registers_edit.lift(street.parts, entry_id("blocklist"), ASKS)
        registers_edit.review(street.parts, entry_id("certificates"), "2026-12-31", ASKS)
        registers_edit.alter(street.parts, "relatives", entry_id("relatives"), {"valid_to": "2026-06-30"}, ASKS)
        registers_edit.end(street.parts, "households", entry_id("households"), "2026-05-31", ASKS)
        street.clock.advance(days=100)
        registers_edit.add(street.parts, "households", {"site": "xinyi", "household": "101"}, ASKS)
        report = verify(street.parts)
        assert report.ok, report.first_failure


class TestFreePassages:
    def visits(self, street: Street, plate: str, times: int) -> None:
        """Each an hour and a minute of the next morning: 600 fen."""
        for _ in range(times):
            day = street.clock.now().astimezone(SHANGHAI) + timedelta(days=1)
            street.passes("in-1", plate, f"{day:%F} 09:00")
            street.passes("out-1", plate, f"{day:%F} 10:01")

    def published(self, street: Street, month: str = "2026-03") -> list[tuple[str, int | None, int | None]]:
        street.clock.set(datetime(2026, 4, 1, tzinfo=SHANGHAI))
        with street.parts.store.reading() as connection:
            found = free_passages(street.parts, connection, "xinyi", month)
        return [(one["class"], one["passages"], one["waived_fen"]) for one in found["items"]]

    def test_by_class_from_the_bills_of_the_month(self, street: Street) -> None:
        for number in range(10):
            street.register(
                "free-vehicles", {"plate": f"浙B0000{number}", "class": "ambulance", "valid_to": "2026-12-31"}
            )
            self.visits(street, f"浙B0000{number}", 1)
        self.visits(street, "浙A1234警", 2)
        self.visits(street, "浙A77777", 1)
        assert self.published(street) == [("emergency", 2, 1200), ("ambulance", 10, 6000)]
        assert self.published(street, "2026-02") == []

    def test_few_of_the_register_are_merged_and_their_numbers_kept(self, street: Street) -> None:
        street.register("free-vehicles", {"plate": "浙B00001", "class": "ambulance", "valid_to": "2026-12-31"})
        self.visits(street, "浙B00001", 3)
        self.visits(street, "浙A1234警", 1)
        assert self.published(street) == [("emergency", 1, 600), ("other", None, None)]

    @on_one_database
    def test_a_month_that_is_not_over_is_not_published(self, street: Street) -> None:
        with street.parts.store.reading() as connection:
            for month in ("2026-03", "2026-13", "soon", "2026-3", "0000-01"):
                with pytest.raises(Invalid, match="month"):
                    free_passages(street.parts, connection, "xinyi", month)
            with pytest.raises(NotFound):
                free_passages(street.parts, connection, "atlantis", "2026-02")

    @on_one_database
    def test_everybody_may_read_it_and_it_names_nobody(self, street: Street) -> None:
        street.register("free-vehicles", {"plate": "浙B00001", "class": "ambulance", "valid_to": "2026-12-31"})
        self.visits(street, "浙B00001", 1)
        self.visits(street, "浙A1234警", 1)
        street.clock.set(datetime(2026, 4, 1, tzinfo=SHANGHAI))
        public = Client(create_app(street.parts, wall=street.clock))
        answer = public.get("/open/xinyi/free-passages?month=2026-03")
        assert answer.status_code == 200
        assert [one["class"] for one in answer.json()["items"]] == ["emergency", "other"]
        assert answer.json()["items"][0]["rule"]["zh"] == "号牌为警车、应急的车辆：免费停车"
        assert "浙" not in answer.text
        for query, status in (("", 422), ("?month=soon", 422), ("?month=2026-04", 422)):
            assert public.get(f"/open/xinyi/free-passages{query}").status_code == status
        assert public.get("/open/atlantis/free-passages?month=2026-03").status_code == 404

    def test_a_month_is_local(self) -> None:
        start, end = month_bounds("2026-12", SHANGHAI)
        assert start == datetime(2026, 12, 1, tzinfo=SHANGHAI)
        assert end == datetime(2027, 1, 1, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("one", "zh"),
    [
        (FreeClass("emergency", ("police", "military")), "号牌为警车、军队的车辆：免费停车"),
        (FreeClass("ambulance", (), register=True), "登记在册的车辆：免费停车"),
        (
            FreeClass("delivery", (), register=True, minutes=30),
            "登记在册的车辆：30 分钟内免费，超过则从入场起按临时停车计费",
        ),
        (FreeClass("both", ("embassy",), register=True), "号牌为使馆的车辆，以及登记在册的车辆：免费停车"),
    ],
)
def test_a_class_says_its_rule(one: FreeClass, zh: str) -> None:
    assert rule_of(one).zh == zh


def test_every_class_of_plates_has_its_words() -> None:
    assert set(free_classes._PLATES) == {one.value for one in PlateClass} - {"civil"}
