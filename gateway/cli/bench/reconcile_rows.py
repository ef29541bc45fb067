"""A day of a million payments on both sides, with breaks that are known: made in columns, since it is not what is measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from typing import Final

import polars as pl

from billing import reconciliation as r

DAY: Final = date(2026, 3, 2)
_SHANGHAI: Final = timezone(timedelta(hours=8))
_MIDNIGHT: Final = datetime(2026, 3, 2, tzinfo=_SHANGHAI)
_EVERY: Final = 200
"""One payment of so many is a break: 0.5 %."""
_KINDS: Final = (
    *("channel_only", "book_only", "amount_mismatch", "status_mismatch", "duplicate_there", "duplicate_here"),
    *("cut_off_there", "cut_off_here", "refund_there", "refund_here", "refund_amount", "fee_mismatch"),
)
_PARTIES: Final = (("wechat", "1900000001"), ("wechat", "1900000002"), ("alipay", "2088000000000001"))
_AROUND: Final = 1000
"""Shifts, exits, openings, stays inside and books of vouchers: so many each, of which a hundredth is a break."""
TRUTH: Final = ("kind", "order_number", "refund_number", "subject")


@dataclass(frozen=True)
class Made:
    """`truth`: the breaks that are there, in columns `TRUTH`."""

    given: r.Given
    truth: pl.DataFrame


def make(payments: int, seed: int) -> Made:
    """So many payments in the books, and about as many rows of the statements."""
    i = pl.col("i")
    # Numbers as the service makes them differ at their end and come in no order.
    scattered = (i * 7_368_787 + seed) % 1_000_000_007
    party = i % 10
    channel = pl.when(party < 9).then(pl.lit(_PARTIES[0][0])).otherwise(pl.lit(_PARTIES[2][0]))
    account = pl.when(party < 6).then(pl.lit(_PARTIES[0][1])).when(party < 9).then(pl.lit(_PARTIES[1][1]))
    wrong = pl.when(i % _EVERY == seed % _EVERY).then((i // _EVERY) % len(_KINDS))
    second = 300 + i % 85_000
    base = pl.select(i=pl.int_range(payments, dtype=pl.Int64)).select(
        "i",
        channel=channel,
        account=account.otherwise(pl.lit(_PARTIES[2][1])),
        order_number=pl.lit("P20260302") + scattered.cast(pl.String).str.zfill(13),
        refund=pl.lit("R20260302") + scattered.cast(pl.String).str.zfill(13),
        at=pl.lit(_MIDNIGHT).dt.convert_time_zone("UTC").cast(r.BOOKS["at"]) + pl.duration(seconds=second),
        amount_fen=(i % 97 + 1) * 50,
        wrong=wrong.replace_strict(dict(enumerate(_KINDS)), default=None, return_dtype=pl.String),
    )
    base = base.with_columns(late=pl.col("wrong").is_in(["cut_off_there", "cut_off_here"]).fill_null(False))
    last = pl.lit(_MIDNIGHT + timedelta(seconds=86_390)).dt.convert_time_zone("UTC").cast(r.BOOKS["at"])
    base = base.with_columns(at=pl.when("late").then(last).otherwise("at"))
    given = r.Given(
        days=[DAY],
        book_days=[DAY - timedelta(days=1), DAY],
        books=_books(base).sample(fraction=1, shuffle=True, seed=seed),
        channel=_channel(base, seed),
        arrived=pl.DataFrame(
            [(*party, "trade", DAY - timedelta(days=off)) for party in _PARTIES for off in (0, 1)],
            schema=dict(r.ARRIVED),
            orient="row",
        ),
        rates=pl.DataFrame(
            [(*party, 6000, "half_up", "returned") for party in _PARTIES], schema=dict(r.RATES), orient="row"
        ),
    )
    given = replace(given, **_around())  # type: ignore[arg-type]
    return Made(given, pl.concat([_truth(base), _truth_around()]).sort(TRUTH))


def _is(*kinds: str) -> pl.Expr:
    return pl.col("wrong").is_in(kinds).fill_null(False)


def _books(base: pl.DataFrame) -> pl.DataFrame:
    def rows(some: pl.DataFrame, kind: str, letter: str, amount: pl.Expr) -> pl.DataFrame:
        refund = pl.col("refund") if kind == "refund" else pl.lit("")
        return some.select(
            id=pl.lit(letter) + pl.col("i").cast(pl.String),
            kind=pl.lit(kind),
            channel="channel",
            account="account",
            site=pl.lit("ne"),
            stay=pl.lit("s") + pl.col("i").cast(pl.String),
            shift=pl.lit(""),
            order_number="order_number",
            refund_number=refund,
            at="at",
            day=pl.lit(DAY),
            amount_fen=amount,
            status=pl.lit("done"),
        )

    fen = pl.col("amount_fen")
    paid = rows(base.filter(~_is("channel_only", "cut_off_here")), "payment", "p", fen)
    again = rows(base.filter(_is("duplicate_here")), "payment", "q", fen)
    back = rows(base.filter(_is("refund_here", "refund_amount") | _given_back()), "refund", "r", fen)
    return pl.concat([paid, again, back])


def _given_back() -> pl.Expr:
    """A refund on which both sides agree: of one payment in a hundred."""
    return pl.col("wrong").is_null() & (pl.col("i") % 100 == 50)


def _channel(base: pl.DataFrame, seed: int) -> pl.DataFrame:
    def rows(
        some: pl.DataFrame, kind: str, amount: pl.Expr, status: str = "done", number: str = "refund"
    ) -> pl.DataFrame:
        fee = (amount * 6000 + 500_000) // 1_000_000 * 1000 + pl.when(_is("fee_mismatch")).then(2000).otherwise(0)
        return some.select(
            kind=pl.lit(kind),
            channel="channel",
            account="account",
            site=pl.lit("ne"),
            order_number="order_number",
            refund_number=pl.col(number) if kind == "refund" and number else pl.lit(""),
            channel_number=pl.lit("42000025") + pl.col("i").cast(pl.String).str.zfill(20),
            at="at",
            day=pl.lit(DAY),
            amount_fen=amount,
            settled_fen=pl.lit(None, dtype=pl.Int64),
            fee_millifen=fee if kind == "payment" else -fee,
            status=pl.lit(status),
        )

    fen = pl.col("amount_fen")
    there = base.filter(~_is("book_only", "cut_off_there"))
    paid = rows(there, "payment", fen + pl.when(_is("amount_mismatch")).then(1).otherwise(0))
    again = rows(base.filter(_is("duplicate_there")), "payment", fen)
    revoked = rows(base.filter(_is("status_mismatch")), "refund", fen, "revoked", "")
    back = rows(base.filter(_is("refund_there") | _given_back()), "refund", fen)
    less = rows(base.filter(_is("refund_amount")), "refund", fen - 10)
    every = pl.concat([paid, again, revoked, back, less]).sample(fraction=1, shuffle=True, seed=seed)
    line = pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
    return every.with_columns(statement=pl.lit("trade"), line=line).select(list(r.CHANNEL))


def _truth(base: pl.DataFrame) -> pl.DataFrame:
    kinds = {kind: kind.removesuffix("_there").removesuffix("_here") for kind in _KINDS}
    kinds |= dict.fromkeys(("refund_there", "refund_here", "refund_amount"), "refund_mismatch")
    numbered = pl.when(pl.col("wrong").str.starts_with("refund")).then("refund").otherwise(pl.lit(""))
    return base.filter(pl.col("wrong").is_not_null()).select(
        kind=pl.col("wrong").replace_strict(kinds),
        order_number="order_number",
        refund_number=numbered,
        subject=pl.lit(""),
    )


_AROUND_KINDS: Final = ("cash_over", "unpaid_exit", "opened_without_event", "missing_exit", "voucher_count")


def _truth_around() -> pl.DataFrame:
    every = [(kind, "", "", f"x{i}") for kind in _AROUND_KINDS for i in range(0, _AROUND, 100)]
    return pl.DataFrame(every, schema=TRUTH, orient="row")


def _around() -> dict[str, pl.DataFrame]:
    i = pl.col("i")
    bad = i % 100 == 0
    at = pl.lit(_MIDNIGHT).dt.convert_time_zone("UTC").cast(r.EXITS["at"])
    name = pl.lit("x") + i.cast(pl.String)
    known = {"site": pl.lit("ne"), "day": pl.lit(DAY)}
    none, some = pl.lit(None, dtype=pl.String), pl.lit("c")
    columns: dict[str, tuple[r.Schema, dict[str, pl.Expr]]] = {
        "shifts": (r.SHIFTS, {"shift": name, "float_fen": i, "handed_fen": pl.lit(0)}),
        "counts": (
            r.COUNTS,
            {"shift": name, "statement": pl.lit("counts"), "line": i, "at": at, "counted_fen": i + bad.cast(pl.Int64)},
        ),
        "exits": (
            r.EXITS,
            {"stay": name, "at": at, "due_fen": pl.lit(500), "paid_fen": pl.when(bad).then(0).otherwise(500),
             "owed_fen": pl.lit(0), "reason": none},
        ),
        "openings": (r.OPENINGS, {"id": name, "at": at, "command": pl.when(~bad).then(some), "event": none}),
        "inside": (
            r.INSIDE,
            {"stay": name, "entry_at": at, "seen_again_at": pl.when(bad).then(at + timedelta(hours=1)),
             "impossible_from": at + timedelta(days=30), "as_of": at + timedelta(days=1)},
        ),
        "vouchers": (
            r.VOUCHERS,
            {"book": name, "issued": pl.lit(10), "used": pl.lit(4), "void": pl.lit(1), "expired": pl.lit(1),
             "outstanding": 4 + bad.cast(pl.Int64)},
        ),
    }  # fmt: skip
    base = pl.select(i=pl.int_range(_AROUND, dtype=pl.Int64))
    return {
        frame: base.select(**known, **told).cast(pl.Schema(dict(schema))).select(list(schema))
        for frame, (schema, told) in columns.items()
    }
