"""Which row of the books is which row of the statements: by order number, and by refund number.

Nearly all rows have one partner that says the same: those are found by one join (`clean`). What is left over, a few in a thousand, is
paired with care: rows of the same number with the same amount and day first, then with the same amount, then in their order in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from billing.reconciliation.frames import CASH, MOVED

_PARTY: Final = ("channel", "account")
_DECIDE: Final = (*_PARTY, "amount_fen", "day")
_GOOD: Final = {"payment": ("done",), "refund": MOVED}
BOOK, CHANNEL = "b", "c"
"""The columns that hold a row's place in its frame."""


@dataclass(frozen=True)
class Clean:
    """For every row of the frames whether it is of a pair that agrees in everything (`ours`, `theirs`), and the rows of the kind that are not."""

    ours: pl.Series
    theirs: pl.Series
    books: pl.DataFrame
    channel: pl.DataFrame


def clean(books: pl.DataFrame, channel: pl.DataFrame, kind: str) -> Clean:
    """The pairs of payments, or of refunds, whose number stands once on each side, of one account, day, amount and done on both."""
    number = "order_number" if kind == "payment" else "refund_number"
    wanted = (pl.col("kind") == kind) & (pl.col("channel") != CASH)
    both = _of_one_hash(books, channel, number, wanted)
    here, there = both[BOOK], both[CHANNEL]
    partner = _partners(here, there, books.height)
    ours = (
        partner.is_not_null() & ~_often(there, here, channel.height, books.height) & books["status"].is_in(_GOOD[kind])
    )
    # Looked up column by column: a frame of all that decides would be as large again as the rows themselves.
    for column in (number, *_DECIDE):
        ours &= books[column] == channel[column].gather(partner)
    ours &= channel["status"].is_in(_GOOD[kind]).gather(partner)
    ours = ours.fill_null(value=False)
    theirs = _among(partner.filter(ours), channel.height)
    left = (
        rows.with_row_index(place).filter(wanted & ~paired)
        for rows, place, paired in ((books, BOOK, ours), (channel, CHANNEL, theirs))
    )
    return Clean(ours, theirs, *left)


def _of_one_hash(books: pl.DataFrame, channel: pl.DataFrame, number: str, wanted: pl.Expr) -> pl.DataFrame:
    """The places of rows whose number may be the same: joined by an integer, which takes a third of the time of joining text.

    Two numbers of one hash are told apart by what decides; being in two pairs then, they are left over, to be paired with care.
    """
    ours, theirs = (
        rows.lazy()
        .select("kind", "channel", number)
        .with_row_index(place)
        .filter(wanted & (pl.col(number) != ""))
        .select(place, hash=pl.col(number).hash())
        for rows, place in ((books, BOOK), (channel, CHANNEL))
    )
    return theirs.join(ours, on="hash").select(BOOK, CHANNEL).collect(engine="streaming")


def _among(places: pl.Series, height: int) -> pl.Series:
    """For every place of a frame whether it is one of these."""
    return pl.repeat(False, height, dtype=pl.Boolean, eager=True).scatter(places, True)


def _partners(places: pl.Series, of: pl.Series, height: int) -> pl.Series:
    """For every place of a frame its partner; none where it has several. Not by hashing: a place is a place."""
    partner = pl.repeat(None, height, dtype=pl.UInt32, eager=True).scatter(places, of)
    several = places.filter(partner.gather(places) != of)
    return partner if several.is_empty() else partner.scatter(several, None)


def _often(places: pl.Series, of: pl.Series, height: int, others: int) -> pl.Series:
    """For every place of the other frame whether its partner has others besides."""
    found = pl.repeat(None, height, dtype=pl.UInt32, eager=True).scatter(places, of)
    several = _among(places.filter(found.gather(places) != of), height)
    return _among(of.filter(several.gather(places)), others)


def pair_payments(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """What is left over of payments, by order number."""
    return _pair(ours, theirs, "order_number")


def _pair(ours: pl.DataFrame, theirs: pl.DataFrame, number: str) -> pl.DataFrame:
    """What is left over, as items: columns `b`, `c` (null where a side has none) and `nth`, from 0 for the first of its number.

    The pairs of a number come before what has no partner.
    """
    key = [*_PARTY, number]
    ours = ours.sort("day", "at", "id")
    theirs = theirs.sort("day", "at", "statement", "line")
    found: list[pl.DataFrame] = []
    for step, by in enumerate(([*key, "amount_fen", "day"], [*key, "amount_fen"], key)):
        place = pl.int_range(pl.len()).over(by).alias("_place")
        pairs = ours.with_columns(place).join(theirs.with_columns(place), on=[*by, "_place"], how="inner")
        pairs = pairs.select(
            *key,
            BOOK,
            CHANNEL,
            pl.lit(step).alias("_step"),
            pl.col("day").alias("_day"),
            pl.col("at").alias("_at"),
            pl.col("id").alias("_id"),
        )
        found.append(pairs)
        ours = ours.join(pairs.select(BOOK), on=BOOK, how="anti", maintain_order="left")
        theirs = theirs.join(pairs.select(CHANNEL), on=CHANNEL, how="anti", maintain_order="left")
    nobody = pl.lit(None, dtype=pl.UInt32)
    alone = pl.lit(len(found)).alias("_step")
    line = pl.col("statement") + ":" + pl.col("line").cast(pl.String).str.zfill(12)
    found += [
        ours.select(
            *key,
            BOOK,
            nobody.alias(CHANNEL),
            alone,
            pl.col("day").alias("_day"),
            pl.col("at").alias("_at"),
            pl.col("id").alias("_id"),
        ),
        theirs.select(
            *key,
            nobody.alias(BOOK),
            CHANNEL,
            alone,
            pl.col("day").alias("_day"),
            pl.col("at").alias("_at"),
            line.alias("_id"),
        ),
    ]
    every = pl.concat(found, how="vertical_relaxed").sort("_step", "_day", "_at", "_id")
    return every.select(BOOK, CHANNEL, nth=pl.int_range(pl.len()).over(key))


def pair_refunds(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """The same for refunds. A channel may leave a refund's number out, of a revoked order for one: those go by their order.

    Several of them for one order are several refunds, not one twice.
    """
    numbered = _pair(ours, theirs.filter(pl.col("refund_number") != ""), "refund_number")
    bare = theirs.filter(pl.col("refund_number") == "")
    if bare.is_empty():
        return numbered
    open_ = (pl.col(CHANNEL).is_null()) & (pl.col("nth") == 0)
    left = ours.join(numbered.filter(open_).select(BOOK), on=BOOK, how="semi")
    among = left.join(bare.select(*_PARTY, "order_number"), on=[*_PARTY, "order_number"], how="semi")
    by_order = _pair(among, bare, "order_number").with_columns(nth=pl.lit(0, dtype=pl.Int64))
    rest = numbered.join(among.select(BOOK), on=BOOK, how="anti", nulls_equal=False)
    return pl.concat([rest, by_order], how="vertical_relaxed")
