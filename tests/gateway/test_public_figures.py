"""The public page of a site: what the closes say, prices in words, and nobody to be found in it."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.policy import parse
from billing.price_board import price_board
from gateway.flows import payment
from gateway.flows.close import close_day
from gateway.flows.public_figures import site_figures, told_apart
from gateway.flows.refusals import NotFound
from gateway.flows.registers_classes import GROUP_MIN, OTHER
from gateway.store import books
from gateway.wiring import Parts
from tests.gateway.house import House
from tests.gateway.trade import POLICY, Street, local

HAD = st.dictionaries(st.sampled_from(["resident", "relative_allowance", "discount", "free_class"]), st.integers(0, 40))
CERTIFICATE = {"issuer": "湖墅街道", "valid_from": "2026-01-01", "valid_to": "2026-12-31"}


def the_day(parts: Parts, poor: int = 0) -> Street:
    """One who pays, and so many households with a certificate; then the day is closed."""
    street = Street(parts)
    for number in range(poor):
        household = f"h{number}"
        street.register("households", {"household": household, "name": f"周{number}", "area_m2": "60"})
        street.register("vehicles", {"household": household, "plate": f"浙A7770{number}", "vehicle": "small"})
        street.register("certificates", {"household": household, "number": f"330105-{number}", **CERTIFICATE})
    street.passes("in-1", "浙A00001", "09:00")
    for number in range(poor):
        street.passes("in-1", f"浙A7770{number}", f"09:{number + 1:02d}")
    read = street.arrives("out-1", "浙A00001", "11:00")
    assert read is not None
    stay = street.stay("浙A00001")
    payment.take(parts, stay_id=stay.id, channel="wechat", amount_fen=stay.payable_fen)
    street.goes("out-1", "11:01", after=str(read.event))
    for number in range(poor):
        street.passes("out-1", f"浙A7770{number}", f"13:{number:02d}")
    street.clock.set(local("2026-03-03 03:00"))
    for day in (date(2026, 3, 1), date(2026, 3, 2)):
        close_day(parts, day)
    return street


def figures(parts: Parts, site: str = "xinyi") -> dict[str, Any]:
    with parts.store.reading() as connection:
        return site_figures(parts, connection, site)


def test_a_month_is_what_its_closes_say_and_names_their_hashes(parts: Parts) -> None:
    street = the_day(parts)
    (month,) = figures(parts)["months"]
    paid = street.stay("浙A00001").payable_fen
    assert (month["month"], month["days"], month["over"]) == ("2026-03", 2, False)
    assert (month["entries"], month["exits"]) == (1, 1)
    assert (month["earned_fen"], month["received_fen"], month["waived_fen"], month["owed_fen"]) == (paid, paid, 0, 0)
    with parts.store.reading() as connection:
        record = books.close_of(connection, "xinyi", date(2026, 3, 2))
    assert record is not None
    assert month["closes"][-1] == {"day": "2026-03-02", "sequence": record.sequence, "hash": record.hash.hex()}


@pytest.mark.parametrize("poor", [GROUP_MIN - 1, GROUP_MIN])
def test_what_few_households_had_is_not_told_apart(parts: Parts, poor: int) -> None:
    the_day(parts, poor)
    (month,) = figures(parts)["months"]
    assert month["waived_fen"] > 0
    assert set(month["waived_by_fen"]) == (set() if poor < GROUP_MIN else {"resident"})
    whole = msgspec.json.encode(figures(parts)).decode()
    for word in ("low_income", "低收入家庭 ", "周1", "浙A", "h1"):
        assert word not in whole.replace("持有效低收入家庭证明", ""), word


@given(HAD, st.data())
def test_no_group_of_fewer_than_ten_can_be_found_by_subtraction(had: dict[str, int], data: st.DataObject) -> None:
    waived = {name: data.draw(st.integers(1, 10_000)) for name in had}
    shown = told_apart(waived, had)
    apart = set(shown) - {OTHER}
    assert all(had[name] >= GROUP_MIN and shown[name] == waived[name] for name in apart)
    rest = set(waived) - apart
    if OTHER in shown:
        assert shown[OTHER] == sum(waived[name] for name in rest)
    # What is not named is the total less what is.
    if shown and rest:
        assert max(had[name] for name in rest) >= GROUP_MIN


def test_the_price_board_says_every_price_in_both_languages() -> None:
    policy = parse(POLICY.format(mode="pay_first"))
    tariff, free, passes = price_board(policy, "zh")
    assert tariff.heading == "小型车、大型车、摩托车"
    assert tariff.lines == (
        "30 分钟内免费，超过则从入场起计费",
        "08:00–20:00，第 1 个单元 60 分钟 4.00 元",
        "08:00–20:00，每开始 30 分钟 2.00 元",
        "20:00–08:00，每开始 60 分钟 1.00 元",
        "每 24 小时最高 20.00 元",
        "缴费后请在 15 分钟内离场",
    )
    assert any("三代直系亲属车辆：每户每月 3600 分钟免费" in line for line in free.lines)
    assert passes.lines == ("小型车：每月 200.00 元",)
    english = price_board(policy, "en")
    assert [len(section.lines) for section in english] == [len(one.lines) for one in (tariff, free, passes)]
    assert english[0].lines[0] == "free up to 30 minutes, beyond that from the entry"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestDoor:
    def test_anybody_reads_it_as_a_page_or_as_json(self, parts: Parts) -> None:
        the_day(parts)
        public = House(parts).client
        found = public.get("/open/xinyi")
        assert found.json() == msgspec.json.decode(msgspec.json.encode(figures(parts)))
        page = public.get("/open/xinyi", headers={"accept": "text/html,*/*"})
        assert page.status_code == 200
        for words in (
            "信义坊",
            "明码标价",
            "每 24 小时最高 20.00 元",
            "2026-03",
            found.json()["months"][0]["closes"][0]["hash"],
        ):
            assert words in page.text, words
        assert "<script" not in page.text
        assert "Prices" in public.get("/open/xinyi?lang=en", headers={"accept": "text/html"}).text

    def test_a_site_that_is_not_there(self, parts: Parts) -> None:
        public = House(parts).client
        assert public.get("/open/atlantis").status_code == 404
        page = public.get("/open/atlantis", headers={"accept": "text/html"})
        assert (page.status_code, "没有这个小区" in page.text) == (404, True)

    def test_before_anything_is_closed(self, parts: Parts) -> None:
        Street(parts)
        page = House(parts).client.get("/open/xinyi", headers={"accept": "text/html"}).text
        assert "尚无已日结的日期" in page


def test_an_unknown_site_is_refused(parts: Parts) -> None:
    with pytest.raises(NotFound):
        figures(parts, "atlantis")
