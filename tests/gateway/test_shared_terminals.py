"""A terminal that several people use: locked when nobody uses it, and whoever comes back goes on where they were."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.api.sessions import LIFETIME
from gateway.console.signed_in import onward
from gateway.wiring import Parts
from tests.gateway.house import PASSWORD, Client, House, a_house
from tests.gateway.test_console import csrf_of, signed_in

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
MINUTES = 15
FETCHED = {"Sec-Fetch-Mode": "same-origin"}


@pytest.fixture
def house(parts: Parts) -> House:
    house = a_house(parts)
    house.hires("kim", "console")
    house.hires("lee", "guard", "xinyi")
    return house


def shared(house: House, name: str = "kim") -> Client:
    browser = Client(house.app)
    assert signs_in(browser, name, shared="yes").headers["location"] == "/"
    return browser


def signs_in(browser: Client, name: str, **more: str) -> httpx.Response:
    csrf = csrf_of(browser.get("/login").text)
    return browser.post("/login", data={"username": name, "password": PASSWORD, "csrf": csrf, **more})


def is_in(browser: Client) -> bool:
    return browser.get("/api/v1/sites").status_code == 200


@on_one_database
class TestUnused:
    def test_it_is_locked_for_pages_and_for_the_api(self, house: House, clock: Any) -> None:
        browser = shared(house)
        clock.advance(seconds=(MINUTES + 1) * 60 - 1)
        assert is_in(browser)
        clock.advance(seconds=1)
        assert not is_in(browser)
        assert browser.get("/queue").headers["location"] == "/login"

    def test_whoever_goes_to_pages_uses_it_and_a_script_that_looks_for_news_does_not(
        self, house: House, clock: Any
    ) -> None:
        used, watched = shared(house), shared(house)
        for _ in range(3):
            clock.advance(seconds=10 * 60)
            assert used.get("/queue").status_code == 200
            watched.get("/queue", headers=FETCHED)
            watched.get("/api/v1/exceptions")
        assert is_in(used)
        assert not is_in(watched)

    def test_a_page_on_which_somebody_writes_tells_so(self, house: House, clock: Any) -> None:
        browser = shared(house)
        csrf = csrf_of(browser.get("/queue").text)
        for _ in range(3):
            clock.advance(seconds=10 * 60)
            assert browser.post("/used", data={"csrf": csrf}).status_code == 204
        assert is_in(browser)
        assert browser.post("/used", data={"csrf": "made up"}).status_code == 303

    def test_however_much_it_is_used_a_session_ends(self, house: House, clock: Any) -> None:
        browser = shared(house)
        for _ in range(int(LIFETIME.total_seconds()) // 600 - 1):
            clock.advance(seconds=600)
            assert browser.get("/queue").status_code == 200
        clock.advance(seconds=600)
        assert browser.get("/queue").status_code == 303
        assert 'value="kim"' not in browser.get("/login").text

    def test_what_is_used_by_one_person_is_not_locked(self, house: House, clock: Any) -> None:
        browser = signed_in(house)
        assert "/idle.js" not in browser.get("/queue").text
        clock.advance(seconds=LIFETIME.total_seconds() - 1)
        assert is_in(browser)

    def test_a_new_password_leaves_it_shared(self, house: House, clock: Any) -> None:
        browser = shared(house)
        form = {"csrf": csrf_of(browser.get("/account").text), "password": PASSWORD}
        fresh = "ten barriers in a row"
        answer = browser.post("/account/password", data={**form, "new_password": fresh, "again": fresh})
        assert answer.status_code == 303
        assert is_in(browser)
        clock.advance(seconds=(MINUTES + 1) * 60)
        assert not is_in(browser)


@on_one_database
class TestLocked:
    def test_it_is_locked_by_hand_and_says_whose_it_was(self, house: House) -> None:
        browser = signed_in(house)
        csrf = csrf_of(browser.get("/queue").text)
        assert browser.post("/lock", data={"csrf": "made up"}).headers["location"] == "/"
        assert is_in(browser)
        answer = browser.post("/lock", data={"csrf": csrf, "onward": "/queue?state=any"})
        assert answer.headers["location"] == "/login?onward=%2Fqueue%3Fstate%3Dany"
        assert not is_in(browser)
        form = browser.get(answer.headers["location"]).text
        assert "终端已锁定" in form
        assert 'value="kim"' in form
        assert 'name="onward" value="/queue?state=any"' in form

    def test_the_same_person_goes_on_where_they_were_and_another_begins_anew(self, house: House) -> None:
        for name, leads in (("kim", "/queue"), ("lee", "/")):
            browser = shared(house)
            browser.post("/lock", data={"csrf": csrf_of(browser.get("/").text)})
            assert signs_in(browser, name, onward="/queue", shared="yes").headers["location"] == leads

    def test_a_wrong_password_forgets_neither_the_page_nor_that_it_is_shared(self, house: House) -> None:
        browser = shared(house)
        browser.post("/lock", data={"csrf": csrf_of(browser.get("/").text)})
        form = {"username": "kim", "onward": "/queue", "shared": "yes"}
        answer = browser.post("/login", data={**form, "password": "wrong", "csrf": csrf_of(browser.get("/login").text)})
        assert answer.status_code == 401
        assert 'name="onward" value="/queue"' in answer.text
        assert "checked" in answer.text

    def test_a_browser_that_was_shared_is_until_somebody_says_otherwise(self, house: House) -> None:
        browser = shared(house)
        assert "checked" in browser.get("/login").text
        signs_in(browser, "kim")
        assert "checked" not in browser.get("/login").text


@pytest.mark.parametrize(
    "said", ["", "queue", "//elsewhere.example", "/\\elsewhere.example", "https://elsewhere.example", "/a\r\nb"]
)
def test_nobody_is_led_elsewhere_by_signing_in(said: str) -> None:
    assert onward(said) == "/"
    assert onward("/stays?plate=浙A12345") == "/stays?plate=浙A12345"


@on_one_database
def test_a_form_that_was_shown_later_spoils_none_that_was_shown_before(house: House) -> None:
    browser = Client(house.app)
    first = csrf_of(browser.get("/login").text)
    browser.get("/login")
    answer = browser.post("/login", data={"username": "kim", "password": PASSWORD, "csrf": first})
    assert answer.headers["location"] == "/"
