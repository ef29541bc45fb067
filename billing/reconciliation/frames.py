"""The neutral frames of a day's three records: what the books say, what channels said, what passages and drawers were like.

Columns and their types are the promise between whoever reads the database and the match, which reads none. Instants are UTC, money is fen,
a fee is 1/1000 fen, a day is the business day in Shanghai.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

import polars as pl

from billing.statements import Kind, Row

Schema = Mapping[str, Any]
INSTANT: Final = pl.Datetime("us", "UTC")

MOVED: Final = ("done", "processing", "revoked")
"""Of refunds: money is on its way back. A statement's refund is never updated, so `processing` there and `done` here are the same."""

CASH: Final = "cash"
"""The channel whose other side is no statement but the count of a shift."""

BOOKS: Final[Schema] = {
    "id": pl.String,  # of the payment or the refund; never twice
    "kind": pl.String,  # payment, refund
    "channel": pl.String,
    "account": pl.String,  # merchant account (收款主体), named as on the channels' side
    "site": pl.String,
    "stay": pl.String,
    "shift": pl.String,  # of cash; else empty
    "order_number": pl.String,
    "refund_number": pl.String,  # of refunds; else empty
    "at": INSTANT,  # paid at, or a refund requested at
    "day": pl.Date,  # the business day that it belongs to
    "amount_fen": pl.Int64,  # positive, also of refunds
    "status": pl.String,  # done, processing, failed, revoked
}
"""What the ledger says was received and given back. A refund stands here from the moment it is sent, a failed one as `failed`."""

CHANNEL: Final[Schema] = {
    "statement": pl.String,  # id of the statement; with the line never twice
    "line": pl.Int64,
    "kind": pl.String,  # as billing.statements.Kind
    "channel": pl.String,
    "account": pl.String,
    "site": pl.String,  # found by the order; of an orphan the account's home site
    "order_number": pl.String,
    "refund_number": pl.String,
    "channel_number": pl.String,
    "at": INSTANT,
    "day": pl.Date,  # of the statement
    "amount_fen": pl.Int64,
    "settled_fen": pl.Int64,  # without coupons that the merchant never receives; null where the statement does not tell
    "fee_millifen": pl.Int64,  # null where the statement does not tell
    "status": pl.String,
}
"""Rows of trade bills, or those of fund-flow bills: two frames of one shape."""

ARRIVED: Final[Schema] = {"channel": pl.String, "account": pl.String, "kind": pl.String, "day": pl.Date}
"""The statements whose rows are in the frames, empty ones too. `kind`: trade or fund_flow."""

RATES: Final[Schema] = {
    "channel": pl.String,
    "account": pl.String,
    "rate_ppm": pl.Int64,  # 0.60 % is 6000
    "rounding": pl.String,  # to the fen: half_up, half_even, down, up
    "refunds": pl.String,  # what becomes of the fee: returned, kept
}
"""What was agreed with a channel. No row: its fees are not checked."""

EXITS: Final[Schema] = {
    "stay": pl.String,
    "site": pl.String,
    "at": INSTANT,
    "day": pl.Date,
    "due_fen": pl.Int64,  # of the bill, after everything that was waived
    "paid_fen": pl.Int64,  # in the ledger for this stay, less what was given back
    "owed_fen": pl.Int64,  # posted as a receivable
    "reason": pl.String,  # why it may be owed: empty or null where none is on record
}
OPENINGS: Final[Schema] = {
    "id": pl.String,
    "site": pl.String,
    "at": INSTANT,
    "day": pl.Date,
    "command": pl.String,  # that raised it; empty or null: none
    "event": pl.String,  # a read, a button, a remote: what is on record for it; empty or null: nothing
}
INSIDE: Final[Schema] = {
    "stay": pl.String,
    "site": pl.String,
    "day": pl.Date,  # the day that is reconciled
    "entry_at": INSTANT,
    "seen_again_at": INSTANT,  # the vehicle was read as entering or elsewhere since; null: never
    "impossible_from": INSTANT,  # from when on nobody believes it, by the site's rule; null: never
    "as_of": INSTANT,
}
VOUCHERS: Final[Schema] = {
    "book": pl.String,
    "site": pl.String,
    "day": pl.Date,
    "issued": pl.Int64,
    "used": pl.Int64,
    "void": pl.Int64,
    "expired": pl.Int64,
    "outstanding": pl.Int64,
}
SHIFTS: Final[Schema] = {
    "shift": pl.String,
    "site": pl.String,
    "day": pl.Date,
    "float_fen": pl.Int64,  # in the drawer at its start
    "handed_fen": pl.Int64,  # taken out of the drawer meanwhile, to the safe or the next cashier
}
COUNTS: Final[Schema] = {
    "shift": pl.String,
    "site": pl.String,
    "day": pl.Date,
    "statement": pl.String,
    "line": pl.Int64,
    "at": INSTANT,
    "counted_fen": pl.Int64,
}

BREAKS: Final[Schema] = {
    "key": pl.String,  # the same for the same break in every run
    "kind": pl.String,
    "about": pl.String,  # payment, refund, fund_flow, shift, stay, opening, voucher_book
    "day": pl.Date,
    "site": pl.String,
    "channel": pl.String,
    "account": pl.String,
    "order_number": pl.String,
    "refund_number": pl.String,
    "subject": pl.String,  # id of the stay, shift, opening or book of vouchers; of payments the stay, where known
    "book_fen": pl.Int64,  # null: nothing on that side
    "channel_fen": pl.Int64,
    "book_status": pl.String,
    "channel_status": pl.String,
    "expected_millifen": pl.Int64,  # fees: by the rate; of a fund flow what the trade bill comes to, fee taken off
    "told_millifen": pl.Int64,  # fees: by the statement; of a fund flow what it did to the account
    "waits_for": pl.Date,  # cut_off only: the neighbour that has not come
    "books": pl.List(pl.String),  # ids
    "lines": pl.List(pl.String),  # statement:line
}
"""A break with its evidence. Sorted by key; `book_fen` and `channel_fen` are positive, also of refunds."""


class BadFrame(ValueError):
    """A frame without the columns, or with rows that no such record has: what is wrong stands in the message."""


def empty(schema: Schema) -> pl.DataFrame:
    return pl.DataFrame(schema=dict(schema))


def frame(rows: Iterable[Mapping[str, Any]], schema: Schema) -> pl.DataFrame:
    """Rows as a frame; what a row leaves out is null."""
    return pl.DataFrame(list(rows), schema=dict(schema), orient="row")


def checked(given: pl.DataFrame, schema: Schema, name: str) -> pl.DataFrame:
    """Its columns in order. Raises `BadFrame`."""
    if given.schema == pl.Schema(dict(schema)):
        return given
    for column, kind in schema.items():
        if column not in given.columns:
            raise BadFrame(f"{name}: there is no column {column}")
        if given.schema[column] != kind:
            raise BadFrame(f"{name}: {column} is {given.schema[column]}, not {kind}")
    return given.select(list(schema))


def of_statement(rows: Iterable[Row], statement: str, day: date, account: str, site: str) -> pl.DataFrame:
    """The rows of one statement in the neutral shape. `account` and `site` are those that it was imported for."""
    columns: dict[str, list[Any]] = {name: [] for name in CHANNEL}
    for row in rows:
        told = (statement, row.line, row.kind.value, row.channel, account, row.site or site, row.order_number)
        more = (row.refund_number, row.channel_number, row.at, day, row.amount_fen, row.settled_fen, row.fee_millifen)
        for column, value in zip(columns.values(), (*told, *more, row.status.value), strict=True):
            column.append(value)
    return pl.DataFrame(columns, schema=dict(CHANNEL))


def counts_of(rows: Iterable[Row], statement: str, day: date) -> pl.DataFrame:
    """The shifts of a cash count."""
    return frame(
        (
            {
                "shift": row.order_number,
                "site": row.site,
                "day": day,
                "statement": statement,
                "line": row.line,
                "at": row.at,
                "counted_fen": row.amount_fen,
            }
            for row in rows
            if row.kind == Kind.SETTLEMENT
        ),
        COUNTS,
    )


def breaks(found: pl.DataFrame, **fixed: pl.Expr | str) -> pl.DataFrame:
    """Rows as breaks: what is neither a column nor `fixed` is null, in lists empty."""
    told = {name: pl.lit(value) if isinstance(value, str) else value for name, value in fixed.items()}
    nothing = {
        name: pl.lit([], dtype=kind) if isinstance(kind, pl.List) else pl.lit(None) for name, kind in BREAKS.items()
    }
    return found.select(
        told.get(name, pl.col(name) if name in found.columns else nothing[name]).cast(kind).alias(name)
        for name, kind in BREAKS.items()
    )
