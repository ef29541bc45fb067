"""Breaks over HTTP: the queue, one with its evidence, who may do what, what repeats; and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert

from billing.breaks import KINDS, TARGETS
from gateway.api import access, breaks_shapes
from gateway.flows import breaks_records, users
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.asking import is_a_problem
from tests.gateway.breaks_desk import WHY, Breaks
from tests.gateway.house import House, a_read, an_exception, later
from tests.gateway.till import LI, PASSWORD
from tests.gateway.trade import local


class Office(House):
    """The application with the staff of the desk, and an auditor."""

    def __init__(self, parts: Parts) -> None:
        self.desk_of_breaks = Breaks(parts)
        users.add(parts, "qian", "finance", ["xinyi"], PASSWORD, operator="test")
        users.add(parts, "sun", "auditor", [], PASSWORD, operator="test")
        super().__init__(parts)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def office(parts: Parts) -> Office:  # type: ignore[override]
    return Office(parts)


def test_from_the_queue_to_the_managers_approval(office: Office) -> None:
    desk, finance, manager = office.desk_of_breaks, office.as_("zhao"), office.as_("zhou")
    name = desk.found("channel_only", 20_000)
    (listed,) = finance.get("/api/v1/breaks").json()["items"]
    assert (listed["id"], listed["difference_fen"], listed["suspense_fen"], listed["owner"]) == (
        name,
        20_000,
        -20_000,
        None,
    )
    where = f"/api/v1/breaks/{name}"
    assert finance.post(f"{where}/claim", {}).json()["version"] == 2
    is_a_problem(office.as_("qian").post(f"{where}/claim", {}), 409, "break-taken")
    assert finance.post(f"{where}/note", {"text": "已问渠道"}).json()["reason"] == "已问渠道"
    wanted = {"resolution": "adjusted", "to": [{"account": "refund"}], "reason": WHY, "version": 3}
    step = finance.post(f"{where}/resolution", wanted).json()
    assert (step["action"], step["state"], step["to"]) == (
        "propose",
        "awaiting_approval",
        {"liability:refund": -20_000},
    )
    assert finance.get("/api/v1/breaks", state="awaiting_approval").json()["items"][0]["id"] == name
    is_a_problem(finance.post(f"{where}/approval", {"version": 4}), 403, "not-allowed")
    is_a_problem(manager.post(f"{where}/approval", {}), 422)
    is_a_problem(manager.post(f"{where}/approval", {"version": 3}), 409, "break-changed")
    done = manager.post(f"{where}/approval", {"version": 4}, **{"Idempotency-Key": "a1"}).json()
    assert manager.post(f"{where}/approval", {"version": 4}, **{"Idempotency-Key": "a1"}).json() == done
    assert (done["state"], done["moved_fen"], done["by"]) == ("resolved", -20_000, "zhou")
    assert finance.get("/api/v1/breaks").json()["items"] == []
    (closed,) = finance.get("/api/v1/days/2026-03-02/breaks").json()["items"]
    assert (closed["state"], closed["resolution"], closed["ended_at"]) == ("resolved", "adjusted", done["at"])
    desk.books_hold()


def test_one_break_shows_what_it_is_told_by(office: Office) -> None:
    desk = office.desk_of_breaks
    desk.passes("in-1", "浙A00001", "2026-03-02 12:00")
    stay = desk.stay("浙A00001")
    jpeg = b"\xff\xd8\xff a picture \xff\xd9"
    with desk.parts.store.writing() as connection:
        connection.execute(
            insert(t.Image).values(
                site_id="xinyi", device_id="d1", event_id=stay.entry_event, jpeg=jpeg, received_at=desk.clock.now()
            )
        )
        line = {"site_id": "xinyi", "statement_id": "cs-1"}
        connection.execute(
            insert(t.ChannelStatement).values(
                site_id="xinyi", id="cs-1", merchant_id="hushu", channel="wechat", kind="trade", day=local("2026-03-02 00:00").date(),
                account="19", digest=b"1" * 32, rows=1, orphans=0, payments=1, payments_fen=800, refunds=0,
                refunds_fen=0, fee_millifen=5000, imported_at=later(0), imported_by="test",
            )
        )  # fmt: skip
        connection.execute(
            insert(t.ChannelStatementRow).values(
                **line, line=2, kind="payment", status="done", order_number="P1", channel_number="42", refund_number="",
                at=later(0), amount_fen=800, fee_millifen=5000,
            )
        )  # fmt: skip
        connection.commit()
    told = {"channel_fen": 800, "lines": ["cs-1:2", "cs-1:9", "torn"], "books": ["nothing"]}
    name = desk.found("channel_only", 800, stay_id=stay.id, evidence=told)
    evidence = office.as_("sun").get(f"/api/v1/breaks/{name}").json()["evidence"]
    assert evidence["told"] == {"channel_fen": 800}
    assert (evidence["stay"]["id"], evidence["stay"]["plate"]) == (stay.id, "浙A00001")
    ((picture,), (shown,)) = evidence["pictures"], evidence["lines"]
    assert (shown["number"], shown["amount_fen"], shown["replaced"]) == ("42", 800, False)
    assert (picture["event"], picture["lane"]) == (stay.entry_event, "xinyi.in-1")
    where = f"/api/v1/breaks/{name}/pictures"
    answer = office.as_("sun").get(f"{where}/{picture['device']}/{picture['event']}")
    assert (answer.content, answer.headers["content-type"]) == (jpeg, "image/jpeg")
    is_a_problem(office.as_("sun").get(f"{where}/d1/another"), 404)
    drawer = desk.short(100)
    shift = office.as_("zhao").get(f"/api/v1/breaks/{drawer}").json()["evidence"]["shift"]
    assert (shift["cashier"], shift["difference_fen"], shift["code"]) == ("li", -100, "cash_short")


def test_a_barrier_that_rose_by_itself_shows_what_its_lane_was_asked(office: Office) -> None:
    desk = office.desk_of_breaks
    names = []
    for number in range(2):
        event = f"rose-{number}"
        a_read(desk.parts, "xinyi", event, None, at=local("2026-03-02 12:00"), lane_id="out-1", kind="passed")
        an_exception(desk.parts, "xinyi", f"x-{number}", "opened_without_event", event_id=event)
        with desk.parts.store.writing() as connection:
            image = {"site_id": "xinyi", "device_id": "d1", "event_id": event, "received_at": desk.clock.now()}
            connection.execute(insert(t.Image).values(**image, jpeg=b"\xff\xd8\xff\xd9"))
            connection.commit()
        names.append(desk.found("opened_without_event", 0, channel="", about="opening", subject=event))
    finance = office.as_("zhao")
    evidence = finance.get(f"/api/v1/breaks/{names[0]}").json()["evidence"]
    assert (evidence["exception"]["id"], evidence["exception"]["lane"], evidence["stay"]) == (
        "x-0",
        "xinyi.out-1",
        None,
    )
    assert [one["event"] for one in evidence["pictures"]] == ["rose-0"]
    assert finance.get(f"/api/v1/breaks/{names[0]}/pictures/d1/rose-0").content == b"\xff\xd8\xff\xd9"
    is_a_problem(finance.get(f"/api/v1/breaks/{names[0]}/pictures/d1/rose-1"), 404)
    (repeat,) = finance.get("/api/v1/reports/breaks", month="2026-03").json()["items"]
    assert (repeat["by"], repeat["value"], repeat["count"]) == ("lane", "xinyi.out-1", 2)


def test_whoever_is_at_a_gate_sees_none(office: Office) -> None:
    everybody = office.one_of_each()
    name = office.desk_of_breaks.found()
    for role, staff in everybody.items():
        for path in ("/api/v1/breaks", f"/api/v1/breaks/{name}", "/api/v1/days/2026-03-02/breaks"):
            assert staff.get(path).status_code == (200 if role in {"finance", "manager", "auditor"} else 403), role
    changes = [key for key in access.MATRIX if "/breaks/" in key[1] and key[0] == "POST"]
    assert len(changes) == 7
    assert not any(access.MATRIX[key] - {"finance", "manager"} for key in changes)


def test_another_sites_staff_find_nothing(office: Office) -> None:
    name = office.desk_of_breaks.found()
    users.add(office.parts, "wei", "finance", ["moganshan"], PASSWORD, operator="test")
    wei = office.as_("wei")
    where = f"/api/v1/breaks/{name}"
    assert wei.get("/api/v1/breaks").json()["items"] == []
    is_a_problem(wei.get("/api/v1/breaks", site="xinyi"), 403)
    for path, body in (
        ("claim", {}),
        ("note", {"text": "x"}),
        ("resolution", {"resolution": "written_off", "reason": "x"}),
    ):
        is_a_problem(wei.post(f"{where}/{path}", body), 404)
    is_a_problem(wei.get(where), 404)
    is_a_problem(wei.get(f"{where}/pictures/d1/e1"), 404)
    assert wei.get("/api/v1/reports/breaks", month="2026-03").json()["kinds"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"resolution": "forgotten", "reason": "x"},
        {"resolution": "written_off"},
        {"resolution": "written_off", "reason": ""},
        {"resolution": "matched", "reason": "x", "with": []},
        {"resolution": "matched", "reason": "x", "with": [{"kind": "plate", "id": "x"}]},
        {"resolution": "matched", "reason": "x", "with": [{"kind": "line", "id": "cs-1:x"}]},
        {"resolution": "matched", "reason": "x", "with": [{"kind": "stay", "id": "s"}] * 21},
        {"resolution": "adjusted", "reason": "x", "to": [{"account": "assets:bank"}]},
        {"resolution": "adjusted", "reason": "x", "to": [{"account": "bank", "amount_fen": -1}]},
        {"resolution": "adjusted", "reason": "x", "to": [{"account": "bank", "amount_fen": 1}, {"account": "bank"}]},
        {"resolution": "adjusted", "reason": "x", "to": [{"account": "bank", "amount_fen": 1.5}]},
        {"resolution": "carried_over", "reason": "x"},
        {"resolution": "carried_over", "reason": "x", "until": "soon"},
        {"resolution": "written_off", "reason": "x", "plate": "浙A00001"},
    ],
)
def test_what_is_no_resolution_is_refused(office: Office, body: dict[str, Any]) -> None:
    name = office.desk_of_breaks.found()
    is_a_problem(office.as_("zhao").post(f"/api/v1/breaks/{name}/resolution", body), 422)
    assert office.desk_of_breaks.stands(name).version == 1


def test_pages_and_filters(office: Office) -> None:
    desk, finance = office.desk_of_breaks, office.as_("zhao")
    names = []
    for kind in ("book_only", "channel_only", "book_only"):
        names.append(desk.found(kind, 100 if kind == "channel_only" else -100))
        desk.clock.advance(minutes=1)
    finance.post(f"/api/v1/breaks/{names[0]}/claim", {})

    def found(**query: Any) -> list[str]:
        return [one["id"] for one in finance.get("/api/v1/breaks", **query).json()["items"]]

    first = finance.get("/api/v1/breaks", limit=2).json()
    rest = finance.get("/api/v1/breaks", limit=2, cursor=first["next"]).json()
    assert [one["id"] for one in first["items"] + rest["items"]] == names[::-1]
    assert rest["next"] is None
    assert found(kind="channel_only") == [names[1]]
    assert found(owner="zhao") == [names[0]]
    assert found(owner="-") == [names[2], names[1]]
    assert found(state="resolved") == found(channel="alipay") == []
    assert len(found(state="any", site="xinyi")) == 3
    is_a_problem(finance.get("/api/v1/breaks", state="lost"), 422)
    is_a_problem(finance.get("/api/v1/breaks", kind="lost"), 422)


def test_what_repeats_in_a_month(office: Office) -> None:
    desk = office.desk_of_breaks
    for _ in range(2):
        desk.short(100)
        desk.goes_on()
    desk.passes("in-1", "浙A00001", "2026-03-04 12:00")
    stay = desk.stay("浙A00001").id
    desk.takes(LI)
    (paid,) = [row for row in desk._all(t.ChargePayment.__table__.select()) if row.purpose == "pass"]
    for fen in (-300, -400):
        name = desk.found("amount_mismatch", fen, stay_id=stay, evidence={"books": [paid.id]})
    desk.settles(name)
    desk.approves(name)
    desk.found("voucher_count", 0, channel="", amount_fen=3)
    desk.found("cut_off", -500, state="cleared", ended_at=desk.clock.now())
    finance = office.as_("zhao")
    report = finance.get("/api/v1/reports/breaks", month="2026-03").json()
    kinds = {one["kind"]: one for one in report["kinds"]}
    assert set(kinds) == {"cash_short", "amount_mismatch", "voucher_count"}
    assert (kinds["cash_short"]["count"], kinds["cash_short"]["amount_fen"]) == (2, 200)
    assert (kinds["voucher_count"]["amount_fen"], kinds["voucher_count"]["unsettled"]) == (0, 1)
    repeats = {(one["kind"], one["by"], one["value"]): one for one in report["items"]}
    assert repeats.keys() == {
        ("cash_short", "channel", "cash"),
        ("cash_short", "operator", "li"),
        ("amount_mismatch", "channel", "wechat"),
        ("amount_mismatch", "lane", "xinyi.in-1"),
        ("amount_mismatch", "operator", "li"),
    }
    of_lane = repeats["amount_mismatch", "lane", "xinyi.in-1"]
    assert (of_lane["count"], of_lane["amount_fen"], of_lane["unsettled"], of_lane["written_off"]) == (2, 700, 1, 1)
    assert finance.get("/api/v1/reports/breaks", month="2026-04").json()["items"] == []
    for month in ("2026-13", "soon", "1999-01"):
        is_a_problem(finance.get("/api/v1/reports/breaks", month=month), 422)


def test_the_api_knows_the_same_words_as_the_books() -> None:
    def words(of: Any) -> tuple[str, ...]:
        found: tuple[str, ...] = of.__args__
        return found

    assert words(breaks_shapes.Kind) == KINDS
    assert words(breaks_shapes.Target) == TARGETS
    assert words(breaks_shapes.RecordKind) == breaks_records.KINDS
