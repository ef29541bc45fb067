"""The two sides of a day's money: what the books have, and what the channels said. Imports Polars.

Both hold the day and its neighbours, and whatever else has one of their numbers: an order that stands on a statement once more, weeks later,
is twice there and not new.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl
from sqlalchemy import BigInteger, Connection, Select, String, and_, cast, func, literal, select

from billing.cash import CASH as CASH_ACCOUNT
from billing.cash import MOVES, drawer
from billing.reconciliation.frames import BOOKS, CHANNEL, INSTANT, Schema
from gateway.flows.reconciliation.arrived import Stands, of_ids
from gateway.flows.reconciliation.frames import account, chunks, load, local_day
from gateway.flows.reconciliation.tills import number_of, of_a_till
from gateway.flows.shifts import CASH
from gateway.flows.shifts_books import IN_A_DRAWER
from gateway.store import tables as t

# From its quote to its payment: a channel closes an order long before.
_PAID_WITHIN: Final = timedelta(days=8)
_STATUS: Final = {"sent": "processing", "done": "done", "failed": "failed"}
_RAW: Final[Schema] = {
    "id": pl.String,
    "channel": pl.String,
    "merchant": pl.String,
    "site": pl.String,
    "stay": pl.String,
    "order_number": pl.String,
    "refund_number": pl.String,
    "at": INSTANT,
    "amount_fen": pl.Int64,
    "status": pl.String,
}
_ROW: Final[Schema] = {
    "site": pl.String,
    "statement": pl.String,
    "line": pl.Int64,
    "kind": pl.String,
    "order_number": pl.String,
    "refund_number": pl.String,
    "channel_number": pl.String,
    "at": INSTANT,
    "amount_fen": pl.Int64,
    "settled_fen": pl.Int64,
    "fee_millifen": pl.Int64,
    "status": pl.String,
}
_CASH: Final[Schema] = {"site": pl.String, "account": pl.String, "id": pl.String, "at": INSTANT, "amount_fen": pl.Int64}
_ORDER, _REFUND, _SITE = t.PaymentOrder.__table__.c, t.PaymentRefund.__table__.c, t.Site.__table__.c
_PAYMENT, _CHARGED = t.Payment.__table__.c, t.ChargePayment.__table__.c
_TOLD, _LEDGER, _POSTING = t.ChannelStatementRow.__table__.c, t.LedgerTransaction.__table__.c, t.Posting.__table__.c
_NOTHING = literal("", String)
_DONE = literal("done", String)


def books(
    connection: Connection,
    sites: Collection[str],
    merchants: Collection[str],
    start: datetime,
    end: datetime,
    zone: str,
) -> pl.DataFrame:
    """Payments and refunds of [start, end) at these sites, without cash, as `billing.reconciliation.frames.BOOKS`."""
    here = sorted(sites)
    paid = _orders().where(
        _ORDER.site_id.in_(here),
        _ORDER.merchant_id.in_(sorted(merchants)),
        _ORDER.quoted_at >= start - _PAID_WITHIN,
        _ORDER.quoted_at < end,
        _ORDER.paid_at >= start,
        _ORDER.paid_at < end,
    )
    back = _refunds().where(
        _REFUND.site_id.in_(here),
        _ORDER.merchant_id.in_(sorted(merchants)),
        _REFUND.sent_at.is_not(None),
        _REFUND.sent_at >= start,
        _REFUND.sent_at < end,
    )
    tills = (_at_a_till(_PAYMENT, _PAYMENT.stay_id), _at_a_till(_CHARGED, _NOTHING))
    taken = [
        query.where(_SITE.id.in_(here), name.at >= start, name.at < end)
        for query, name in zip(tills, (_PAYMENT, _CHARGED), strict=True)
    ]
    found = [load(connection, query, _RAW) for query in (paid, back, *taken)]
    return _as_books(pl.concat(found), zone)


def with_numbers(connection: Connection, sites: Collection[str], numbers: Collection[str], zone: str) -> pl.DataFrame:
    """Orders with these numbers that were paid, and refunds that were sent, whenever that was."""
    found = [pl.DataFrame(schema=dict(_RAW))]
    for some in chunks(numbers):
        here = sorted(sites)
        found.append(
            load(
                connection,
                _orders().where(_ORDER.site_id.in_(here), _ORDER.id.in_(some), _ORDER.paid_at.is_not(None)),
                _RAW,
            )
        )
        found.append(
            load(
                connection,
                _refunds().where(_REFUND.site_id.in_(here), _REFUND.id.in_(some), _REFUND.sent_at.is_not(None)),
                _RAW,
            )
        )
    return _as_books(pl.concat(found), zone)


def _orders() -> Select[Any]:
    return select(
        _ORDER.id, _ORDER.channel, _ORDER.merchant_id, _ORDER.site_id, _ORDER.stay_id, _ORDER.id, _NOTHING, _ORDER.paid_at,
        _ORDER.paid_fen, _DONE,
    )  # fmt: skip


def _refunds() -> Select[Any]:
    """With the order by which the money came: refunds go back the same way."""
    columns = (
        _REFUND.id, _ORDER.channel, _ORDER.merchant_id, _REFUND.site_id, _REFUND.stay_id, _REFUND.order_id, _REFUND.id,
        _REFUND.sent_at, _REFUND.amount_fen, _REFUND.state,
    )  # fmt: skip
    order = and_(_ORDER.site_id == _REFUND.site_id, _ORDER.id == _REFUND.order_id)
    return select(*columns).select_from(t.PaymentRefund).join(t.PaymentOrder, order)


def _at_a_till(table: Any, stay: Any) -> Select[Any]:
    number, merchant = number_of(table), func.coalesce(_SITE.merchant_id, "")
    return (
        select(
            table.id, table.channel, merchant, table.site_id, stay, number, _NOTHING, table.at, table.amount_fen, _DONE
        )
        .join(t.Site, _SITE.id == table.site_id)
        .where(*of_a_till(table))
    )


def _as_books(raw: pl.DataFrame, zone: str) -> pl.DataFrame:
    refund = pl.col("refund_number") != ""
    return raw.with_columns(
        account(),
        local_day(zone).alias("day"),
        kind=pl.when(refund).then(pl.lit("refund")).otherwise(pl.lit("payment")),
        shift=pl.lit(""),
        status=pl.col("status").replace(_STATUS),
    ).select(list(BOOKS))


def cash(connection: Connection, shifts: Collection[tuple[str, str]], zone: str) -> pl.DataFrame:
    """All that the ledger has come into the drawers of these shifts (site, shift), and gone back out of them to whoever had paid."""
    found = [pl.DataFrame(schema=dict(_CASH))]
    accounts = {(site, drawer(shift)) for site, shift in shifts}
    for site in sorted({site for site, _ in shifts}):
        for some in chunks({name for of_site, name in accounts if of_site == site}):
            query = (
                select(
                    _POSTING.site_id,
                    _POSTING.account,
                    _POSTING.transaction_id,
                    _LEDGER.at,
                    cast(func.sum(_POSTING.amount_fen), BigInteger),  # a sum of them is a decimal on PostgreSQL
                )
                .join(
                    t.LedgerTransaction,
                    and_(_LEDGER.site_id == _POSTING.site_id, _LEDGER.id == _POSTING.transaction_id),
                )
                .where(_POSTING.site_id == site, IN_A_DRAWER, _POSTING.account.in_(some), _LEDGER.kind.not_in(MOVES))
                .group_by(_POSTING.site_id, _POSTING.account, _POSTING.transaction_id, _LEDGER.at)
            )
            found.append(load(connection, query, _CASH))
    back = pl.col("amount_fen") < 0
    return (
        pl.concat(found)
        .filter(pl.col("amount_fen") != 0)
        .with_columns(
            local_day(zone).alias("day"),
            kind=pl.when(back).then(pl.lit("refund")).otherwise(pl.lit("payment")),
            refund_number=pl.when(back).then(pl.col("id")).otherwise(pl.lit("")),
            shift=pl.col("account").str.strip_prefix(CASH_ACCOUNT),
            amount_fen=pl.col("amount_fen").abs(),
            account=pl.col("site"),
            channel=pl.lit(CASH),
            stay=pl.lit(""),
            order_number=pl.lit(""),
            status=pl.lit("done"),
        )
        .select(list(BOOKS))
    )


def told(connection: Connection, sites: Collection[str], stands: Sequence[Stands], role: str) -> pl.DataFrame:
    """The rows of these statements, wherever they stand."""
    wanted = {one.id: one for one in stands if one.role == role}
    here = sorted({*sites, *(one.site for one in wanted.values())})
    found = [pl.DataFrame(schema=dict(_ROW))]
    found += [
        load(connection, _rows().where(_TOLD.site_id.in_(here), _TOLD.statement_id.in_(some)), _ROW)
        for some in chunks(wanted.keys())
    ]
    return _of_statements(pl.concat(found), wanted.values())


def told_of(
    connection: Connection, sites: Collection[str], numbers: Collection[str], merchants: Collection[str]
) -> pl.DataFrame:
    """The rows with these order numbers of every trade bill that stands, of whatever day."""
    here, found = sorted(sites), [pl.DataFrame(schema=dict(_ROW))]
    found += [
        load(connection, _rows().where(_TOLD.site_id.in_(here), _TOLD.order_number.in_(some)), _ROW)
        for some in chunks(numbers)
    ]
    rows = pl.concat(found)
    return _of_statements(rows, of_ids(connection, merchants, set(rows["statement"])))


def _rows() -> Select[Any]:
    return select(
        _TOLD.site_id, _TOLD.statement_id, _TOLD.line, _TOLD.kind, _TOLD.order_number, _TOLD.refund_number, _TOLD.channel_number,
        _TOLD.at, _TOLD.amount_fen, _TOLD.settled_fen, _TOLD.fee_millifen, _TOLD.status,
    )  # fmt: skip


def _of_statements(rows: pl.DataFrame, stands: Iterable[Stands]) -> pl.DataFrame:
    """With channel, merchant and day of their statements; rows of others are left out."""
    heads = [(one.id, one.party.channel, one.party.merchant, one.day) for one in stands]
    schema = {"statement": pl.String, "channel": pl.String, "merchant": pl.String, "day": pl.Date}
    return rows.join(pl.DataFrame(heads, schema=schema, orient="row"), on="statement", how="inner")


def placed(rows: pl.DataFrame, ours: pl.DataFrame) -> pl.DataFrame:
    """As `billing.reconciliation.frames.CHANNEL`: a row whose number the books have at another site is of that one.

    An import finds the site by the order; what a till took has none.
    """
    known = ours.filter((pl.col("channel") != CASH) & (pl.col("order_number") != ""))
    where = known.select("channel", "order_number", of="site").unique(["channel", "order_number"], keep="none")
    return (
        rows.join(where, on=["channel", "order_number"], how="left")
        .with_columns(site=pl.coalesce("of", "site"))
        .with_columns(account())
        .select(list(CHANNEL))
    )
