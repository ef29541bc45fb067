"""The vouchers' pages without script: a book is made, handed out against a signature, found, and taken back."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.api.app import create_app
from gateway.flows import users
from gateway.flows.users import ROLES
from gateway.flows.vouchers import books
from gateway.wiring import Parts
from tests.gateway.house import PASSWORD, Client
from tests.gateway.people import a_household
from tests.gateway.roles import each_gets_what_the_api_gives_it
from tests.gateway.test_console import csrf_of, signed_in
from tests.gateway.test_desk_allowances import told
from tests.gateway.trade import Street
from tests.gateway.voucher_desk import Desk

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
BOOK = {
    "site": "xinyi",
    "kind": "amount",
    "value": "4.50",
    "count": "10",
    "valid_from": "2026-03-01",
    "valid_to": "2026-03-31",
}
ISSUE = {
    "site": "xinyi",
    "first_serial": "1",
    "last_serial": "3",
    "household": "3-502",
    "purpose": "访客",
    "signature": "单 7",
}


class Counter(Street):
    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.app = create_app(parts, wall=parts.clock)
        for role in ROLES:
            users.add(parts, role, role, [], PASSWORD, operator="test")
        a_household(self)
        self.vouchers = Desk(self)

    def person(self, name: str) -> Client:
        return signed_in(self, name)  # type: ignore[arg-type]


@pytest.fixture
def street(parts: Parts) -> Counter:
    return Counter(parts)


def sends(person: Client, where: str, **typed: str) -> Any:
    page = person.get(where).text
    once = page.split('name="once" value="')[1].split('"')[0] if 'name="once"' in page else ""
    return person.post(where, data={"csrf": csrf_of(page), "once": once, **typed})


def test_a_book_is_made_handed_out_and_taken_back(street: Counter) -> None:
    person = street.person("registrar")
    assert sends(person, "/vouchers/books/new", **BOOK).headers["location"] == "/vouchers?said=book-made"
    page = person.get("/vouchers").text
    for words in ("00000001–00000010", "金额券 ¥4.50", "2026-03-31", "/sheet?from=1&amp;to=10"):
        assert words in page, words
    assert sends(person, "/vouchers/issues/new", **ISSUE).headers["location"] == "/vouchers/issues?said=issued"
    page = person.get("/vouchers/issues?household=3-502&month=2026-03").text
    assert "00000001–00000003" in page
    assert "单 7" in page
    back = sends(person, "/vouchers/at/xinyi/1", what="return", last="2", reason="未用")
    assert back.headers["location"] == "/vouchers/at/xinyi/1?said=voucher-return"
    assert street.vouchers.states() == {"stock": 7, "returned": 2, "issued": 1}
    assert "未用" in person.get("/vouchers/at/xinyi/1").text
    assert ">00000003<" in person.get("/vouchers/find?state=issued").text
    street.vouchers.holds()


def test_the_same_form_sent_twice_makes_one_book_and_one_issue(street: Counter) -> None:
    person = street.person("registrar")
    for where, typed in (("/vouchers/books/new", BOOK), ("/vouchers/issues/new", ISSUE)):
        page = person.get(where).text
        once = page.split('name="once" value="')[1].split('"')[0]
        form = {"csrf": csrf_of(page), "once": once, **typed}
        assert {person.post(where, data=form).status_code for _ in range(2)} == {303}
    assert street.vouchers.states() == {"stock": 7, "issued": 3}


@pytest.mark.parametrize(
    ("where", "field", "typed"),
    [
        ("/vouchers/books/new", "value", {**BOOK, "value": "4.505"}),
        ("/vouchers/books/new", "value", {**BOOK, "kind": "hour", "value": "1.5"}),
        ("/vouchers/books/new", "count", {**BOOK, "count": "many"}),
        ("/vouchers/books/new", "valid_to", {**BOOK, "valid_to": "2026-02-01"}),
        ("/vouchers/issues/new", "taker", {**ISSUE, "household": ""}),
        ("/vouchers/issues/new", "first_serial", {**ISSUE, "first_serial": "one"}),
    ],
)
def test_what_is_wrong_stands_at_its_field(street: Counter, where: str, field: str, typed: dict[str, str]) -> None:
    sends(street.person("registrar"), "/vouchers/books/new", **BOOK)
    answer = sends(street.person("registrar"), where, **typed)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text.split(f'id="f-{field}"')[1].split("</div>")[0]
    assert street.vouchers.states() == {"stock": 10}


def test_what_cannot_be_handed_out_or_taken_back_is_said(street: Counter) -> None:
    person = street.person("registrar")
    sends(person, "/vouchers/books/new", **BOOK)
    assert sends(person, "/vouchers/at/xinyi/1", what="return", reason="x").status_code == 409
    assert sends(person, "/vouchers/at/xinyi/1", what="void", reason="缺页").status_code == 303
    assert sends(person, "/vouchers/at/xinyi/2", what="book", reason="x").status_code == 403
    assert street.vouchers.states() == {"stock": 9, "void": 1}
    refused = sends(person, "/vouchers/issues/new", **ISSUE)
    assert refused.status_code == 409
    assert "不在可以这样处理的状态" in refused.text
    assert person.get("/vouchers/at/xinyi/99").status_code == 404


def test_each_role_gets_what_the_api_gives_it(street: Counter) -> None:
    street.vouchers.issued(count=2)
    pages = {
        "/vouchers": ("GET", "/vouchers/books"),
        "/vouchers/issues": ("GET", "/vouchers/issues"),
        "/vouchers/find": ("GET", "/vouchers"),
        "/vouchers/at/xinyi/1": ("GET", "/vouchers/{site}/{serial}/steps"),
        "/vouchers/books/new": ("POST", "/vouchers/books"),
        "/vouchers/issues/new": ("POST", "/vouchers/issues"),
    }
    each_gets_what_the_api_gives_it(street.person, pages)
    auditor = street.person("auditor")
    page = auditor.get("/vouchers/at/xinyi/1").text
    assert 'name="what"' not in page
    done = auditor.post("/vouchers/at/xinyi/1", data={"csrf": csrf_of(page), "what": "void", "reason": "x"})
    assert done.status_code == 403


def test_a_form_from_elsewhere_changes_nothing(street: Counter) -> None:
    person = street.person("registrar")
    sends(person, "/vouchers/books/new", **{**BOOK, "csrf": "made up"})
    assert street.vouchers.states() == {}
    sends(person, "/vouchers/books/new", **BOOK)
    sends(person, "/vouchers/at/xinyi/1", what="void", reason="x", csrf="made up")
    sends(person, "/vouchers/issues/new", **{**ISSUE, "csrf": "made up"})
    assert street.vouchers.states() == {"stock": 10}


def test_a_days_stock_is_summed_by_buyer_and_told_book_by_book(street: Counter) -> None:
    desk = street.vouchers
    books.register_buyer(desk.parts, site="xinyi", buyer="cafe", kind="merchant", name="转角咖啡", operator="registrar")
    desk.book(count=10)
    desk.book("amount", 450, count=4, buyer="cafe")
    desk.issue(1, 5, household="3-502")
    desk.give_back(5, 5)
    desk.void(4, 4)
    desk.issue(11, 12)
    street.clock.advance(days=1)
    desk.issue(6, 6, household="3-502")
    person = street.person("auditor")
    first = person.get("/vouchers/stock").text
    today = told(first)
    # Books, then of the day: handed out, returned, used, taken off bills; then made, in stock, gone unissued, handed out, and what of them is used, void, expired, outside.
    assert "信义坊 街道自有 1 1 0 0 ¥0.00 10 5 0 5 0 1 0 4" in today
    assert "信义坊 cafe 1 0 0 0 ¥0.00 4 2 0 2 0 0 0 2" in today
    assert "合计 2 1 0 0 ¥0.00 14 7 0 7 0 1 0 6" in today
    before = first.split('rel="prev" href="')[1].split('"')[0].replace("&amp;", "&")
    page = person.get(before).text
    assert "发放 5 · 入库 10 · 退回 1 · 作废 1" in told(page)
    assert told(page).count("✓ 相符") == 2
    assert "这一天没有券本" in person.get("/vouchers/stock?day=2026-02-01").text
    assert person.get("/vouchers/stock?day=someday").status_code == 422
    assert street.person("cashier").get("/vouchers/stock").status_code == 403
