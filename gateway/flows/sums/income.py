"""What the ledger has of a business day, by the lane where its stays left.

A day that is closed never changes, so its sums stand; only where a stay left may be put right later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, func, insert, literal_column, select

from billing.ledger import folded
from gateway.store import tables as t

_LEDGER, _LINE = t.LedgerTransaction.__table__.c, t.Posting.__table__.c
_STAY, _SUM = t.Stay.__table__.c, t.IncomeSum.__table__.c
_PAYMENT, _REFUND, _CASH = t.Payment.__table__.c, t.PaymentRefund.__table__.c, t.CashRefund.__table__.c
# What leads from a transaction to its stay, by what it refers to.
_ABOUT = (("payment", t.Payment, _PAYMENT), ("refund", t.PaymentRefund, _REFUND), ("refund", t.CashRefund, _CASH))

Money = Counter[tuple[str, date, str, str]]
"""Fen by site, business day, lane and account."""


def counted(connection: Connection, sites: Collection[str], first: date, last: date, *, by_lane: bool) -> Money:
    """These business days out of the ledger. A transaction is counted where its stay had left when it was posted; before that, and where
    it is about no stay, at no lane. Without `by_lane` everything is.
    """
    nowhere: Any = literal_column("''")
    lane = func.coalesce(_STAY.exit_lane, nowhere) if by_lane else nowhere
    source: Any = t.LedgerTransaction.__table__.join(
        t.Posting.__table__, and_(_LINE.site_id == _LEDGER.site_id, _LINE.transaction_id == _LEDGER.id)
    )
    if by_lane:
        stays = []
        for kind, model, about in _ABOUT:
            of_it = and_(
                _LEDGER.reference_kind == kind, about.site_id == _LEDGER.site_id, about.id == _LEDGER.reference
            )
            source = source.outerjoin(model, of_it)
            stays.append(about.stay_id)
        stay = func.coalesce(*stays, _LEDGER.reference)
        left = and_(_STAY.site_id == _LEDGER.site_id, _STAY.id == stay, _STAY.exit_at <= _LEDGER.at)
        source = source.outerjoin(t.Stay, left)
    rows = connection.execute(
        select(_LEDGER.site_id, _LEDGER.business_day, lane, _LINE.account, func.sum(_LINE.amount_fen))
        .select_from(source)
        .where(_LEDGER.site_id.in_(sorted(sites)), _LEDGER.business_day >= first, _LEDGER.business_day <= last)
        .group_by(_LEDGER.site_id, _LEDGER.business_day, *([lane] if by_lane else []), _LINE.account)
    )
    found: Money = Counter()
    for site, day, where, account, fen in rows:
        found[site, day, where, folded(account)] += int(fen)
    return found


def days_about(connection: Connection, site: str, stays: Select[Any]) -> set[date]:
    """The business days on which anything of these stays (a query of ids) is posted."""
    about = [and_(_LEDGER.reference_kind == "stay", _LEDGER.reference.in_(stays))]
    for kind, _, table in _ABOUT:
        mine = select(table.id).where(table.site_id == site, table.stay_id.in_(stays))
        about.append(and_(_LEDGER.reference_kind == kind, _LEDGER.reference.in_(mine)))
    found: set[date] = set()
    for one in about:
        query = select(_LEDGER.business_day).where(_LEDGER.site_id == site, one).distinct()
        found.update(connection.execute(query).scalars())
    return found


def write(connection: Connection, site: str, first: date, until: date) -> None:
    """Sum closed days, in place of what stands there."""
    connection.execute(delete(t.IncomeSum).where(_SUM.site_id == site, _SUM.day >= first, _SUM.day <= until))
    rows = [
        {"site_id": site, "day": day, "lane": lane, "account": account, "fen": fen}
        for (_, day, lane, account), fen in counted(connection, [site], first, until, by_lane=True).items()
        if fen
    ]
    if rows:
        connection.execute(insert(t.IncomeSum), rows)
