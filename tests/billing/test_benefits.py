"""Free classes, certificates, passes and discounts; and that nothing is used up for nothing."""

from __future__ import annotations

import pytest

from billing.bill import NoRelativeAllowance, TooManyBenefits
from billing.policy import parse

NINE, TEN, NOON = "2026-11-20T09:00", "2026-11-20T10:00", "2026-11-20T12:00"
PASS = '[[pass]]\nid = "p"\nvehicles = ["small"]\nfen = 100\n'
RELATIVES = '[relative_allowance]\nminutes_per_month = 60\nper = "household"\nrelations = ["child"]\n'


def kinds(bill):
    return [(line.kind, line.fen, line.rule) for line in bill.lines if line.kind != "unit"]


def test_an_ambulance_never_pays(hushu, bill_of):
    bill = bill_of(hushu, NINE, NOON, free_class="ambulance", allowance={"2026-11": 60}, vouchers=("minutes:60",))
    assert kinds(bill) == [("free_class", -1200, "free_class.ambulance")]
    assert (bill.gross_fen, bill.drawn, bill.vouchers_used) == (1200, {}, (False,))


def test_a_delivery_is_free_up_to_its_minutes_then_an_ordinary_stay(policy_of, bill_of):
    policy = policy_of(rest='[[free_class]]\nid = "delivery"\nregister = true\nminutes = 30\n')
    assert bill_of(policy, NINE, "2026-11-20T09:30", free_class="delivery").payable_fen == 0
    assert bill_of(policy, NINE, "2026-11-20T09:31", free_class="delivery").payable_fen == 100


def test_low_income_exempts_from_parking_only_where_the_policy_says_so(hushu, policy_of, bill_of):
    assert kinds(bill_of(hushu, NINE, NOON, low_income=True)) == [("low_income", -1200, "low_income")]
    policy = policy_of(rest='[low_income]\nexempts = ["pass"]\n')
    assert bill_of(policy, NINE, NOON, low_income=True).payable_fen == 300


def test_a_pass_covers_the_minutes_in_which_it_is_valid(hushu, bill_of):
    until_ten = (("resident-monthly", "2026-11-01T00:00", TEN),)
    bill = bill_of(hushu, NINE, NOON, passes=until_ten)
    assert kinds(bill) == [("pass", -400, "pass.resident-monthly")]
    assert bill_of(hushu, NINE, NOON, passes=(("resident-monthly", NOON, "2026-12-01T00:00"),)).payable_fen == 1200


def test_a_pass_covers_only_its_vehicles(hushu, bill_of):
    always = (("resident-monthly", "2026-01-01T00:00", "2027-01-01T00:00"),)
    assert bill_of(hushu, NINE, NOON, passes=always, vehicle="large").payable_fen == 1200
    assert bill_of(hushu, NINE, NOON, passes=always, vehicle="small").payable_fen == 0


def test_a_pass_sold_under_another_version_still_holds(policy_of, bill_of):
    gone = (("not-sold-any-more", "2026-01-01T00:00", "2027-01-01T00:00"),)
    assert bill_of(policy_of(), NINE, NOON, passes=gone).payable_fen == 0


def test_a_pass_of_certain_hours_judges_each_minute_by_its_own_date(policy_of, bill_of):
    policy = policy_of(rest=PASS + 'hours = { from = "22:00", to = "06:00", days = "workday" }\n')
    always = (("p", "2026-01-01T00:00", "2027-01-01T00:00"),)
    # Friday 21:00 to Saturday 07:00: Friday's 22:00-24:00 only, Saturday's early hours are no workday's.
    bill = bill_of(policy, "2026-11-20T21:00", "2026-11-21T07:00", passes=always)
    assert (bill.gross_fen, bill.payable_fen) == (1000, 800)
    # Sunday 21:00 to Monday 07:00: Monday's 00:00-06:00 only.
    assert bill_of(policy, "2026-11-22T21:00", "2026-11-23T07:00", passes=always).payable_fen == 400


def test_an_allowance_goes_on_where_the_pass_stops(hushu, bill_of):
    until_ten = (("resident-monthly", "2026-11-01T00:00", TEN),)
    bill = bill_of(hushu, NINE, NOON, passes=until_ten, allowance={"2026-11": 60})
    assert (bill.payable_fen, bill.drawn) == (400, {"2026-11": 60})
    line = next(line for line in bill.lines if line.kind == "relative_allowance")
    assert (line.from_.hour, line.to.hour, line.minutes) == (10, 11, 60)


def test_an_allowance_covers_minutes_on_both_sides_of_a_pass(policy_of, bill_of):
    policy = policy_of(rest=RELATIVES)
    middle = (("p", TEN, "2026-11-20T11:00"),)
    bill = bill_of(policy, NINE, NOON, passes=middle, allowance={"2026-11": 90})
    assert (bill.payable_fen, bill.drawn) == (50, {"2026-11": 90})


def test_the_allowance_is_judged_for_all_months_together(policy_of, bill_of):
    policy = policy_of(tariff='cap = { per = "24h", fen = 100 }', rest=RELATIVES)
    # The last half hour is left, and fills the cap: neither month is drawn on.
    bill = bill_of(policy, "2026-11-30T22:00", "2026-12-01T01:30", allowance={"2026-11": 120, "2026-12": 60})
    assert (bill.payable_fen, bill.drawn) == (100, {})
    both = bill_of(policy, "2026-11-30T22:00", "2026-12-01T01:00", allowance={"2026-11": 120, "2026-12": 60})
    assert (both.payable_fen, both.drawn) == (0, {"2026-11": 120, "2026-12": 60})


def test_two_benefits_that_only_help_together_are_both_used(hushu, bill_of):
    day = ("2026-11-20T09:00", "2026-11-21T09:00")
    bill = bill_of(hushu, *day, allowance={"2026-11": 600}, vouchers=("minutes:600",))
    assert (bill.payable_fen, bill.drawn, bill.vouchers_used) == (700, {"2026-11": 600}, (True,))
    # Alone, the allowance would lower nothing: it has no line, and the voucher's line has it all.
    assert kinds(bill)[1:] == [("hour_voucher", -1300, "voucher.1")]


def test_an_allowance_without_the_rule_is_an_error(policy_of, bill_of):
    with pytest.raises(NoRelativeAllowance):
        bill_of(policy_of(), NINE, "2026-11-20T09:10", allowance={"2026-11": 0})


def test_only_the_largest_discount_that_applies(policy_of, bill_of):
    policy = policy_of(
        rest="""
[[discount]]
id = "everybody"
percent = 10
[[discount]]
id = "list"
percent = 33
register = true
[[discount]]
id = "lorries"
percent = 90
vehicles = ["large"]
"""
    )
    assert bill_of(policy, NINE, TEN).payable_fen == 90
    assert bill_of(policy, NINE, TEN, discounts=frozenset({"list"})).payable_fen == 67
    bill = bill_of(policy, NINE, TEN, discounts=frozenset({"list"}), vouchers=("amount:50",))
    assert kinds(bill) == [("amount_voucher", -50, "voucher.1"), ("discount", -17, "discount.list")]
    assert bill_of(policy, NINE, TEN, vehicle="large").payable_fen == 10


def test_rounding_is_the_last_step(hushu_text, bill_of):
    policy = parse(hushu_text.replace("payable_step_fen = 1 ", "payable_step_fen = 100 "))
    bill = bill_of(policy, NINE, "2026-11-20T09:45", vouchers=("minutes:20",))
    assert (bill.gross_fen, bill.payable_fen) == (400, 200)
    assert kinds(bill) == [("hour_voucher", -178, "voucher.1"), ("rounding", -22, "policy.payable_step_fen")]
    # 8 fen left are rounded away, and still the voucher that covers them is used: unrounded amounts are compared.
    bill = bill_of(policy, NINE, "2026-11-20T09:45", allowance={"2026-11": 44}, vouchers=("minutes:30",))
    assert bill.vouchers_used == (True,)


def test_benefits_have_a_bound(hushu, bill_of):
    with pytest.raises(TooManyBenefits):
        bill_of(hushu, NINE, NOON, vouchers=("minutes:1",) * 101)


def test_no_benefit_ever_raises_a_bill_whose_caps_overlap(policy_of, bill_of):
    # A night's cap over two days' caps: waiving the evening would make room for the dearer morning.
    policy = policy_of(
        tariff='cap = { per = "calendar_day", fen = 200 }',
        bands="""
  [[tariff.band]]
  from = "06:00"
  to = "22:00"
  unit = { minutes = 60, fen = 100 }
  [[tariff.band]]
  from = "22:00"
  to = "06:00"
  unit = { minutes = 60, fen = 100 }
  cap_fen = 200
""",
        rest=PASS,
    )
    stay = ("2026-11-20T20:00", "2026-11-21T06:00")
    evening = (("p", "2026-11-20T22:00", "2026-11-21T00:00"),)
    alone, with_pass = bill_of(policy, *stay), bill_of(policy, *stay, passes=evening)
    assert with_pass.payable_fen == alone.payable_fen == 200
    assert kinds(with_pass) == kinds(alone)
