"""Fees: what a channel kept against what was agreed, and its trade bill against what it did to the account (fund flow)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any, Final

import polars as pl

from billing.reconciliation.frames import BREAKS, MOVED, BadFrame, breaks, empty
from billing.reconciliation.judging import Calendar

_PPM: Final = 1_000_000
_FEN: Final = 1000
ROUNDINGS: Final = ("half_up", "half_even", "down", "up")


def expected_fen(amount: pl.Expr, ppm: int, rounding: str) -> pl.Expr:
    """A fee of an amount of 0 or more, to the fen, by integers alone. Raises `BadFrame` for a rounding that has no name."""
    exact = amount * ppm
    down, rest = exact // _PPM, exact % _PPM
    if rounding == "down":
        return down
    if rounding == "up":
        return down + (rest > 0).cast(pl.Int64)
    if rounding == "half_up":
        return (exact + _PPM // 2) // _PPM
    if rounding == "half_even":
        return down + ((rest * 2 > _PPM) | ((rest * 2 == _PPM) & (down % 2 == 1))).cast(pl.Int64)
    raise BadFrame(f"rates: rounding {rounding!r} is none of {', '.join(ROUNDINGS)}")


def by_rate(channel: pl.DataFrame, rates: pl.DataFrame, days: Collection[date]) -> pl.DataFrame:
    """Fees that are not rate × amount. Of a refund a fen more or less is no break: parts of a rounded fee are rounded again."""
    terms = rates.unique().group_by(_TERMS, maintain_order=True).agg("channel", "account")
    found = [_by_terms(channel, agreed, days) for agreed in terms.iter_rows(named=True)]
    return pl.concat(found) if found else empty(BREAKS)


_TERMS: Final = ["rate_ppm", "rounding", "refunds"]


def _by_terms(channel: pl.DataFrame, terms: dict[str, Any], days: Collection[date]) -> pl.DataFrame:
    """Of all accounts with which the same was agreed: they are looked through once."""
    amount = pl.coalesce("settled_fen", "amount_fen")
    fee = expected_fen(amount, terms["rate_ppm"], terms["rounding"]) * _FEN
    back = -fee if terms["refunds"] == "returned" else pl.lit(0)
    within = _FEN if terms["refunds"] == "returned" else 0
    paid, refunded = pl.col("kind") == "payment", pl.col("kind") == "refund"
    told = pl.col("fee_millifen")
    parties = zip(terms["channel"], terms["account"], strict=True)
    wrong = channel.lazy().filter(
        pl.any_horizontal(*((pl.col("channel") == name) & (pl.col("account") == account) for name, account in parties))
        & (
            (paid & (pl.col("status") == "done") & (told != fee))
            | (refunded & (pl.col("status") != "failed") & ((told - back).abs() > within))
        )
        & pl.col("day").is_in(sorted(days))
    )
    found = wrong.with_columns(expected=pl.when(paid).then(fee).otherwise(back)).collect()
    return breaks(
        found,
        key=pl.concat_str(
            pl.lit("fee_mismatch"), "channel", "account", "kind", "order_number", "refund_number", separator=":"
        ),
        kind="fee_mismatch",
        about=pl.col("kind"),
        channel_fen=pl.col("amount_fen"),
        channel_status=pl.col("status"),
        expected_millifen=pl.col("expected"),
        told_millifen=pl.col("fee_millifen"),
        lines=_line(),
    )


def _line() -> pl.Expr:
    return pl.concat_list(pl.col("statement") + ":" + pl.col("line").cast(pl.String))


def by_fund_flow(trade: pl.DataFrame, flow: pl.DataFrame, days: Collection[date], calendar: Calendar) -> pl.DataFrame:
    """What the fund flow did to the account against what the trade bill says, by order and by refund; and movements that no order caused.

    Accounts of which no fund flow has come are left alone. Sums of a number, so a row that stands twice in one of them is seen.
    """
    flows = calendar.arrived.filter(pl.col("kind") == "fund_flow").select("channel", "account").unique()
    if flows.is_empty():
        return empty(BREAKS)
    rows = trade.join(flows, on=["channel", "account"], how="semi")
    refund = pl.col("kind") == "refund"
    failed = rows.filter(refund & ~pl.col("status").is_in(MOVED))
    rows = rows.filter(pl.col("status").is_in(MOVED) & pl.col("kind").is_in(["payment", "refund"]))
    fee = pl.col("fee_millifen").fill_null(0)
    # A coupon of the merchant's own never was in the account.
    settled = pl.coalesce("settled_fen", "amount_fen") * _FEN
    ours = _summed(rows, settled + pl.when(refund).then(fee).otherwise(0), pl.when(refund).then(0).otherwise(fee))
    numbered = pl.col("kind").is_in(["payment", "refund", "fee"]) & (_number() != "")
    is_fee = pl.col("kind") == "fee"
    moved = pl.col("amount_fen") * _FEN
    known = flow.filter(numbered).join(failed, on=["channel", "account", "refund_number", "kind"], how="anti")
    theirs = _summed(known, pl.when(is_fee).then(0).otherwise(moved), pl.when(is_fee).then(moved).otherwise(0))
    both = ours.join(theirs, on=_KEY, how="full", coalesce=True, suffix="_f")
    differs = (
        pl.col("gross").is_null() | pl.col("gross_f").is_null()
        | ((pl.col("gross") - pl.col("gross_f")).abs() >= _FEN) | ((pl.col("fee") - pl.col("fee_f")).abs() >= _FEN)
    )  # fmt: skip
    found = _waited(both.filter(differs).with_row_index("place"), calendar)
    apart = found.filter(pl.col("waits_for").is_not_null() & ~pl.col("own"))
    now = found.filter(pl.col("waits_for").is_null())
    causeless = flow.filter(
        (pl.col("kind") == "other") | (pl.col("kind").is_in(["payment", "refund", "fee"]) & (_number() == ""))
    )
    all_ = [_differences(apart, "cut_off"), _differences(now, "fee_mismatch"), _causeless(causeless)]
    return pl.concat(all_).filter(pl.col("day").is_in(sorted(days)))


_KEY: Final = ["channel", "account", "about", "number"]


def _number() -> pl.Expr:
    return pl.when(pl.col("kind") == "refund").then(pl.col("refund_number")).otherwise(pl.col("order_number"))


def _summed(rows: pl.DataFrame, gross: pl.Expr, fee: pl.Expr) -> pl.DataFrame:
    about = pl.when(pl.col("kind") == "refund").then(pl.lit("refund")).otherwise(pl.lit("payment"))
    # A refund without a number of its own goes by its order.
    number = pl.when(_number() == "").then(pl.col("order_number")).otherwise(_number())
    lines = pl.col("statement") + ":" + pl.col("line").cast(pl.String)
    ordered = rows.sort("day", "at", "statement", "line").with_columns(
        about=about, number=number, lines=lines, gross=gross, fee=fee
    )
    return ordered.group_by(_KEY).agg(
        pl.col("gross", "fee").sum(), pl.col("day", "at", "site").first(), pl.col("lines")
    )


def _waited(both: pl.DataFrame, calendar: Calendar) -> pl.DataFrame:
    """What is on one side alone and may stand on another day on the other."""
    flow_alone, trade_alone = pl.col("gross").is_null(), pl.col("gross_f").is_null()
    at = both.with_columns(pl.coalesce(name, f"{name}_f").alias(name) for name in ("day", "at", "site"))
    found = [
        calendar.waiting(at.filter(trade_alone), "place", "fund_flow"),
        calendar.waiting(at.filter(flow_alone), "place", "trade"),
    ]
    return at.join(pl.concat(found), on="place", how="left").with_columns(pl.col("own").fill_null(False))


def _differences(found: pl.DataFrame, kind: str) -> pl.DataFrame:
    if found.is_empty():
        return empty(BREAKS)
    refund = pl.col("about") == "refund"
    return breaks(
        found,
        key=pl.concat_str(pl.lit(kind), "channel", "account", pl.lit("fund_flow"), "about", "number", separator=":"),
        kind=kind,
        about="fund_flow",
        order_number=pl.when(refund).then(pl.lit("")).otherwise(pl.col("number")),
        refund_number=pl.when(refund).then(pl.col("number")).otherwise(pl.lit("")),
        expected_millifen=pl.col("gross") - pl.col("fee"),
        told_millifen=pl.col("gross_f") - pl.col("fee_f"),
        waits_for=pl.col("waits_for") if kind == "cut_off" else pl.lit(None),
        lines=pl.concat_list(pl.col("lines").fill_null([]), pl.col("lines_f").fill_null([])),
    )


def _causeless(found: pl.DataFrame) -> pl.DataFrame:
    return breaks(
        found,
        key=pl.concat_str(
            pl.lit("fee_mismatch"),
            "channel",
            "account",
            pl.lit("fund_flow"),
            pl.lit("no_order"),
            "channel_number",
            separator=":",
        ),
        kind="fee_mismatch",
        about="fund_flow",
        channel_fen=pl.col("amount_fen"),
        channel_status=pl.col("status"),
        told_millifen=pl.col("amount_fen") * _FEN,
        lines=_line(),
    )
