"""A household's page without script: free hours, who and what is registered, passes, vouchers; each only to who may have it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.flows import passes
from gateway.flows.charges_books import By
from gateway.flows.passes_terms import Wanted
from gateway.flows.registers_kinds import REGISTERS
from gateway.wiring import Parts
from tests.gateway.house import House
from tests.gateway.people import OWN, RELATIVE, a_household, visit
from tests.gateway.rules import Ruled, allowance, tariff
from tests.gateway.test_console import signed_in
from tests.gateway.test_desk_allowances import told
from tests.gateway.trade import Street
from tests.gateway.voucher_desk import Desk

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
HOME = f"/registers/households/{REGISTERS['households'].id_of({'site_id': 'xinyi', 'id': '3-502'})}"


def page_of(house: House, role: str, where: str = HOME) -> str:
    house.hires(role, role)
    answer = signed_in(house, role).get(where)
    assert answer.status_code == 200, (role, where)
    return told(answer.text.split('<main id="content"')[1].split("</main>")[0])


def a_full_one(parts: Parts) -> House:
    street = Street(parts)
    a_household(street)
    wanted = Wanted(site="xinyi", plate=OWN, offer="resident-monthly")
    passes.sell(parts, wanted, None, By(operator="registrar", role="registrar"))
    desk = Desk(street)
    desk.book()
    desk.issue(1, 3, household="3-502")
    desk.give_back(3, 3)
    visit(street, RELATIVE, "2026-03-02")
    return House(parts)


def test_a_registrar_has_all_of_a_household_on_one_page(parts: Parts) -> None:
    page = page_of(a_full_one(parts), "registrar")
    for words in (
        "剩余 58 小时 0 分 已用 2 小时 0 分 每月时长 60 小时 0 分",
        OWN,
        RELATIVE,
        "湖墅街道民政科",
        "resident-monthly",
        "本月领券 2026-03 2 张",
    ):
        assert words in page, words


def test_what_is_not_for_a_reader_is_not_on_it(parts: Parts) -> None:
    house = a_full_one(parts)
    console, manager = page_of(house, "console"), page_of(house, "manager")
    assert "58 小时 0 分" in console
    assert "本月领券 2026-03 2 张" in console
    for page in (console, manager):
        assert OWN in page
        for words in ("凭证", "湖墅街道民政科", "月租", "resident-monthly"):
            assert words not in page, words
    for words in ("免费时长", "领券"):
        assert words not in manager, words


def test_what_is_registered_leads_to_its_household(parts: Parts) -> None:
    house = a_full_one(parts)
    house.hires("registrar", "registrar")
    house.hires("guard", "guard")
    registrar, guard = signed_in(house, "registrar"), signed_in(house, "guard")
    where = _first_link(registrar.get("/registers/vehicles").text, "/registers/vehicles/xinyi")
    assert f'href="{HOME}"' in registrar.get(where).text
    assert "3-502" not in guard.get(where).text
    assert guard.get(HOME).status_code == 403


@pytest.mark.parametrize(("rules", "words"), [([allowance(60, "vehicle")], "按车计算"), ([], None)])
def test_where_hours_are_of_vehicles_or_of_nobody(parts: Parts, rules: list[str], words: str | None) -> None:
    street = Ruled(parts, tariff(), *rules)
    street.household("3-502")
    if rules:
        street.relative("3-502", RELATIVE)
    page = page_of(House(parts), "registrar")
    assert ("免费时长" in page) is (words is not None)
    assert words is None or words in page


def _first_link(page: str, start: str) -> Any:
    return next(part.split('"')[0] for part in page.split('href="')[1:] if part.startswith(start))
