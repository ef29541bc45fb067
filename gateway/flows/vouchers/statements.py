"""Buyers' months: what was used of a merchant's or visiting firm's books, posted once to its account.

A buyer owes what its vouchers took off bills; that was waived when the vehicles left, and is taken off the waivers again. A month is
made when the site has closed all of its days, so nothing in it changes any more: a later correction counts to the month in which
it is booked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, case, func, insert, select

from billing.ledger import Posting
from billing.passes import month_end
from billing.vouchers import number, statement
from gateway.flows.charges_books import By, Desk, share
from gateway.flows.charges_posting import first_of
from gateway.flows.refusals import NotFound
from gateway.flows.vouchers.refusals import MonthNotClosed
from gateway.runtime.ids import derive
from gateway.store import books
from gateway.store.tables import VoucherBook, VoucherBuyer, VoucherMovement, VoucherStatement
from gateway.wiring import Parts

_MOVEMENT = VoucherMovement.__table__.c
_WORTH = ("use", "revalue", "unuse")
LINES_MAX = 20_000
# How far back the job looks for months that were not made; older ones are made by hand.
_LOOKS_BACK = timedelta(days=400)
_A_DAY = timedelta(days=1)


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A buyer's month. `used` vouchers, less those that were taken back from a bill; `fen` is owed."""

    id: str
    site: str
    buyer: str
    month: str
    used: int
    fen: int
    transaction: str | None
    made_at: datetime


def month_bounds(month: str) -> tuple[date, date]:
    """`2026-03` as its first day and the first day after it. Raises `Invalid`."""
    first = first_of(month)
    return first, month_end(first)


def make_statements(
    parts: Parts, *, site: str, month: str, operator: str | None = None, origin: str = ""
) -> list[Statement]:
    """The month of each buyer of a site; made again it is the same. Raises `MonthNotClosed`, `Invalid`, `NotFound`."""
    first, after = month_bounds(month)
    made = []
    with parts.store.writing() as connection:
        desk = share(parts, connection, site, By(operator=operator or "", origin=origin))
        assert desk.books is not None
        through = desk.books.closed_through
        if through is None or through < after - _A_DAY:
            closed = f"{site} is closed through {through}" if through is not None else f"no day of {site} is closed yet"
            raise MonthNotClosed(f"{closed}, and {month} ends on {after - _A_DAY}")
        buyers = connection.execute(
            select(VoucherBuyer.id).where(VoucherBuyer.site_id == site).order_by(VoucherBuyer.id).with_for_update()
        ).scalars()
        for buyer in buyers.all():
            standing = _standing(connection, site, buyer, month)
            made.append(standing or _make(desk, buyer, (month, first, after), operator))
        if operator is not None:
            desk.audit("voucher.statements", month, buyers=len(made))
        connection.commit()
    return made


def make_due(parts: Parts) -> int:
    """The months of all buyers that are closed and not made yet. Returns how many were made."""
    with parts.store.reading() as connection:
        due = sorted(set(_due(connection)))
    return sum(len(make_statements(parts, site=site, month=month)) for site, month in due)


def _due(connection: Connection) -> Iterator[tuple[str, str]]:
    held = books.books_of(connection)
    made = select(VoucherStatement.site_id, VoucherStatement.buyer_id, VoucherStatement.month)
    have = {tuple(row) for row in connection.execute(made)}
    sites = connection.execute(select(VoucherBuyer.site_id).distinct()).scalars().all()
    for site in sites:
        through = held[site][1] if site in held else None
        if through is None:
            continue
        days = connection.execute(
            select(VoucherBook.buyer_id, _MOVEMENT.business_day)
            .select_from(VoucherMovement)
            .join(VoucherBook, and_(VoucherBook.site_id == _MOVEMENT.site_id, VoucherBook.id == _MOVEMENT.book_id))
            .where(
                _MOVEMENT.site_id == site,
                _MOVEMENT.business_day >= through - _LOOKS_BACK,
                _MOVEMENT.kind.in_(_WORTH),
                VoucherBook.buyer_id.is_not(None),
            )
            .distinct()
        )
        months = {(buyer, f"{day:%Y-%m}") for buyer, day in days}
        for buyer, month in sorted(months):
            if (site, buyer, month) not in have and through >= month_bounds(month)[1] - _A_DAY:
                yield site, month


def lines(connection: Connection, statement_id: str, site: str, most: int = LINES_MAX) -> list[dict[str, Any]]:
    """What a buyer's month is made of, voucher by voucher: the number, when, and what it took off. No plate, no stay."""
    head = connection.execute(
        select(VoucherStatement.buyer_id, VoucherStatement.month).where(
            VoucherStatement.site_id == site, VoucherStatement.id == statement_id
        )
    ).first()
    if head is None:
        raise NotFound
    rows = connection.execute(
        select(
            _MOVEMENT.serial,
            _MOVEMENT.book_id,
            _MOVEMENT.kind,
            _MOVEMENT.at,
            _MOVEMENT.fen,
            VoucherBook.kind.label("voucher_kind"),
            VoucherBook.value,
        )
        .join(VoucherBook, and_(VoucherBook.site_id == _MOVEMENT.site_id, VoucherBook.id == _MOVEMENT.book_id))
        .where(*_of_month(site, head.buyer_id, *month_bounds(head.month)))
        .order_by(_MOVEMENT.at, _MOVEMENT.serial, _MOVEMENT.sequence)
        .limit(most)
    )
    return [
        {
            "voucher": number(row.serial),
            "book": row.book_id,
            "kind": row.voucher_kind,
            "value": row.value,
            "what": row.kind,
            "at": row.at,
            "amount_fen": row.fen,
        }
        for row in rows
    ]


def _of_month(site: str, buyer: str, first: date, after: date) -> list[ColumnElement[bool]]:
    return [
        _MOVEMENT.site_id == site,
        _MOVEMENT.business_day >= first,
        _MOVEMENT.business_day < after,
        _MOVEMENT.kind.in_(_WORTH),
        VoucherBook.buyer_id == buyer,
    ]


def worth(connection: Connection, site: str, buyer: str, first: date, after: date) -> tuple[int, dict[str, int]]:
    """How many vouchers of a buyer were used in [first, after), and what they took off bills, by the bill's word for them."""
    used = func.sum(case((_MOVEMENT.kind == "use", 1), (_MOVEMENT.kind == "unuse", -1), else_=0))
    rows = connection.execute(
        select(VoucherBook.kind, used, func.sum(_MOVEMENT.fen))
        .select_from(VoucherMovement)
        .join(VoucherBook, and_(VoucherBook.site_id == _MOVEMENT.site_id, VoucherBook.id == _MOVEMENT.book_id))
        .where(*_of_month(site, buyer, first, after))
        .group_by(VoucherBook.kind)
    ).all()
    return sum(int(count) for _, count, _ in rows), {f"{kind}_voucher": int(fen) for kind, _, fen in rows}


def _make(desk: Desk, buyer: str, of_month: tuple[str, date, date], operator: str | None) -> Statement:
    month, first, after = of_month
    used, waived = worth(desk.connection, desk.site, buyer, first, after)
    statement_id = derive("vs", desk.site, buyer, month)
    postings = [Posting(account, fen) for account, fen in statement(buyer, waived).items()]
    made = Statement(
        id=statement_id,
        site=desk.site,
        buyer=buyer,
        month=month,
        used=used,
        fen=sum(waived.values()),
        transaction=desk.post(
            "voucher_statement", ("voucher", statement_id), f"voucher:{buyer}:{month}", postings, operator=operator
        ),
        made_at=desk.now,
    )
    desk.connection.execute(
        insert(VoucherStatement).values(
            site_id=desk.site,
            id=made.id,
            buyer_id=buyer,
            month=month,
            used=made.used,
            fen=made.fen,
            transaction_id=made.transaction,
            made_at=desk.now,
            operator=operator,
        )
    )
    return made


def _standing(connection: Connection, site: str, buyer: str, month: str) -> Statement | None:
    row = connection.execute(
        select(*VoucherStatement.__table__.c).where(
            VoucherStatement.site_id == site, VoucherStatement.buyer_id == buyer, VoucherStatement.month == month
        )
    ).first()
    if row is None:
        return None
    return Statement(
        id=row.id,
        site=row.site_id,
        buyer=row.buyer_id,
        month=row.month,
        used=row.used,
        fen=row.fen,
        transaction=row.transaction_id,
        made_at=row.made_at,
    )
