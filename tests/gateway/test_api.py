"""The API: signing in, who may do what, shapes, paging, problems."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from gateway.api import access
from gateway.api.sessions import LIFETIME, Throttle
from gateway.flows import users
from gateway.flows.users import ROLES
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway import routes
from tests.gateway.asking import is_a_problem
from tests.gateway.house import (
    MORNING,
    PASSWORD,
    Client,
    House,
    a_house,
    a_read,
    a_stay,
    an_exception,
    heard,
    later,
    with_settings,
)


@pytest.fixture
def house(parts: Parts) -> House:
    return a_house(parts)


on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@on_one_database
class TestSigningIn:
    def test_a_password_becomes_a_token(self, house: House) -> None:
        house.hires("kim", "console")
        answer = house.client.post("/api/v1/token", data={"username": "kim", "password": PASSWORD})
        assert answer.status_code == 200
        assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
        assert answer.json()["token_type"] == "bearer"
        assert answer.json()["expires_in"] == 12 * 3600
        assert answer.headers["cache-control"] == "no-store"
        assert house.as_("kim").get("/api/v1/sites").status_code == 200

    def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(self, house: House) -> None:
        house.hires("kim", "console")
        answers = [
            house.client.post("/api/v1/token", data={"username": name, "password": "not the password"})
            for name in ("kim", "nobody")
        ]
        told = [is_a_problem(answer, 401, "wrong-credentials") for answer in answers]
        assert told[0] == told[1]
        assert answers[0].headers["www-authenticate"] == "Bearer"

    def test_after_too_many_failures_even_the_right_password_waits_and_learns_nothing(
        self, house: House, clock: Any
    ) -> None:
        house.hires("kim", "console")
        wrong = {"username": "kim", "password": "not the password"}
        for _ in range(10):
            refused = is_a_problem(house.client.post("/api/v1/token", data=wrong), 401)
        right = {"username": "kim", "password": PASSWORD}
        waiting = house.client.post("/api/v1/token", data=right)
        assert is_a_problem(waiting, 401) == refused
        assert int(waiting.headers["retry-after"]) > 0
        elsewhere = Client(house.app, address="192.0.2.77")
        assert elsewhere.post("/api/v1/token", data=right).status_code == 200
        clock.advance(minutes=11)
        assert house.client.post("/api/v1/token", data=right).status_code == 200

    def test_a_missing_field_is_a_problem_that_repeats_no_password(self, house: House) -> None:
        answer = house.client.post("/api/v1/token", data={"password": PASSWORD})
        assert PASSWORD not in answer.text
        is_a_problem(answer, 422, "invalid")

    def test_a_token_ends(self, house: House, clock: Any) -> None:
        house.hires("kim", "console")
        kim = house.as_("kim")
        clock.advance(seconds=LIFETIME.total_seconds() - 1)
        assert kim.get("/api/v1/sites").status_code == 200
        clock.advance(seconds=1)
        is_a_problem(kim.get("/api/v1/sites"), 401, "not-signed-in")

    def test_a_new_password_or_a_disabled_account_ends_every_token(self, house: House) -> None:
        house.hires("kim", "console")
        house.hires("lee", "console")
        kim, lee = house.as_("kim"), house.as_("lee")
        users.reset(house.parts, "kim", operator="test")
        with house.parts.store.writing() as connection:
            connection.execute(update(t.UserAccount).where(t.UserAccount.name == "lee").values(enabled=False))
            connection.commit()
        is_a_problem(kim.get("/api/v1/sites"), 401)
        is_a_problem(lee.get("/api/v1/sites"), 401)
        is_a_problem(house.client.post("/api/v1/token", data={"username": "lee", "password": PASSWORD}), 401)

    @pytest.mark.parametrize(
        "header", [None, "Bearer", "Bearer none.of.ours", "Basic a2ltOmtpbQ==", "Bearer " + "x" * 9000, "nonsense"]
    )
    def test_without_a_token_of_ours_nothing(self, house: House, header: str | None) -> None:
        headers = {} if header is None else {"Authorization": header}
        is_a_problem(house.client.get("/api/v1/stays", headers=headers), 401)

    def test_another_secret_signs_nothing_for_us(self, house: House, parts: Parts) -> None:
        house.hires("kim", "console")
        other = House(with_settings(parts, secret_key="quite another secret key"))
        is_a_problem(house.client.get("/api/v1/sites", headers=other.as_("kim").headers), 401)


def test_the_memory_of_failures_is_bounded() -> None:
    throttle = Throttle(failures_max=1, entries_max=100)
    for number in range(1000):
        throttle.failed(f"name{number}", "192.0.2.1", MORNING)
    assert throttle.closed_for("name0", "192.0.2.1", MORNING) is None
    assert throttle.closed_for("name999", "192.0.2.1", MORNING) == timedelta(minutes=10)


@on_one_database
class TestRoles:
    def test_every_route_is_in_the_table(self, house: House) -> None:
        document = house.client.get("/api/openapi.json").json()
        routes = {
            (method.upper(), path)
            for path, operations in document["paths"].items()
            for method in operations
            if path.startswith("/api/v1/")
        }
        assert routes == set(access.MATRIX) | access.OPEN

    def test_each_role_on_each_route_is_allowed_or_refused_and_nothing_else(self, house: House) -> None:
        a_stay(house.parts, "xinyi.a", exit_at=later(110))
        a_read(house.parts, "xinyi", "ev-1", "浙A12345")
        routes.register_everything(house.parts)
        routes.apply_policy(house.parts)
        routes.trade_in_everything(house.parts)
        everybody = house.one_of_each()
        house.desk.due_fen = 800
        for (method, path), roles in access.MATRIX.items():
            if path in routes.STREAMS:
                continue
            address, body = routes.filled(path), routes.body_of(method, path)
            is_a_problem(house.client.request(method, address), 401)
            for role in ROLES:
                answer = everybody[role].call(method, address, body)
                if role in roles:
                    # One that this street has nothing behind refuses in its own words, and never for who asks.
                    wanted = {200, 201, 204} if routes.behind(method, path) else {200, 201, 204, 404, 409, 422}
                    if routes.of_doors_alone(role, method, path):
                        wanted = {404}
                    assert answer.status_code in wanted, (role, path, answer.text)
                else:
                    is_a_problem(answer, 403, "not-allowed")

    def test_who_may_not_see_the_board_gets_no_stream(self, house: House) -> None:
        house.hires("committee", "committee")
        is_a_problem(house.client.get("/api/v1/live"), 401)
        is_a_problem(house.as_("committee").get("/api/v1/live"), 403)
        is_a_problem(house.client.get("/api/v1/live/emergencies"), 401)

    def test_an_account_sees_only_its_sites(self, house: House) -> None:
        a_stay(house.parts, "xinyi.a")
        a_stay(house.parts, "archive.b", "浙B54321")
        an_exception(house.parts, "archive", "e1")
        house.hires("lee", "cashier", "xinyi")
        lee = house.as_("lee")
        assert [item["id"] for item in lee.get("/api/v1/sites").json()["items"]] == ["xinyi"]
        for kind in ("gates", "lanes", "devices"):
            assert {item["site"] for item in lee.get(f"/api/v1/{kind}").json()["items"]} == {"xinyi"}
            is_a_problem(lee.get(f"/api/v1/{kind}", site="archive"), 403)
        assert [item["id"] for item in lee.get("/api/v1/stays").json()["items"]] == ["xinyi.a"]
        assert lee.get("/api/v1/exceptions").json()["items"] == []
        is_a_problem(lee.get("/api/v1/stays", site="archive"), 403)
        is_a_problem(lee.get("/api/v1/stays/archive.b"), 404)
        is_a_problem(lee.get("/api/v1/stays/archive.b/bill"), 404)
        is_a_problem(lee.post("/api/v1/stays/archive.b/payments", {"channel": "cash", "amount_fen": 800}), 404)
        assert house.desk.asked == []

    def test_a_finance_of_one_site_means_that_site(self, house: House) -> None:
        house.hires("fin", "finance", "xinyi")
        house.hires("two", "finance", "xinyi", "archive")
        house.as_("fin").post("/api/v1/days/2026-03-01/close")
        assert house.desk.asked[-1][2:4] == ("xinyi", "fin")
        is_a_problem(house.as_("two").post("/api/v1/days/2026-03-01/close"), 403)
        is_a_problem(house.as_("fin").get("/api/v1/days/2026-03-01/export", site="archive"), 403)


class TestEstate:
    def test_the_estate_with_its_live_state(self, house: House, clock: Any) -> None:
        heard(house.parts, "xinyi", in_1="open")
        a_stay(house.parts, "xinyi.a", state="inside")
        house.hires("kim", "console")
        kim = house.as_("kim")
        sites = kim.get("/api/v1/sites").json()
        assert sites["next"] is None
        assert [(site["id"], site["inside"], site["capacity"]) for site in sites["items"]] == [
            ("archive", 0, 120),
            ("xinyi", 1, 120),
        ]
        lanes = {lane["id"]: lane for lane in kim.get("/api/v1/lanes").json()["items"]}
        assert list(lanes) == ["archive.in-1", "archive.out-1", "xinyi.in-1", "xinyi.out-1"]
        assert (lanes["xinyi.in-1"]["barrier"], lanes["xinyi.in-1"]["online"], lanes["xinyi.in-1"]["stale"]) == (
            "open",
            True,
            False,
        )
        assert (lanes["archive.in-1"]["barrier"], lanes["archive.in-1"]["stale"]) == ("unknown", True)
        devices = {device["id"]: device for device in kim.get("/api/v1/devices", site="xinyi").json()["items"]}
        assert list(devices) == ["xinyi.d1"]
        assert "password" not in str(devices)
        assert devices["xinyi.d1"]["seen_at"] == "2026-03-02T09:00:00+08:00"
        clock.advance(seconds=91)
        assert kim.get("/api/v1/devices", site="xinyi").json()["items"][0]["stale"] is True

    def test_lists_are_paged_without_gap_or_repeat(self, house: House) -> None:
        house.hires("kim", "console")
        kim = house.as_("kim")
        for kind, wanted in (("sites", 2), ("gates", 2), ("lanes", 4), ("devices", 2)):
            seen: list[str] = []
            query: dict[str, Any] = {"limit": 1}
            while True:
                page = kim.get(f"/api/v1/{kind}", **query).json()
                seen += [item["id"] for item in page["items"]]
                if page["next"] is None:
                    break
                query["cursor"] = page["next"]
            assert len(seen) == len(set(seen)) == wanted


class TestStays:
    def test_a_stay_has_exactly_its_shape(self, house: House) -> None:
        a_stay(
            house.parts, "xinyi.a", exit_at=later(110), exit_lane="out-1", gross_fen=800, payable_fen=800, paid_fen=800
        )
        house.hires("kim", "console")
        assert house.as_("kim").get("/api/v1/stays/xinyi.a").json() == {
            "id": "xinyi.a",
            "site": "xinyi",
            "plate": "浙A12345",
            "vehicle": "small",
            "state": "left",
            "entry_at": "2026-03-02T09:00:00+08:00",
            "exit_at": "2026-03-02T10:50:00+08:00",
            "entry_lane": "xinyi.in-1",
            "exit_lane": "xinyi.out-1",
            "gross_fen": 800,
            "payable_fen": 800,
            "paid_fen": 800,
        }

    def test_filters(self, house: House) -> None:
        a_stay(house.parts, "xinyi.a", "浙A12345", at=later(0))
        a_stay(house.parts, "xinyi.b", "浙AD54321", at=later(10), state="inside")
        a_stay(house.parts, "archive.c", "沪C1%_99", at=later(24 * 60))
        house.hires("kim", "console")
        kim = house.as_("kim")

        def found(**query: Any) -> list[str]:
            answer = kim.get("/api/v1/stays", **query)
            assert answer.status_code == 200, answer.text
            return [item["id"] for item in answer.json()["items"]]

        assert found() == ["archive.c", "xinyi.b", "xinyi.a"], "the newest first"
        assert found(site="xinyi") == ["xinyi.b", "xinyi.a"]
        assert found(plate="a·12") == ["xinyi.a"], "any part, as people write it"
        assert found(plate="５４") == ["xinyi.b"]
        assert found(plate="%") == ["archive.c"], "a wildcard is a character"
        assert found(state="inside") == ["xinyi.b"]
        assert found(**{"from": "2026-03-02T09:05:00+08:00"}) == ["archive.c", "xinyi.b"]
        assert found(**{"from": "2026-03-02T09:05:00", "to": "2026-03-02"}) == ["xinyi.b"], "local, and the whole day"
        assert found(to="2026-03-02T01:10:00Z") == ["xinyi.a"]
        assert found(site="nowhere") == []

    def test_a_lost_plus_sign_is_understood(self, house: House) -> None:
        a_stay(house.parts, "xinyi.a")
        house.hires("kim", "console")
        answer = house.client.get("/api/v1/stays?from=2026-03-02T09:00:00+08:00", headers=house.as_("kim").headers)
        assert len(answer.json()["items"]) == 1

    def test_pages_hold_when_stays_begin_at_the_same_instant(self, house: House) -> None:
        names = [f"xinyi.{number:02d}" for number in range(7)]
        for name in names:
            a_stay(house.parts, name)
        house.hires("kim", "console")
        kim = house.as_("kim")
        seen: list[str] = []
        query: dict[str, Any] = {"limit": 3}
        while True:
            page = kim.get("/api/v1/stays", **query).json()
            seen += [item["id"] for item in page["items"]]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        assert seen == sorted(names, reverse=True)

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    @pytest.mark.parametrize(
        "query",
        [
            {"limit": 0},
            {"limit": 201},
            {"cursor": "nonsense"},
            {"cursor": "WyJhIiwiYiJd"},
            {"cursor": "é"},
            {"cursor": "WzEwMDAwMDAwMDAwMDAwMDAwMDAwMDAsImIiXQ"},
            {"state": "lost"},
            {"from": "soon"},
            {"from": "9999-12-31"},
            {"plate": "x" * 41},
        ],
    )
    def test_a_wrong_query_is_a_problem(self, house: House, query: dict[str, Any]) -> None:
        house.hires("kim", "console")
        is_a_problem(house.as_("kim").get("/api/v1/stays", **query), 422)


class TestStrangeInput:
    def test_a_nul_or_the_end_of_time_is_no_fault_of_ours(self, house: House) -> None:
        house.hires("fin", "finance")
        fin = house.as_("fin")
        answers = [
            fin.get("/api/v1/stays", plate="\x00"),
            fin.get("/api/v1/stays", site="\x00"),
            fin.get("/api/v1/stays/%00"),
            fin.get("/api/v1/stays/xinyi.%00"),
            fin.get("/api/v1/stays/xinyi.a/bill", at="9999-12-31T00:00:00Z"),
            fin.get("/api/v1/stays", **{"from": "0001-01-01"}),
            fin.get("/api/v1/days/9999-12-31"),
            fin.get("/api/v1/days/0001-01-01/export"),
            fin.get("/api/v1/lanes", cursor="WyJcdTAwMDAiLCJcdTAwMDAiXQ"),
            house.client.post("/api/v1/token", data={"username": "\x00", "password": "\x00"}),
            house.client.put("/api/v1/images/%00", content=b"x", auth=("xinyi.d1\x00", "x")),
        ]
        assert [answer.status_code for answer in answers if answer.status_code >= 500] == []
