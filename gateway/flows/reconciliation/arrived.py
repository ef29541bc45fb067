"""Which statements of the channels a day is matched with, and which are still expected.

Expected of a merchant account (收款主体) is the statement of every channel through which money of the day came or went back, and of every
channel that the settings give it; and its fund flow, if one came for any of the days before. Cash has its counts: none is expected.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, select

from billing.reconciled import Said
from gateway.store.tables import ChannelStatement

TRADE, FUND_FLOW = "trade", "fund_flow"
# A WeChat trade bill may come as two: that of payments and that of refunds.
HALVES = frozenset({"payments", "refunds"})
_LOOKS_BACK_DAYS = 7
_S = ChannelStatement.__table__.c


class Party(NamedTuple):
    """A merchant account at a channel."""

    merchant: str
    channel: str


class Missing(NamedTuple):
    """A statement that is expected and has not come."""

    merchant: str
    channel: str
    kind: str


class Stands(NamedTuple):
    """A statement that stands. `role`: what it is in the match, trade or fund_flow."""

    site: str
    id: str
    party: Party
    kind: str
    role: str
    day: date
    digest: str

    def said(self) -> Said:
        return Said(self.party.merchant, self.party.channel, self.kind, self.id, self.digest)


def standing(connection: Connection, merchants: Collection[str], first: date, last: date) -> list[Stands]:
    """The statements of some days that the match takes: whole trade bills, and fund flows; in order."""
    found = _read(connection, merchants, _S.day.between(first, last))
    kinds: dict[tuple[Party, date], set[str]] = {}
    for one in found:
        kinds.setdefault((one.party, one.day), set()).add(one.kind)
    return [one._replace(role=role) for one in found if (role := _role(one.kind, kinds[one.party, one.day]))]


def of_ids(connection: Connection, merchants: Collection[str], ids: Collection[str]) -> list[Stands]:
    """Those of these that stand and are, or are a part of, a trade bill."""
    found = _read(connection, merchants, _S.id.in_(sorted(ids))) if ids else []
    return [one._replace(role=TRADE) for one in found if one.kind in {TRADE, *HALVES}]


def _read(connection: Connection, merchants: Collection[str], condition: ColumnElement[bool]) -> list[Stands]:
    rows = connection.execute(
        select(_S.site_id, _S.id, _S.merchant_id, _S.channel, _S.kind, _S.day, _S.digest)
        .where(condition, _S.merchant_id.in_(sorted(merchants)), _S.replaced_by.is_(None))
        .order_by(_S.day, _S.merchant_id, _S.channel, _S.kind, _S.id)
    )
    return [
        Stands(row.site_id, row.id, Party(row.merchant_id, row.channel), row.kind, "", row.day, bytes(row.digest).hex())
        for row in rows
    ]


def _role(kind: str, beside: set[str]) -> str:
    """What a statement is in the match beside those of the same account and day; empty: nothing."""
    if kind in {TRADE, FUND_FLOW}:
        return kind
    return TRADE if kind in HALVES and TRADE not in beside and beside >= HALVES else ""


def missing(
    connection: Connection, stands: Iterable[Stands], expected: Collection[Party], merchants: Collection[str], day: date
) -> list[Missing]:
    """What has not come for a day; empty: it can be matched whole."""
    there = {(one.party, one.role) for one in stands if one.day == day}
    flows = {
        one.party
        for one in standing(connection, merchants, day - timedelta(days=_LOOKS_BACK_DAYS), day)
        if one.role == FUND_FLOW
    }
    wanted = {(party, TRADE) for party in expected} | {(party, FUND_FLOW) for party in flows}
    return sorted(Missing(*party, role) for party, role in wanted - there)
