"""Vouchers over HTTP: who may do what, the whole way of a book, and the driver's page, at which nobody guesses."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import insert

from gateway.api import access
from gateway.api.app import create_app
from gateway.flows import estate, users
from gateway.flows.close import close_missed
from gateway.flows.pay_token import token
from gateway.flows.users import ROLES
from gateway.flows.vouchers import reading as voucher_reading
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import PASSWORD, Client, Staff
from tests.gateway.trade import SITE, Street, local
from tests.gateway.voucher_desk import Desk

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
BOOK = {
    "site": "xinyi",
    "kind": "hour",
    "value": 120,
    "count": 10,
    "valid_from": "2026-03-01",
    "valid_to": "2026-03-31",
}


class Office:
    """One application, and staff of every role."""

    def __init__(self, parts: Parts) -> None:
        self.street = Street(parts)
        self.desk = Desk(self.street)
        self.client = Client(create_app(parts))
        self._staff: dict[str, Staff] = {}

    def __getitem__(self, role: str) -> Staff:
        if role not in self._staff:
            users.add(self.street.parts, role, role, [], PASSWORD, operator="test")
            answer = self.client.post("/api/v1/token", data={"username": role, "password": PASSWORD})
            self._staff[role] = Staff(self.client, answer.json()["access_token"])
        return self._staff[role]


@pytest.fixture
def office(parts: Parts) -> Office:
    return Office(parts)


def at_the_exit(office: Office, plate: str = "浙A12345") -> str:
    office.street.passes("in-1", plate, "09:00")
    office.street.arrives("out-1", plate, "12:00")
    return str(office.street.stay(plate).id)


def test_the_whole_way_of_a_book(office: Office) -> None:
    registrar, cashier, finance = office["registrar"], office["cashier"], office["finance"]
    made = registrar.post("/api/v1/vouchers/books", BOOK, **{"Idempotency-Key": "b1"})
    assert made.status_code == 201, made.text
    book = made.json()
    assert registrar.post("/api/v1/vouchers/books", BOOK, **{"Idempotency-Key": "b1"}).json() == book
    assert (book["first_serial"], book["last_serial"]) == (1, 10)
    assert (book["valid_from"], book["valid_to"]) == ("2026-03-01T00:00:00+08:00", "2026-04-01T00:00:00+08:00")
    issue = {
        "site": "xinyi",
        "first_serial": 1,
        "last_serial": 4,
        "taker": "王",
        "purpose": "访客",
        "signature": "1/12",
    }
    assert registrar.post("/api/v1/vouchers/issues", issue).status_code == 201
    returned = {"site": "xinyi", "first_serial": 4, "last_serial": 4, "reason": "not needed"}
    assert registrar.post("/api/v1/vouchers/returns", returned).json() == {"moved": 1}
    assert registrar.post("/api/v1/vouchers/voids", {**returned, "first_serial": 3, "last_serial": 3}).json() == {
        "moved": 1
    }
    stay = at_the_exit(office)
    said = cashier.post(f"/api/v1/stays/{stay}/vouchers", {"code": office.desk.code(1)})
    assert said.status_code == 201, said.text
    assert said.json() == {
        "voucher": "00000001", "stay": stay, "kind": "hour", "value": 120, "state": "used", "due_fen": 400, "opens": False
    }  # fmt: skip
    used = cashier.post(f"/api/v1/stays/{at_the_exit(office, '浙B11111')}/vouchers", {"code": office.desk.code(1)})
    assert (used.status_code, used.json()["type"]) == (409, "/problems/voucher-used")
    forged = cashier.post(f"/api/v1/stays/{stay}/vouchers", {"code": "00000002-00000-00000"})
    assert (forged.status_code, forged.json()["type"]) == (422, "/problems/voucher-not-valid")
    states = {item["serial"]: item["state"] for item in finance.get("/api/v1/vouchers").json()["items"]}
    assert {serial: states[serial] for serial in (1, 2, 3, 4, 5)} == {
        1: "used",
        2: "issued",
        3: "void",
        4: "returned",
        5: "stock",
    }
    (stock,) = finance.get("/api/v1/vouchers/stock", day="2026-03-02").json()["items"]
    assert stock["balances"]
    with office.street.parts.store.reading() as connection:
        alone = voucher_reading.stock(connection, None, date(2026, 3, 2), {stock["book"]})
        assert [one["book"] for one in alone] == [stock["book"]]
        assert voucher_reading.stock(connection, None, date(2026, 3, 2), ()) == []
    assert stock["stands"] == {
        "made": 10, "stock": 6, "returned": 1, "scrapped": 0, "issued": 3, "used": 1, "void": 1, "expired": 0, "outstanding": 1
    }  # fmt: skip
    walked = finance.get("/api/v1/vouchers/xinyi/1/steps").json()["items"]
    assert [step["what"] for step in walked] == ["make", "issue", "present", "use"]
    assert office["auditor"].get("/api/v1/vouchers/issues").json()["items"][0]["signature"] == "1/12"


def test_no_list_has_a_code(office: Office) -> None:
    office.desk.issued(count=3)
    for path in ("/api/v1/vouchers", "/api/v1/vouchers/books", "/api/v1/vouchers/issues", "/api/v1/vouchers/stock"):
        answer = office["registrar"].get(path).text
        assert "00000001-" not in answer
        for serial in (1, 2, 3):
            assert office.desk.code(serial)[9:14] not in answer


def test_lists_are_paged(office: Office) -> None:
    for _ in range(3):
        office.desk.issued(count=5)
    finance = office["finance"]
    for path, key in (
        ("/api/v1/vouchers", "serial"),
        ("/api/v1/vouchers/books", "id"),
        ("/api/v1/vouchers/issues", "id"),
    ):
        whole = [item[key] for item in finance.get(path).json()["items"]]
        found, cursor = [], None
        while True:
            query = {"limit": 2} if cursor is None else {"limit": 2, "cursor": cursor}
            page = finance.get(path, **query).json()
            found += [item[key] for item in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert found == whole, path
        for bad in ("nonsense", "WyJ4IiwieSJd", "WzEsIngiXQ"):
            assert finance.get(path, cursor=bad).status_code in {200, 422}
    assert [item["serial"] for item in finance.get("/api/v1/vouchers", state="issued", serial=7).json()["items"]] == [7]


def test_a_sheet_comes_as_pdf(office: Office) -> None:
    book = office.desk.book()
    answer = office["registrar"].get(f"/api/v1/vouchers/books/{book.id}/sheet", **{"from": 1, "to": 3})
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF")
    assert office["finance"].get(f"/api/v1/vouchers/books/{book.id}/sheet").status_code == 403
    assert office["registrar"].get("/api/v1/vouchers/books/xinyi.nothing/sheet").status_code == 404


def test_collected_codes_are_brought_and_decided(office: Office) -> None:
    codes = office.desk.issued("whole_stay", 0, count=2)
    stay = at_the_exit(office)
    cashier, console = office["cashier"], office["console"]
    item = {"code": codes[0], "lane": "xinyi.out-1", "at": "2026-03-02T12:00:00+08:00"}
    brought = [cashier.post("/api/v1/vouchers/redemptions", {"items": [item]}).json()["items"][0] for _ in range(2)]
    assert brought[0] == brought[1]
    assert (brought[0]["state"], brought[0]["stay"], brought[0]["voucher"]) == ("done", stay, "00000001")
    copied = {**item, "at": "2026-03-02T11:00:00+08:00"}
    (second,) = cashier.post("/api/v1/vouchers/redemptions", {"items": [copied]}).json()["items"]
    assert second["state"] == "refused"
    assert [one["kind"] for one in console.get("/api/v1/exceptions").json()["items"]] == ["voucher_reused"]
    where = f"/api/v1/vouchers/redemptions/{second['id']}/resolution"
    decided = console.post(where, {"site": "xinyi", "action": "dismiss", "reason": "a copy"})
    assert decided.json()["state"] == "resolved"
    assert console.post(where, {"site": "xinyi", "action": "dismiss", "reason": "a copy"}).status_code == 409
    assert console.get("/api/v1/exceptions").json()["items"] == []
    states = [one["state"] for one in cashier.get("/api/v1/vouchers/redemptions").json()["items"]]
    assert sorted(states) == ["done", "resolved"]
    wrong = cashier.post("/api/v1/vouchers/redemptions", {"items": [{**item, "lane": "xinyi.nothing"}]})
    assert wrong.status_code == 422


def test_buyers_are_billed_once_a_month(office: Office) -> None:
    registrar, finance = office["registrar"], office["finance"]
    cafe = {"site": "xinyi", "id": "cafe", "kind": "merchant", "name": "=转角咖啡"}
    for _ in range(2):
        assert registrar.post("/api/v1/vouchers/buyers", cafe).status_code == 200
    assert registrar.post("/api/v1/vouchers/buyers", {**cafe, "id": "Café"}).status_code == 422
    codes = office.desk.issued("whole_stay", 0, buyer="cafe")
    at_the_exit(office)
    office.desk.present("浙A12345", codes[0])
    wanted = {"site": "xinyi", "month": "2026-03"}
    early = finance.post("/api/v1/vouchers/statements", wanted)
    assert (early.status_code, early.json()["type"]) == (409, "/problems/month-not-closed")
    office.street.clock.set(local("2026-04-01 02:00"))
    list(close_missed(office.street.parts, date(2026, 3, 31)))
    made = [finance.post("/api/v1/vouchers/statements", wanted).json()["items"] for _ in range(2)]
    assert made[0] == made[1] == finance.get("/api/v1/vouchers/statements", buyer="cafe").json()["items"]
    assert (made[0][0]["used"], made[0][0]["amount_fen"]) == (1, 1200)
    where = f"/api/v1/vouchers/xinyi/statements/{made[0][0]['id']}"
    (line,) = office["auditor"].get(where).json()["items"]
    assert (line["voucher"], line["amount_fen"]) == ("00000001", 1200)
    assert "stay" not in line
    table = office["auditor"].get(where, format="csv").content.decode("utf-8-sig")
    assert "00000001" in table
    assert "12.00" in table
    pays(office)


def test_buyers_and_their_months_come_page_by_page(office: Office) -> None:
    finance = office["finance"]
    names = [f"cafe-{number}" for number in range(5)]
    for name in names:
        cafe = {"site": "xinyi", "id": name, "kind": "merchant", "name": "咖啡"}
        assert office["registrar"].post("/api/v1/vouchers/buyers", cafe).status_code == 200
    rows = [
        {"site_id": "xinyi", "id": f"vs-{month}-{name}", "buyer_id": name, "month": month, "used": 1, "fen": 100}
        for month in ("2026-01", "2026-02")
        for name in names
    ]
    with office.street.parts.store.writing() as connection:
        connection.execute(insert(t.VoucherStatement), [row | {"made_at": local("09:00")} for row in rows])
        connection.commit()
    for path, wanted in (
        ("/api/v1/vouchers/buyers", names),
        (
            "/api/v1/vouchers/statements",
            [f"vs-{month}-{name}" for month in ("2026-02", "2026-01") for name in names],
        ),
    ):
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            answer = finance.get(path, limit=2, **cursor).json()
            assert len(answer["items"]) <= 2
            seen += [one["id"] for one in answer["items"]]
            if answer["next"] is None:
                break
            cursor = {"cursor": answer["next"]}
        assert seen == wanted
        assert finance.get(path, cursor="gold").status_code == 422


def pays(office: Office) -> None:
    """The till sees what the café owes, and takes it; nobody else does."""
    cashier, where = office["cashier"], "/api/v1/vouchers/buyers/cafe/payments"
    (buyer,) = cashier.get("/api/v1/vouchers/buyers").json()["items"]
    assert (buyer["id"], buyer["due_fen"]) == ("cafe", 1200)
    body = {"site": "xinyi", "channel": "cash", "amount_fen": 700, "reference": "receipt 7"}
    for role in ("registrar", "auditor", "manager", "guard", "committee"):
        assert office[role].post(where, body).status_code == 403
    made = [cashier.post(where, body, **{"Idempotency-Key": "c1"}) for _ in range(2)]
    assert [one.status_code for one in made] == [201, 201]
    assert made[0].json() == made[1].json()
    assert made[0].json() | {"id": ""} == {
        "id": "", "site": "xinyi", "buyer": "cafe", "channel": "cash", "amount_fen": 700, "due_fen": 500
    }  # fmt: skip
    for wrong, status in (
        ({"amount_fen": 501}, 409),
        ({"amount_fen": 0}, 422),
        ({"amount_fen": True}, 422),
        ({"channel": "Cash!"}, 422),
        ({"month": "2026-03"}, 422),
        ({"site": "archive"}, 404),
    ):
        assert cashier.post(where, {**body, **wrong}).status_code == status, wrong
    assert office["finance"].post(where, {**body, "amount_fen": 500}).json()["due_fen"] == 0
    (month,) = office["finance"].get("/api/v1/vouchers/statements").json()["items"]
    assert (month["amount_fen"], month["due_fen"]) == (1200, 0)
    office.desk.holds()


def test_roles(office: Office) -> None:
    """Registrar and console issue, cashier and console redeem, finance and auditor read; the others see nothing."""
    paths = {key: roles for key, roles in access.MATRIX.items() if "voucher" in key[1]}
    assert len(paths) == 21
    for (_, path), roles in paths.items():
        assert roles <= {"registrar", "console", "cashier", "finance", "auditor", "manager"}, path
    book = office.desk.book()
    for role in ROLES:
        assert office[role].post("/api/v1/vouchers/books", BOOK).status_code == (
            201 if role in {"registrar", "console"} else 403
        )
        shown = office[role].get("/api/v1/vouchers").status_code
        assert shown == (200 if role in {"registrar", "console", "finance", "auditor", "manager"} else 403)
        sheet = office[role].get(f"/api/v1/vouchers/books/{book.id}/sheet").status_code
        assert sheet == (200 if role in {"registrar", "console"} else 403)


def test_an_account_of_another_site_sees_nothing(office: Office) -> None:
    office.desk.issued(count=2)
    stay = at_the_exit(office)
    archive = (
        '[[site]]\nid = "archive"\nname = "档案馆"\ncapacity = 9\npolicy = "hushu-residential"\nmerchant = "hushu"\n'
    )
    estate.apply(office.street.parts, SITE.format(capacity=100) + archive)
    users.add(office.street.parts, "elsewhere", "console", ["archive"], PASSWORD, operator="test")
    answer = office.client.post("/api/v1/token", data={"username": "elsewhere", "password": PASSWORD})
    other = Staff(office.client, answer.json()["access_token"])
    assert other.get("/api/v1/vouchers").json()["items"] == []
    assert other.post("/api/v1/vouchers/books", BOOK).status_code == 403
    assert other.post(f"/api/v1/stays/{stay}/vouchers", {"code": office.desk.code(1)}).status_code == 404
    book = office["registrar"].get("/api/v1/vouchers/books").json()["items"][0]["id"]
    assert other.get(f"/api/v1/vouchers/books/{book}/sheet").status_code == 404
    assert other.get("/api/v1/vouchers/xinyi/1/steps").status_code == 404
    item = {"code": office.desk.code(1), "lane": "xinyi.out-1", "at": "2026-03-02T12:00:00+08:00"}
    assert other.post("/api/v1/vouchers/redemptions", {"items": [item]}).status_code == 403


class TestDriversPage:
    def page(self, office: Office, stay: str) -> str:
        return f"/pay/{token(office.street.parts.settings.secret(), stay)}"

    def test_a_voucher_is_presented_by_phone(self, office: Office) -> None:
        (code,) = office.desk.issued("hour", 120)
        page = self.page(office, at_the_exit(office))
        assert 'name="code"' in office.client.get(page).text
        answer = office.client.post(page, data={"code": code.lower()})
        assert answer.status_code == 200
        assert "停车券已登记" in answer.text
        assert "¥4.00" in answer.text
        assert "时长停车券" in answer.text
        assert office.desk.states() == {"used": 1}
        again = office.client.post(page + "?lang=en", data={"code": code})
        assert "registered" in again.text

    def test_settled_by_voucher_nothing_more_is_asked(self, office: Office) -> None:
        (code,) = office.desk.issued("whole_stay", 0)
        page = self.page(office, at_the_exit(office))
        answer = office.client.post(page, data={"code": code})
        assert "无需缴费" in answer.text
        assert 'name="code"' not in answer.text

    @pytest.mark.parametrize("what", ["nonsense", "copied", "drawer", "void"])
    def test_a_refusal_is_said_in_words(self, office: Office, what: str) -> None:
        codes = office.desk.issued("whole_stay", 0, count=2)
        office.desk.book()
        office.desk.void(2, 2)
        at_the_exit(office, "浙B11111")
        office.desk.present("浙B11111", codes[0])
        page = self.page(office, at_the_exit(office))
        code, words, status = {
            "nonsense": ("<script>", "券码不正确", 422),
            "copied": (codes[0], "已使用过", 409),
            "drawer": (office.desk.code(3), "尚未领用", 409),
            "void": (codes[1], "作废", 409),
        }[what]
        answer = office.client.post(page, data={"code": code})
        assert (answer.status_code, words in answer.text) == (status, True)
        assert "<script>" not in answer.text
        assert "¥12.00" in answer.text

    def test_nobody_tries_many(self, office: Office) -> None:
        (code,) = office.desk.issued("hour", 120)
        page = self.page(office, at_the_exit(office))
        answers = [office.client.post(page, data={"code": f"{n:08d}-00000-00000"}).status_code for n in range(14)]
        assert answers == [422] * 10 + [429] * 4
        assert office.client.post(page, data={"code": code}).status_code == 429, "also with a good one"
        assert office.desk.states() == {"issued": 1}
        elsewhere = Client(office.client.app, address="192.0.2.77")
        assert elsewhere.post(page, data={"code": code}).status_code == 429, "the page is closed to every phone"

    def test_an_address_is_slowed_at_all_pages(self, office: Office) -> None:
        stays = [at_the_exit(office, f"浙C0000{n}") for n in range(8)]
        for place in range(60):
            answer = office.client.post(self.page(office, stays[place % 7]), data={"code": f"{place:08d}-00000-00000"})
            assert answer.status_code == 422
        assert office.client.post(self.page(office, stays[7]), data={"code": "x"}).status_code == 429
        other = Client(office.client.app, address="192.0.2.77")
        assert other.post(self.page(office, stays[7]), data={"code": "x"}).status_code == 422

    def test_a_forged_page_takes_nothing(self, office: Office) -> None:
        (code,) = office.desk.issued("hour", 120)
        stay = at_the_exit(office)
        for wrong in (stay, f"{stay}~aaaaaaaaaaaaaaaaaaaa", "~"):
            assert office.client.post(f"/pay/{wrong}", data={"code": code}).status_code == 404
        assert office.desk.states() == {"issued": 1}

    def test_a_stay_that_a_person_must_look_at(self, office: Office) -> None:
        (code,) = office.desk.issued("hour", 120)
        office.street.passes("in-1", "浙A12345", "09:00")
        stay = office.street.stay("浙A12345").id
        office.street.clock.set(local("2026-03-20 09:00"))
        answer = office.client.post(self.page(office, stay), data={"code": code})
        assert answer.status_code == 409
