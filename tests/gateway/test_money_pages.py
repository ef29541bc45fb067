"""The console's money pages: each for who may, in both languages; comparing policies."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from gateway.api import access
from gateway.console.desk import sections
from gateway.console.words import WORDS
from gateway.flows.users import ROLES
from gateway.store import books
from gateway.wiring import Parts
from tests.gateway.house import Client
from tests.gateway.money_desk import SITE_DAY, Desk, content_of, sends
from tests.gateway.reconciling import DAY
from tests.gateway.trade import local

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture
def desk(parts: Parts) -> Desk:
    return Desk(parts)


class TestDoors:
    def test_every_page_is_there_for_whoever_may_make_its_call_and_for_nobody_else(self, desk: Desk) -> None:
        for role in ROLES:
            desk.hires(role, role)
            browser = desk.at(role)
            for page in sections.SECTIONS["money"]:
                expected = 200 if access.allowed(role, *page.call) else 403
                assert browser.get(page.where).status_code == expected, (role, page.where)
            assert browser.get("/money").status_code == 303

    def test_who_is_not_signed_in_is_led_to_the_form(self, desk: Desk) -> None:
        for path in ("/money", "/money/shifts", SITE_DAY, "/money/breaks/xinyi.a", "/money/policies/compare"):
            assert desk.house.client.get(path, headers={}).status_code in {303, 401}
        nobody = Client(desk.house.app)
        assert nobody.post("/money/statements/import", files={"file": b"x"}).headers["location"] == "/login"

    def test_of_another_site_there_is_nothing(self, desk: Desk) -> None:
        name = desk.found()
        desk.hires("far", "finance", "moganshan")
        far = desk.at("far")
        shift = desk.opens()
        for path in (f"/money/breaks/{name}", f"/money/shifts/{shift}", SITE_DAY, "/money/safes/xinyi"):
            assert far.get(path).status_code == 404, path
        assert far.get("/money/breaks?site=xinyi").status_code == 403
        assert name not in far.get("/money/breaks").text

    def test_a_form_from_elsewhere_changes_nothing(self, desk: Desk) -> None:
        li = desk.at("li")
        for csrf in ("", "made up"):
            said = {"csrf": csrf, "site": "xinyi", "drawer": "east", "pieces_10000": "1"}
            assert li.post("/money/shifts/open", data=said).headers["location"] == "/money/shifts"
        assert "east" not in content_of(li.get("/money/shifts"))

    def test_days_are_shown_as_far_back_as_the_books_reach(self, desk: Desk) -> None:
        desk.hires("fin", "finance")
        fin = desk.at("fin")
        with desk.parts.store.reading() as connection:
            opened = books.books_of(connection)["xinyi"][0]
        days = re.findall(r'href="/money/days/(\d{4}-\d\d-\d\d)"', content_of(fin.get("/money/days")))
        assert days[-1] == str(opened)
        assert (
            re.findall(r'href="/money/days/(\d{4}-\d\d-\d\d)"', fin.get("/money/days?until=2000-01-01").text)
            == days[-1:]
        )

    def test_a_closed_day_says_by_whom_and_offers_no_close(self, desk: Desk) -> None:
        desk.hires("fin", "finance")
        desk.night(DAY - timedelta(days=1))
        desk.clock.set(local("2026-03-03 08:00"))
        fin = desk.at("fin")
        pages = (SITE_DAY, f"/money/days/{DAY}")
        for where in pages:
            assert f"/money/days/{DAY}/close" in fin.get(where).text, where
        assert sends(fin, f"/money/days/{DAY}/close", pages[1], site="").status_code == 303
        for where in pages:
            page = content_of(fin.get(where))
            assert f"/money/days/{DAY}/close" not in page, where
            assert re.search(r"2026-03-03 08:00:00</time> fin</small>", page), where

    def test_a_site_has_its_name(self, desk: Desk) -> None:
        desk.found()
        desk.opens()
        for path in ("/money/breaks", "/money/shifts"):
            rows = content_of(desk.at("zhao").get(path)).split("<tbody>")[1]
            assert "信义坊" in rows, path

    def test_every_page_says_everything_in_both_languages(self, desk: Desk) -> None:
        desk.hires("boss", "finance")
        name, shift = desk.found(), desk.opens()
        browser = desk.at("boss")
        pages = [page.where for page in sections.SECTIONS["money"]]
        pages += [
            f"/money/breaks/{name}",
            f"/money/shifts/{shift}",
            f"/money/days/{DAY}",
            SITE_DAY,
            "/money/safes/xinyi",
        ]
        pages += [
            "/money/shifts/open",
            "/money/statements/import",
            "/money/statements/empty",
            "/money/policies/compare",
        ]
        for path in pages:
            english = browser.get(f"{path}?lang=en")
            assert english.status_code == 200, path
            assert not re.findall(r"\b(money|desk|wrong|said)\.[a-z]+\b(?!\.css)", content_of(english)), path
            assert browser.get(f"{path}?lang=zh").status_code == 200
        assert WORDS["zh"].keys() == WORDS["en"].keys()


class TestPolicies:
    def test_a_comparison_is_drawn_with_words_beside_every_bar(self, desk: Desk) -> None:
        for hour in range(12):
            desk.pays(f"{10 + hour // 2}:{10 + hour % 2 * 20}", plate=f"浙A{hour:05d}")
        desk.clock.set(local("2026-03-03 09:00"))
        desk.hires("cora", "committee", "xinyi")
        cora = desk.at("cora")
        asked = "/money/policies/compare?old=hushu-residential&new=hushu-residential:1&from=2026-03-02&to=2026-03-02"
        begun = cora.get("/money/policies/compare?old=hushu-residential&new=hushu-residential:1")
        assert (begun.status_code, 'value="2026-03-02"' in begun.text) == (200, True)
        assert cora.get(asked.replace("to=2026-03-02", "to=2026-02-01")).status_code == 422
        page = content_of(cora.get(asked))
        assert page.count('<svg class="part') == 5
        assert "不变" in page
        assert "style=" not in page
        assert "12 次停车" in page.replace("<strong>", "").replace("</strong>", "")
        book = cora.get(f"{asked}&form=xlsx")
        assert book.content[:2] == b"PK"

    def test_a_text_that_is_no_policy_is_told_line_by_line(self, desk: Desk) -> None:
        desk.hires("boss", "manager")
        boss = desk.at("boss")
        refused = sends(boss, "/money/policies/apply", text="[policy]\nid = 3\n")
        assert refused.status_code == 422
        assert 'id="text-error"' in refused.text
        assert desk.at("zhou").get("/money/policies/apply").status_code == 200
