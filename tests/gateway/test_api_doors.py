"""The API: money, the queue, days, pictures, and its doors."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import structlog
from sqlalchemy import select

from gateway.runtime import logs
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.asking import is_a_problem
from tests.gateway.house import (
    Client,
    House,
    a_house,
    a_read,
    a_stay,
    an_exception,
    later,
)


@pytest.fixture
def house(parts: Parts) -> House:
    return a_house(parts)


on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@on_one_database
class TestMoney:
    def test_a_cashier_takes_what_is_due(self, house: House) -> None:
        a_stay(house.parts, "xinyi.a")
        house.hires("lee", "cashier", "xinyi")
        document = {"channel": "cash", "amount_fen": 800, "reference": "till 1"}
        answer = house.as_("lee").post("/api/v1/stays/xinyi.a/payments", document, **{"Idempotency-Key": "k1"})
        assert answer.status_code == 201
        assert answer.json() == {"id": "p-1", "stay": "xinyi.a", "channel": "cash", "amount_fen": 800}
        ((_, asked),) = house.desk.asked
        assert asked == {
            "stay_id": "xinyi.a",
            "channel": "cash",
            "amount_fen": 800,
            "reference": "till 1",
            "operator": "lee",
            "role": "cashier",
            "idempotency_key": "k1",
            "origin": "192.0.2.1",
        }

    def test_another_amount_is_refused(self, house: House) -> None:
        house.hires("kim", "console")
        answer = house.as_("kim").post("/api/v1/stays/xinyi.a/payments", {"channel": "cash", "amount_fen": 799})
        assert is_a_problem(answer, 409, "amount-not-due")["detail"] == "800 fen are due"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            [],
            None,
            {"channel": "cash"},
            {"channel": "cash", "amount_fen": "lots"},
            {"channel": "cash", "amount_fen": 8.5},
            {"channel": "cash", "amount_fen": True},
            {"channel": "cash", "amount_fen": 0},
            {"channel": "cash", "amount_fen": -800},
            {"channel": "", "amount_fen": 800},
            {"channel": "cash", "amount_fen": 800, "reference": "x" * 129},
        ],
    )
    def test_a_wrong_body_is_a_problem(self, house: House, body: Any) -> None:
        house.hires("kim", "console")
        is_a_problem(house.as_("kim").post("/api/v1/stays/xinyi.a/payments", body), 422)
        assert house.desk.asked == []

    def test_a_bill_at_another_moment(self, house: House) -> None:
        house.hires("kim", "console")
        kim = house.as_("kim")
        kim.get("/api/v1/stays/xinyi.a/bill", at="2026-03-02T10:00:00+08:00")
        assert house.desk.asked == [("bill", "xinyi.a", later(60))]
        is_a_problem(kim.get("/api/v1/stays/xinyi.nothing/bill"), 404, "not-found")

    def test_closing_is_audited_with_who_and_from_where(self, house: House) -> None:
        house.hires("fin", "finance")
        assert house.as_("fin").post("/api/v1/days/2026-03-01/close").status_code == 200
        assert house.desk.asked == [("close", date(2026, 3, 1), None, "fin", "192.0.2.1")]

    def test_an_export_names_its_file_and_several_are_one_archive(self, house: House) -> None:
        house.hires("fin", "finance")
        fin = house.as_("fin")
        one = fin.get("/api/v1/days/2026-03-01/export", format="json", site="xinyi")
        assert one.headers["content-disposition"] == "attachment; filename*=UTF-8''xinyi-2026-03-01.json"
        several = fin.get("/api/v1/days/2026-03-01/export", format="csv")
        assert several.headers["content-type"] == "application/zip"
        assert several.content.startswith(b"PK")
        is_a_problem(fin.get("/api/v1/days/2026-03-01/export", format="docx"), 422)
        is_a_problem(fin.get("/api/v1/days/soon/export"), 422)

    def test_a_day_that_nobody_has_closed(self, house: House) -> None:
        house.hires("fin", "finance")
        document = house.as_("fin").get("/api/v1/days/2026-03-02").json()
        assert [(site["site"], site["state"]) for site in document["sites"]] == [("archive", "open"), ("xinyi", "open")]
        assert document["street_hash"] is None


@on_one_database
class TestExceptions:
    def test_the_queue_opens_on_what_is_open(self, house: House) -> None:
        an_exception(house.parts, "xinyi", "e1", at=later(0))
        an_exception(house.parts, "xinyi", "e2", "unreadable", at=later(1), count=3)
        an_exception(house.parts, "xinyi", "e3", at=later(2), state="resolved")
        house.hires("kim", "console")
        kim = house.as_("kim")

        def found(**query: Any) -> list[str]:
            return [item["id"] for item in kim.get("/api/v1/exceptions", **query).json()["items"]]

        assert found() == ["e2", "e1"]
        assert found(kind="no_entry") == ["e1"]
        assert found(state="any") == ["e3", "e2", "e1"]
        assert found(state="resolved", site="archive") == []


@on_one_database
class TestDoors:
    def test_every_error_is_a_problem(self, house: House) -> None:
        house.hires("kim", "console")
        kim = house.as_("kim")
        is_a_problem(house.client.get("/nothing/here"), 404)
        is_a_problem(kim.get("/api/v1/no-such-thing"), 404)
        is_a_problem(kim.get("/api/v1/stays/no-such-stay"), 404)
        refused = kim.call("DELETE", "/api/v1/stays")
        is_a_problem(refused, 405)
        assert "GET" in refused.headers["allow"]
        is_a_problem(kim.post("/api/v1/stays/xinyi.a/payments", {"reference": "x" * 70_000}), 413)

    def test_what_nobody_foresaw_has_an_incident_and_no_traceback(
        self, house: House, capfd: pytest.CaptureFixture[str]
    ) -> None:
        logs.configure(
            "info"
        )  # as the service does: without, structlog draws the whole stack with its variables, for seconds
        house.hires("kim", "console")
        house.desk.bill = None  # type: ignore[method-assign, assignment]
        document = is_a_problem(house.as_("kim").get("/api/v1/stays/xinyi.a/bill"), 500, "internal")
        assert "Traceback" not in str(document)
        assert "NoneType" not in str(document)
        told = capfd.readouterr()
        structlog.reset_defaults()
        assert document["incident"] in told.err + told.out

    def test_headers_of_every_answer(self, house: House) -> None:
        for path in ("/api/v1/stays", "/login", "/healthz", "/nothing"):
            headers = house.client.get(path).headers
            assert headers["content-security-policy"].startswith("default-src 'self'; frame-ancestors 'none'")
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"

    def test_the_schema_says_problem_for_errors(self, house: House) -> None:
        schema = house.client.get("/api/openapi.json").json()
        for path, operations in schema["paths"].items():
            for operation in operations.values():
                assert list(operation["responses"]["422"]["content"]) == ["application/problem+json"], path
        assert "HTTPValidationError" not in str(schema)

    def test_liveness_readiness_and_metrics(self, parts: Parts) -> None:
        from gateway.api.app import create_app

        state: dict[str, Any] = {"broker": True, "queue": 3}
        client = Client(create_app(parts, health=lambda: state, wall=parts.clock))
        assert client.get("/healthz").json() == {"status": "ok"}
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "database": True, "broker": True, "queue": 3})
        state["broker"] = False
        assert client.get("/readyz").status_code == 503
        assert "# TYPE parkgate_events_total counter" in client.get("/metrics").text


@on_one_database
class TestPictures:
    JPEG = b"\xff\xd8\xff\xe0 a picture \xff\xd9"

    def upload(self, house: House, body: bytes, event: str = "ev-1", **account: Any) -> Any:
        from tests.gateway.house import DEVICE_PASSWORD

        auth = (account.get("name", "xinyi.d1"), account.get("password", DEVICE_PASSWORD))
        return house.client.put(f"/api/v1/images/{event}", content=body, auth=auth)

    def test_a_device_uploads_the_picture_of_its_event_once(self, house: House) -> None:
        a_read(house.parts, "xinyi", "ev-1", "浙A12345")
        assert self.upload(house, self.JPEG).status_code == 201
        assert self.upload(house, self.JPEG).status_code == 204
        is_a_problem(self.upload(house, b"\xff\xd8\xff another \xff\xd9"), 409)
        with house.parts.store.reading() as connection:
            (image,) = connection.execute(select(t.Image)).all()
        assert bytes(image.jpeg) == self.JPEG

    def test_only_a_device_with_its_own_password_and_its_own_event(self, house: House) -> None:
        a_read(house.parts, "xinyi", "ev-1", "浙A12345")
        wrong = self.upload(house, self.JPEG, password="wrong")
        is_a_problem(wrong, 401)
        assert wrong.headers["www-authenticate"].startswith("Basic")
        is_a_problem(house.client.put("/api/v1/images/ev-1", content=self.JPEG), 401)
        is_a_problem(self.upload(house, self.JPEG, name="archive.d1"), 404)
        is_a_problem(self.upload(house, self.JPEG, event="ev-2"), 404)
        house.hires("kim", "console")
        answer = house.client.put("/api/v1/images/ev-1", content=self.JPEG, headers=house.as_("kim").headers)
        is_a_problem(answer, 401)

    def test_a_picture_is_a_jpeg_of_at_most_two_mebibytes(self, house: House) -> None:
        a_read(house.parts, "xinyi", "ev-1", "浙A12345")
        is_a_problem(self.upload(house, b"GIF89a"), 415)
        is_a_problem(self.upload(house, b""), 415)
        is_a_problem(self.upload(house, b"\xff\xd8\xff" + b"x" * (2 * 1024 * 1024)), 413)
