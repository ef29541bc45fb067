"""亲属免费时长 in the console, without script: who has used what of a month, every use with its vehicle, the months before."""

from __future__ import annotations

import re

import pytest

from gateway.api import access
from gateway.flows import estate
from gateway.flows.users import ROLES
from gateway.wiring import Parts
from tests.gateway.house import House, site_file
from tests.gateway.rules import Ruled, allowance, tariff
from tests.gateway.test_console import signed_in
from tests.gateway.trade import local

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
MOTHER, SON = "浙A00003", "浙A00004"
OF = "/allowances/of?site=xinyi&household=3-201"


@pytest.fixture
def house(parts: Parts) -> House:
    """A household of which two used two months, and one that has used nothing."""
    street = Ruled(parts, tariff(), allowance(600))
    for plate in (MOTHER, SON):
        street.relative("3-201", plate)
    street.household("1-101")
    street.visit(MOTHER, "2026-03-10 09:00", "2026-03-10 10:30")
    street.visit(SON, "2026-03-11 09:00", "2026-03-11 10:00")
    street.visit(MOTHER, "2026-04-02 09:00", "2026-04-02 11:00")
    found = House(parts)
    for role in ROLES:
        found.hires(role, role)
    return found


def told(page: str) -> str:
    """A page's words without its tags."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_a_month_says_who_used_how_much_and_one_that_used_nothing_is_found(house: House) -> None:
    person = signed_in(house, "registrar")
    page = told(person.get("/allowances").text)
    assert "3-201 信义坊 10 小时 0 分 2 小时 0 分 8 小时 0 分" in page
    assert "1-101" not in page
    assert "2 小时 30 分" in told(person.get("/allowances?month=2026-03").text)
    assert "1-101 信义坊 10 小时 0 分 0 分 10 小时 0 分" in told(person.get("/allowances?household=1-101").text)
    assert person.get("/allowances?household=1-101&plate=x").status_code == 422
    assert "这个月没有人使用" in person.get("/allowances?month=2026-02").text


def test_a_household_has_every_use_its_vehicles_and_its_months(house: House) -> None:
    person = signed_in(house, "finance")
    page = told(person.get(f"{OF}&month=2026-03").text)
    for words in (
        f"{MOTHER} 1 小时 30 分",
        f"{SON} 1 小时 0 分",
        "2026-04 10 小时 0 分 2 小时 0 分",
        "剩余 7 小时 30 分",
    ):
        assert words in page, words
    first = person.get(f"{OF}&month=2026-03&limit=1").text
    assert SON in first.split('id="draws"')[1].split('id="months"')[0]
    rest = re.findall(r'rel="next" href="([^"]+)"', first)[0].replace("&amp;", "&")
    assert MOTHER in person.get(rest).text.split('id="draws"')[1].split('id="months"')[0]
    assert "/registers/households/" in first
    assert "没有使用记录" in person.get("/allowances/of?site=xinyi&household=1-101").text


def test_the_months_before_a_year_ago_have_a_way(house: House) -> None:
    house.parts.clock.set(local("2027-08-01 09:00"))  # type: ignore[attr-defined]
    page = signed_in(house, "console").get(f"{OF}&before=2026-04").text.split('id="months"')[1]
    assert "2026-03" in page
    assert "2026-04" not in page


def test_who_never_was_has_no_page_and_nobody_elses_site_has_one(house: House) -> None:
    person = signed_in(house, "registrar")
    assert person.get("/allowances/of?site=xinyi&household=nobody").status_code == 404
    assert person.get("/allowances/of?site=xinyi").status_code == 422
    assert person.get("/allowances/of?site=xinyi&household=3-201&month=2026-13").status_code == 422
    estate.apply(house.parts, site_file("archive"))
    house.hires("elsewhere", "registrar", "archive")
    assert signed_in(house, "elsewhere").get(OF).status_code == 404


def test_a_household_is_for_who_administers_it(house: House) -> None:
    for role in ROLES:
        wanted = 200 if access.allowed(role, "GET", "/allowances") else 403
        person = signed_in(house, role)
        assert {person.get(where).status_code for where in ("/allowances", OF)} == {wanted}, role


def test_where_the_policy_counts_by_vehicle_each_has_its_own(parts: Parts) -> None:
    street = Ruled(parts, tariff(), allowance(60, "vehicle"))
    street.relative("3-201", MOTHER)
    street.visit(MOTHER, "2026-03-10 09:00", "2026-03-10 09:40")
    house = House(parts)
    house.hires("registrar", "registrar")
    person = signed_in(house, "registrar")
    page = person.get("/allowances").text
    where = re.findall(r'href="(/allowances/of[^"]+)"', page)[0].replace("&amp;", "&")
    assert "剩余 20 分" in told(person.get(where).text)
