"""The alarm before a year begins whose holidays nobody knows, and stays that reach it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from billing.calendar import newest_known_year
from gateway.flows import calendar_watch
from gateway.flows.calendar_watch import watch_calendar
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.rules import Ruled, tariff
from tests.gateway.trade import Street, local

KNOWN = newest_known_year(2026) or 2026
FREE = 'free_day = ["spring_festival"]\n'


def items(parts: Parts) -> list[Any]:
    with parts.store.reading() as connection:
        return list(
            connection.execute(select(t.ExceptionItem.__table__).where(t.ExceptionItem.kind == calendar_watch.KIND))
        )


@pytest.fixture
def street(parts: Parts) -> Ruled:
    return Ruled(parts, tariff(), head=FREE)


def test_an_alarm_once_before_the_year_begins(street: Ruled) -> None:
    street.clock.set(local(f"{KNOWN}-11-14 09:00"))
    assert watch_calendar(street.parts) == ""
    assert items(street.parts) == []
    street.clock.set(local(f"{KNOWN}-11-15 09:00"))
    assert watch_calendar(street.parts) == f"holidays of {KNOWN + 1} unknown: 1 sites told"
    assert watch_calendar(street.parts) == ""
    [item] = items(street.parts)
    assert (item.site_id, item.subject, item.state, item.count) == ("xinyi", str(KNOWN + 1), "open", 1)
    assert "chinesecalendar" in item.detail
    assert street.parts.metrics.registry.get_sample_value("parkgate_calendar_known_through") == KNOWN


def test_who_resolved_it_is_not_asked_again(street: Ruled) -> None:
    street.clock.set(local(f"{KNOWN}-12-01 09:00"))
    watch_calendar(street.parts)
    with street.parts.store.writing() as connection:
        connection.execute(update(t.ExceptionItem).values(state="resolved"))
        connection.commit()
    assert watch_calendar(street.parts) == ""


def test_once_the_year_is_known_the_alarm_is_taken_back(street: Ruled) -> None:
    street.clock.set(local(f"{KNOWN}-12-01 09:00"))
    watch_calendar(street.parts)
    assert watch_calendar(street.parts, lambda _: KNOWN + 1) == "1 sites: known by now"
    assert [(item.state, item.resolved_by) for item in items(street.parts)] == [("resolved", "parkgate")]
    assert watch_calendar(street.parts, lambda _: KNOWN + 1) == ""


def test_within_a_year_that_is_not_known_the_alarm_stands(street: Ruled) -> None:
    street.clock.set(local(f"{KNOWN + 1}-01-02 09:00"))
    assert watch_calendar(street.parts)
    assert [item.subject for item in items(street.parts)] == [str(KNOWN + 1)]
    assert street.parts.metrics.registry.get_sample_value("parkgate_calendar_known_through") == 0


def test_no_alarm_where_no_price_depends_on_it(parts: Parts) -> None:
    street = Street(parts)
    street.clock.set(local(f"{KNOWN}-12-01 09:00"))
    assert watch_calendar(parts) == ""
    assert items(parts) == []


def test_a_stay_that_reaches_the_year_goes_to_a_person(street: Ruled) -> None:
    """Rule 4: nobody is charged by a guess; who left before midnight is charged as ever."""
    street.enters("浙A11111", f"{KNOWN}-12-31 22:00")
    street.enters("浙A22222", f"{KNOWN}-12-31 22:01")
    before = street.leaves("浙A11111", f"{KNOWN}-12-31 23:50")
    assert (before.state, before.payable_fen) == ("left", 200)
    street.arrives("out-1", "浙A22222", f"{KNOWN + 1}-01-01 00:10")
    reached = street.stay("浙A22222")
    assert not reached.payable_fen
    assert street.situations().get("implausible_stay") == 1
