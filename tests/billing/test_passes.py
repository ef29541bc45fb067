"""Passes by day: the days of any period sum to its price, months lose no day, what is given back and what is earned are the price."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.charges import pass_fee, property_fee
from billing.money import fee_by_area
from billing.passes import (
    Period,
    Span,
    earned,
    earned_on,
    month_end,
    months_later,
    prorated,
    renewal_from,
    spans,
    unused,
)
from billing.policy import parse
from tests.gateway.trade import POLICY

days = st.dates(date(2020, 1, 1), date(2030, 12, 31))
periods = st.builds(
    lambda first, length, fen: Period(first, first + timedelta(days=length), fen),
    days,
    st.integers(1, 800),
    st.integers(0, 10**9),
)
PLAIN = parse(POLICY.format(mode="pay_first"))


def all_days(period: Period) -> list[date]:
    return [period.first + timedelta(days=n) for n in range(-2, period.days + 3)]


@given(periods)
def test_the_days_sum_to_the_price_and_no_part_of_a_fen_is_lost(period: Period) -> None:
    earned_by_day = [earned_on(period, day) for day in all_days(period)]
    assert sum(earned_by_day) == period.fen
    inside = earned_by_day[2:-3]
    assert earned_by_day[:2] == [0, 0]
    assert earned_by_day[-3:] == [0, 0, 0]
    assert max(inside) - min(inside) <= 1


@given(periods, st.integers(-5, 805))
def test_what_is_given_back_and_what_was_earned_are_the_price(period: Period, after: int) -> None:
    from_day = period.first + timedelta(days=after)
    back = unused(period, from_day)
    ended = Period(period.first, period.end, period.fen, min(max(from_day, period.first), period.end))
    assert back + sum(earned_on(ended, day) for day in all_days(period)) == period.fen
    assert 0 <= back <= period.fen
    assert unused(ended, from_day) == 0, "what is ended gives nothing back again"
    # In the driver's favour, by less than a fen.
    exact = Decimal(period.fen) * max(0, min(period.days, (period.end - from_day).days)) / period.days
    assert 0 <= back - exact < 1


def test_a_month_of_200_yuan_in_31_days() -> None:
    march = Period(date(2026, 3, 1), date(2026, 4, 1), 20000)
    assert [earned_on(march, date(2026, 3, day)) for day in (1, 2, 6, 31)] == [645, 645, 645, 646]
    assert earned(march, date(2026, 3, 11)) == 6451
    assert unused(march, date(2026, 3, 11)) == 13549


def test_a_pass_from_the_31st_loses_no_day_by_its_renewals() -> None:
    end = date(2026, 1, 31)
    found = []
    for _ in range(4):
        end = months_later(end, 1, 31)
        found.append(end)
    assert found == [date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30), date(2026, 5, 31)]
    assert months_later(date(2024, 1, 31), 1, 31) == date(2024, 2, 29)
    assert months_later(date(2025, 12, 15), 14, 15) == date(2027, 2, 15)
    with pytest.raises(ValueError, match="at least a month"):
        months_later(date(2026, 1, 1), 0, 1)


@given(days, st.integers(1, 24), st.integers(1, 24))
def test_months_add_up(first: date, one: int, more: int) -> None:
    anchor = first.day
    assert months_later(months_later(first, one, anchor), more, anchor) == months_later(first, one + more, anchor)


@pytest.mark.parametrize(
    ("today", "grace", "expected"),
    [
        ("2026-03-20", 3, "2026-04-01"),
        ("2026-04-01", 3, "2026-04-01"),
        ("2026-04-03", 3, "2026-04-01"),
        ("2026-04-04", 3, "2026-04-04"),
        ("2026-04-01", 0, "2026-04-01"),
        ("2026-04-02", 0, "2026-04-02"),
    ],
)
def test_renewed_within_its_grace_it_never_lapsed_later_it_begins_today(today: str, grace: int, expected: str) -> None:
    renewal = renewal_from(date(2026, 4, 1), date.fromisoformat(today), grace)
    assert renewal.first == date.fromisoformat(expected)
    assert renewal.contiguous == (expected == "2026-04-01")


def test_periods_that_touch_are_one_span_and_what_was_ended_has_no_grace() -> None:
    march, april = (
        Period(date(2026, 3, 1), date(2026, 4, 1), 1),
        Period(date(2026, 4, 1), date(2026, 5, 1), 1),
    )
    june = Period(date(2026, 6, 2), date(2026, 7, 2), 1, ended=date(2026, 6, 10))
    never = Period(date(2026, 8, 1), date(2026, 9, 1), 1, ended=date(2026, 8, 1))
    assert spans([june, april, never, march]) == [
        Span(date(2026, 3, 1), date(2026, 5, 1)),
        Span(date(2026, 6, 2), date(2026, 6, 10), exact=True),
    ]


def test_the_rest_of_a_month_by_days() -> None:
    assert prorated(20000, date(2026, 3, 1)) == 20000
    assert prorated(20000, date(2026, 3, 17)) == 20000 * 15 // 31
    assert prorated(20000, date(2026, 2, 28)) == 714
    assert month_end(date(2026, 12, 5)) == date(2027, 1, 1)


@given(st.integers(0, 10_000), st.decimals(0, 10_000, places=2))
def test_a_fee_by_area_is_rounded_down_in_the_households_favour(rate: int, area: Decimal) -> None:
    fee = fee_by_area(rate, area)
    assert 0 <= rate * area - fee < 1


def test_a_property_fee_and_its_waiver_are_lines() -> None:
    policy = parse(POLICY.format(mode="pay_first") + "\n[property_fee]\nfen_per_square_metre_month = 55\n")
    full = property_fee(policy, Decimal("59.9"), low_income=False)
    assert full is not None
    assert (full.gross_fen, full.waived_fen, full.payable_fen) == (3294, 0, 3294)
    assert full.rule == "property_fee.55fen x 59.9m2"
    waived = property_fee(policy, Decimal("59.9"), low_income=True)
    assert waived is not None
    assert [(line.kind, line.fen) for line in waived.lines()] == [("property_fee", 3294), ("low_income", -3294)]
    assert property_fee(policy, Decimal(0), low_income=False) is None
    assert property_fee(PLAIN, Decimal(60), low_income=False) is None
    offer = policy.pass_offer("resident-monthly")
    assert offer is not None
    assert pass_fee(policy, offer, 3, low_income=False).payable_fen == 60000
    assert pass_fee(policy, offer, 1, low_income=True).payable_fen == 0
