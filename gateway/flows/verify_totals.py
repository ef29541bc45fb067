"""What a match added up, added up again: the rows of its statements as they stand, and what the books had when it was made.

Of the books that is what had been told by then: orders that were paid, refunds that were sent, what a till took by a channel. Where that cannot be
told any more it is left alone: what was told within minutes of the match may have come before or after its look, and how a refund stood
then is known only of some. Of cash the drawers' totals are their shifts'.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, and_, func, select

from billing.reconciled import MOVED, Said, Total
from gateway.flows.posting import day_bounds
from gateway.flows.reconciliation.arrived import FUND_FLOW, HALVES, TRADE
from gateway.flows.reconciliation.tills import number_of, of_a_till
from gateway.flows.shifts import CASH
from gateway.flows.verify_scope import Look, chunks
from gateway.store import tables as t
from gateway.store.statements import sites_of_orders

_STATEMENT, _ROW = t.ChannelStatement.__table__.c, t.ChannelStatementRow.__table__.c
_ORDER, _REFUND, _SITE = t.PaymentOrder.__table__.c, t.PaymentRefund.__table__.c, t.Site.__table__.c
_TILLS = (t.Payment.__table__.c, t.ChargePayment.__table__.c)
_ONE = timedelta(days=1)
LOOKED_WITHIN = timedelta(minutes=10)
"""From a match's look to what it wrote: it takes seconds."""
# From its quote to its payment: a channel closes an order long before.
_PAID_WITHIN = timedelta(days=9)


class Sum(NamedTuple):
    """`fen`: None where it cannot be told any more."""

    rows: int = 0
    fen: int | None = 0


_NOTHING = Sum()
_Sums = dict[str, Sum | None]
"""By channel. None: it cannot be told any more."""


def wrong_totals(look: Look, run: Row[Any], statements: Collection[Said], totals: Collection[Total]) -> str | None:
    """Which of a match's totals are not those of the rows, by side and channel."""
    merchants = {one.merchant for one in statements} | {one.merchant for one in totals}
    merchants |= {one["merchant"] for one in run.missing}
    again = {"channel": _of_statements(look, run, statements), "books": _of_books(look, run, merchants)}
    for side, sums in again.items():
        said = _said(one for one in totals if one.side == side and one.channel != CASH)
        for channel in sorted(said.keys() | sums.keys()):
            was, now = said.get(channel, _NOTHING), sums.get(channel, _NOTHING)
            if now is not None and (was.rows != now.rows or now.fen not in {None, was.fen}):
                whose = "the statements" if side == "channel" else "the books"
                return f"its totals of {channel} are {was.rows} rows and {was.fen} fen, {whose} have {now.rows} and {now.fen}"
    return None


def _said(totals: Iterable[Total]) -> dict[str, Sum]:
    rows, fen = Counter[str](), Counter[str]()
    for one in totals:
        rows[one.channel] += one.rows
        fen[one.channel] += one.fen
    return {channel: Sum(rows[channel], fen[channel]) for channel in rows}


# --- what the channels said ---------------------------------------------------------------------------------------------


def _of_statements(look: Look, run: Row[Any], statements: Collection[Said]) -> _Sums:
    channel_of = {one.id: one.channel for one in statements if one.kind != FUND_FLOW}
    rows, fen = Counter[str](), Counter[str]()
    for sign, statement, found in _parts(look, run, channel_of):
        for row in found:
            channel = channel_of[statement or row.statement_id]
            rows[channel] += sign * row.rows
            fen[channel] += sign * _effect(row) * int(row.fen)
    sums: _Sums = {channel: Sum(rows[channel], fen[channel]) for channel in channel_of.values()}
    return sums | dict.fromkeys(_halved(look, run, statements))


def _parts(look: Look, run: Row[Any], ids: Collection[str]) -> Iterator[tuple[int, str, Iterable[Row[Any]]]]:
    """The rows that stand at the site; less, of its own, and with, of the account's home site, those whose number a till elsewhere, or here, had."""
    grouped = select(_ROW.statement_id, _ROW.kind, _ROW.status, func.count().label("rows"), _fen(_ROW.amount_fen))
    grouped = grouped.where(_ROW.kind.in_(tuple(MOVED))).group_by(_ROW.statement_id, _ROW.kind, _ROW.status)
    own = grouped.where(_ROW.site_id == run.site_id, _ROW.statement_id.in_(sorted(ids)))
    yield 1, "", look.connection.execute(own)
    orphaned = select(_STATEMENT.id, _STATEMENT.site_id, _STATEMENT.merchant_id, _STATEMENT.channel)
    for head in look.connection.execute(orphaned.where(_STATEMENT.id.in_(sorted(ids)), _STATEMENT.orphans > 0)).all():
        at_home = head.site_id == run.site_id
        tills = _at_tills(look, run, head)
        moved = sorted(number for number, site in tills.items() if (site == run.site_id) != at_home)
        for some in chunks(moved):
            theirs = (_ROW.site_id == head.site_id, _ROW.statement_id == head.id, _ROW.order_number.in_(some))
            yield -1 if at_home else 1, head.id, look.connection.execute(grouped.where(*theirs))


def _at_tills(look: Look, run: Row[Any], head: Any) -> dict[str, str]:
    """The sites whose tills took what has a number of the channel; without what has the number of another thing, too."""
    start, end = (bound + off for bound, off in zip(day_bounds(run.day, look.scope.zone), (-_ONE, _ONE), strict=True))
    sites: dict[str, list[str]] = defaultdict(list)
    for table in _TILLS:
        taken = select(table.site_id, number_of(table).label("number")).where(
            table.site_id.in_(select(_SITE.id).where(_SITE.merchant_id == head.merchant_id)),
            *(table.at >= start, table.at < end, table.at <= run.at, table.channel == head.channel),
            *of_a_till(table),
        )
        for row in look.connection.execute(taken):
            sites[row.number].append(row.site_id)
    alone = {number: found[0] for number, found in sites.items() if len(found) == 1}
    for some in chunks(sorted(alone)):
        for number in sites_of_orders(look.connection, some):
            del alone[number]
    return alone


def _halved(look: Look, run: Row[Any], statements: Collection[Said]) -> list[str]:
    """Channels of which a half of a trade bill came beside a whole one: rows of it may have counted."""
    whole = {(one.merchant, one.channel) for one in statements if one.kind == TRADE}
    halves = select(_STATEMENT.merchant_id, _STATEMENT.channel).where(
        _STATEMENT.day == run.day, _STATEMENT.kind.in_(sorted(HALVES))
    )
    return [channel for merchant, channel in look.connection.execute(halves) if (merchant, channel) in whole]


# --- what the books had -------------------------------------------------------------------------------------------------


def _of_books(look: Look, run: Row[Any], merchants: Collection[str]) -> _Sums:
    rows, fen, unsure, no_fen = Counter[str](), Counter[str](), set[str](), set[str]()
    theirs: dict[str, set[str]] = defaultdict(set)
    for row in _booked(look, run):
        rows[row.channel] += row.rows
        fen[row.channel] += row.fen
        if row.newest > run.at - LOOKED_WITHIN:
            unsure.add(row.channel)
        if not row.sure:
            no_fen.add(row.channel)
        theirs[row.channel] |= {row.merchant} if row.merchant is not None else set()
    unsure |= {channel for channel, found in theirs.items() if len(found) > 1 or not found <= set(merchants)}
    sums = {name: Sum(rows[name], None if name in no_fen else fen[name]) for name in rows}
    return {name: None if name in unsure else one for name, one in sums.items()}


class _Booked(NamedTuple):
    """`merchant`: None where it is the site's. `newest`: when the last of it was told. `sure`: whether its fen were so at the match."""

    channel: str
    merchant: str | None
    rows: int
    fen: int
    newest: datetime
    sure: bool = True


def _booked(look: Look, run: Row[Any]) -> Iterator[_Booked]:
    start, end = day_bounds(run.day, look.scope.zone)
    paid = select(_ORDER.channel, _ORDER.merchant_id, func.count(), _fen(_ORDER.paid_fen), func.max(_ORDER.told_at)).where(
        *(_ORDER.site_id == run.site_id, _ORDER.quoted_at >= start - _PAID_WITHIN, _ORDER.quoted_at < end),
        *(_ORDER.paid_at >= start, _ORDER.paid_at < end, _ORDER.told_at <= run.at),
    )  # fmt: skip
    for channel, merchant, rows, fen, newest in look.connection.execute(
        paid.group_by(_ORDER.channel, _ORDER.merchant_id)
    ):
        yield _Booked(channel, merchant, rows, int(fen), newest)
    of_order = and_(_ORDER.site_id == _REFUND.site_id, _ORDER.id == _REFUND.order_id)
    sent = (
        select(_ORDER.channel, _ORDER.merchant_id, _REFUND.amount_fen, _REFUND.sent_at, _REFUND.state, _REFUND.done_at)
        .select_from(t.PaymentRefund)
        .join(t.PaymentOrder, of_order)
        .where(
            _REFUND.site_id == run.site_id, _REFUND.sent_at >= start, _REFUND.sent_at < end, _REFUND.sent_at <= run.at
        )
    )
    for row in look.connection.execute(sent):
        # One that failed may be done after all: how it stood then is not on record.
        sure = row.state == "sent" or (row.done_at is not None and row.done_at <= run.at - LOOKED_WITHIN)
        yield _Booked(row.channel, row.merchant_id, 1, -row.amount_fen, row.sent_at, sure)
    for table in _TILLS:
        taken = select(table.channel, func.count(), _fen(table.amount_fen), func.max(table.at)).where(
            *(table.site_id == run.site_id, table.at >= start, table.at < end, table.at <= run.at),
            *of_a_till(table),
        )
        for channel, rows, fen, newest in look.connection.execute(taken.group_by(table.channel)):
            yield _Booked(channel, None, rows, int(fen), newest)


def _fen(column: ColumnElement[int]) -> ColumnElement[int]:
    return func.sum(column).label("fen")


def _effect(row: Row[Any]) -> int:
    """What a row of a statement did to the money there: 1, -1 or nothing."""
    if row.status not in MOVED[row.kind]:
        return 0
    return -1 if row.kind == "refund" else 1
