"""试算平衡: at any instant debits are credits and the five add up; who may see it, and what of it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from gateway.flows import movements as flow
from gateway.flows.reports.asking import Period
from gateway.flows.trial_balance import trial_balance
from gateway.wiring import Parts
from tests.gateway.books import MONDAY, TUESDAY, Books, at
from tests.gateway.house import House, Staff
from tests.gateway.test_console import signed_in

SITES = ("mishixiang", "xinyi")


@pytest.fixture
def books(parts: Parts) -> Books:
    """At xinyi 8 yuan by WeChat at ten and 6 waived at one; at mishixiang 12 in cash at eleven; on Tuesday 4 that are owed."""
    books = Books(parts, SITES)
    books.stay(at("09:00"), at("11:00"))
    books.stay(at("09:00"), at("12:00"), pays="cash", site="mishixiang")
    books.stay(at("12:00"), at("13:30"), low_income=True)
    books.stay(at("09:00", TUESDAY), at("10:00", TUESDAY), pays=None)
    books.write()
    return books


def balance(books: Books, instant: Any, site: str | None = None, role: str = "finance") -> Any:
    with books.parts.store.reading() as connection:
        allowed = None if site is None else frozenset({site})
        return trial_balance(connection, allowed, instant, site, role, books.parts.settings.zone)


def test_at_every_instant_it_balances(books: Books) -> None:
    instants = [at("08:00"), at("11:00"), at("12:00"), at("13:30"), at("10:00", TUESDAY)]
    found = [balance(books, one) for one in instants]
    assert [one.debit_fen for one in found] == [0, 800, 2000, 2600, 3000]
    assert all(one.balances and one.debit_fen == one.credit_fen for one in found)
    assert [one.sums.earned_fen for one in found] == [0, 800, 2000, 2600, 3000]
    assert {one.account: one.debit_fen - one.credit_fen for one in found[-1].accounts} == {
        "assets:cash:s-1": 1200,
        "assets:channel:wechat": 800,
        "assets:receivable:pay_later": 400,
        "income:parking": -3000,
        "waived:low_income": 600,
    }


def test_of_one_site(books: Books) -> None:
    found = balance(books, at("23:00"), "mishixiang")
    assert (found.site, found.debit_fen, found.balances) == ("mishixiang", 1200, True)


def test_who_may_not_know_of_a_low_income_sees_it_as_one_with_passes(books: Books) -> None:
    names = {
        role: [one.account for one in balance(books, at("23:00"), role=role).accounts]
        for role in ("finance", "auditor")
    }
    assert "waived:low_income" in names["finance"]
    assert "waived:resident" in names["auditor"]
    assert not any("low_income" in name for name in names["auditor"])


def test_what_does_not_sum_to_zero_is_told(books: Books) -> None:
    books.change("UPDATE posting SET amount_fen = amount_fen + 1 WHERE account = 'assets:channel:wechat'")
    assert not balance(books, at("23:00")).balances
    assert balance(books, at("08:00")).balances


def test_over_http(books: Books) -> None:
    house = House(books.parts)
    house.hires("fang", "finance")
    house.hires("one", "auditor", "xinyi")
    house.hires("li", "cashier")
    path = "/api/v1/reports/trial-balance"
    finance: Staff = house.as_("fang")
    noon = finance.get(path, at="2026-03-02T04:00:00Z").json()
    assert (noon["debit_fen"], noon["at"]) == (2000, "2026-03-02T12:00:00+08:00")
    day = finance.get(path, at="2026-03-02").json()
    assert (day["debit_fen"], day["balances"], day["sums"]["waived_fen"]) == (2600, True, 600)
    assert house.as_("one").get(path, at="2026-03-02").json()["debit_fen"] == 1400
    assert house.as_("one").get(path, site="mishixiang").status_code == 403
    assert house.as_("li").get(path).status_code == 403
    assert finance.get(path, at="tomorrow").status_code == 422


def movements(books: Books, first: date, last: date, by: Any = "total", role: str = "finance", **more: Any) -> Any:
    allowed = more.pop("sites", None)
    days = Period(first, last, books.parts.settings.zone)
    with books.parts.store.reading() as connection:
        return flow.movements(connection, allowed, days, by, role, balances=bool(more.get("balances")))


def test_what_moved_by_site_day_and_month_agrees_in_every_part(books: Books) -> None:
    both = movements(books, MONDAY, TUESDAY)
    assert (both.debit_fen, both.credit_fen, both.agrees, both.sums.earned_fen) == (3000, 3000, True, 3000)
    assert {one.account: (one.debit_fen, one.credit_fen) for one in both.rows} == {
        "assets:cash": (1200, 0),
        "assets:channel:wechat": (800, 0),
        "assets:receivable:pay_later": (400, 0),
        "income:parking": (0, 3000),
        "waived:low_income": (600, 0),
    }
    for by, parts in (
        ("site", {"mishixiang": 1200, "xinyi": 1800}),
        ("day", {"2026-03-02": 2600, "2026-03-03": 400}),
        ("month", {"2026-03": 3000}),
    ):
        found = movements(books, MONDAY, TUESDAY, by)
        assert {of: sum(one.debit_fen for one in found.rows if one.of == of) for of in parts} == parts, by
        assert found.agrees
    auditor = movements(books, MONDAY, TUESDAY, role="auditor")
    assert auditor.agrees
    assert "waived:resident" in {one.account for one in auditor.rows}
    assert "low_income" not in str(auditor)


def test_balances_are_what_the_trial_balance_has_at_the_end_of_the_day(books: Books) -> None:
    found = movements(books, TUESDAY, TUESDAY, balances=True)
    income = next(one for one in found.rows if one.account == "income:parking")
    assert (income.opening_fen, income.credit_fen, income.closing_fen) == (-2600, 400, -3000)
    at_end = {one.account: one.debit_fen - one.credit_fen for one in balance(books, at("23:59", TUESDAY)).accounts}
    at_end["assets:cash"] = at_end.pop("assets:cash:s-1")
    assert {one.account: one.closing_fen for one in found.rows} == at_end
    assert found.agrees
    books.change("UPDATE posting SET amount_fen = amount_fen + 1 WHERE account = 'assets:channel:wechat'")
    assert not movements(books, TUESDAY, TUESDAY, balances=True).agrees, "what stood before counts as well"
    assert not movements(books, MONDAY, MONDAY).agrees


def test_the_page_and_its_files(books: Books) -> None:
    house = House(books.parts)
    books.parts.clock.set(at("10:00", TUESDAY))  # type: ignore[attr-defined]
    for name, role, *sites in (("fang", "finance"), ("one", "auditor", "xinyi"), ("li", "cashier")):
        house.hires(name, role, *sites)
    fang, where = signed_in(house, "fang"), "/money/trial-balance"
    page = fang.get(where).text
    for said in ("借贷平衡", "¥26.00", "停车收入", "现金（各班次钱箱）", 'value="2026-03-02"'):
        assert said in page, said
    by_site = fang.get(f"{where}?by=site&from=2026-03-02&to=2026-03-03&balances=yes").text
    assert "期末余额" in by_site
    assert by_site.count("<tfoot>") == 2
    csv = fang.get(f"{where}?by=site&from=2026-03-02&to=2026-03-03&format=csv")
    assert csv.content.decode("utf-8-sig").splitlines()[:2] == [
        "site,account,debit_fen,credit_fen",
        "mishixiang,assets:cash,1200,0",
    ]
    assert fang.get(f"{where}?format=xlsx").content[:2] == b"PK"
    assert "Debits are credits" in fang.get(f"{where}?lang=en").text
    assert fang.get(f"{where}?by=day&balances=yes").status_code == 422
    assert fang.get(f"{where}?from=yesterday").status_code == 422
    assert "没有发生额" in fang.get(f"{where}?from=2026-01-01&to=2026-01-01&lang=zh").text
    assert "¥14.00" in signed_in(house, "one").get(where).text
    assert signed_in(house, "one").get(f"{where}?site=mishixiang").status_code == 403
    assert signed_in(house, "li").get(where).status_code == 403
    api = house.as_("fang").get("/api/v1/reports/movements", **{"from": "2026-03-02", "to": "2026-03-02"}).json()
    assert (api["debit_fen"], api["agrees"], api["items"][0]["account"]) == (2600, True, "assets:cash")
