"""The console's pages: signing in, the lane board, the driver's page. Without script, as a browser gets them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.api.sessions import COOKIE
from gateway.console.rendering import yuan
from gateway.console.words import EXCEPTION_WORDS, WORDS
from gateway.wiring import Parts
from tests.gateway.house import (
    MORNING,
    PASSWORD,
    Client,
    House,
    a_house,
    a_read,
    an_exception,
    heard,
    later,
    with_settings,
)

pytestmark = pytest.mark.filterwarnings("error")
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def house(parts: Parts) -> House:
    house = a_house(parts)
    house.hires("kim", "console")
    house.hires("lee", "guard", "xinyi")
    return house


def csrf_of(page: str) -> str:
    return page.split('name="csrf" value="')[1].split('"', maxsplit=1)[0]


def signed_in(house: House, name: str = "kim", password: str = PASSWORD) -> Client:
    browser = Client(house.app)
    csrf = csrf_of(browser.get("/login").text)
    answer = browser.post("/login", data={"username": name, "password": password, "csrf": csrf})
    assert (answer.status_code, answer.headers.get("location")) == (303, "/")
    return browser


@on_one_database
class TestSigningIn:
    def test_who_is_not_signed_in_is_led_to_the_form(self, house: House) -> None:
        answer = house.client.get("/")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")

    def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(self, house: House) -> None:
        browser = Client(house.app)
        csrf = csrf_of(browser.get("/login").text)
        answer = browser.post("/login", data={"username": "kim", "password": PASSWORD, "csrf": csrf})
        (cookie,) = [line for line in answer.headers.get_list("set-cookie") if line.startswith(COOKIE)]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert "Secure" not in cookie
        safe = House(with_settings(house.parts, public_url="https://park.example"))
        form = safe.client.get("/login")
        assert "Secure" in form.headers["set-cookie"]

    def test_a_form_from_elsewhere_signs_nobody_in(self, house: House) -> None:
        browser = Client(house.app)
        browser.get("/login")
        for csrf in ("", "made up", "\ud83d"):
            data = {"username": "kim", "password": PASSWORD, "csrf": csrf.encode("utf-8", "replace").decode()}
            answer = browser.post("/login", data=data)
            assert answer.status_code == 403
            assert browser.get("/").status_code == 303

    def test_a_wrong_password_says_so_and_no_more(self, house: House) -> None:
        answers = []
        for name in ("kim", "nobody"):
            browser = Client(house.app)
            csrf = csrf_of(browser.get("/login").text)
            answers.append(browser.post("/login", data={"username": name, "password": "wrong", "csrf": csrf}))
        assert [answer.status_code for answer in answers] == [401, 401]
        assert all("用户名或密码不正确" in answer.text for answer in answers)

    def test_what_was_typed_is_shown_as_text(self, house: House) -> None:
        browser = Client(house.app)
        csrf = csrf_of(browser.get("/login").text)
        page = browser.post("/login", data={"username": '"><script>', "password": "x", "csrf": csrf}).text
        assert "<script>" not in page
        assert "&lt;script&gt;" in page

    def test_signing_out_needs_the_pages_own_token(self, house: House) -> None:
        browser = signed_in(house)
        page = browser.get("/").text
        browser.post("/logout", data={"csrf": "made up"})
        assert browser.get("/").status_code == 200
        browser.post("/logout", data={"csrf": csrf_of(page)})
        assert browser.get("/").status_code == 303

    def test_the_cookie_reads_the_api_but_changes_nothing_without_its_token(self, house: House) -> None:
        browser = signed_in(house)
        csrf = csrf_of(browser.get("/").text)
        assert browser.get("/api/v1/sites").status_code == 200
        payment = {"channel": "cash", "amount_fen": 800}
        assert browser.post("/api/v1/stays/xinyi.a/payments", json=payment).status_code == 403
        headers = {"X-CSRF-Token": csrf}
        assert browser.post("/api/v1/stays/xinyi.a/payments", json=payment, headers=headers).status_code == 201


@on_one_database
class TestBoard:
    def test_every_lane_with_word_and_icon_and_its_last_decision(self, house: House, clock: Any) -> None:
        heard(house.parts, "xinyi", in_1="open", out_1="fault")
        a_read(house.parts, "xinyi", "ev-0", "浙B00000", at=MORNING)
        a_read(house.parts, "xinyi", "ev-1", "浙A12345", at=later(1), decision="refuse", reason="not_registered")
        a_read(house.parts, "xinyi", "ev-2", None, at=later(1), lane_id="out-1", decision="open", reason="paid")
        an_exception(house.parts, "xinyi", "无入场 1", "no_entry", count=3)
        page = signed_in(house).get("/").text
        for words in (
            "xinyi 小区",
            "archive 小区",
            "浙A12345",
            "未放行 · 非登记车辆",
            "放行 · 已缴费",
            "无牌车",
            "已升起",
            "故障",
            "↑",
            "✕",
            "无入场记录",
            "×3",
        ):
            assert words in page, words
        assert "浙B00000" not in page, "the newest read only"
        assert page.count('class="lane"') == 4
        assert page.count("状态过时") >= 2, "nothing was heard of the archive"
        assert '<noscript><meta http-equiv="refresh"' in page
        assert "<script>" not in page
        assert " style=" not in page
        assert " onclick=" not in page
        clock.advance(seconds=120)
        assert signed_in(house).get("/").text.count("◌") == 4

    def test_a_guard_sees_the_own_sites_only(self, house: House) -> None:
        page = signed_in(house, "lee").get("/").text
        assert "xinyi 小区" in page
        assert "archive 小区" not in page

    def test_english_is_a_switch_that_is_remembered(self, house: House) -> None:
        heard(house.parts, "xinyi", in_1="open")
        browser = signed_in(house)
        assert "Parkgate console" in browser.get("/?lang=en").text
        page = browser.get("/").text
        assert '<html lang="en"' in page
        assert "智慧停车总控台" not in page
        assert "智慧停车总控台" in browser.get("/?lang=zh").text

    def test_a_committee_is_led_to_what_is_for_it(self, house: House) -> None:
        house.hires("com", "committee")
        committee = signed_in(house, "com")
        first = committee.get("/")
        assert (first.status_code, first.headers["location"]) == (303, "/doors")
        assert committee.get(first.headers["location"]).status_code == 200
        assert "您的角色不能查看此页面" in committee.get("/queue").text

    def test_its_parts_are_served(self, house: House) -> None:
        for name, kind in (("board.js", "javascript"), ("console.css", "text/css"), ("icon.svg", "image/svg")):
            answer = house.client.get(f"/static/{name}")
            assert answer.status_code == 200
            assert kind in answer.headers["content-type"]
            assert answer.headers["cache-control"] == "no-cache"
            kept = {"If-None-Match": answer.headers["etag"]}
            assert house.client.get(f"/static/{name}", headers=kept).status_code == 304
        assert house.client.get("/static/../pages.py").status_code == 404
        assert house.client.get("/static/nothing.js").status_code == 404

    def test_a_browser_asks_once_for_what_has_its_content_in_its_address(self, house: House) -> None:
        page = signed_in(house, "kim").get("/").text
        parts = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page))
        assert {one.rpartition("/")[2] for one in parts} >= {"console.css", "board.css", "board.js", "icon.svg"}
        for one in parts:
            answer = house.client.get(one, headers={"Accept-Encoding": "gzip"})
            assert answer.status_code == 200, one
            assert "immutable" in answer.headers["cache-control"]
            plain = house.client.get(one, headers={"Accept-Encoding": "identity"})
            assert plain.content == answer.content
            assert ("content-encoding" in answer.headers, "content-encoding" in plain.headers) == (True, False)
            assert (
                "max-age"
                not in house.client.get(re.sub("/[0-9a-f]{12}/", f"/{'0' * 12}/", one)).headers["cache-control"]
            )


@on_one_database
class TestDriver:
    def test_a_bill_in_words(self, house: House) -> None:
        page = house.client.get("/pay/signed").text
        assert "浙A···45" in page
        assert "¥8.00" in page
        assert "停车 110 分钟。" in page
        assert "请在岗亭缴费" in page
        house.desk.due_fen = 0
        assert "Nothing is due." in house.client.get("/pay/signed?lang=en").text

    def test_a_link_that_nobody_signed_shows_nothing(self, house: House) -> None:
        answer = house.client.get("/pay/xinyi.a")
        assert answer.status_code == 404
        assert "此链接无效" in answer.text
        assert "浙" not in answer.text


def test_both_languages_have_the_same_words() -> None:
    assert WORDS["zh"].keys() == WORDS["en"].keys()
    assert EXCEPTION_WORDS["en"].keys() <= EXCEPTION_WORDS["zh"].keys()


@pytest.mark.parametrize(("fen", "shown"), [(0, "¥0.00"), (5, "¥0.05"), (123456, "¥1,234.56"), (-400, "−¥4.00")])
def test_fen_are_shown_as_yuan(fen: int, shown: str) -> None:
    assert yuan(fen) == shown
