"""The records that no channel has: drawers, exits, barriers, stays and vouchers. What is given says what was; here it is held together."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import polars as pl

from billing.reconciliation.frames import BREAKS, CASH, MOVED, breaks, empty

_SHIFT = ["site", "shift"]


def effect() -> pl.Expr:
    """What a row did: fen received, negative where given back, 0 where nothing moved."""
    paid = (pl.col("kind") == "payment") & (pl.col("status") == "done")
    back = (pl.col("kind") == "refund") & pl.col("status").is_in(MOVED)
    return pl.when(paid).then(pl.col("amount_fen")).when(back).then(-pl.col("amount_fen")).otherwise(0)


def drawers(books: pl.DataFrame, shifts: pl.DataFrame, counts: pl.DataFrame) -> pl.DataFrame:
    """Each shift with what must be in its drawer and what was counted (null: not yet), by its last count.

    A shift that the books or a count name and nobody opened is one with nothing at its start.
    """
    took = (
        books.filter(pl.col("channel") == CASH)
        .group_by(_SHIFT)
        .agg(taken_fen=effect().sum(), first_day=pl.col("day").min(), books=pl.col("id").sort(), rows=pl.len())
    )
    line = pl.col("statement") + ":" + pl.col("line").cast(pl.String)
    last = (
        counts.sort("at", "statement", "line")
        .group_by(_SHIFT)
        .agg(pl.col("counted_fen").last(), lines=line.last(), count_day=pl.col("day").last())
    )
    every = shifts.join(took, on=_SHIFT, how="full", coalesce=True).join(last, on=_SHIFT, how="full", coalesce=True)
    nought = pl.col("float_fen", "handed_fen", "taken_fen", "rows").fill_null(0)
    return (
        every.with_columns(nought, day=pl.coalesce("day", "count_day", "first_day"))
        .with_columns(expected_fen=pl.col("float_fen") + pl.col("taken_fen") - pl.col("handed_fen"))
        .sort(_SHIFT)
    )


def cash_breaks(drawn: pl.DataFrame, days: Collection[date]) -> pl.DataFrame:
    """长款 and 短款: the drawer's count is not what must be in it."""
    over = pl.col("counted_fen") > pl.col("expected_fen")
    kind = pl.when(over).then(pl.lit("cash_over")).otherwise(pl.lit("cash_short"))
    wrong = drawn.filter((pl.col("counted_fen") != pl.col("expected_fen")) & pl.col("day").is_in(sorted(days)))
    return breaks(
        wrong.with_columns(kind=kind),
        key=pl.concat_str("kind", "site", "shift", separator=":"),
        about="shift",
        channel=CASH,
        subject=pl.col("shift"),
        book_fen=pl.col("expected_fen"),
        channel_fen=pl.col("counted_fen"),
        books=pl.col("books").fill_null([]),
        lines=pl.concat_list("lines"),
    )


def unpaid(exits: pl.DataFrame) -> pl.DataFrame:
    """Left with money due and no reason on record. `book_fen`: how much."""
    on_record = pl.when(_there("reason")).then(pl.col("owed_fen")).otherwise(0)
    missing = pl.col("due_fen") - pl.col("paid_fen") - on_record
    found = exits.with_columns(missing=missing).filter(pl.col("missing") > 0)
    return _of(found, "unpaid_exit", "stay", "stay", book_fen=pl.col("missing"))


def unexplained(openings: pl.DataFrame) -> pl.DataFrame:
    """The barrier rose with no command and no event."""
    return _of(openings.filter(~_there("command") & ~_there("event")), "opened_without_event", "opening", "id")


def unreal(inside: pl.DataFrame) -> pl.DataFrame:
    """Stays that cannot be real any more: the vehicle was seen again since, or nobody stays so long."""
    since = (pl.col("seen_again_at") > pl.col("entry_at")) | (pl.col("impossible_from") <= pl.col("as_of"))
    return _of(inside.filter(since), "missing_exit", "stay", "stay")


def miscounted(vouchers: pl.DataFrame) -> pl.DataFrame:
    """Books of vouchers where issued ≠ used + void + expired + outstanding. A break is of the book: once, while it lasts.

    `book_fen` and `channel_fen` are numbers of vouchers here: issued, and what became of them.
    """
    became = pl.sum_horizontal("used", "void", "expired", "outstanding")
    found = vouchers.with_columns(became=became).filter(pl.col("issued") != pl.col("became"))
    return _of(found, "voucher_count", "voucher_book", "book", book_fen=pl.col("issued"), channel_fen=pl.col("became"))


def _there(column: str) -> pl.Expr:
    return pl.col(column).fill_null("") != ""


def _of(found: pl.DataFrame, kind: str, about: str, subject: str, **more: pl.Expr) -> pl.DataFrame:
    """A break a row and subject; of several days the first."""
    if found.is_empty():
        return empty(BREAKS)
    first = found.sort(["site", subject, "day"]).unique(["site", subject], keep="first", maintain_order=True)
    key = pl.concat_str(pl.lit(kind), "site", pl.col(subject), separator=":")
    return breaks(
        first, key=key, kind=kind, about=about, subject=pl.col(subject), books=pl.concat_list(pl.col(subject)), **more
    )
