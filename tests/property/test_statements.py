"""Statements: whatever rows a channel writes are the rows that are read, and a damaged file is refused or right, never half right."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.statements import BadStatement, Kind, Row, Status, read_all
from simulators.statements import (
    SHANGHAI,
    Deal,
    Drawer,
    alipay_detail,
    alipay_zip,
    cash_count,
    unionpay,
    unionpay_name,
    wechat_fund_flow,
    wechat_trade,
)

DAY = date(2026, 1, 15)
MIDNIGHT = datetime(2026, 1, 15, tzinfo=SHANGHAI)
EXPORTED = MIDNIGHT + timedelta(days=1, hours=9, minutes=30)
WECHAT, ALIPAY, UNIONPAY = "1900000001", "20880000000000010156", "777290000000001"
STATES = {"SUCCESS": Status.DONE, "PROCESSING": Status.PROCESSING, "FAIL": Status.FAILED, "CHANGE": Status.FAILED}

numbers = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=20)
# What people write into the title of an order: commas, marks, letters outside of every old code page.
titles = st.text(st.characters(codec="gb18030", exclude_categories=("Cc", "Cs"), exclude_characters="`,"), max_size=20)


@st.composite
def deals(draw: st.DrawFn, most: int = 8) -> list[Deal]:
    made = []
    for place in range(draw(st.integers(0, most))):
        amount = draw(st.integers(1, 30_000_000))
        refund = f"R{place}{draw(numbers)}"[:32] if draw(st.booleans()) else ""
        made.append(
            Deal(
                order=f"P{place}{draw(numbers)}",
                number=f"42{place:019d}",
                at=MIDNIGHT + timedelta(seconds=draw(st.integers(0, 86_399))),
                amount_fen=amount,
                fee_fen=draw(st.integers(0, amount)),
                coupon_fen=0 if refund else draw(st.integers(0, amount)),
                refund=refund,
                refund_id=f"50{place:019d}" if refund else "",
                status=draw(st.sampled_from(sorted(STATES))),
                product=draw(titles),
                trace=place,
            )
        )
    return made


def wechat_bytes(made: list[Deal], form: Any = "ALL", *, old: bool = False) -> bytes:
    return b"".join(wechat_trade(made, WECHAT, form=form, old=old))


def flow_bytes(made: list[Deal]) -> bytes:
    return b"".join(wechat_fund_flow(made, WECHAT, paid_out=[(MIDNIGHT, 77)]))


def detail_bytes(made: list[Deal]) -> bytes:
    return b"".join(alipay_detail(made, ALIPAY, DAY, EXPORTED))


def without_reductions(made: list[Deal]) -> list[Deal]:
    return [Deal(**{**vars(one), "coupon_fen": 0}) for one in made]


def zip_bytes(made: list[Deal]) -> bytes:
    return alipay_zip(made, ALIPAY, DAY, EXPORTED)


def unionpay_bytes(made: list[Deal]) -> bytes:
    return b"".join(unionpay(made, UNIONPAY))


def cash_bytes(made: list[Deal]) -> bytes:
    return b"".join(
        cash_count(
            Drawer("xinyi", one.order, one.at, {100: one.amount_fen % 1000, 50: one.fee_fen % 9}) for one in made
        )
    )


FORMS: dict[str, tuple[str, Callable[[list[Deal]], bytes]]] = {
    "wechat": ("wechat", wechat_bytes),
    "wechat gzip": ("wechat", lambda made: gzip.compress(wechat_bytes(made), mtime=0)),
    "wechat old": ("wechat", lambda made: wechat_bytes(made, old=True)),
    "wechat payments": ("wechat", lambda made: wechat_bytes(made, "SUCCESS")),
    "wechat refunds": ("wechat", lambda made: wechat_bytes(made, "REFUND")),
    "wechat flow": ("wechat", flow_bytes),
    "alipay": ("alipay", lambda made: detail_bytes(without_reductions(made))),
    "alipay zip": ("alipay", zip_bytes),
    "unionpay": ("unionpay", unionpay_bytes),
    "cash": ("cash", cash_bytes),
}
every_form = pytest.mark.parametrize("form", FORMS)


def read(form: str, data: bytes) -> list[Row]:
    name = unionpay_name(UNIONPAY, DAY) if form == "unionpay" else ""
    return read_all(FORMS[form][0], data, name=name, day=DAY)[1]


def told(row: Row) -> tuple[Any, ...]:
    return (
        row.kind,
        row.order_number,
        row.channel_number,
        row.refund_number,
        row.at,
        row.amount_fen,
        row.fee_millifen,
        row.status,
        row.settled_fen,
    )


def meant(one: Deal, channel: str) -> tuple[Any, ...]:
    """A row as the channel means it. UnionPay knows no coupons."""
    back = bool(one.refund)
    status = STATES[one.status] if back and channel == "wechat" else Status.DONE
    number = one.refund_id if back and channel == "unionpay" else one.number
    fee = (-one.fee_fen if back else one.fee_fen) * 1000
    kind = Kind.REFUND if back else Kind.PAYMENT
    settled = None if channel == "unionpay" else one.amount_fen - one.coupon_fen
    return kind, one.order, number, one.refund, one.at, one.amount_fen, fee, status, settled


# --- round trips ---------------------------------------------------------------------------------------------------------


@given(deals())
def test_a_trade_bill_is_read_as_it_was_meant(made: list[Deal]) -> None:
    wanted = [meant(one, "wechat") for one in made]
    assert [told(row) for row in read("wechat", wechat_bytes(made))] == wanted
    assert [told(row) for row in read("wechat gzip", FORMS["wechat gzip"][1](made))] == wanted
    by_kind = {"SUCCESS": Kind.PAYMENT, "REFUND": Kind.REFUND}
    for form, kind in by_kind.items():
        assert [told(row) for row in read("wechat", wechat_bytes(made, form))] == [
            one for one in wanted if one[0] == kind
        ]


@given(deals())
def test_an_old_trade_bill_has_what_was_settled(made: list[Deal]) -> None:
    plain = without_reductions(made)
    assert [told(row) for row in read("wechat old", wechat_bytes(plain, old=True))] == [
        meant(one, "wechat") for one in plain
    ]


@given(deals())
def test_a_fund_flow_bill_comes_to_what_the_account_changed_by(made: list[Deal]) -> None:
    rows = read("wechat flow", flow_bytes(made))
    assert sum(row.effect_fen for row in rows) == -77 + sum(
        (one.fee_fen - one.amount_fen) if one.refund else (one.amount_fen - one.coupon_fen - one.fee_fen)
        for one in made
    )
    kinds = Counter(row.kind for row in rows)
    assert kinds[Kind.PAYMENT] == sum(not one.refund for one in made)
    assert kinds[Kind.FEE] == sum(not one.refund and one.fee_fen > 0 for one in made)
    refunds = [row for row in rows if row.kind == Kind.REFUND]
    assert [(row.refund_number, row.amount_fen, row.fee_millifen) for row in refunds] == [
        (one.refund, one.amount_fen - one.fee_fen, -one.fee_fen * 1000) for one in made if one.refund
    ]


@given(deals())
def test_an_alipay_bill_is_read_as_it_was_meant(made: list[Deal]) -> None:
    wanted = [meant(one, "alipay") for one in made]
    assert [told(row) for row in read("alipay", detail_bytes(made))] == wanted
    assert [told(row) for row in read("alipay zip", zip_bytes(made))] == wanted


@given(deals().filter(bool))
def test_a_unionpay_file_is_read_as_it_was_meant(made: list[Deal]) -> None:
    assert [told(row) for row in read("unionpay", unionpay_bytes(made))] == [meant(one, "unionpay") for one in made]


@given(st.dates(date(2020, 1, 1), date(2032, 12, 31)), st.integers(0, 31), st.integers(0, 86_399))
def test_a_time_without_a_year_is_the_one_that_was_meant(day: date, before: int, seconds: int) -> None:
    moment = (
        datetime(day.year, day.month, day.day, tzinfo=SHANGHAI) - timedelta(days=before) + timedelta(seconds=seconds)
    )
    one = Deal(order="P", number="1", at=moment, amount_fen=1)
    assert read_all("unionpay", b"".join(unionpay([one], UNIONPAY)), day=day)[1][0].at == moment


# --- damage --------------------------------------------------------------------------------------------------------------


def sums(rows: list[Row]) -> dict[str, Any]:
    """What must never come out other than it was: how many of each kind, for how much, for which fee."""
    return {
        "count": Counter(row.kind for row in rows),
        "fen": sorted((row.kind, row.amount_fen) for row in rows),
        "fee": sorted(row.fee_millifen or 0 for row in rows),
        "settled": sorted(row.settled_fen or 0 for row in rows),
    }


def unprotected(form: str, rows: list[Row]) -> dict[str, Any]:
    """The same, without what nothing in that form of file protects: docs/statements.md names it."""
    found = sums(rows)
    if form in {"alipay", "wechat flow"}:
        # The fee stands in no sum of a detail by itself, and of a fund flow's refund only in words.
        del found["fee"]
    if form == "wechat flow":
        # What a movement was is a word; that it moved, and where to, is counted.
        found = {"fen": sorted(abs(row.amount_fen) for row in rows)}
    return found


@every_form
@given(made=deals(4).filter(bool), where=st.floats(0, 1, exclude_max=True), become=st.integers(0, 255))
def test_a_byte_that_is_changed_changes_no_sum(form: str, made: list[Deal], where: float, become: int) -> None:
    data = bytearray(FORMS[form][1](made))
    whole = read(form, bytes(data))
    data[int(where * len(data))] = become
    try:
        rows = read(form, bytes(data))
    except BadStatement:
        return
    assert unprotected(form, rows) == unprotected(form, whole)
    # And what is not money differs in one row at most: the one that was hit.
    assert sum(told(one) != told(other) for one, other in zip(rows, whole, strict=True)) <= 1


@every_form
@given(made=deals(4).filter(bool), where=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_off_is_refused_or_whole(form: str, made: list[Deal], where: float) -> None:
    data = FORMS[form][1](made)
    whole = read(form, data)
    try:
        rows = read(form, data[: int(where * len(data))])
    except BadStatement:
        return
    if form == "unionpay":  # It has no sum: a file that ends between two lines cannot be told from a shorter one.
        assert rows == whole[: len(rows)]
        return
    assert rows == whole


@every_form
@given(made=deals(5).filter(lambda some: len(some) > 1), which=st.integers(0, 40), twice=st.booleans())
def test_a_line_that_is_missing_or_twice_is_refused(form: str, made: list[Deal], which: int, twice: bool) -> None:
    if form in {"unionpay", "wechat gzip", "alipay zip"}:
        return
    data = FORMS[form][1](made)
    whole = read(form, data)
    lines = data.splitlines(keepends=True)
    place = which % len(lines)
    lines[place : place + 1] = [lines[place]] * (2 if twice else 0)
    try:
        rows = read(form, b"".join(lines))
    except BadStatement:
        return
    # A line of the preamble that says nothing of the money.
    assert [told(row) for row in rows] == [told(row) for row in whole]


@every_form
@given(made=deals(4).filter(bool), encoding=st.sampled_from(["utf-16", "big5", "latin-1", "utf-8", "gb18030"]))
def test_another_encoding_is_refused_or_right(form: str, made: list[Deal], encoding: str) -> None:
    if form in {"unionpay", "wechat gzip", "alipay zip"}:
        return
    data = FORMS[form][1](made)
    text = data.decode("gb18030" if form.startswith("alipay") else "utf-8-sig")
    try:
        rows = read(form, text.encode(encoding, errors="replace"))
    except BadStatement:
        return
    assert rows == read(form, data)


@every_form
@given(noise=st.binary(max_size=4000))
def test_noise_is_refused(form: str, noise: bytes) -> None:
    with pytest.raises(BadStatement):
        read(form, noise)
    with pytest.raises(BadStatement):
        read(form, b"\x1f\x8b" + noise)
    with pytest.raises(BadStatement):
        read(form, b"PK\x03\x04" + noise)


# --- put together --------------------------------------------------------------------------------------------------------


def refused_or(form: str, data: bytes, whole: list[Row]) -> None:
    """Refused, or all rows of the whole, in whichever order."""
    try:
        rows = read(form, data)
    except BadStatement:
        return
    assert sorted(map(repr, map(told, rows))) == sorted(map(repr, map(told, whole)))


@every_form
@settings(max_examples=40)
@given(
    made=deals(5).filter(lambda some: len(some) > 1),
    first=st.integers(0, 40),
    second=st.integers(0, 40),
    end=st.sampled_from([b"", b"\n"]),
)
def test_lines_that_changed_places_change_no_row(
    form: str, made: list[Deal], first: int, second: int, end: bytes
) -> None:
    """And nothing does that hangs on at the end."""
    if form in {"wechat gzip", "alipay zip"}:
        return
    data = FORMS[form][1](made)
    lines = data.splitlines(keepends=True)
    one, other = first % len(lines), second % len(lines)
    lines[one], lines[other] = lines[other], lines[one]
    refused_or(form, b"".join(lines) + end, read(form, data))


@every_form
@settings(max_examples=20)
@given(made=deals(3).filter(bool), more=deals(3).filter(bool))
def test_two_files_in_one_are_refused(form: str, made: list[Deal], more: list[Deal]) -> None:
    """Two headers, two sums: nobody can say which of them is meant."""
    if form == "unionpay":  # It has neither: lines of another file are lines.
        return
    with pytest.raises(BadStatement):
        read(form, FORMS[form][1](made) + FORMS[form][1](more))


@every_form
@settings(max_examples=20)
@given(
    made=deals(3).filter(bool),
    formula=st.sampled_from(["=1+1", "+5", "@SUM(A1)", "1e3", "0x10", "٣", "1_0", "NaN", "inf", " 5"]),
)
def test_a_sum_that_is_no_plain_number_is_refused_or_what_it_was(form: str, made: list[Deal], formula: str) -> None:
    """Spreadsheet programs write such cells, and `int` and `Decimal` of the language read some of them."""
    if form in {"wechat gzip", "alipay zip", "unionpay"}:
        return
    data = FORMS[form][1](made)
    code = "gb18030" if form.startswith("alipay") else "utf-8"
    amount = f"{made[0].amount_fen / 100:.2f}" if form != "cash" else str(made[0].amount_fen % 1000 * 100)
    changed = data.replace(amount.encode(), formula.encode(code), 1)
    try:
        rows = read(form, changed)
    except BadStatement:
        return
    assert unprotected(form, rows) == unprotected(form, read(form, data))
