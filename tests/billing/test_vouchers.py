"""Vouchers, the pure part: codes that cannot be made or altered, ranges, and stock that always adds up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from billing.bill import Bill, Line
from billing.policy import Policy
from billing.vouchers import (
    MOVES,
    NOWHERE,
    BookDay,
    Forged,
    Moved,
    NotACode,
    Stock,
    code,
    day_of_books,
    in_words,
    number,
    runs,
    serial_of,
    statement,
    still_due,
    waived_by_place,
    wrong_book,
)

KEY = bytes(range(32))


def test_a_code_is_read_back() -> None:
    said = code(KEY, "xinyi", 123)
    assert said.startswith("00000123-")
    assert len(said) == 20
    assert serial_of(KEY, "xinyi", said) == 123


@pytest.mark.parametrize(
    "how",
    [
        str.lower,
        lambda one: one.replace("-", ""),
        lambda one: one.replace("-", " "),
        lambda one: f" {one}\n",
        lambda one: one.replace("0", "O").replace("1", "l"),
    ],
)
def test_it_may_be_typed_as_people_type(how: object) -> None:
    for serial in (1, 10, 1001, 99_999_999):
        assert serial_of(KEY, "xinyi", how(code(KEY, "xinyi", serial))) == serial  # type: ignore[operator]


def test_full_width_digits_are_digits() -> None:
    wide = code(KEY, "xinyi", 42).translate({ord(digit): ord("０") + int(digit) for digit in "0123456789"})
    assert serial_of(KEY, "xinyi", wide) == 42


@pytest.mark.parametrize(
    "nothing",
    [
        "",
        "123",
        "00000123",
        "00000123-7K3QM",
        "ABCDEFGH-7K3QM-9F2XA",
        "00000123-7K3QM-9F2XU",
        "x" * 61,
        "٠٠٠٠٠١٢٣-7K3QM-9F2XA",
        "/pay/../",
    ],
)
def test_what_is_no_code(nothing: str) -> None:
    with pytest.raises(NotACode):
        serial_of(KEY, "xinyi", nothing)


def test_an_altered_code_is_forged_whatever_is_altered() -> None:
    said = code(KEY, "xinyi", 123).replace("-", "")
    for place, letter in enumerate(said):
        other = "7" if letter != "7" else "8"
        with pytest.raises(Forged):
            serial_of(KEY, "xinyi", said[:place] + other + said[place + 1 :])


def test_a_code_is_of_one_site_and_one_key() -> None:
    said = code(KEY, "xinyi", 123)
    for key, site in ((KEY, "archive"), (bytes(32), "xinyi")):
        with pytest.raises(Forged):
            serial_of(key, site, said)


def test_ranges() -> None:
    assert runs([3, 1, 2, 7, 9, 8, 8]) == [(1, 3), (7, 9)]
    assert runs([]) == []


@pytest.mark.parametrize(
    ("kind", "value", "count", "word"),
    [
        ("hour", 0, 1, "value"),
        ("hour", 43_201, 1, "value"),
        ("amount", 0, 1, "value"),
        ("whole_stay", 1, 1, "value"),
        ("hour", 60, 0, "count"),
        ("hour", 60, 5_001, "count"),
        ("day", 1, 1, "kind"),
    ],
)
def test_a_book_that_cannot_be(kind: str, value: int, count: int, word: str) -> None:
    assert (wrong_book(kind, value, count) or "").startswith(word)


def test_books_that_can_be() -> None:
    assert [wrong_book(*one) for one in (("hour", 60, 5_000), ("amount", 1, 1), ("whole_stay", 0, 10))] == [None] * 3


def test_what_a_voucher_says() -> None:
    assert in_words("hour", 120) == ("时长券：2 小时", "2 h of parking")
    assert in_words("hour", 90) == ("时长券：1 小时 30 分钟", "1 h 30 min of parking")
    assert in_words("hour", 30) == ("时长券：30 分钟", "30 min of parking")
    assert in_words("amount", 505) == ("金额券：5.05 元", "5.05 yuan off")
    assert in_words("whole_stay", 0)[0].startswith("全免券")


def test_stock_follows_the_steps() -> None:
    """100 made, 60 issued, 10 of them returned, 5 of these issued again; 20 used, 2 void, 3 expired; 4 scrapped in the drawer."""
    stock = Stock().after(
        {
            (NOWHERE, "stock"): 100,
            ("stock", "issued"): 60,
            ("issued", "returned"): 10,
            ("returned", "issued"): 5,
            ("issued", "presented"): 22,
            ("presented", "used"): 21,
            ("used", "presented"): 1,
            ("presented", "issued"): 1,
            ("issued", "void"): 2,
            ("issued", "expired"): 3,
            ("stock", "void"): 4,
        }
    )
    assert stock == Stock(
        made=100, stock=36, returned=5, scrapped=4, issued=55, used=20, void=2, expired=3, outstanding=30
    )
    assert stock.wrong() is None


def test_a_stock_that_does_not_add_up_says_where() -> None:
    assert "issued 2 ≠ used 1" in (Stock(made=2, issued=2, used=1).wrong() or "")
    assert "made 3 ≠ stock 0" in (Stock(made=3, issued=2, outstanding=2).wrong() or "")


def test_every_step_keeps_the_sums() -> None:
    start = Stock(made=60, stock=10, returned=10, issued=40, used=10, outstanding=30)
    assert start.wrong() is None
    for from_states, to_state in MOVES.values():
        for from_state in from_states:
            assert start.after({(from_state, to_state): 1}).wrong() is None, (from_state, to_state)


def test_a_day_of_books() -> None:
    before = {"a": Stock(made=10, stock=4, issued=6, outstanding=6), "b": Stock(made=1, issued=1, used=1)}
    moved = [Moved("a", "use", "presented", "used", 2, 800), Moved("a", "revalue", "used", "used", 1, -100)]
    assert day_of_books(before, moved) == [
        BookDay("a", {"revalue": 1, "use": 2}, 700, Stock(made=10, stock=4, issued=6, used=2, outstanding=4))
    ], "a book that is used up and at rest is left out"


def test_a_buyer_owes_what_was_taken_off() -> None:
    changes = statement("cafe", {"hour_voucher": 800, "amount_voucher": 500, "whole_stay_voucher": 0})
    assert changes == {
        "assets:receivable:merchant-cafe": 1300,
        "waived:amount_voucher": -500,
        "waived:hour_voucher": -800,
    }
    assert sum(changes.values()) == 0
    assert statement("cafe", {}) == {}
    assert sum(statement("cafe", {"hour_voucher": 5, "amount_voucher": -5}).values()) == 0


def test_what_each_voucher_takes_off_a_bill(hushu: Policy, bill_of: Callable[..., Bill]) -> None:
    vouchers = ("amount:500", "minutes:120", "amount:100")
    bill = bill_of(hushu, "2026-11-20T09:00", "2026-11-20T12:00", vouchers=vouchers)
    assert bill.vouchers_used == (True, True, False)
    off = waived_by_place(bill.lines)
    assert off == {0: 400, 1: 800}
    assert bill.gross_fen == bill.payable_fen + sum(off.values())


def test_other_lines_are_of_no_voucher() -> None:
    noon = datetime(2026, 11, 20, 4, tzinfo=UTC)
    assert waived_by_place([Line(noon, noon, "pass", 60, -400, "pass.voucher.1")]) == {}


def test_a_serial_has_eight_digits() -> None:
    assert number(7) == "00000007"


@pytest.mark.parametrize(
    ("months", "paid", "due"),
    [
        ({}, 0, {}),
        ({"2026-03": 800}, 0, {"2026-03": 800}),
        ({"2026-04": 500, "2026-03": 800}, 900, {"2026-03": 0, "2026-04": 400}),
        ({"2026-03": 800, "2026-04": -300}, 0, {"2026-03": 500, "2026-04": 0}),
        ({"2026-03": 800, "2026-04": -800, "2026-05": 1000}, 800, {"2026-03": 0, "2026-04": 0, "2026-05": 200}),
        ({"2026-03": -800}, 0, {"2026-03": 0}),
    ],
)
def test_what_is_paid_goes_off_the_oldest_month(months, paid, due):
    assert still_due(months, paid) == due
