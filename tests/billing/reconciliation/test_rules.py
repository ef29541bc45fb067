"""The match by hand: one thing at a time, as finance would lay two papers side by side."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from billing.reconciliation import (
    ARRIVED,
    BOOKS,
    CHANNEL,
    COUNTS,
    RATES,
    SHIFTS,
    BadFrame,
    Found,
    Given,
    adds_up,
    frame,
    of_statement,
    reconcile,
)
from billing.statements import read_all
from simulators.statements import SHANGHAI, Deal, alipay_zip, wechat_fund_flow, wechat_trade

DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
LATE = datetime(2026, 3, 2, 15, 59, 58, tzinfo=UTC)
"""Two seconds before midnight in Shanghai."""


def paid(order: str, fen: int = 1000, **more: Any) -> dict[str, Any]:
    back = "refund_number" in more
    return {
        "id": f"{'r' if back else 'p'}-{order}", "kind": "refund" if back else "payment", "channel": "wechat", "account": "a",
        "site": "ne", "stay": "s", "shift": "", "order_number": order, "refund_number": "", "at": NOON, "day": DAY,
        "amount_fen": fen, "status": "done", **more,
    }  # fmt: skip


def row(line: int, order: str, fen: int = 1000, **more: Any) -> dict[str, Any]:
    return {
        "statement": "t", "line": line, "kind": "refund" if "refund_number" in more else "payment", "channel": "wechat",
        "account": "a", "site": "home", "order_number": order, "refund_number": "", "channel_number": f"42{order}", "at": NOON,
        "day": DAY, "amount_fen": fen, "status": "done", **more,
    }  # fmt: skip


def day(books: list[dict[str, Any]], rows: list[dict[str, Any]], **more: Any) -> Given:
    """Both days up to `DAY` are whole, the next has not come; two accounts."""
    came = [("wechat", account, "trade", DAY - timedelta(days=off)) for account in "ab" for off in (0, 1)]
    known: dict[str, Any] = {
        "days": [DAY],
        "book_days": [DAY, DAY - timedelta(days=1)],
        "arrived": pl.DataFrame(came, schema=dict(ARRIVED), orient="row"),
    }
    return Given(books=frame(books, BOOKS), channel=frame(rows, CHANNEL), **{**known, **more})


def found(books: list[dict[str, Any]], rows: list[dict[str, Any]], **more: Any) -> Found:
    made = reconcile(day(books, rows, **more))
    assert adds_up(made) == []
    return made


def kinds(made: Found) -> list[str]:
    return sorted(made.breaks["kind"])


def states(made: Found) -> dict[tuple[str, str], int]:
    return {(r["side"], r["state"]): r["rows"] for r in made.totals.iter_rows(named=True)}


def test_one_payment_on_both_sides_is_matched() -> None:
    made = found([paid("P1")], [row(1, "P1")])
    assert kinds(made) == []
    assert states(made) == {("books", "matched"): 1, ("channel", "matched"): 1}


def test_money_in_another_account_is_not_where_the_books_have_it() -> None:
    made = found([paid("P1")], [row(1, "P1", account="b")])
    assert kinds(made) == ["book_only", "channel_only"]


def test_of_a_number_that_stands_twice_the_like_are_paired() -> None:
    """One amount is right, the other is the surplus: not a wrong amount and a surplus."""
    made = found([paid("P1", 700)], [row(1, "P1", 500), row(2, "P1", 700)])
    (one,) = made.breaks.iter_rows(named=True)
    assert (one["kind"], one["channel_fen"], one["lines"], one["books"]) == ("duplicate", 500, ["t:1"], [])


def test_an_amount_and_a_state_that_differ_are_two_breaks_with_one_evidence() -> None:
    books = [paid("P1"), paid("P1", 900, refund_number="R1")]
    made = found(books, [row(1, "P1"), row(2, "P1", 800, refund_number="R1", status="failed")])
    assert kinds(made) == ["refund_mismatch", "status_mismatch"]
    assert {tuple(lines) for lines in made.breaks["lines"]} == {("t:2",)}


def test_what_no_statement_has_come_for_waits() -> None:
    nothing = pl.DataFrame(schema=dict(ARRIVED))
    made = found([paid("P1")], [], arrived=nothing)
    assert kinds(made) == []
    assert states(made) == {("books", "waiting"): 1}


def test_before_midnight_it_is_cut_off_and_at_noon_it_is_not() -> None:
    made = found([paid("P1"), paid("P2", at=LATE)], [])
    assert kinds(made) == ["book_only", "cut_off"]
    assert made.breaks.filter(pl.col("kind") == "cut_off")["waits_for"].to_list() == [DAY + timedelta(days=1)]


def test_a_margin_is_of_the_channel() -> None:
    at = datetime(2026, 3, 2, 15, 10, tzinfo=UTC)  # ten past eleven at night: UnionPay settles it with the next day
    came = pl.DataFrame(
        [(name, "a", "trade", DAY) for name in ("wechat", "unionpay")], schema=dict(ARRIVED), orient="row"
    )
    books = [paid("P1", at=at), paid("P2", at=at, channel="unionpay")]
    made = found(books, [], arrived=came)
    assert dict(made.breaks.select("kind", "channel").iter_rows()) == {"book_only": "wechat", "cut_off": "unionpay"}


def test_a_refund_is_looked_for_where_it_was_asked_for() -> None:
    """WeChat dates it by its request; booked a day later, it is one refund."""
    yesterday = DAY - timedelta(days=1)
    asked = NOON - timedelta(days=1)
    made = found(
        [paid("P1", 500, refund_number="R1", at=asked, id="r")],
        [row(1, "P1", 500, refund_number="R1", at=asked, day=yesterday, status="processing")],
    )
    assert kinds(made) == []
    assert states(made) == {("books", "across"): 1}


def test_a_refund_that_failed_in_the_end_moved_nothing() -> None:
    books = [paid("P1", 500, refund_number="R1", status="failed")]
    assert kinds(found(books, [])) == []
    assert kinds(found(books, [row(1, "P1", 500, refund_number="R1", status="processing")])) == []
    assert kinds(found(books, [row(1, "P1", 500, refund_number="R1")])) == ["status_mismatch"]


def test_a_revoked_order_without_a_refund_number_is_our_refund_of_it() -> None:
    books = [paid("P1"), paid("P1", refund_number="R1")]
    rows = [row(1, "P1"), row(2, "P1", refund_number="", status="revoked")]
    assert kinds(found(books, rows)) == []
    assert kinds(found(books[:1], rows)) == ["status_mismatch"]


def test_two_refunds_of_an_order_without_numbers_are_two() -> None:
    rows = [row(1, "P1", 300, refund_number=""), row(2, "P1", 300, refund_number="")]
    made = found([], rows)
    assert kinds(made) == ["refund_mismatch", "refund_mismatch"]
    assert made.breaks["key"].to_list() == [
        "refund_mismatch:wechat:a:refund:P1:",
        "refund_mismatch:wechat:a:refund:P1:#2",
    ]


def test_an_orphan_stays_with_the_home_site_and_what_we_know_with_its_own() -> None:
    made = found([paid("P1", 900)], [row(1, "P1"), row(2, "X9")]).breaks
    assert dict(made.select("order_number", "site").iter_rows()) == {"P1": "ne", "X9": "home"}


def test_a_neighbours_own_breaks_are_another_runs() -> None:
    yesterday = DAY - timedelta(days=1)
    made = found([paid("P1", day=yesterday, at=NOON - timedelta(days=1))], [])
    assert kinds(made) == []
    assert made.totals.is_empty()


@pytest.mark.parametrize(
    ("rounding", "fen", "fee"),
    [
        *(("half_up", 1250, 8), ("half_even", 1250, 8), ("half_even", 750, 4), ("half_up", 750, 5), ("down", 999, 5)),
        *(("up", 501, 4), ("up", 500, 3), ("half_up", 83, 0), ("half_up", 84, 1)),
    ],
)
def test_a_fee_is_rate_times_amount_by_the_rounding_agreed(rounding: str, fen: int, fee: int) -> None:
    rates = pl.DataFrame([("wechat", "a", 6000, rounding, "returned")], schema=dict(RATES), orient="row")
    for wrong in (0, 1):
        rows = [row(1, "P1", fen, fee_millifen=(fee + wrong) * 1000)]
        made = found([paid("P1", fen)], rows, rates=rates)
        assert kinds(made) == ["fee_mismatch"] * wrong
        assert states(made)["channel", "matched"] == 1, "what the driver paid agrees"


def test_a_fee_that_is_kept_stays_kept_and_one_that_is_not_told_is_not_checked() -> None:
    rates = pl.DataFrame([("wechat", "a", 6000, "half_up", "kept")], schema=dict(RATES), orient="row")
    books = [paid("P1", refund_number="R1"), paid("P2")]
    back = row(1, "P1", refund_number="R1")
    assert kinds(found(books, [{**back, "fee_millifen": 0}, row(2, "P2")], rates=rates)) == []
    assert kinds(found(books, [{**back, "fee_millifen": -6000}, row(2, "P2")], rates=rates)) == ["fee_mismatch"]


def test_a_coupon_is_no_fee() -> None:
    """The fee is of what the merchant receives; the amount to compare is what was ordered."""
    rates = pl.DataFrame([("wechat", "a", 6000, "half_up", "returned")], schema=dict(RATES), orient="row")
    rows = [row(1, "P1", 1500, settled_fen=1300, fee_millifen=8000)]
    assert kinds(found([paid("P1", 1500)], rows, rates=rates)) == []


@pytest.mark.parametrize("channel", ["wechat", "alipay"])
def test_a_coupon_in_a_channel_s_own_file_is_no_fee_and_missing_in_no_fund_flow(channel: str) -> None:
    at = datetime(2026, 3, 2, 10, tzinfo=SHANGHAI)
    deal = Deal(order="P1", number="42P1", at=at, amount_fen=1500, coupon_fen=200, fee_fen=8)
    files = {
        "wechat": {
            "trade": b"".join(wechat_trade([deal], "1900000001")),
            "fund_flow": b"".join(wechat_fund_flow([deal], "1900000001")),
        },
        "alipay": {"trade": alipay_zip([deal], "20880000000000010156", DAY, at)},
    }[channel]
    frames = {kind: of_statement(read_all(channel, data)[1], kind, DAY, "a", "ne") for kind, data in files.items()}
    rates = pl.DataFrame([(channel, "a", 6000, "half_up", "returned")], schema=dict(RATES), orient="row")
    came = pl.DataFrame([(channel, "a", kind, DAY) for kind in frames], schema=dict(ARRIVED), orient="row")
    books = frame([{**paid("P1", 1500), "channel": channel}], BOOKS)
    made = reconcile(
        Given(
            days=[DAY],
            book_days=[DAY],
            books=books,
            channel=frames["trade"],
            arrived=came,
            fund_flow=frames.get("fund_flow", frames["trade"].clear()),
            rates=rates,
        )
    )
    assert made.breaks.is_empty(), made.breaks


def test_a_movement_that_no_order_caused_is_told_and_a_payout_is_not() -> None:
    rows = [row(1, "P1", fee_millifen=6000)]
    came = pl.DataFrame(
        [("wechat", "a", kind, DAY) for kind in ("trade", "fund_flow")], schema=dict(ARRIVED), orient="row"
    )
    flow = [
        row(1, "P1"), row(2, "P1", 6, kind="fee"), row(3, "", 5000, kind="settlement"), row(4, "", 77, kind="other"),
    ]  # fmt: skip
    made = found([paid("P1")], rows, fund_flow=frame(flow, CHANNEL), arrived=came)
    assert [(r["kind"], r["about"], r["lines"]) for r in made.breaks.iter_rows(named=True)] == [
        ("fee_mismatch", "fund_flow", ["t:4"])
    ]


def shift(counted: int | None) -> Found:
    shifts = frame([{"shift": "s1", "site": "ne", "day": DAY, "float_fen": 20_000, "handed_fen": 500}], SHIFTS)
    count = {"shift": "s1", "site": "ne", "day": DAY, "statement": "c", "line": 2, "at": NOON, "counted_fen": counted}
    books = [
        paid("", 1500, channel="cash", shift="s1", id="p1"),
        paid("", 300, channel="cash", shift="s1", id="r1", refund_number="R"),
    ]
    return found(books, [], shifts=shifts, counts=frame([count] if counted is not None else [], COUNTS))


def test_a_drawer_is_its_float_and_what_came_less_what_went() -> None:
    assert kinds(shift(20_700)) == []
    assert kinds(shift(20_650)) == ["cash_short"]
    over = shift(20_750).breaks.row(0, named=True)
    assert (over["kind"], over["book_fen"], over["channel_fen"], over["books"]) == (
        "cash_over",
        20_700,
        20_750,
        ["p1", "r1"],
    )
    assert states(shift(None)) == {("books", "waiting"): 2}, "nobody has counted it yet"


def test_totals_that_do_not_add_up_are_seen() -> None:
    made = found([paid("P1")], [row(1, "P1")])
    off = made.totals.with_columns(fen=pl.col("fen") + pl.when(pl.col("side") == "books").then(1).otherwise(0))
    assert adds_up(replace(made, totals=off)) == [
        "books wechat a: 1000 fen, the states come to 1001",
        "wechat a: matched fen are 1001 here and 1000 there",
    ]


def test_frames_that_are_no_such_records_are_refused() -> None:
    good = day([paid("P1")], [])
    with pytest.raises(BadFrame, match="books: there is no column stay"):
        reconcile(replace(good, books=good.books.drop("stay")))
    with pytest.raises(BadFrame, match="amount_fen is Float64"):
        reconcile(replace(good, books=good.books.with_columns(pl.col("amount_fen").cast(pl.Float64))))
    with pytest.raises(BadFrame, match="without a refund number"):
        reconcile(day([paid("P1", refund_number="")], []))
    with pytest.raises(BadFrame, match="rounding 'near'"):
        reconcile(
            replace(good, rates=pl.DataFrame([("wechat", "a", 1, "near", "kept")], schema=dict(RATES), orient="row"))
        )
