"""试算平衡: at any instant debits are credits and the five add up; who may see it, and what of it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.flows.trial_balance import trial_balance
from gateway.wiring import Parts
from tests.gateway.books import TUESDAY, Books, at
from tests.gateway.house import House, Staff

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
        return trial_balance(connection, None if site is None else frozenset({site}), instant, site, role)


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
