"""Rows that are made when they are read are the rows that the slow way makes: of a month, its sums, and the year before beside it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from gateway.console.desk import report_charts
from gateway.flows.reports.asking import Period
from gateway.flows.reports.beside import compared, year_before, year_on_year
from gateway.flows.reports.crossed import Crossed
from gateway.flows.reports.traffic import _by_hours

_KEYS, _BESIDE = ("site", "hour"), ("inside", "most")
_COLUMNS = ("inside", "capacity", "inside_before", "capacity_before")


def of(days: Period, sites: list[str], seed: int) -> Crossed:
    """As occupancy has it: hours in the order of time, in local words."""
    many = (days.end - days.start) // timedelta(hours=1)
    hours = [(days.start + timedelta(hours=one)).astimezone(days.zone).isoformat() for one in range(many)]
    values = [[(seed + 7 * site + hour) % 13 for hour in range(many)] for site in range(len(sites))]
    return Crossed(sites, hours, {"inside": values, "most": values, "capacity": [[20] * many for _ in sites]})


@given(
    first=st.dates(date(2024, 1, 1), date(2028, 12, 31)),
    length=st.integers(1, 3),
    sites=st.sampled_from([["a", "b", "c"], ["a"], [], ["b", "a"]]),
    zone=st.sampled_from(["Asia/Shanghai", "Europe/Berlin"]),
)
def test_beside_the_year_before_row_for_row(first: date, length: int, sites: list[str], zone: str) -> None:
    """Over 29ths, and days on which the clocks were changed, too."""
    asked = Period(first, first + timedelta(days=length - 1), ZoneInfo(zone))
    made = {asked: of(asked, sites, 1), year_before(asked): of(year_before(asked), sites, 5)}
    found = compared(lambda days: made[days], asked, _KEYS, _BESIDE)
    slow = year_on_year(list(made[asked]), list(made[year_before(asked)]), _KEYS, _BESIDE)
    assert found == slow
    for rows, same in ((found, slow), (made[asked], list(made[asked]))):
        assert (len(rows), list(rows[:30]), rows[-5:]) == (len(same), same[:30], same[-5:])
        assert report_charts._summed(rows, "hour", _COLUMNS) == report_charts._summed(same, "hour", _COLUMNS)


def test_a_month_is_put_beside_another_without_its_rows() -> None:
    asked = Period(date(2026, 3, 1), date(2026, 3, 31), ZoneInfo("Asia/Shanghai"))
    found = compared(lambda days: of(days, ["a", "b"], 1), asked, _KEYS, _BESIDE)
    assert isinstance(found, Crossed)
    assert found[-1] == {
        "site": "b",
        "hour": "2026-03-31T23:00:00+08:00",
        "inside": 10,
        "most": 10,
        "capacity": 20,
        "inside_before": 10,
        "most_before": 10,
    }


@given(st.integers(0, 50), st.lists(st.integers(-9, 9), max_size=101))
def test_an_hour_has_what_was_inside_when_it_began_and_at_most(inside: int, quarters: list[int]) -> None:
    hours = -(-len(quarters) // 4)
    slow: list[tuple[Any, ...]] = []
    now = inside
    for hour in range(hours):
        began = most = now
        for change in quarters[4 * hour : 4 * hour + 4]:
            now += change
            most = max(most, now)
        slow.append((began, most))
    assert list(zip(*_by_hours(inside, [*quarters, 0, 0, 0], hours), strict=True)) == slow
