"""The further keys of the pricing contract, beyond what a line of `parkgate bill --batch` can carry: against the naive biller, and as
properties. A failing case prints a `@reproduce_failure` line and the smallest policy and stay that hypothesis finds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.batch import read
from billing.benefits import Benefits, PassPeriod
from billing.bill import StayToPrice, figures, price
from billing.compare import Raw, Recorded, World
from billing.policy import parse
from tests.property.naive_biller import Benefit, NaiveBiller
from tests.property.policies import CLOCKS, policies, stays

SHANGHAI = ZoneInfo("Asia/Shanghai")
PROPERTY = settings(
    max_examples=60,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

Had = dict[str, Any]
"""`low_income`, `free_class`, `passes` (pairs of instants), `lists` of discounts."""


@st.composite
def rules(draw: st.DrawFn, **more: bool) -> str:
    """A random policy with a certificate, a class of limited minutes, a pass with hours, a discount for a list."""
    text = draw(policies(**more))
    hours = draw(st.sampled_from(["", "all", "workday", "weekend", "holiday"]))
    text += '[low_income]\nexempts = ["parking"]\n[[free_class]]\nid = "van"\nregister = true\n'
    text += f"minutes = {draw(st.integers(1, 300))}\n"
    text += '[[pass]]\nid = "p"\nvehicles = ["small", "large"]\nfen = 100\n'
    if hours:
        text += f'hours = {{ from = "{draw(CLOCKS)}", to = "{draw(CLOCKS)}", days = "{hours}" }}\n'
    if draw(st.booleans()):
        text += f'[[discount]]\nid = "listed"\npercent = {draw(st.integers(1, 100))}\nregister = true\n'
    return text


@st.composite
def had(draw: st.DrawFn, stay: dict[str, Any]) -> Had:
    entry = datetime.fromisoformat(stay["entry"])
    entry = entry if entry.tzinfo else entry.replace(tzinfo=SHANGHAI)
    passes = []
    for _ in range(draw(st.integers(0, 2))):
        since = entry + timedelta(minutes=draw(st.integers(-3000, 1500)))
        passes.append((since, since + timedelta(minutes=draw(st.integers(1, 4000)))))
    return {
        "low_income": draw(st.integers(0, 5)) == 0,
        "free_class": draw(st.sampled_from([None, None, "van", "gone"])),
        "passes": passes,
        "lists": draw(st.sampled_from([frozenset(), frozenset({"listed"})])),
    }


@st.composite
def cases(draw: st.DrawFn, **more: bool) -> tuple[str, dict[str, Any], Had]:
    stay = draw(stays())
    return draw(rules(**more)), stay, draw(had(stay))


class Naive(NaiveBiller):
    """The same slow biller with what the registers give: the contract's order, minute by minute."""

    def __init__(self, policy: str, stay: dict[str, Any], given_: Had) -> None:
        super().__init__(policy, stay)
        self.given = given_

    def benefits(self) -> list[Benefit]:  # 6
        first: list[Benefit] = []
        van = self.rules["free_class"][0]
        if self.given["free_class"] == "van" and self.exit - self.entry <= van["minutes"]:
            first.append(Benefit("whole_stay", voucher=-1))
        if self.given["low_income"]:
            first.append(Benefit("whole_stay", voucher=-2))
        offer = self.rules["pass"][0]
        if self.stay["vehicle"] in offer["vehicles"]:
            first += [Benefit("pass", voucher=-3 - place) for place in range(len(self.given["passes"]))]
        presented = [one for one in super().benefits() if one.kind != "discount"]
        percents = [
            one["percent"]
            for one in self.rules.get("discount", [])
            if self.stay["vehicle"] in one.get("vehicles", [self.stay["vehicle"]])
            and (not one.get("register") or one["id"] in self.given["lists"])
        ]
        # A voucher for the whole stay comes after passes.
        return first + presented + ([Benefit("discount", max(percents))] if percents else [])

    def _covered(self, benefits: Sequence[Benefit]) -> tuple[set[int], dict[str, int]]:  # 7
        covered: set[int] = set()
        for benefit in benefits:
            if benefit.kind == "pass":
                assert benefit.voucher is not None
                since, until = self.given["passes"][-3 - benefit.voucher]
                covered |= {
                    minute
                    for minute in range(self.start, self.exit)
                    if math.floor(since.timestamp()) // 60 <= minute < math.ceil(until.timestamp() / 60)
                    and self._in_hours(minute)
                }
        drawn: dict[str, int] = {}
        for benefit in benefits:
            left = benefit.amount
            for minute in range(self.start, self.exit) if benefit.kind in {"allowance", "minutes"} else ():
                month = self.months[minute]
                if minute in covered:
                    continue
                if benefit.kind == "allowance" and drawn.get(month, 0) < benefit.months.get(month, 0):
                    covered.add(minute)
                    drawn[month] = drawn.get(month, 0) + 1
                elif benefit.kind == "minutes" and left:
                    covered.add(minute)
                    left -= 1
        return covered, drawn

    def _in_hours(self, minute: int) -> bool:
        hours = self.rules["pass"][0].get("hours")
        if hours is None:
            return True
        local = self._local(minute)
        clock = f"{local:%H:%M}"
        if hours["days"] not in {"all", self.kind_of_day(local.date())}:
            return False
        begin, end = hours["from"], hours["to"]
        return begin <= clock < end if begin < end else clock >= begin or clock < end


def told(policy_text: str, stay: dict[str, Any], given_: Had) -> tuple[Any, StayToPrice, Benefits]:
    policy = parse(policy_text)
    facts, benefits = read(policy, json.dumps(stay))
    passes = tuple(PassPeriod("p", since, until) for since, until in given_["passes"])
    return (
        policy,
        facts,
        replace(
            benefits,
            low_income=given_["low_income"],
            free_class=given_["free_class"],
            passes=passes,
            discount_registers=given_["lists"],
        ),
    )


@PROPERTY
@given(cases())
def test_what_the_registers_give_is_what_the_contract_says(case: tuple[str, dict[str, Any], Had]) -> None:
    policy, stay, benefits = told(*case)
    bill = price(policy, stay, benefits)
    naive = Naive(*case)
    kept, gross = naive.kept(), naive.payable([])
    exact = naive.payable(kept)
    step = naive.rules["policy"]["payable_step_fen"]
    assert (bill.gross_fen, bill.payable_fen) == (gross, exact // step * step)
    assert bill.drawn == naive._covered(kept)[1]
    used = {benefit.voucher for benefit in kept}
    assert list(bill.vouchers_used) == [place in used for place in range(len(case[1]["vouchers"]))]


@PROPERTY
@given(cases())
def test_gross_is_what_is_payable_and_what_was_waived(case: tuple[str, dict[str, Any], Had]) -> None:
    policy, stay, benefits = told(*case)
    bill = price(policy, stay, benefits)
    waived = bill.waived_by_kind()
    assert bill.gross_fen == bill.payable_fen + sum(waived.values())
    assert 0 <= bill.payable_fen <= bill.gross_fen
    assert all(fen > 0 for fen in waived.values())
    assert sum(line.fen for line in bill.lines) == bill.payable_fen
    assert bill.gross_fen == price(policy, stay).gross_fen
    assert sum(bill.charged.values()) == bill.payable_fen
    # An allowance's draws are the minutes that the bill shows.
    shown = sum(line.minutes for line in bill.lines if line.kind == "relative_allowance")
    assert sum(bill.drawn.values()) == shown or not any(line.kind == "relative_allowance" for line in bill.lines)


@PROPERTY
@given(cases())
def test_counting_says_what_a_bill_says(case: tuple[str, dict[str, Any], Had]) -> None:
    policy, stay, benefits = told(*case)
    bill, counted = price(policy, stay, benefits), figures(policy, stay, benefits)
    assert (counted.minutes, counted.gross_fen, counted.payable_fen) == (bill.minutes, bill.gross_fen, bill.payable_fen)
    assert counted.waived == bill.waived_by_kind()
    assert counted.drawn == bill.drawn
    assert counted.charged in ({}, bill.charged)


@PROPERTY
@given(cases(band_caps=False), st.sampled_from(["low_income", "free_class", "pass"]))
def test_no_register_ever_raises_a_bill(case: tuple[str, dict[str, Any], Had], more: str) -> None:
    text, stay, given_ = case
    entry = datetime.fromisoformat(stay["entry"]).replace(tzinfo=SHANGHAI)
    richer = {
        "low_income": {**given_, "low_income": True},
        "free_class": {**given_, "free_class": "van"},
        "pass": {**given_, "passes": [*given_["passes"], (entry, entry + timedelta(minutes=500))]},
    }[more]
    policy, facts, benefits = told(text, stay, given_)
    assert price(policy, facts, told(text, stay, richer)[2]).payable_fen <= price(policy, facts, benefits).payable_fen


BANDS = """
[policy]
id = "again"
version = 1
effective_from = 2026-01-01T00:00:00+08:00
timezone = "Asia/Shanghai"
[[tariff]]
vehicles = ["small"]
free_minutes = {free}
{keys}
[[tariff.band]]
from = "08:00"
to = "20:00"
first = {{ minutes = 60, fen = 400 }}
unit = {{ minutes = 30, fen = 200 }}
[[tariff.band]]
from = "20:00"
to = "08:00"
unit = {{ minutes = 60, fen = 100 }}
"""


def parts_of(gaps: list[tuple[int, int]]) -> list[Recorded]:
    """Stays of one vehicle: minutes away before each, minutes stayed."""
    at = datetime(2026, 3, 2, 6, 0, tzinfo=SHANGHAI)
    found = []
    for place, (away, stayed) in enumerate(gaps):
        entry = at + timedelta(minutes=away)
        at = entry + timedelta(minutes=stayed)
        raw = Raw(id=str(place), site="s", key="k", entry=entry, exit=at)
        found.append(Recorded(raw, StayToPrice(entry, at), Benefits()))
    return found


@PROPERTY
@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 300)), min_size=1, max_size=6), st.sampled_from([0, 30]))
def test_a_stay_that_goes_on_costs_what_one_stay_costs(gaps: list[tuple[int, int]], free: int) -> None:
    policy = parse(BANDS.format(free=free, keys="reentry_minutes = 10"))
    world = World([policy], "2026-01")
    recorded = parts_of(gaps)
    paid = sum(world.reprice(one).payable_fen for one in recorded)
    assert paid == price(policy, StayToPrice(recorded[0].raw.entry, recorded[-1].raw.exit)).payable_fen


@PROPERTY
@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 900)), min_size=1, max_size=8),
    st.integers(0, 1500),
    st.integers(0, 4000),
)
def test_caps_over_all_stays_hold_for_all_of_them_together(
    gaps: list[tuple[int, int]], day_fen: int, month_fen: int
) -> None:
    keys = f'cap = {{ per = "calendar_day", fen = {day_fen}, across_stays = true }}\nmonth_cap_fen = {month_fen}'
    policy = parse(BANDS.format(free=0, keys=keys))
    world = World([policy], "2026-01")
    total = sum(world.reprice(one).payable_fen for one in parts_of(gaps))
    by_day = world.charged["s", "k"]
    assert sum(by_day.values()) == total <= month_fen
    assert all(fen <= day_fen for fen in by_day.values())
