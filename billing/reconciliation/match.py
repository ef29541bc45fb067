"""The three-way match of days: passages, the ledger, the channels; and cash. Frames in, breaks and totals out.

Nothing is read or kept here: the same frames give the same breaks with the same keys, in whatever order their rows come.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final

import polars as pl

from billing.reconciliation import fees, surroundings
from billing.reconciliation import frames as f
from billing.reconciliation.judging import Calendar, judge
from billing.reconciliation.pairing import BOOK, CHANNEL, Clean, clean, pair_payments, pair_refunds

MARGINS: Final[Mapping[str, timedelta]] = MappingProxyType(
    {"": timedelta(minutes=15), "unionpay": timedelta(minutes=75)}
)
"""By channel, "" for all others. UnionPay's clearing day ends at 23:00."""
_PARTY: Final = ["channel", "account"]
_TOTAL: Final = ["side", *_PARTY]


@dataclass(frozen=True, kw_only=True)
class Given:
    """The records, as `frames` describes them.

    `days`: those that are reconciled. `books` and `channel` hold all rows of these days and of their neighbours, as far as they are
    there, and whatever else has one of their numbers. `book_days`: days on which the books are whole. `arrived`: statements whose rows
    are in the frames. Of a cash shift `books` holds all rows, whatever their day. The passages' frames are of `days` alone.
    """

    days: Collection[date]
    book_days: Collection[date]
    books: pl.DataFrame
    channel: pl.DataFrame
    arrived: pl.DataFrame
    fund_flow: pl.DataFrame = field(default_factory=lambda: f.empty(f.CHANNEL))
    rates: pl.DataFrame = field(default_factory=lambda: f.empty(f.RATES))
    shifts: pl.DataFrame = field(default_factory=lambda: f.empty(f.SHIFTS))
    counts: pl.DataFrame = field(default_factory=lambda: f.empty(f.COUNTS))
    exits: pl.DataFrame = field(default_factory=lambda: f.empty(f.EXITS))
    openings: pl.DataFrame = field(default_factory=lambda: f.empty(f.OPENINGS))
    inside: pl.DataFrame = field(default_factory=lambda: f.empty(f.INSIDE))
    vouchers: pl.DataFrame = field(default_factory=lambda: f.empty(f.VOUCHERS))
    margins: Mapping[str, timedelta] = field(default_factory=lambda: MARGINS)


@dataclass(frozen=True)
class Found:
    """What came out. `breaks` as `frames.BREAKS`, by key.

    `totals`: side (books, channel), channel, account, state, rows, fen; refunds count negative. States: `matched` (on the same day on both sides),
    `across` (matched on neighbouring days), `break`, `waiting` (the statement of its own day, or the shift's count, has not come), `idle`
    (nothing moved). Of cash the account is the site, and the channel's side is the drawers: what was counted beyond float and what was
    handed over, a row a shift. `sums`: the frames added up by themselves, without a state.
    """

    breaks: pl.DataFrame
    totals: pl.DataFrame
    sums: pl.DataFrame


def reconcile(given: Given) -> Found:
    """Raises `BadFrame` for frames that are not such records."""
    books, channel = f.checked(given.books, f.BOOKS, "books"), f.checked(given.channel, f.CHANNEL, "channel")
    calendar = Calendar(f.checked(given.arrived, f.ARRIVED, "arrived"), frozenset(given.book_days), given.margins)
    if books.filter((pl.col("kind") == "refund") & (pl.col("refund_number") == "")).height:
        raise f.BadFrame("books: a refund without a refund number")
    found: list[pl.DataFrame] = []
    parts: list[pl.DataFrame] = []
    sums: list[pl.DataFrame] = []
    days = sorted(given.days)
    for about in ("payment", "refund"):
        ours, theirs = (books, channel) if about == "payment" else (_refunds(books), _refunds(channel))
        good = clean(ours, theirs, about)
        items = (pair_refunds if about == "refund" else pair_payments)(good.books, good.channel)
        judged, broken = judge(_of_days(items, good, days), good.books, good.channel, about, calendar)
        found.append(broken)
        for side, rows, paired, left, place in (
            ("books", ours, good.ours, good.books, BOOK),
            ("channel", theirs, good.theirs, good.channel, CHANNEL),
        ):
            added = _in_groups(rows, paired, days)
            parts.append(_sided(added.filter("paired").with_columns(state=pl.lit("matched")), side))
            parts.append(_totals(left.join(judged, on=place), side, days))
            if about == "payment":
                sums.append(_sided(added.filter(pl.col("channel") != f.CASH), side))
    found += [fees.by_rate(channel, given.rates, days), fees.by_fund_flow(channel, given.fund_flow, days, calendar)]
    drawn = surroundings.drawers(books, given.shifts, given.counts)
    found += [
        surroundings.cash_breaks(drawn, days),
        surroundings.unpaid(given.exits),
        surroundings.unexplained(given.openings),
        surroundings.unreal(given.inside),
        surroundings.miscounted(given.vouchers),
    ]
    drawn = drawn.filter(pl.col("day").is_in(days))
    parts += _drawer_totals(drawn)
    sums += _drawer_sums(books, drawn)
    return Found(_numbered(pl.concat(found)), _added(parts, [*_TOTAL, "state"]), _added(sums, _TOTAL))


def _of_days(items: pl.DataFrame, left: Clean, days: Collection[date]) -> pl.DataFrame:
    """A neighbour's rows are there to be found by those of the days; by themselves they are another run's."""
    ours = left.books.filter(pl.col("day").is_in(days))[BOOK]
    theirs = left.channel.filter(pl.col("day").is_in(days))[CHANNEL]
    return items.filter(pl.col(BOOK).is_in(ours.implode()) | pl.col(CHANNEL).is_in(theirs.implode()))


def _refunds(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("kind") == "refund")


def _in_groups(rows: pl.DataFrame, paired: pl.Series, days: Collection[date]) -> pl.DataFrame:
    """All payments and refunds of the days, added up by account and by whether they are paired.

    Kind and status go along, so that what a row did is asked of a few sums and not of a million rows. What is paired did the same: it is
    of one kind, and moved.
    """
    wanted = pl.col("day").is_in(days) & pl.col("kind").is_in(["payment", "refund"])
    sums = {"rows": pl.len(), "amount_fen": pl.col("amount_fen").sum()}
    one = {name: pl.col(name).first() for name in ("kind", "status")}
    alike = rows.lazy().filter(wanted & paired).group_by(*_PARTY).agg(**sums, **one)
    rest = rows.lazy().filter(wanted & ~paired).group_by(*_PARTY, "kind", "status").agg(**sums)
    parts = [
        part.select(*_PARTY, "rows", paired=pl.lit(is_paired), fen=surroundings.effect())
        for part, is_paired in zip(pl.collect_all([alike, rest]), (True, False), strict=True)
    ]
    return pl.concat(parts)


def _totals(rows: pl.DataFrame, side: str, days: Collection[date]) -> pl.DataFrame:
    own = rows.filter(pl.col("day").is_in(days)).group_by(*_PARTY, "state")
    return _sided(own.agg(rows=pl.len(), fen=surroundings.effect().sum()), side)


def _sided(rows: pl.DataFrame, side: str) -> pl.DataFrame:
    return rows.with_columns(side=pl.lit(side))


def _drawer_totals(drawn: pl.DataFrame) -> list[pl.DataFrame]:
    counted = pl.col("counted_fen").is_not_null()
    state = pl.when(counted).then(pl.lit("matched")).otherwise(pl.lit("waiting"))
    wrong = drawn.filter(pl.col("counted_fen") != pl.col("expected_fen"))
    difference = pl.col("counted_fen") - pl.col("expected_fen")
    return [
        _drawer(drawn, "books", state, pl.col("rows"), pl.col("taken_fen")),
        _drawer(drawn.filter(counted), "channel", state, pl.lit(1), pl.col("taken_fen")),
        _drawer(wrong, "channel", pl.lit("break"), pl.lit(0), difference),
    ]


def _drawer(rows: pl.DataFrame, side: str, state: pl.Expr, count: pl.Expr, fen: pl.Expr) -> pl.DataFrame:
    return rows.select(
        side=pl.lit(side), channel=pl.lit(f.CASH), account="site", state=state, rows=count.cast(pl.UInt32), fen=fen
    )


def _drawer_sums(books: pl.DataFrame, drawn: pl.DataFrame) -> list[pl.DataFrame]:
    cash = books.filter(pl.col("channel") == f.CASH).join(drawn, on=["site", "shift"], how="semi")
    one = pl.lit(1).cast(pl.UInt32)
    brought = pl.col("counted_fen") - pl.col("float_fen") + pl.col("handed_fen")
    return [
        cash.select("channel", side=pl.lit("books"), account="site", rows=one, fen=surroundings.effect()),
        drawn.filter(pl.col("counted_fen").is_not_null()).select(
            side=pl.lit("channel"), channel=pl.lit(f.CASH), account="site", rows=one, fen=brought
        ),
    ]


def _added(parts: list[pl.DataFrame], by: list[str]) -> pl.DataFrame:
    every = pl.concat(part.select(*by, "rows", "fen") for part in parts)
    return every.group_by(by).agg(pl.col("rows").cast(pl.Int64).sum(), pl.col("fen").sum()).sort(by)


def _numbered(found: pl.DataFrame) -> pl.DataFrame:
    """In the order of keys. Where the same key stands for several things, the later ones are numbered."""
    ordered = found.with_columns(_lines=pl.col("lines").list.join(","), _books=pl.col("books").list.join(","))
    ordered = ordered.sort("key", "day", "_lines", "_books")
    nth = pl.int_range(pl.len()).over("key")
    key = pl.when(nth > 0).then(pl.concat_str("key", nth + 1, separator="#")).otherwise("key")
    return ordered.with_columns(key=key).select(list(f.BREAKS)).sort("key")


def adds_up(found: Found) -> list[str]:
    """What does not add up, in words; nothing where all is well.

    Of each side, channel and account the states come to the rows; what is matched is the same money on both sides.
    """
    wrong: list[str] = []
    parts = found.totals.group_by(_TOTAL).agg(pl.col("rows", "fen").sum())
    both = found.sums.join(parts, on=_TOTAL, how="full", coalesce=True, suffix="_parts").sort(_TOTAL)
    for row in both.iter_rows(named=True):
        for what in ("rows", "fen"):
            said, came = row[what] or 0, row[f"{what}_parts"] or 0
            if said != came:
                wrong.append(
                    f"{row['side']} {row['channel']} {row['account']}: {said} {what}, the states come to {came}"
                )
    matched = found.totals.filter(pl.col("state") == "matched")
    here, there = (matched.filter(pl.col("side") == side) for side in ("books", "channel"))
    for row in here.join(there, on=_PARTY, how="full", coalesce=True, suffix="_c").sort(_PARTY).iter_rows(named=True):
        for what in ("fen",) if row["channel"] == f.CASH else ("rows", "fen"):
            ours, theirs = row[what] or 0, row[f"{what}_c"] or 0
            if ours != theirs:
                wrong.append(f"{row['channel']} {row['account']}: matched {what} are {ours} here and {theirs} there")
    return wrong
