"""What the API reads of vouchers. Writes nothing."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, or_, select, true

from billing.vouchers import number
from gateway.flows.reading import Document, Sites, Slice, later, older, within
from gateway.flows.refusals import NotFound
from gateway.flows.vouchers import day as by_day
from gateway.flows.vouchers.payments import due_by_month
from gateway.flows.vouchers.register import Issue, issues
from gateway.store.tables import (
    Voucher,
    VoucherBook,
    VoucherBuyer,
    VoucherIssue,
    VoucherMovement,
    VoucherRedemption,
    VoucherStatement,
)

Keyed = tuple[tuple[Any, ...], Document]
_NAMED_AT_ONCE = 500


class VoucherFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is narrowed to; None for no bound."""

    book: str | None = None
    state: str | None = None
    serial: int | None = None
    stay: str | None = None


def vouchers(connection: Connection, allowed: Sites, wanted: VoucherFilter, page: Slice) -> list[Keyed]:
    """Vouchers by site and serial."""
    conditions = [within(Voucher.site_id, allowed)]
    for column, value in (
        (Voucher.book_id, wanted.book),
        (Voucher.state, wanted.state),
        (Voucher.serial, wanted.serial),
        (Voucher.stay_id, wanted.stay),
    ):
        if value is not None:
            conditions.append(column == value)
    if page.after is not None:
        conditions += later((page.after[0], int(page.after[1])), Voucher.site_id, Voucher.serial)
    rows = connection.execute(
        select(*Voucher.__table__.c, VoucherBook.valid_from, VoucherBook.valid_to)
        .join(VoucherBook, and_(VoucherBook.site_id == Voucher.site_id, VoucherBook.id == Voucher.book_id))
        .where(*conditions)
        .order_by(Voucher.site_id, Voucher.serial)
        .limit(page.limit + 1)
    )
    return [
        (
            (row.site_id, number(row.serial)),
            {
                "site": row.site_id,
                "serial": row.serial,
                "voucher": number(row.serial),
                "book": row.book_id,
                "kind": row.kind,
                "value": row.value,
                "state": row.state,
                "valid_from": row.valid_from,
                "valid_to": row.valid_to,
                "issue": row.issue_id,
                "stay": row.stay_id,
            },
        )
        for row in rows
    ]


def history(connection: Connection, allowed: Sites, site: str, serial: int) -> list[Document]:
    """Every step of one voucher, the first one first. Raises `NotFound`."""
    rows = connection.execute(
        select(*VoucherMovement.__table__.c)
        .where(
            within(VoucherMovement.site_id, allowed), VoucherMovement.site_id == site, VoucherMovement.serial == serial
        )
        .order_by(VoucherMovement.sequence)
    ).all()
    if not rows:
        raise NotFound
    return [
        {
            "sequence": row.sequence,
            "what": row.kind,
            "from_state": row.from_state,
            "to_state": row.to_state,
            "at": row.at,
            "business_day": row.business_day,
            "amount_fen": row.fen,
            "stay": row.stay_id,
            "issue": row.issue_id,
            "redemption": row.redemption_id,
            "operator": row.operator,
            "reason": row.reason,
        }
        for row in rows
    ]


def books(connection: Connection, allowed: Sites, page: Slice) -> list[Keyed]:
    """Books by site and id."""
    conditions = [within(VoucherBook.site_id, allowed)]
    conditions += later(page.after, VoucherBook.site_id, VoucherBook.id)
    rows = connection.execute(
        select(*VoucherBook.__table__.c)
        .where(*conditions)
        .order_by(VoucherBook.site_id, VoucherBook.id)
        .limit(page.limit + 1)
    )
    return [((row.site_id, row.id), _book(row)) for row in rows]


def books_named(connection: Connection, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], Document]:
    """The books with these sites and ids."""
    found: dict[tuple[str, str], Document] = {}
    for site in sorted({site for site, _ in names}):
        here = sorted(book for of, book in names if of == site)
        for first in range(0, len(here), _NAMED_AT_ONCE):
            some = here[first : first + _NAMED_AT_ONCE]
            these = (VoucherBook.site_id == site, VoucherBook.id.in_(some))
            rows = connection.execute(select(*VoucherBook.__table__.c).where(*these))
            found |= {(site, row.id): _book(row) for row in rows}
    return found


def _book(row: Any) -> Document:
    return {
        "id": row.id,
        "site": row.site_id,
        "kind": row.kind,
        "value": row.value,
        "first_serial": row.first_serial,
        "last_serial": row.last_serial,
        "valid_from": row.valid_from,
        "valid_to": row.valid_to,
        "buyer": row.buyer_id,
        "title": row.title,
    }


def buyer(connection: Connection, site: str, name: str) -> Document:
    """One of a site's. Raises `NotFound`."""
    found = buyers(connection, [site], Slice(None, 1), only=name)
    if not found:
        raise NotFound
    return found[0][1]


def buyers(connection: Connection, allowed: Sites, page: Slice, *, only: str | None = None) -> list[Keyed]:
    """Merchants and visiting firms by site and id, with what each still owes. `only`: with this id."""
    conditions = [within(VoucherBuyer.site_id, allowed), true() if only is None else VoucherBuyer.id == only]
    conditions += later(page.after, VoucherBuyer.site_id, VoucherBuyer.id)
    rows = connection.execute(
        select(*VoucherBuyer.__table__.c)
        .where(*conditions)
        .order_by(VoucherBuyer.site_id, VoucherBuyer.id)
        .limit(page.limit + 1)
    ).all()
    due = due_by_month(connection, {row.site_id for row in rows})
    return [
        (
            (row.site_id, row.id),
            {
                "site": row.site_id,
                "id": row.id,
                "kind": row.kind,
                "name": row.name,
                "enabled": row.enabled,
                "due_fen": sum(due.get((row.site_id, row.id), {}).values()),
            },
        )
        for row in rows
    ]


def register(
    connection: Connection, allowed: Sites, page: Slice, *, household: str | None, month: str | None
) -> list[tuple[tuple[Any, ...], Issue]]:
    """The register of issues, the newest first."""
    conditions = [within(VoucherIssue.site_id, allowed)]
    if household is not None:
        conditions.append(VoucherIssue.household_id == household)
    if month is not None:
        conditions.append(VoucherIssue.month == month)
    after = None if page.after is None else (page.after[0], str(page.after[1]))
    found = issues(connection, and_(*conditions), after=after, limit=page.limit + 1)
    return [((one.at, one.id), one) for one in found]


def redemption(connection: Connection, site: str, name: str) -> Document:
    """A code that was collected offline; `held`: a voucher waits for what is decided about it. Raises `NotFound`."""
    found = redemptions(connection, [site], Slice(None, 1), only=name)
    if not found:
        raise NotFound
    waits = select(Voucher.serial).where(
        Voucher.site_id == site,
        Voucher.state == "presented",
        Voucher.stay_id.is_(None),
        Voucher.redemption_id == name,
    )
    return found[0][1] | {"held": connection.execute(waits).first() is not None}


def redemptions(
    connection: Connection, allowed: Sites, page: Slice, *, state: str | None = None, only: str | None = None
) -> list[Keyed]:
    """Codes that were collected offline, the newest first. `only`: with this id."""
    table = VoucherRedemption
    conditions = [within(table.site_id, allowed), true() if state is None else table.state == state]
    conditions.append(true() if only is None else table.id == only)
    conditions += older(page.after, table.received_at, table.id)
    rows = connection.execute(
        select(*table.__table__.c)
        .where(*conditions)
        .order_by(table.received_at.desc(), table.id.desc())
        .limit(page.limit + 1)
    )
    return [
        (
            (row.received_at, row.id),
            {
                "id": row.id,
                "site": row.site_id,
                "lane": f"{row.site_id}.{row.lane_id}",
                "at": row.at,
                "received_at": row.received_at,
                "voucher": None if row.serial is None else number(row.serial),
                "state": row.state,
                "stay": row.stay_id,
                "detail": row.detail,
            },
        )
        for row in rows
    ]


def statement(connection: Connection, site: str, name: str) -> Document:
    """A buyer's month. Raises `NotFound`."""
    found = statements(connection, [site], Slice(None, 1), only=name)
    if not found:
        raise NotFound
    return found[0][1]


def statements(
    connection: Connection,
    allowed: Sites,
    page: Slice,
    *,
    month: str | None = None,
    buyer: str | None = None,
    only: str | None = None,
) -> list[Keyed]:
    """Buyers' months, the newest month first, then by id, with what is still due of each. `only`: with this id."""
    table = VoucherStatement
    conditions = [within(table.site_id, allowed), true() if only is None else table.id == only]
    conditions += [] if month is None else [table.month == month]
    conditions += [] if buyer is None else [table.buyer_id == buyer]
    if page.after is not None:
        before, last = page.after
        conditions.append(or_(table.month < before, and_(table.month == before, table.id > last)))
    rows = connection.execute(
        select(*table.__table__.c).where(*conditions).order_by(table.month.desc(), table.id).limit(page.limit + 1)
    ).all()
    due = due_by_month(connection, {row.site_id for row in rows})
    return [
        (
            (row.month, row.id),
            {
                "id": row.id,
                "site": row.site_id,
                "buyer": row.buyer_id,
                "month": row.month,
                "used": row.used,
                "amount_fen": row.fen,
                "due_fen": due[row.site_id, row.buyer_id][row.month],
                "transaction": row.transaction_id,
                "made_at": row.made_at,
            },
        )
        for row in rows
    ]


def stock(connection: Connection, allowed: Sites, day: date, books: Collection[str] | None = None) -> list[Document]:
    """Each book on a day: what moved, and how it stood at the day's end. Books used up before are left out.

    `books`: these alone, by id.
    """
    sites = connection.execute(
        select(VoucherBook.site_id).where(within(VoucherBook.site_id, allowed)).distinct().order_by(VoucherBook.site_id)
    ).scalars()
    found = []
    for site in sites.all():
        for one in by_day.shown(connection, site, day, books):
            stands = msgspec.structs.asdict(one.stands)
            found.append(
                {
                    "site": site,
                    "book": one.book,
                    "moved": one.moved,
                    "waived_fen": one.fen,
                    "stands": stands,
                    "balances": one.stands.wrong() is None,
                }
            )
    return found
