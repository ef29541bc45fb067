"""What each payment and refund is that has no clean partner: matched after all, waiting, of no effect, or a break."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from billing.reconciliation.frames import BREAKS, MOVED, breaks, empty
from billing.reconciliation.pairing import BOOK, CHANNEL

ZONE: Final = "Asia/Shanghai"


@dataclass(frozen=True)
class Calendar:
    """Which days the frames hold whole: statements by channel, account and kind, the books by themselves.

    `margins` by channel: so near to midnight the other side may have taken the next day.
    """

    arrived: pl.DataFrame
    book_days: Collection[date]
    margins: Mapping[str, timedelta]

    def waiting(self, rows: pl.DataFrame, place: str, kind: str | None) -> pl.DataFrame:
        """For these rows `place`, `waits_for` (the first day on which the other side may have it and is not there), `own`: it is its own.

        `kind` of statement that is the other side, None where the books are. Rows that wait for nothing are left out.
        """
        local = pl.col("at").dt.convert_time_zone(ZONE)
        margin = pl.col("channel").replace_strict(
            {name: one for name, one in self.margins.items() if name},
            default=self.margins[""],
            return_dtype=pl.Duration("us"),
        )
        near = ((local - margin).dt.date(), (local + margin).dt.date())
        may_be = rows.select(place, "channel", "account", "day", on=pl.concat_list(pl.col("day"), *near)).explode("on")
        if kind is None:
            missing = may_be.filter(~pl.col("on").is_in(list(self.book_days)))
        else:
            there = self.arrived.filter(pl.col("kind") == kind).select("channel", "account", pl.col("day").alias("on"))
            missing = may_be.join(there, on=["channel", "account", "on"], how="anti")
        return missing.group_by(place).agg(waits_for=pl.col("on").min(), own=(pl.col("on") == pl.col("day")).any())


def judge(
    items: pl.DataFrame, books: pl.DataFrame, channel: pl.DataFrame, about: str, calendar: Calendar
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The items with what they are (`state`: matched, across, break, waiting, idle), and the breaks.

    `books` and `channel` are the rows that the items name. A break is of the books' day, and of the statement's where they have nothing.
    """
    facts = _facts(items, books, channel, calendar)
    ours, theirs = pl.col("book_status"), pl.col("channel_status")
    moved = ("done",) if about == "payment" else MOVED
    idle = _idle(about).fill_null(False)
    pair, first = pl.col(BOOK).is_not_null() & pl.col(CHANNEL).is_not_null(), pl.col("nth") == 0
    only_book, only_channel = pl.col(CHANNEL).is_null(), pl.col(BOOK).is_null()
    single = (only_book | only_channel) & first & ~idle
    apart = single & pl.col("waits_for").is_not_null()
    one_side = single & pl.col("waits_for").is_null()
    refund = about == "refund"
    mismatch = "refund_mismatch" if refund else "amount_mismatch"
    rules = {
        "duplicate": ~first,
        mismatch: pair & first & ~idle & (pl.col("book_fen") != pl.col("channel_fen")),
        "status_mismatch": (pair & first & ~idle & (ours.is_in(moved) != theirs.is_in(moved)))
        | (one_side & only_channel & (theirs == "revoked")),
        "cut_off": apart & ~pl.col("own"),
    }
    if refund:
        rules["refund_mismatch"] |= one_side & (only_book | (theirs != "revoked"))
    else:
        rules |= {"book_only": one_side & only_book, "channel_only": one_side & only_channel & (theirs != "revoked")}
    facts = facts.with_columns(about=pl.lit(about))
    found = [_breaks(facts.filter(rule), kind) for kind, rule in rules.items()]
    state = (
        pl.when(pl.any_horizontal(*rules.values()))
        .then(pl.lit("break"))
        .when(idle)
        .then(pl.lit("idle"))
        .when(apart)
        .then(pl.lit("waiting"))
        .when(pl.col("book_day") != pl.col("channel_day"))
        .then(pl.lit("across"))
        .otherwise(pl.lit("matched"))
    )
    return facts.select(BOOK, CHANNEL, state=state), pl.concat(found)


def _idle(about: str) -> pl.Expr:
    """Nothing moved, nothing to compare: on neither side, or on the one that has it.

    A refund that the channel began and could not end still stands as begun in its statement; the books know how it ended.
    """
    ours, theirs = pl.col("book_status"), pl.col("channel_status")
    if about == "payment":
        here, there = ours != "done", theirs.is_in(["failed", "processing"])
        return (pl.col("nth") == 0) & pl.when(theirs.is_null()).then(here).when(ours.is_null()).then(there).otherwise(
            here & (theirs != "done")
        )
    return (pl.col("nth") == 0) & (ours == "failed") & (theirs.is_null() | theirs.is_in(["failed", "processing"]))


def _facts(items: pl.DataFrame, books: pl.DataFrame, channel: pl.DataFrame, calendar: Calendar) -> pl.DataFrame:
    """The items with what both sides say, and what those that stand alone wait for."""
    ours = books.select(
        BOOK, "id", "stay", "channel", "account", "site", "order_number", "refund_number",
        book_day="day", book_fen="amount_fen", book_status="status",
    )  # fmt: skip
    theirs = channel.select(
        CHANNEL, "channel", "account", "site", "order_number", "refund_number",
        line=pl.col("statement") + ":" + pl.col("line").cast(pl.String),
        channel_day="day", channel_fen="amount_fen", channel_status="status",
    )  # fmt: skip
    alone = items.filter(pl.col(BOOK).is_null() | pl.col(CHANNEL).is_null())
    of_books = calendar.waiting(books.join(alone, on=BOOK, how="semi"), BOOK, "trade")
    of_channel = calendar.waiting(channel.join(alone, on=CHANNEL, how="semi"), CHANNEL, None)
    both = items.join(ours, on=BOOK, how="left").join(theirs, on=CHANNEL, how="left", suffix="_c")
    both = both.join(of_books, on=BOOK, how="left").join(of_channel, on=CHANNEL, how="left", suffix="_c")
    told = ("channel", "account", "site", "order_number", "waits_for", "own")
    # A revoked order may have no refund number there and one here: the books' counts, so that a key does not change.
    number = pl.coalesce("refund_number", "refund_number_c")
    return both.with_columns(*(pl.coalesce(name, f"{name}_c") for name in told), refund_number=number).with_columns(
        pl.col("own").fill_null(False)
    )


def _breaks(found: pl.DataFrame, kind: str) -> pl.DataFrame:
    if found.is_empty():
        return empty(BREAKS)
    parts = [
        pl.lit(kind),
        pl.col("channel"),
        pl.col("account"),
        pl.col("about"),
        pl.col("order_number"),
        pl.col("refund_number"),
    ]
    if kind == "duplicate":
        side = (
            pl.when(pl.col(CHANNEL).is_null())
            .then(pl.lit("books"))
            .when(pl.col(BOOK).is_null())
            .then(pl.lit("channel"))
        )
        parts += [side.otherwise(pl.lit("both")), pl.col("nth").cast(pl.String)]
    return breaks(
        found,
        key=pl.concat_str(parts, separator=":"),
        kind=kind,
        day=pl.coalesce("book_day", "channel_day"),
        subject=pl.col("stay"),
        waits_for=pl.col("waits_for") if kind == "cut_off" else pl.lit(None),
        books=_list("id"),
        lines=_list("line"),
    )


def _list(column: str) -> pl.Expr:
    return pl.concat_list(pl.col(column)).list.drop_nulls()
