"""Paying early, and leaving in time or not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing.benefits import Benefits, Voucher
from billing.bill import StayToPrice, price
from billing.calendar import parse_instant
from billing.settle import Prepaid, rebill, vouchers_needed

ENTRY = parse_instant("2026-11-20T09:00", "Asia/Shanghai")
PAID = ENTRY + timedelta(minutes=60, seconds=40)


def prepaid(policy, benefits=None):
    bill = price(policy, StayToPrice(ENTRY, PAID), benefits or Benefits())
    return Prepaid(PAID, bill, bill.payable_fen)


@pytest.mark.parametrize(
    ("later", "payable_fen"),
    [
        (timedelta(minutes=0), 400),
        (timedelta(minutes=15), 400),
        (timedelta(minutes=15, seconds=59), 400),
        (timedelta(minutes=16), 600),
        (timedelta(minutes=-5), 400),
    ],
)
def test_leaving_after_paying(hushu, later, payable_fen):
    stay = StayToPrice(ENTRY, PAID + later)
    assert rebill(hushu, stay, Benefits(), prepaid(hushu)).payable_fen == payable_fen


def test_a_bill_of_nothing_is_no_payment(hushu):
    benefits = Benefits(allowance={"2026-11": 61})
    paid = prepaid(hushu, benefits)
    assert paid.paid_fen == 0
    bill = rebill(hushu, StayToPrice(ENTRY, PAID + timedelta(minutes=2)), benefits, paid)
    assert (bill.minutes, bill.payable_fen) == (62, 200 - 100)


def test_without_a_payment_the_stay_is_priced(hushu):
    stay = StayToPrice(ENTRY, PAID)
    assert rebill(hushu, stay, Benefits(), None) == price(hushu, stay)


@pytest.mark.parametrize(
    ("vouchers", "paid_fen", "needed"),
    [
        ([Voucher("minutes", 120)], 0, [0]),
        ([Voucher("minutes", 120)], 399, [0]),
        ([Voucher("minutes", 120)], 1199, [0]),
        ([Voucher("minutes", 120)], 1200, []),
        ([Voucher("minutes", 60), Voucher("minutes", 60), Voucher("minutes", 60)], 400, [0, 1]),
        ([Voucher("amount", 5000), Voucher("whole_stay")], 400, [1]),
        ([Voucher("amount", 200), Voucher("minutes", 60)], 600, [0, 1]),
        ([Voucher("amount", 200), Voucher("minutes", 60)], 700, [0, 1]),
        ([Voucher("amount", 200), Voucher("minutes", 60)], 1000, [1]),
    ],
)
def test_what_is_paid_needs_no_voucher(hushu, vouchers, paid_fen, needed):
    """Three hours at 1200: 400 for the first hour, 400 for each further one."""
    stay = StayToPrice(ENTRY, ENTRY + timedelta(hours=3))
    assert vouchers_needed(hushu, stay, Benefits(vouchers=tuple(vouchers)), paid_fen) == needed
