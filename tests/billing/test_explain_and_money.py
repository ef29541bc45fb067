"""Bills in words, the calendar, and the roundings."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.bill import StayToPrice
from billing.calendar import (
    festival,
    kind_of_day,
    known_year,
    local_time,
    newest_known_year,
    parse_instant,
    wall_clock,
)
from billing.errors import BadTime, CalendarUnknown
from billing.explain import sentences
from billing.money import NotAnAmount, fen_of_yuan, round_down, waived_percent, waived_share, yuan
from billing.policy import parse
from billing.rule_words import rule_words


def test_a_bill_in_both_languages(hushu, bill_of):
    bill = bill_of(hushu, "2026-11-20T09:00", "2026-11-20T11:10", allowance={"2026-11": 60})
    assert sentences(bill, "zh", hushu, allowance={"2026-11": 60}) == [
        "hushu-residential 第 3 版：停车 130 分钟。",
        (
            "11-20 09:00–10:00：1 个计费单元，4.00 元。"
            "〔第 3 版 tariff.1.band.1.first.1：08:00–20:00，第 1 个单元 60 分钟 4.00 元〕"
        ),
        (
            "11-20 10:00–11:10：3 个计费单元，每个 2.00 元，共 6.00 元。"
            "〔第 3 版 tariff.1.band.1.unit：08:00–20:00，每开始 30 分钟 2.00 元〕"
        ),
        "11-20 09:00–10:00：三代直系亲属免费时长，60 分钟，减 4.00 元。〔第 3 版 relative_allowance：每户每月 3600 分钟〕",
        "亲属免费时长 2026-11：本次用 60 分钟，余 0 分。",
        "应收 10.00 元，优免 4.00 元，应付 6.00 元。",
    ]
    assert sentences(bill, "en", hushu, allowance={"2026-11": 2540}) == [
        "hushu-residential, version 3: parked for 130 minutes.",
        (
            "11-20 09:00–10:00: 1 unit, 4.00 yuan."
            " [version 3, tariff.1.band.1.first.1: 08:00–20:00, unit 1 of the stay: 60 minutes for 4.00 yuan]"
        ),
        (
            "11-20 10:00–11:10: 3 units of 2.00 yuan, 6.00 yuan."
            " [version 3, tariff.1.band.1.unit: 08:00–20:00, every started 30 minutes for 2.00 yuan]"
        ),
        (
            "11-20 09:00–10:00: relative allowance, 60 minutes, 4.00 yuan off."
            " [version 3, relative_allowance: 3600 minutes a month for each household]"
        ),
        "Relative allowance of 2026-11: 60 minutes used, 41 h 20 min left.",
        "Price 10.00 yuan, waived 4.00 yuan, to pay 6.00 yuan.",
    ]


def test_without_the_policy_a_line_still_names_its_rule(hushu, bill_of):
    bill = bill_of(hushu, "2026-11-20T09:00", "2026-11-20T09:31")
    assert sentences(bill, "zh")[1] == "11-20 09:00–09:31：1 个计费单元，4.00 元。〔第 3 版 tariff.1.band.1.first.1〕"


def test_a_free_stay_in_words(hushu, bill_of):
    bill = bill_of(hushu, "2026-11-20T09:00", "2026-11-20T09:01")
    assert "Within the free minutes: nothing to pay." in sentences(bill, "en")
    stay = StayToPrice(
        parse_instant("2026-11-20T09:00", "Asia/Shanghai"), parse_instant("2026-11-20T09:01", "Asia/Shanghai")
    )
    assert "在免费时长内，不收费。〔第 3 版 tariff.1.free_minutes：30 分钟内免费〕" in sentences(
        bill, "zh", hushu, stay=stay
    )


def test_a_voucher_that_was_not_needed_stays_valid(hushu, bill_of):
    bill = bill_of(hushu, "2026-11-20T09:00", "2026-11-20T10:00", allowance={"2026-11": 60}, vouchers=("amount:500",))
    assert "停车券 1 未使用，仍然有效。" in sentences(bill, "zh")
    assert "Voucher 1 was not needed and stays valid." in sentences(bill, "en")


def test_poverty_is_nobodys_business(hushu, bill_of):
    """A certificate and a pass read the same, to the last character: also how many minutes were covered would tell them apart."""
    stay = ("2026-11-20T09:00", "2026-11-20T11:10")
    poor = bill_of(hushu, *stay, low_income=True)
    holder = bill_of(hushu, *stay, passes=(("resident-monthly", "2026-01-01T00:00", "2027-01-01T00:00"),))
    for language, word in (("zh", "居民优免"), ("en", "Resident")):
        said = sentences(poor, language, hushu)
        assert said == sentences(holder, language, hushu)
        assert word in said[-2]
        assert "low" not in " ".join(said)
        assert "低保" not in " ".join(said)
    assert "低保优免" in sentences(poor, "zh", hushu, truly=True)[-2]
    assert "pass.resident-monthly" in sentences(holder, "en", hushu, truly=True)[-2]


FURTHER = """
free_day = ["spring_festival"]
[policy]
id = "words"
version = 2
effective_from = 2026-01-01T00:00:00+08:00
timezone = "Asia/Shanghai"
payable_step_fen = 100
[[tariff]]
vehicles = ["small"]
free_minutes = 15
free_stays_per_day = 1
cap = { per = "calendar_day", fen = 900, across_stays = true }
month_cap_fen = 20000
[[tariff.band]]
from = "08:00"
to = "20:00"
days = "workday"
first = [{ minutes = 60, fen = 500 }]
unit = { minutes = 30, fen = 250, tolerance_minutes = 5 }
[[tariff.band]]
from = "08:00"
to = "20:00"
days = "weekend"
unit = { minutes = 30, fen = 100 }
[[tariff.band]]
from = "08:00"
to = "20:00"
days = "holiday"
unit = { minutes = 1, fen = 1 }
[[tariff.band]]
from = "20:00"
to = "08:00"
unit = { minutes = 60, fen = 100 }
cap_fen = 300
[[tariff]]
vehicles = ["large"]
visit_fen = 1000
[[free_class]]
id = "ambulance"
register = true
[[free_class]]
id = "taxi"
plates = ["ordinary"]
minutes = 15
[[discount]]
id = "everybody"
percent = 10
"""


@pytest.mark.parametrize(
    ("rule", "zh", "en"),
    [
        ("tariff.1.band.1.first.1", "工作日 08:00–20:00，第 1 个单元 60 分钟 5.00 元", "workdays 08:00–20:00, unit 1 of the stay: 60 minutes for 5.00 yuan"),
        ("tariff.1.band.1.unit", "工作日 08:00–20:00，每开始 30 分钟 2.50 元", "workdays 08:00–20:00, every started 30 minutes for 2.50 yuan"),
        ("tariff.1.band.1.unit.tolerance_minutes", "工作日 08:00–20:00，最后一个单元不超过 5 分钟不计费", "workdays 08:00–20:00, a last unit of at most 5 minutes is let off"),
        ("tariff.1.band.2.unit", "周末 08:00–20:00，每开始 30 分钟 1.00 元", "weekends 08:00–20:00, every started 30 minutes for 1.00 yuan"),
        ("tariff.1.band.3.unit", "节假日 08:00–20:00，每开始 1 分钟 0.01 元", "holidays 08:00–20:00, every started 1 minute for 0.01 yuan"),
        ("tariff.1.band.4.cap_fen", "20:00–08:00，每个时段最高 3.00 元", "20:00–08:00, at most 3.00 yuan each time"),
        ("tariff.1.cap", "每个自然日最高 9.00 元，同车当天各次合计", "at most 9.00 yuan a calendar day, all stays of the vehicle together"),
        ("tariff.1.month_cap_fen", "同车每月最高 200.00 元", "at most 200.00 yuan a month for a vehicle"),
        ("tariff.2.visit_fen", "按次，每 24 小时 10.00 元", "per visit, 10.00 yuan for each 24 hours"),
        ("free_day.spring_festival", "春节免费", "free over Spring Festival"),
        ("free_class.ambulance", "登记车辆", "listed vehicles"),
        ("free_class.taxi", "按车牌识别，15 分钟内免费", "known by the plate, free up to 15 minutes"),
        ("discount.everybody", "减 10%", "10% off"),
        ("policy.payable_step_fen", "应付取 1.00 元的整数倍，舍去零头", "down to a multiple of 1.00 yuan"),
        ("tariff.9.cap", "", ""),
        ("tariff.1.band.9.unit", "", ""),
        ("tariff.1.band.1.first.2", "", ""),
        ("voucher.1", "", ""),
        ("no.such.rule", "", ""),
    ],
)  # fmt: skip
def test_what_a_rule_says(rule, zh, en):
    policy = parse(FURTHER)
    assert (rule_words(policy, rule, "zh"), rule_words(policy, rule, "en")) == (zh, en)


def test_the_calendar():
    days = {
        date(2026, 11, 20): ("workday", None),
        date(2026, 11, 21): ("weekend", None),
        date(2026, 10, 1): ("holiday", "national_day"),
        date(2026, 10, 10): ("workday", None),
        date(2026, 2, 17): ("holiday", "spring_festival"),
    }
    assert {day: (kind_of_day(day), festival(day)) for day in days} == days
    assert known_year(2026)
    assert not known_year(2027)
    assert (newest_known_year(2025), newest_known_year(2026), newest_known_year(2027)) == (2026, 2026, None)
    with pytest.raises(CalendarUnknown, match="2027"):
        kind_of_day(date(2027, 1, 1))


@pytest.mark.parametrize(
    "text",
    ["", "09:00", "2026-11-20", "20261120T0900", "2026-W47-5T09:00", "2026-11-20T09:00+8", "２０２６-11-20T09:00"],
)
def test_times_that_are_none(text):
    with pytest.raises(BadTime):
        parse_instant(text, "Asia/Shanghai")


def test_times():
    nine = parse_instant("2026-11-20T09:00", "Asia/Shanghai")
    for text in ("2026-11-20T01:00:00Z", "2026-11-20t01:00:00.000z", "2026-11-20 09:00:00+08:00"):
        assert parse_instant(text, "UTC") == nine


def test_roundings():
    assert waived_share(400, 44, 45) == 392
    assert waived_percent(1, 1) == 1
    assert round_down(1999, 100) == 1900
    assert (yuan(1050), yuan(-5), yuan(0)) == ("10.50", "-0.05", "0.00")
    assert [fen_of_yuan(text) for text in ("10.5", "-0.05", " 3 ", "+1.00")] == [1050, -5, 300, 100]
    for text in ("1.005", "1,000.00", "", "1e3", "NaN", "."):
        with pytest.raises(NotAnAmount):
            fen_of_yuan(text)


ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Monrovia")


@given(st.integers(0, 60_000_000), st.sampled_from(ZONES))
def test_the_wall_clock_is_the_clock_on_the_wall(minute, zone):
    local = local_time(minute, ZoneInfo(zone))
    day, clock = wall_clock(minute, ZoneInfo(zone))
    assert (date.fromordinal(day + date(1970, 1, 1).toordinal()), clock) == (
        local.date(),
        local.hour * 60 + local.minute,
    )


# Twenty hours are needed to come below the cap of a day; each of the two benefits has ten.
TOGETHER = ("2026-11-20T09:00", "2026-11-21T09:00")


def test_benefits_that_only_together_come_below_a_cap_share_a_line_and_are_all_said(hushu, bill_of):
    alone = bill_of(hushu, *TOGETHER, allowance={"2026-11": 600})
    assert (alone.payable_fen, alone.drawn) == (2000, {})
    bill = bill_of(hushu, *TOGETHER, allowance={"2026-11": 600}, vouchers=("minutes:600",))
    assert (bill.gross_fen, bill.payable_fen) == (2000, 700)
    assert (bill.drawn, bill.vouchers_used) == ({"2026-11": 600}, (True,))
    # As the contract has it: a benefit's line is what adding it in its order takes off, and lines are negative.
    assert [(line.kind, line.fen) for line in bill.lines if line.kind not in {"unit", "cap"}] == [
        ("hour_voucher", -1300)
    ]
    assert sum(line.fen for line in bill.lines) == bill.payable_fen
    assert bill.gross_fen == bill.payable_fen + sum(bill.waived_by_kind().values())
    zh, en = sentences(bill), sentences(bill, "en")
    assert "三代直系亲属免费时长用去 600 分钟：与其后的优免合在一起才低于封顶，减额计在其后那一行。" in zh
    assert any(one.startswith("Relative allowance: 600 minutes used, and only with") for one in en)
    assert zh[-1] == "应收 20.00 元，优免 13.00 元，应付 7.00 元。"


def test_a_voucher_without_a_line_is_said_as_well(hushu, bill_of):
    bill = bill_of(hushu, *TOGETHER, vouchers=("minutes:600", "minutes:600"))
    assert (bill.payable_fen, bill.vouchers_used) == (700, (True, True))
    assert [line.rule for line in bill.lines if line.kind == "hour_voucher"] == ["voucher.2"]
    assert any(one.startswith("停车券 1 已使用：") for one in sentences(bill))
    assert any(one.startswith("Voucher 1: used, and only with") for one in sentences(bill, "en"))
    assert not any("停车券 2 已使用" in one for one in sentences(bill))
