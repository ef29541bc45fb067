"""The worked cases of the policy contract, word for word. 2026-11-20 is a Friday."""

from __future__ import annotations

import pytest

DAY = "2026-11-20T"
NEXT = "2026-11-21T"
NOVEMBER = "2026-11"

VISITOR = [
    (DAY + "09:00", DAY + "09:30", 0),
    (DAY + "09:00", DAY + "09:31", 400),
    (DAY + "09:00", DAY + "11:10", 1000),
    (DAY + "07:50", DAY + "09:00", 300),
    (DAY + "19:30", DAY + "21:00", 500),
    (DAY + "21:00", NEXT + "08:00", 1100),
    (DAY + "21:00", NEXT + "21:00", 2000),
    (DAY + "09:00", NEXT + "09:31", 2400),
]

# entry, exit, allowance, vouchers, payable, drawn, used
WITH_BENEFITS = [
    (DAY + "09:00", DAY + "12:00", {NOVEMBER: 3600}, (), 0, {NOVEMBER: 180}, ()),
    (DAY + "09:00", DAY + "12:00", {NOVEMBER: 90}, (), 600, {NOVEMBER: 90}, ()),
    (DAY + "09:00", DAY + "09:45", {NOVEMBER: 44}, (), 8, {NOVEMBER: 44}, ()),
    (DAY + "09:00", DAY + "09:45", {NOVEMBER: 44}, ("minutes:30",), 0, {NOVEMBER: 44}, (True,)),
    (DAY + "09:00", DAY + "09:20", {NOVEMBER: 3600}, (), 0, {}, ()),
    (
        "2026-11-30T22:00",
        "2026-12-01T03:00",
        {NOVEMBER: 30, "2026-12": 60},
        (),
        350,
        {NOVEMBER: 30, "2026-12": 60},
        (),
    ),
    (DAY + "09:00", NEXT + "09:00", {NOVEMBER: 600}, (), 2000, {}, ()),
    (DAY + "09:00", NEXT + "09:00", {NOVEMBER: 1200}, (), 700, {NOVEMBER: 1200}, ()),
    (DAY + "09:00", DAY + "12:00", None, ("minutes:120",), 400, {}, (True,)),
    (DAY + "09:00", DAY + "12:00", {NOVEMBER: 60}, ("amount:500",), 300, {NOVEMBER: 60}, (True,)),
    (DAY + "09:00", DAY + "10:00", {NOVEMBER: 60}, ("amount:500",), 0, {NOVEMBER: 60}, (False,)),
    (DAY + "09:00", DAY + "12:00", None, ("amount:500", "minutes:120"), 0, {}, (True, True)),
    (DAY + "09:00", DAY + "12:00", {NOVEMBER: 60}, ("whole_stay",), 0, {}, (True,)),
]


@pytest.mark.parametrize(("entry", "exit_", "payable_fen"), VISITOR)
def test_what_a_visitor_pays(hushu, bill_of, entry, exit_, payable_fen):
    bill = bill_of(hushu, entry, exit_)
    assert bill.payable_fen == bill.gross_fen == payable_fen
    assert sum(line.fen for line in bill.lines) == payable_fen
    assert {line.kind for line in bill.lines} <= {"unit", "cap"}


@pytest.mark.parametrize("case", WITH_BENEFITS, ids=str)
def test_what_benefits_take_off(hushu, bill_of, case):
    entry, exit_, allowance, vouchers, payable_fen, drawn, used = case
    bill = bill_of(hushu, entry, exit_, allowance=allowance, vouchers=vouchers)
    assert (bill.payable_fen, bill.drawn, bill.vouchers_used) == (payable_fen, drawn, used)
    assert bill.gross_fen == bill_of(hushu, entry, exit_).gross_fen
    assert bill.gross_fen == bill.payable_fen + sum(bill.waived_by_kind().values())
    assert sum(line.fen for line in bill.lines) == payable_fen
    assert all(line.fen < 0 for line in bill.lines if line.kind != "unit")


def test_a_line_says_what_its_benefit_took_off(hushu, bill_of):
    bill = bill_of(hushu, DAY + "09:00", DAY + "12:00", allowance={NOVEMBER: 60}, vouchers=("amount:300", "minutes:30"))
    waived = [(line.kind, line.minutes, line.fen, line.rule) for line in bill.lines if line.kind != "unit"]
    assert waived == [
        ("relative_allowance", 60, -400, "relative_allowance"),
        ("hour_voucher", 30, -200, "voucher.2"),
        ("amount_voucher", 0, -300, "voucher.1"),
    ]
    assert bill.payable_fen == 300


def test_two_whole_stay_vouchers_use_one(hushu, bill_of):
    bill = bill_of(hushu, DAY + "09:00", DAY + "12:00", vouchers=("whole_stay", "whole_stay", "amount:100"))
    assert bill.vouchers_used == (True, False, False)


def test_seconds_are_cut(hushu, bill_of):
    assert bill_of(hushu, DAY + "09:00:59", DAY + "09:30:58").payable_fen == 0
    assert bill_of(hushu, DAY + "09:00:59", DAY + "09:31:00").payable_fen == 400


def test_offsets_do_not_matter(hushu, bill_of):
    assert bill_of(hushu, "2026-11-20T01:00:00Z", "2026-11-20T12:10+09:00").payable_fen == 1000
