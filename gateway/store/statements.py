"""Channels' statements in the database: which stand, whose they are, and where their orders are of."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, or_, select, true, update

from gateway.store.bulk import BulkInsert
from gateway.store.tables import (
    ChannelStatement,
    ChannelStatementRow,
    DayClose,
    Merchant,
    PaymentOrder,
    PaymentRefund,
    ReconciliationRun,
    Site,
)

_ROWS = BulkInsert(ChannelStatementRow.__table__)  # type: ignore[arg-type]
_S = ChannelStatement
_RUN = ReconciliationRun
_CLOSE = DayClose
_BACK = timedelta(days=6)
_ORDER_LIVES = timedelta(days=1, hours=1)


class Slot(NamedTuple):
    """Of which there is one statement that stands."""

    merchant: str
    channel: str
    kind: str
    day: date
    account: str


def merchants(connection: Connection) -> list[str]:
    """The accounts (收款主体) in use, in order."""
    return list(connection.execute(select(Merchant.id).where(Merchant.enabled).order_by(Merchant.id)).scalars())


def hold_merchant(connection: Connection, merchant: str) -> bool:
    """Whether there is one; held until the end of the transaction, so that statements of it come one after another."""
    found = connection.execute(select(Merchant.id).where(Merchant.id == merchant).with_for_update())
    return found.first() is not None


def sites_of_merchant(connection: Connection, merchant: str) -> list[str]:
    """In use first, then in order: the first is the account's home."""
    rows = connection.execute(
        select(Site.id).where(Site.merchant_id == merchant).order_by(Site.enabled.desc(), Site.id)
    )
    return list(rows.scalars())


def merchants_of_account(connection: Connection, channel: str, account: str) -> list[str]:
    """Whose statements have had this account."""
    found = connection.execute(
        select(_S.merchant_id).distinct().where(_S.channel == channel, _S.account == account).order_by(_S.merchant_id)
    )
    return list(found.scalars())


def standing(connection: Connection, slot: Slot, *, empty: bool) -> list[Row[Any]]:
    """What a new statement would replace. One without rows does not say whose it is, and goes with any account."""
    any_account = true() if empty else or_(_S.account == slot.account, _S.rows == 0)
    return list(
        connection.execute(
            select(_S.site_id, _S.id, _S.rows, _S.account)
            .where(_S.merchant_id == slot.merchant, _S.channel == slot.channel, _S.kind == slot.kind)
            .where(_S.day == slot.day, _S.replaced_by.is_(None), any_account)
            .order_by(_S.account)
        )
    )


def replace(connection: Connection, old: Iterable[Row[Any]], new: str) -> None:
    for row in old:
        connection.execute(update(_S).where(_S.site_id == row.site_id, _S.id == row.id).values(replaced_by=new))


def sites_of_orders(connection: Connection, numbers: Collection[str]) -> dict[str, str]:
    """Where orders and refunds are of, by the numbers that a channel knows them by; those that are not ours are left out."""
    found: dict[str, str] = {}
    for table in (PaymentOrder, PaymentRefund):
        rows = connection.execute(select(table.id, table.site_id).where(table.id.in_(numbers)))
        found |= {row.id: row.site_id for row in rows}
    return found


def put_rows(connection: Connection, rows: list[dict[str, Any]]) -> None:
    _ROWS.write(connection, rows)


def merchant_of_site(connection: Connection, site: str) -> str | None:
    return connection.execute(select(Site.merchant_id).where(Site.id == site)).scalar()


def not_reconciled_since(connection: Connection) -> dict[str, date]:
    """The first day that is to be sealed as reconciled, by site in service; sites of which nothing is closed or told are left out.

    It follows the last one that was sealed. Before the first seal it is where somebody has begun, with a statement or a run; else a week
    before the last close, so that a house whose books are old need not go through all of them.
    """
    days = select(_CLOSE.site_id, func.min(_CLOSE.day), func.max(_CLOSE.day)).group_by(_CLOSE.site_id)
    sealed = {site: last for site, _, last in connection.execute(days.where(_CLOSE.kind == "reconciled"))}
    closed = {site: (first, last) for site, first, last in connection.execute(days.where(_CLOSE.kind == "close"))}
    runs = select(_RUN.site_id, func.min(_RUN.day)).group_by(_RUN.site_id)
    begun = {row[0]: row[1] for row in connection.execute(runs)}
    found: dict[str, date] = {}
    for site, merchant in connection.execute(select(Site.id, Site.merchant_id).where(Site.enabled)):
        if site in sealed:
            found[site] = sealed[site] + timedelta(days=1)
            continue
        first, last = closed.get(site, (None, None))
        told = select(func.min(_S.day)).where(_S.merchant_id == merchant, _S.day >= first if first else true())
        known = [day for day in (begun.get(site), connection.execute(told).scalar()) if day is not None]
        if known:
            found[site] = min(known)
        elif first is not None and last is not None:
            found[site] = max(first, last - _BACK)
    return found


def standing_since(connection: Connection, day: date) -> set[tuple[str, str, str, date]]:
    """The statements that stand from a day on: merchant, channel, kind, day."""
    found = connection.execute(
        select(_S.merchant_id, _S.channel, _S.kind, _S.day).where(_S.day >= day, _S.replaced_by.is_(None))
    )
    return {(row.merchant_id, row.channel, row.kind, row.day) for row in found}


def standing_ids(connection: Connection, day: date) -> list[tuple[date, str]]:
    """The days and ids of the statements that stand from a day on."""
    found = connection.execute(select(_S.day, _S.id).where(_S.day >= day, _S.replaced_by.is_(None)))
    return [(row.day, row.id) for row in found]


def paid_orders(connection: Connection, merchant: str, channel: str, within: tuple[datetime, datetime]) -> int:
    """How many orders of an account were paid from an instant to another."""
    start, end = within
    return int(
        connection.execute(
            select(func.count())
            .select_from(PaymentOrder)
            .where(PaymentOrder.site_id.in_(sites_of_merchant(connection, merchant)))
            .where(PaymentOrder.merchant_id == merchant, PaymentOrder.channel == channel)
            # An order lives a day at most: the index goes by when it was placed.
            .where(PaymentOrder.quoted_at >= start - _ORDER_LIVES, PaymentOrder.quoted_at < end)
            .where(PaymentOrder.paid_at >= start, PaymentOrder.paid_at < end)
        ).scalar_one()
    )
