"""The reports' pages: every report for who may read it, in both languages, as a file, and beside the year before; charts."""

from __future__ import annotations

import re

import pytest

from gateway.api import access
from gateway.console.chart import BARS_MAX, Series, chart
from gateway.console.words_reports import REPORTS as WORDS
from gateway.flows import payment
from gateway.flows.reports.beside import year_on_year
from gateway.flows.reports.catalogue import REPORTS
from gateway.flows.users import ROLES
from gateway.wiring import Parts
from tests.gateway.house import House
from tests.gateway.test_console import signed_in
from tests.gateway.trade import Street, local

pytestmark = pytest.mark.filterwarnings("error")
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
DAY = "from=2026-03-02&to=2026-03-02"


@pytest.fixture
def house(parts: Parts) -> House:
    """One who came a year ago, one who paid, one who is inside."""
    street = Street(parts)
    street.clock.set(local("2025-03-02 09:00"))
    street.passes("in-1", "浙A00009", "2025-03-02 09:00")
    street.clock.set(local("2026-03-02 08:00"))
    street.passes("in-1", "浙A00001", "09:00")
    read = street.arrives("out-1", "浙A00001", "11:00")
    stay = street.stay("浙A00001")
    payment.take(parts, stay_id=stay.id, channel="wechat", amount_fen=stay.payable_fen)
    assert read is not None
    street.goes("out-1", "11:01", after=str(read.event))
    street.passes("in-1", "浙A00002", "12:00")
    street.clock.set(local("2026-03-02 13:00"))
    house = House(parts)
    for role in ROLES:
        house.hires(role, role)
    return house


@on_one_database
def test_each_role_reads_its_reports_and_no_others(house: House) -> None:
    for role in ROLES:
        browser = signed_in(house, role)
        for name in REPORTS:
            answer = browser.get(f"/reports/{name}?{DAY}")
            wanted = 200 if access.allowed(role, "GET", f"/reports/{name}") else 403
            assert answer.status_code == wanted, (role, name)
        assert browser.get("/reports").headers["location"] == "/reports/flow"


@on_one_database
def test_every_report_says_everything_in_both_languages(house: House) -> None:
    browser = signed_in(house, "auditor")
    for name in REPORTS:
        for lang in ("zh", "en"):
            page = browser.get(f"/reports/{name}?{DAY}&lang={lang}").text
            body = page.split('<main id="content"')[1].split("</main>")[0]
            assert not re.findall(r"\b(?:report|desk)\.[a-z]+|undefined|None", body), (name, lang)
    assert WORDS["zh"].keys() == WORDS["en"].keys()


@on_one_database
def test_figures_stand_in_the_table_beside_the_chart(house: House) -> None:
    page = signed_in(house, "finance").get(f"/reports/flow?by=hour&{DAY}").text
    assert '<svg class="plot"' in page
    assert "style=" not in page
    assert re.findall(r'<th scope="row">(.*?)</th><td class="number">(\d)</td><td class="number">(\d)</td>', page) == [
        ("2026-03-02 09:00", "1", "0"),
        ("2026-03-02 11:00", "0", "1"),
        ("2026-03-02 12:00", "1", "0"),
    ]
    assert "信义坊" in signed_in(house, "finance").get(f"/reports/income?by=site&{DAY}").text
    empty = signed_in(house, "finance").get("/reports/flow?from=2024-01-01&to=2024-01-02").text
    assert "所选期间没有数据" in empty
    assert '<svg class="plot"' not in empty


@on_one_database
def test_the_year_before_stands_beside_it(house: House) -> None:
    query = {"from": "2026-03-01", "to": "2026-03-02", "compare": "year"}
    (found,) = house.as_("finance").get("/api/v1/reports/flow", **query).json()["items"]
    assert (found["day"], found["entries"], found["entries_before"]) == ("2026-03-02", 2, 1)
    page = signed_in(house, "finance").get(f"/reports/flow?{DAY}&compare=year").text
    assert "入场（上年）" in page
    income = house.as_("finance").get("/api/v1/reports/income", by="month", **query).json()["items"]
    assert [one["month"] for one in income] == ["2026-03"]
    assert income[0]["earned_fen_before"] == 0


@on_one_database
def test_every_report_can_stand_beside_the_year_before_and_its_files_say_the_same(house: House) -> None:
    """Page, chart, CSV and workbook of each: what only the year before had is there with nothing of now."""
    browser = signed_in(house, "finance")
    for name, report in REPORTS.items():
        page = browser.get(f"/reports/{name}?{DAY}&compare=year")
        assert page.status_code == 200, name
        head = browser.get(f"/reports/{name}?{DAY}&compare=year&format=csv").text.splitlines()[0]
        if report.beside[0] in head:
            assert all(f"{one}_before" in head for one in report.beside), name
            assert "（上年）" in page.text, name
        assert browser.get(f"/reports/{name}?{DAY}&compare=year&format=xlsx").content.startswith(b"PK"), name
    asked = {"from": "2026-03-02", "to": "2026-03-02", "compare": "year"}
    (turned,) = house.as_("finance").get("/api/v1/reports/turnover", **asked).json()["items"]
    assert (turned["entries"], turned["entries_before"], turned["turnover"], turned["turnover_before"]) == (
        2,
        1,
        0.02,
        0.01,
    )
    hours = house.as_("finance").get("/api/v1/reports/occupancy", **asked).json()["items"]
    assert len(hours) == 24
    assert (hours[13]["inside"], hours[13]["inside_before"]) == (2, 1)


def test_what_only_one_of_the_years_has_is_not_lost() -> None:
    found = year_on_year([{"month": "2026-03", "n": 5}], [{"month": "2025-02", "n": 3}], ("month",), ("n",))
    assert found == [{"month": "2026-02", "n": 0, "n_before": 3}, {"month": "2026-03", "n": 5, "n_before": 0}]
    same = year_on_year([{"site": "xinyi", "n": 5}], [{"site": "xinyi", "n": 3}], ("site",), ("n",))
    assert same == [{"site": "xinyi", "n": 5, "n_before": 3}]


@on_one_database
def test_the_file_is_what_is_seen(house: House) -> None:
    browser = signed_in(house, "finance")
    sheet = browser.get(f"/reports/unpaid?{DAY}&format=csv")
    assert sheet.headers["content-type"].startswith("text/csv")
    for name in REPORTS:
        book = browser.get(f"/reports/{name}?{DAY}&format=xlsx")
        assert book.content.startswith(b"PK"), name


@on_one_database
def test_a_file_of_a_site_that_there_is_not_has_a_name_all_the_same(house: House) -> None:
    for site in ("信义坊", 'a"; x=y', "\U000115ad"):
        answer = house.as_("finance").get("/api/v1/reports/flow", site=site, format="csv")
        assert re.fullmatch(r'attachment; filename="[A-Za-z0-9._-]+"', answer.headers["content-disposition"])


@on_one_database
@pytest.mark.parametrize("query", ["by=colour", "from=yesterday", "from=2026-03-02&to=2026-01-01", "site=nowhere"])
def test_what_is_asked_wrongly_is_said(house: House, query: str) -> None:
    answer = signed_in(house, "finance").get(f"/reports/flow?{query}")
    assert answer.status_code in {200, 422}
    assert answer.status_code == (200 if query.startswith("site") else 422)
    assert signed_in(house, "finance").get("/reports/horoscope").status_code == 404


def test_a_chart_has_whole_steps_and_its_bars_stand_on_zero() -> None:
    found = chart(["a", "b"], [Series("x", [3, -7]), Series("y", [None, 10])])
    assert found is not None
    assert [tick.text for tick in found.ticks] == ["-10", "-5", "0", "5", "10"]
    (up, down), (only,) = found.series[0].bars, found.series[1].bars
    assert up.y + up.height == pytest.approx(found.zero)
    assert down.y == found.zero
    assert only.said == "b · y: 10"
    assert chart([], []) is None
    assert chart(["a"], [Series("x", [None])]) is None


def test_many_groups_are_lines_that_break_where_nothing_is_known() -> None:
    values: list[int | None] = [*range(BARS_MAX), None, 5]
    found = chart([str(one) for one in range(len(values))], [Series("x", values)])
    assert found is not None
    assert found.series[0].bars == []
    assert [len(points.split()) for points in found.series[0].lines] == [BARS_MAX, 1]
    assert len(found.labels) <= 12
