"""What a break is told by: the stay and what was asked of it, with pictures, the order, what the books and the channel say line by line, the shift's count.

Read when somebody looks: of a stay whose plate was taken out, or whose pictures have ended, there is no more than that here.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, or_, select

from gateway.flows import images
from gateway.flows.orders.records import ORDER, REFUND, Order, Refund, order_document, refund_document
from gateway.flows.reading import Document, exception_document, stay_document
from gateway.flows.refusals import NotFound
from gateway.flows.shifts_reading import Seen, shift
from gateway.store import books
from gateway.store import tables as t

_ROWS_MAX = 200
_STAY = t.Stay.__table__.c
_ITEM = t.ExceptionItem.__table__.c
_LINE = t.ChannelStatementRow.__table__.c
_STATEMENT = t.ChannelStatement.__table__.c


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A picture that is kept: `GET /breaks/{id}/pictures/{device}/{event}`."""

    device: str
    event: str
    lane: str
    at: datetime


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """A payment, or money given back, as the books have it. `amount_fen` is negative where it was given back."""

    id: str
    kind: str
    stay: str | None
    channel: str
    amount_fen: int
    at: datetime
    operator: str | None
    shift: str | None


class StatementLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line as the channel told it."""

    statement: str
    line: int
    channel: str
    day: date
    kind: str
    status: str
    order: str
    refund: str
    number: str
    at: datetime
    amount_fen: int
    fee_millifen: int | None
    replaced: bool


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that the break caused, or that settled it with another."""

    id: str
    kind: str
    business_day: date
    belongs_to: date | None
    at: datetime
    operator: str | None
    postings: dict[str, int]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """`told`: both sides in figures, as the match had them. Lists hold at most 200; `more`: there is more of something."""

    told: Document
    stay: Document | None
    exception: Document | None
    pictures: list[Picture]
    order: Order | None
    refund: Refund | None
    booked: list[Booked]
    lines: list[StatementLine]
    shift: Document | None
    posted: list[Posted]
    more: bool


def evidence_of(connection: Connection, row: Any) -> Evidence:
    """Of a row of `reconciliation_break`."""
    site, told = row.site_id, dict(row.evidence)
    ids, names = told.pop("books", []), told.pop("lines", [])
    stay, item = _stay(connection, row), _exception(connection, row)
    return Evidence(
        told=told,
        stay=None if stay is None else stay_document(stay),
        exception=None if item is None else exception_document(item),
        pictures=_pictures(connection, site, stay, item),
        order=_order(connection, site, row.order_number),
        refund=_refund(connection, site, row.refund_number),
        booked=_booked(connection, site, ids[:_ROWS_MAX]),
        lines=_lines(connection, names[:_ROWS_MAX]),
        shift=_shift(connection, site, row.shift_id),
        posted=_posted(connection, site, row.id),
        more=len(ids) > _ROWS_MAX or len(names) > _ROWS_MAX,
    )


def picture(connection: Connection, row: Any, device: str, event: str) -> bytes:
    """The picture of one of the events that it is about. Raises `NotFound`."""
    if (device, event) not in _events(connection, row.site_id, _stay(connection, row), _exception(connection, row)):
        raise NotFound("it is about no such event")
    return images.of_read(connection, row.site_id, device, event)


def _stay(connection: Connection, row: Any) -> Any:
    wanted = select(*_STAY).where(_STAY.site_id == row.site_id, _STAY.id == row.stay_id)
    return connection.execute(wanted).one_or_none()


def _exception(connection: Connection, row: Any) -> Any:
    """What a person was asked about the same thing, at its lane; answered there, the next match no longer finds the break."""
    about = [_ITEM.event_id == row.subject, _ITEM.id == row.subject] if row.subject else []
    about += [_ITEM.stay_id == row.stay_id] if row.stay_id else []
    if not about:
        return None
    wanted = select(*_ITEM).where(_ITEM.site_id == row.site_id, _ITEM.kind == row.kind, or_(*about))
    return connection.execute(wanted.order_by(_ITEM.opened_at.desc(), _ITEM.id.desc()).limit(1)).one_or_none()


def _events(connection: Connection, site: str, stay: Any, item: Any) -> list[tuple[str, str]]:
    """The events of a stay and of an exception, by device and id."""
    found = [] if stay is None else [(stay.entry_device, stay.entry_event), (stay.exit_device, stay.exit_event)]
    if item is not None and item.event_id and item.lane_id:
        lane = t.Lane.__table__.c
        device = connection.execute(
            select(lane.device_id).where(lane.site_id == site, lane.id == item.lane_id)
        ).scalar()
        found.append((device, item.event_id))
    return [(device, event) for device, event in dict.fromkeys(found) if device and event]


def _pictures(connection: Connection, site: str, stay: Any, item: Any) -> list[Picture]:
    event, image = t.PlateEventRow.__table__.c, t.Image.__table__.c
    events = _events(connection, site, stay, item)
    if not events:
        return []
    same = and_(image.site_id == event.site_id, image.device_id == event.device_id, image.event_id == event.event_id)
    mine = or_(*(and_(image.device_id == device, image.event_id == name) for device, name in events))
    rows = connection.execute(
        select(event.device_id, event.event_id, event.lane_id, event.at)
        .join_from(t.PlateEventRow, t.Image, same)
        .where(event.site_id == site, mine)
        .order_by(event.at)
    )
    return [Picture(device=row.device_id, event=row.event_id, lane=f"{site}.{row.lane_id}", at=row.at) for row in rows]


def _order(connection: Connection, site: str, number: str) -> Order | None:
    row = connection.execute(select(*ORDER).where(ORDER.site_id == site, ORDER.id == number)).one_or_none()
    # What a phone could still scan is no evidence.
    return None if row is None else msgspec.structs.replace(order_document(row), code=None)


def _refund(connection: Connection, site: str, number: str) -> Refund | None:
    row = connection.execute(select(*REFUND).where(REFUND.site_id == site, REFUND.id == number)).one_or_none()
    return None if row is None else refund_document(row)


def _booked(connection: Connection, site: str, ids: list[str]) -> list[Booked]:
    """By instant; ids that are no payment and no refund of an order are left out."""
    paid, other, back = t.Payment.__table__.c, t.ChargePayment.__table__.c, REFUND
    found = [
        Booked(
            id=row.id,
            kind="payment",
            stay=row.stay_id,
            channel=row.channel,
            amount_fen=row.amount_fen,
            at=row.at,
            operator=row.operator,
            shift=row.shift_id,
        )
        for row in connection.execute(select(*paid).where(paid.site_id == site, paid.id.in_(ids)))
    ]
    found += [
        Booked(
            id=row.id,
            kind=row.purpose,
            stay=None,
            channel=row.channel,
            amount_fen=row.amount_fen,
            at=row.at,
            operator=row.operator,
            shift=row.shift_id,
        )
        for row in connection.execute(select(*other).where(other.site_id == site, other.id.in_(ids)))
    ]
    same = and_(ORDER.site_id == back.site_id, ORDER.id == back.order_id)
    refunds = select(*back, ORDER.channel).join_from(t.PaymentRefund, t.PaymentOrder, same)
    found += [
        Booked(
            id=row.id,
            kind="refund",
            stay=row.stay_id,
            channel=row.channel,
            amount_fen=-row.amount_fen,
            at=row.sent_at or row.proposed_at,
            operator=row.decided_by,
            shift=None,
        )
        for row in connection.execute(refunds.where(back.site_id == site, back.id.in_(ids)))
    ]
    return sorted(found, key=lambda one: (one.at, one.id))


def _lines(connection: Connection, names: Iterable[str]) -> list[StatementLine]:
    """Of an orphan the line may stand with the account's home site: it is found by its statement."""
    wanted = []
    for name in names:
        statement, _, line = name.rpartition(":")
        if line.isdecimal():
            wanted.append(and_(_LINE.statement_id == statement, _LINE.line == int(line)))
    if not wanted:
        return []
    rows = connection.execute(
        select(*_LINE, _STATEMENT.channel, _STATEMENT.day, _STATEMENT.replaced_by)
        .join_from(t.ChannelStatementRow, t.ChannelStatement, _LINE.statement_id == _STATEMENT.id)
        .where(or_(*wanted))
        .order_by(_STATEMENT.day, _LINE.statement_id, _LINE.line)
    )
    return [
        StatementLine(
            statement=row.statement_id,
            line=row.line,
            channel=row.channel,
            day=row.day,
            kind=row.kind,
            status=row.status,
            order=row.order_number,
            refund=row.refund_number,
            number=row.channel_number,
            at=row.at,
            amount_fen=row.amount_fen,
            fee_millifen=row.fee_millifen,
            replaced=row.replaced_by is not None,
        )
        for row in rows
    ]


def _shift(connection: Connection, site: str, shift_id: str | None) -> Document | None:
    """With its steps: whoever works on a drawer's break supervises it."""
    if shift_id is None:
        return None
    try:
        return shift(connection, [site], Seen("", supervises=True), shift_id)
    except NotFound:
        return None


def _posted(connection: Connection, site: str, break_id: str) -> list[Posted]:
    ledger, step = t.LedgerTransaction.__table__.c, t.ReconciliationStep.__table__.c
    settled = select(step.transaction_id).where(
        step.site_id == site, step.break_id == break_id, step.transaction_id.is_not(None)
    )
    caused = and_(ledger.reference_kind == "break", ledger.reference == break_id)
    found = books.transactions(connection, ledger.site_id == site, or_(caused, ledger.id.in_(settled)))
    made = [
        Posted(
            id=one.id,
            kind=one.kind,
            business_day=one.business_day,
            belongs_to=one.belongs_to,
            at=one.at,
            operator=one.operator,
            postings={line.account: line.amount_fen for line in one.postings},
        )
        for one, _ in found
    ]
    return sorted(made, key=lambda one: (one.at, one.id))
