"""Bills in words, the calendar, and the roundings."""

from __future__ import annotations

from datetime import date

import pytest

from billing.calendar import festival, kind_of_day, known_year, parse_instant
from billing.errors import BadTime, CalendarUnknown
from billing.explain import sentences
from billing.money import NotAnAmount, fen_of_yuan, round_down, waived_percent, waived_share, yuan


def test_a_bill_in_both_languages(hushu, bill_of):
    bill = bill_of(hushu, "2026-11-20T09:00", "2026-11-20T11:10", allowance={"2026-11": 60})
    assert sentences(bill, "zh") == [
        "hushu-residential 第 3 版：停车 130 分钟。",
        "11-20 09:00–10:00：1 个计费单元，4.00 元。",
        "11-20 10:00–11:10：3 个计费单元，每个 2.00 元，共 6.00 元。",
        "11-20 09:00–10:00：三代直系亲属免费时长，60 分钟，减 4.00 元。",
        "应收 10.00 元，优免 4.00 元，应付 6.00 元。",
    ]
    assert sentences(bill, "en") == [
        "hushu-residential, version 3: parked for 130 minutes.",
        "11-20 09:00–10:00: 1 unit, 4.00 yuan.",
        "11-20 10:00–11:10: 3 units of 2.00 yuan, 6.00 yuan.",
        "11-20 09:00–10:00: relative allowance, 60 minutes, 4.00 yuan off.",
        "Price 10.00 yuan, waived 4.00 yuan, to pay 6.00 yuan.",
    ]


def test_a_free_stay_in_words(hushu, bill_of):
    assert "Within the free minutes: nothing to pay." in sentences(
        bill_of(hushu, "2026-11-20T09:00", "2026-11-20T09:01"), "en"
    )


def test_poverty_is_nobodys_business(hushu, bill_of):
    stay = ("2026-11-20T09:00", "2026-11-20T11:10")
    poor = bill_of(hushu, *stay, low_income=True)
    holder = bill_of(hushu, *stay, passes=(("resident-monthly", "2026-01-01T00:00", "2027-01-01T00:00"),))
    for language, word in (("zh", "居民优免"), ("en", "resident")):
        assert word in sentences(poor, language)[-2]
        assert word in sentences(holder, language)[-2]
        assert "low" not in " ".join(sentences(poor, language))


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
