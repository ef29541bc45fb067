"""The console's working pages, as a browser without script gets them: the queue, stays, lanes; each for who may."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.console.desk import sections
from gateway.console.words import WORDS
from gateway.console.words_desk import DESK
from gateway.wiring import Parts
from tests.gateway.house import MORNING, Client, House, a_house, a_stay, an_exception, heard, later
from tests.gateway.test_console import csrf_of, signed_in

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture
def house(parts: Parts) -> House:
    house = a_house(parts)
    house.hires("kim", "console")
    house.hires("lee", "guard", "xinyi")
    house.hires("ann", "auditor")
    house.hires("cora", "committee")
    return house


def post(browser: Client, path: str, page: str, **fields: str) -> Any:
    return browser.post(path, data={"csrf": csrf_of(page), **fields})


class TestDoors:
    @pytest.mark.parametrize("path", ["/queue", "/stays", "/stays/xinyi.a", "/lanes/xinyi.in-1"])
    def test_who_is_not_signed_in_is_led_to_the_form(self, house: House, path: str) -> None:
        answer = house.client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")

    def test_a_role_sees_its_pages_and_the_way_to_them(self, house: House) -> None:
        for name, pages in (("kim", ["/", "/queue", "/stays"]), ("ann", ["/", "/queue", "/stays"])):
            page = signed_in(house, name).get("/queue").text
            assert re.findall(r'<a href="(/[a-z]*)"(?: aria-current="page")?>', page)[: len(pages)] == pages
        for path in ("/queue", "/stays"):
            assert signed_in(house, "cora").get(path).status_code == 403

    def test_every_page_says_everything_in_both_languages(self, house: House) -> None:
        an_exception(house.parts, "xinyi", "a", "no_entry")
        a_stay(house.parts, "xinyi.a", at=MORNING)
        browser = signed_in(house)
        for path in ("/queue", "/stays", "/stays/xinyi.a", "/lanes/xinyi.in-1"):
            chinese, english = browser.get(f"{path}?lang=zh"), browser.get(f"{path}?lang=en")
            assert (chinese.status_code, english.status_code) == (200, 200), path
            assert 'lang="zh-CN"' in chinese.text
            body = english.text.split('<main id="content"')[1].split("</main>")[0]
            assert not re.findall(r"desk\.[a-z]+|undefined", body)
        assert DESK["zh"].keys() == DESK["en"].keys()
        assert WORDS["zh"].keys() == WORDS["en"].keys()
        assert all(f"desk.{name}" in WORDS["zh"] for name, _, _ in sections.PAGES)


class TestQueue:
    def test_an_item_is_taken_on_and_done_with(self, house: House) -> None:
        an_exception(house.parts, "xinyi", "浙A12345:2026-03-02", "blocked", count=2)
        lee = signed_in(house, "lee")
        page = lee.get("/queue").text
        assert "禁止入内车辆" in page
        assert "×2" in page
        item = page.split('id="item-')[1].split('"')[0]
        assert post(lee, f"/queue/{item}/claim", page).status_code == 303
        page = lee.get("/queue").text
        assert "处理人: lee" in page
        assert "放回" in page
        other = post(signed_in(house), f"/queue/{item}/resolution", signed_in(house).get("/queue").text)
        assert other.status_code in {303, 409}
        done = post(lee, f"/queue/{item}/resolution", page, resolution="已劝离", note="车主配合")
        assert done.status_code == 303
        assert "没有待处理的异常" in lee.get("/queue").text
        assert "已劝离: 车主配合" in lee.get("/queue?state=resolved").text

    def test_what_cannot_be_done_is_said_with_the_way_back(self, house: House) -> None:
        an_exception(house.parts, "xinyi", "a", "no_entry")
        kim, lee = signed_in(house), signed_in(house, "lee")
        page = kim.get("/queue").text
        item = page.split('id="item-')[1].split('"')[0]
        post(kim, f"/queue/{item}/claim", page)
        refused = post(lee, f"/queue/{item}/claim", lee.get("/queue").text)
        assert refused.status_code == 409
        assert "kim" in refused.text
        assert 'href="/queue"' in refused.text
        assert post(kim, "/queue/nothing/claim", page).status_code == 404

    def test_a_form_from_elsewhere_changes_nothing(self, house: House) -> None:
        an_exception(house.parts, "xinyi", "a", "no_entry")
        kim = signed_in(house)
        item = kim.get("/queue").text.split('id="item-')[1].split('"')[0]
        for csrf in ("", "made up"):
            kim.post(f"/queue/{item}/resolution", data={"csrf": csrf, "resolution": "x"})
        assert f"item-{item}" in kim.get("/queue").text

    def test_who_only_reads_has_no_buttons(self, house: House) -> None:
        an_exception(house.parts, "xinyi", "a", "no_entry")
        page = signed_in(house, "ann").get("/queue").text
        assert "无入场记录" in page
        assert "/claim" not in page
        item = page.split('id="item-')[1].split('"')[0]
        assert post(signed_in(house, "ann"), f"/queue/{item}/claim", page).status_code == 403

    def test_a_long_queue_comes_page_by_page(self, house: House) -> None:
        for number in range(120):
            an_exception(house.parts, "xinyi", f"a{number:03d}", "no_entry")
        kim = signed_in(house)
        first = kim.get("/queue").text
        onward = re.search(r'rel="next" href="([^"]+)"', first)
        assert onward is not None
        second = kim.get(onward[1].replace("&amp;", "&")).text
        assert (first.count('class="item"'), second.count('class="item"')) == (100, 20)


class TestStays:
    def test_found_by_a_part_of_the_plate_and_told_as_a_story(self, house: House) -> None:
        a_stay(house.parts, "xinyi.a", "浙A12345", at=MORNING)
        a_stay(house.parts, "xinyi.b", "浙B99999", at=later(1))
        kim = signed_in(house)
        page = kim.get("/stays?plate=a·123").text
        assert "浙A12345" in page
        assert "浙B99999" not in page
        story = kim.get("/stays/xinyi.a").text
        assert "浙A12345" in story
        assert '<ol class="story">' in story

    def test_of_another_site_there_is_nothing(self, house: House) -> None:
        a_stay(house.parts, "archive.a", "浙A12345", at=MORNING)
        lee = signed_in(house, "lee")
        assert "浙A12345" not in lee.get("/stays").text
        assert lee.get("/stays/archive.a").status_code == 404
        assert lee.get("/stays?site=archive").status_code == 403

    @pytest.mark.parametrize("query", ["state=nowhere", "from=yesterday"])
    def test_what_is_asked_wrongly_is_said(self, house: House, query: str) -> None:
        assert signed_in(house).get(f"/stays?{query}").status_code == 422


class TestLanes:
    def test_a_guard_opens_by_name_and_sees_what_became_of_it(self, house: House) -> None:
        heard(house.parts, "xinyi", in_1="closed")
        lee = signed_in(house, "lee")
        page = lee.get("/lanes/xinyi.in-1").text
        once = page.split('name="once" value="')[1].split('"')[0]
        for _ in range(2):
            done = post(lee, "/lanes/xinyi.in-1", page, action="open", once=once, reason="消防车", note="")
            assert done.status_code == 303
        page = lee.get(done.headers["location"]).text
        followed = page.split('data-command="')[1].split('"')[0]
        assert lee.get(followed).json()["reason"] == "消防车"
        assert page.count("消防车") == 1
        assert "已下达" in page

    def test_without_a_reason_nothing_opens(self, house: House) -> None:
        lee = signed_in(house, "lee")
        page = lee.get("/lanes/xinyi.in-1").text
        assert post(lee, "/lanes/xinyi.in-1", page, action="open", reason=" ").status_code == 422
        assert "已下达" not in lee.get("/lanes/xinyi.in-1").text

    def test_who_may_not_has_no_buttons_and_no_way(self, house: House) -> None:
        page = signed_in(house, "ann").get("/lanes/xinyi.in-1").text
        assert 'name="action"' not in page
        assert signed_in(house, "lee").get("/lanes/archive.in-1").status_code == 404
        assert signed_in(house).get("/lanes/xinyi.in-9").status_code == 404
