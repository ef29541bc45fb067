"""Units, kinds of day, caps, and the further keys that real streets need. 2026-11-20 is a Friday."""

from __future__ import annotations

from pathlib import Path

import pytest

from billing.bill import CalendarUnknown, ExitBeforeEntry, StayTooLong, TimeOutOfRange, UnknownVehicle
from billing.policy import parse

HOURS = '[[tariff.band]]\nfrom = "00:00"\nto = "00:00"\nunit = {{ minutes = 60, fen = {fen} }}\n'
DAY_AND_NIGHT = """
  [[tariff.band]]
  from = "08:00"
  to = "20:00"
  unit = { minutes = 60, fen = 300 }
  [[tariff.band]]
  from = "20:00"
  to = "08:00"
  unit = { minutes = 60, fen = 100 }
  cap_fen = 250
"""


def fens(bill, kind="unit"):
    return [line.fen for line in bill.lines if line.kind == kind]


def test_free_minutes_deducted(policy_of, bill_of):
    policy = policy_of("free_minutes = 30\nfree_minutes_deducted = true")
    assert bill_of(policy, "2026-11-20T09:00", "2026-11-20T09:30").lines == ()
    bill = bill_of(policy, "2026-11-20T09:00", "2026-11-20T10:31")
    assert (bill.minutes, fens(bill)) == (91, [100, 100])
    assert bill.lines[0].from_.isoformat() == "2026-11-20T09:30:00+08:00"


def test_a_list_of_first_units_each_of_its_own_length(policy_of, bill_of):
    policy = policy_of(
        bands="""
  [[tariff.band]]
  from = "00:00"
  to = "24:00"
  first = [{ minutes = 15, fen = 0 }, { minutes = 45, fen = 500 }]
  unit = { minutes = 60, fen = 200 }
"""
    )
    bill = bill_of(policy, "2026-11-20T09:00", "2026-11-20T10:01")
    assert [(line.minutes, line.fen, line.rule) for line in bill.lines] == [
        (15, 0, "tariff.1.band.1.first.1"),
        (45, 500, "tariff.1.band.1.first.2"),
        (1, 200, "tariff.1.band.1.unit"),
    ]


def test_kinds_of_day_follow_the_published_calendar(policy_of, bill_of):
    bands = "".join(
        f'[[tariff.band]]\nfrom = "00:00"\nto = "00:00"\ndays = "{kind}"\nunit = {{ minutes = 60, fen = {fen} }}\n'
        for kind, fen in (("workday", 100), ("weekend", 20), ("holiday", 3))
    )
    policy = policy_of(bands=bands)
    hour = {
        "2026-11-20": 100,  # a Friday
        "2026-11-21": 20,  # a Saturday
        "2026-10-01": 3,  # National Day
        "2026-10-10": 100,  # a Saturday that is worked to make up for it
        "2026-10-04": 3,  # the Sunday within it
    }
    assert {day: bill_of(policy, f"{day}T09:00", f"{day}T10:00").payable_fen for day in hour} == hour
    # A unit has the kind of the date on which it starts.
    assert fens(bill_of(policy, "2026-11-20T23:30", "2026-11-21T01:00")) == [100, 20]


def test_a_stay_that_reaches_an_unpublished_year(policy_of, bill_of):
    policy = policy_of('free_day = ["spring_festival"]')
    assert bill_of(policy, "2026-12-31T22:00", "2027-01-01T00:00").payable_fen == 200
    with pytest.raises(CalendarUnknown, match="2027"):
        bill_of(policy, "2026-12-31T23:30", "2027-01-01T00:10")
    assert bill_of(policy_of(), "2026-12-31T23:30", "2027-01-01T00:10").payable_fen == 100


def test_a_cap_by_calendar_day(policy_of, bill_of):
    policy = policy_of('cap = { per = "calendar_day", fen = 300 }')
    bill = bill_of(policy, "2026-11-20T19:30", "2026-11-21T03:00")
    # Five units start on the 20th, three on the 21st.
    assert (bill.payable_fen, fens(bill, "cap")) == (600, [-200])


def test_the_cap_of_a_night(policy_of, bill_of):
    policy = policy_of(bands=DAY_AND_NIGHT)
    assert bill_of(policy, "2026-11-20T20:00", "2026-11-21T08:00").payable_fen == 250
    two_nights = bill_of(policy, "2026-11-20T20:00", "2026-11-22T08:00")
    assert (two_nights.payable_fen, fens(two_nights, "cap")) == (250 + 12 * 300 + 250, [-950, -950])
    # Entered in the middle of a night: the rest of it is one occurrence.
    assert bill_of(policy, "2026-11-20T03:00", "2026-11-20T08:00").payable_fen == 250


def test_the_night_cap_cuts_what_waivers_leave(policy_of, bill_of):
    policy = policy_of(bands=DAY_AND_NIGHT)
    stay = ("2026-11-20T20:00", "2026-11-21T01:00")
    assert bill_of(policy, *stay, vouchers=("minutes:120",)).vouchers_used == (False,)
    bill = bill_of(policy, *stay, vouchers=("minutes:180",))
    assert (bill.gross_fen, bill.payable_fen) == (250, 200)


def test_a_night_of_another_kind_of_day_begins_at_midnight(policy_of, bill_of):
    policy = policy_of(
        bands="""
  [[tariff.band]]
  from = "08:00"
  to = "20:00"
  unit = { minutes = 60, fen = 0 }
  [[tariff.band]]
  from = "20:00"
  to = "08:00"
  days = "workday"
  unit = { minutes = 60, fen = 100 }
  cap_fen = 150
  [[tariff.band]]
  from = "20:00"
  to = "08:00"
  days = "weekend"
  unit = { minutes = 60, fen = 10 }
  cap_fen = 15
  [[tariff.band]]
  from = "20:00"
  to = "08:00"
  days = "holiday"
  unit = { minutes = 60, fen = 1 }
"""
    )
    # Friday evening and Saturday's early hours are two bands; Saturday's evening and Sunday's early hours are one run.
    assert bill_of(policy, "2026-11-20T20:00", "2026-11-21T08:00").payable_fen == 150 + 15
    assert bill_of(policy, "2026-11-21T20:00", "2026-11-22T08:00").payable_fen == 15
    # Sunday evening (weekend), then Monday's early hours, a run of their own, cut at 20:00 on Monday.
    assert bill_of(policy, "2026-11-22T20:00", "2026-11-24T08:00").payable_fen == 15 + 150 + 150


def test_tolerance_lets_the_last_minutes_off(policy_of, bill_of):
    policy = policy_of(
        bands="""
  [[tariff.band]]
  from = "00:00"
  to = "00:00"
  first = [{ minutes = 60, fen = 400 }, { minutes = 60, fen = 300 }]
  unit = { minutes = 60, fen = 200, tolerance_minutes = 5 }
"""
    )
    ends = {"09:03": 400, "10:05": 400, "10:06": 700, "11:05": 700, "11:06": 900, "12:00": 900}
    assert {end: bill_of(policy, "2026-11-20T09:00", f"2026-11-20T{end}").payable_fen for end in ends} == ends
    assert bill_of(policy, "2026-11-20T09:00", "2026-11-20T10:05").lines[1].rule.endswith("tolerance_minutes")


def test_a_price_per_visit(policy_of, bill_of):
    policy = policy_of('visit_fen = 500\nfree_minutes = 15\ncap = { per = "24h", fen = 400 }', bands="")
    assert bill_of(policy, "2026-11-20T09:00", "2026-11-20T09:15").payable_fen == 0
    bill = bill_of(policy, "2026-11-20T09:00", "2026-11-21T09:01")
    assert (fens(bill), fens(bill, "cap"), bill.payable_fen) == ([500, 500], [-100, -100], 800)
    assert bill_of(policy, "2026-11-20T09:00", "2026-11-20T10:00", vouchers=("minutes:30",)).payable_fen == 250


def test_caps_across_stays_see_what_was_charged_before(policy_of, bill_of):
    policy = policy_of('cap = { per = "calendar_day", fen = 300, across_stays = true }\nmonth_cap_fen = 1000')
    stay = ("2026-11-20T09:00", "2026-11-20T14:00")
    assert bill_of(policy, *stay).payable_fen == 300
    bill = bill_of(policy, *stay, charged={"2026-11-20": 250})
    assert (bill.gross_fen, bill.payable_fen) == (50, 50)
    assert bill_of(policy, *stay, charged={"2026-11-20": 999}).payable_fen == 0
    assert bill_of(policy, *stay, charged={"2026-11-18": 300, "2026-11-19": 540}).payable_fen == 160
    assert bill_of(policy, *stay, charged={"2026-10-31": 900}).payable_fen == 300
    assert bill_of(policy, *stay, charged={"2026-11": 990, "2026-11-19": 300}).payable_fen == 10


def test_a_bill_says_what_it_charged_to_each_day(policy_of, bill_of):
    policy = policy_of('cap = { per = "calendar_day", fen = 300, across_stays = true }')
    stay = ("2026-11-20T19:00", "2026-11-21T02:00")
    assert bill_of(policy, *stay).charged == {"2026-11-20": 300, "2026-11-21": 200}
    assert bill_of(policy, *stay, vouchers=("amount:250",)).charged == {"2026-11-20": 250}


def test_the_first_stays_of_a_day_have_free_minutes(policy_of, bill_of):
    policy = policy_of("free_minutes = 30\nfree_stays_per_day = 2")
    stay = ("2026-11-20T09:00", "2026-11-20T09:20")
    assert [bill_of(policy, *stay, free_stays_used=used).payable_fen for used in (0, 1, 2, 3)] == [0, 0, 100, 100]
    assert bill_of(policy_of("free_minutes = 30"), *stay, free_stays_used=9).payable_fen == 0


def test_a_festival_is_free_and_not_in_the_gross(hushu_text, bill_of):
    for text in (
        'free_day = ["spring_festival"]\n' + hushu_text,
        hushu_text.replace('timezone = "Asia/Shanghai"', 'timezone = "Asia/Shanghai"\nfree_day = ["spring_festival"]'),
    ):
        policy = parse(text)
        festive = bill_of(policy, "2026-02-17T09:00", "2026-02-17T12:00")
        assert (festive.gross_fen, festive.payable_fen, len(festive.lines)) == (0, 0, 5)
        assert bill_of(policy, "2026-10-01T09:00", "2026-10-01T10:00").payable_fen == 400


SELECTORS = """
[policy]
id = "test"
version = 1
effective_from = 2026-01-01T00:00:00+08:00
timezone = "Asia/Shanghai"
""" + "".join(
    f"[[tariff]]\nvehicles = {vehicles}\n{keys}\n" + HOURS.format(fen=fen)
    for vehicles, keys, fen in (
        ('["small", "motorcycle"]', "", 100),
        ('["small"]', 'energy = "new"', 80),
        ('["small"]', 'who = "tenant"', 60),
        ('["small"]', 'who = "tenant"\nenergy = "new"', 40),
        ('["motorcycle"]', "", 20),
    )
)


@pytest.mark.parametrize(
    ("facts", "fen"),
    [
        ({}, 100),
        ({"energy": "new"}, 80),
        ({"who": "tenant"}, 60),
        ({"who": "tenant", "energy": "new"}, 40),
        ({"who": "registered_visitor", "energy": "new"}, 80),
        ({"vehicle": "large", "energy": "new"}, 100),
        ({"vehicle": "motorcycle"}, 100),  # of two equals the one that stands first
    ],
)
def test_the_tariff_with_most_selectors_wins(bill_of, facts, fen):
    assert bill_of(parse(SELECTORS), "2026-11-20T09:00", "2026-11-20T10:00", **facts).payable_fen == fen


def test_metered_roadside_parking(bill_of):
    policy = parse((Path(__file__).parents[2] / "rules" / "hangzhou-roadside.toml").read_text(encoding="utf-8"))
    assert bill_of(policy, "2026-11-20T09:00", "2026-11-20T11:00").payable_fen == 300 + 300 + 400 + 400
    assert bill_of(policy, "2026-11-20T09:00", "2026-11-20T11:00", vehicle="large").payable_fen == 2800
    assert bill_of(policy, "2026-11-20T20:00", "2026-11-21T08:00").payable_fen == 0
    assert bill_of(policy, "2026-11-20T07:10", "2026-11-20T09:10").payable_fen == 300 + 400
    assert bill_of(policy, "2026-02-17T09:00", "2026-02-17T19:00").payable_fen == 0


def test_stays_that_have_no_price(hushu, bill_of):
    with pytest.raises(ExitBeforeEntry):
        bill_of(hushu, "2026-11-20T09:00", "2026-11-20T08:59")
    with pytest.raises(UnknownVehicle):
        bill_of(hushu, "2026-11-20T09:00", "2026-11-20T09:10", vehicle="bus")
    with pytest.raises(StayTooLong):
        bill_of(hushu, "2026-11-20T09:00", "2126-11-20T09:10")
    with pytest.raises(TimeOutOfRange):
        bill_of(hushu, "1066-11-20T09:00", "2026-11-20T09:10")


def test_minutes_are_counted_through_a_change_of_the_clock(hushu_text, bill_of):
    # Berlin put its clocks forward at 02:00 on 2026-03-29: 01:30 to 03:30 is one hour.
    policy = parse(hushu_text.replace('"Asia/Shanghai"', '"Europe/Berlin"'))
    assert bill_of(policy, "2026-03-29T01:30+01:00", "2026-03-29T03:30+02:00").payable_fen == 100
