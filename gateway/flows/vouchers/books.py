"""Books of vouchers: who buys them, and making one. Serials count up within a site and are never given twice."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from billing.vouchers import NOWHERE, SERIAL_MAX, wrong_book
from gateway.flows import audit
from gateway.flows.charges_books import By, share
from gateway.flows.refusals import Invalid, KeyReused, NotFound
from gateway.flows.taking import content_of, key_of
from gateway.flows.vouchers.moving import words
from gateway.runtime.ids import derive_in_site
from gateway.store.tables import Site, Voucher, VoucherBook, VoucherBuyer, VoucherMovement
from gateway.wiring import Parts

BUYER_KINDS = ("merchant", "firm")
_BUYER_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """A book as made. `id` begins with its site."""

    id: str
    site: str
    kind: str
    value: int
    first_serial: int
    last_serial: int
    valid_from: datetime
    valid_to: datetime
    buyer: str | None
    title: str


def register_buyer(
    parts: Parts,
    *,
    site: str,
    buyer: str,
    kind: str,
    name: str,
    enabled: bool = True,
    operator: str,
    origin: str = "",
) -> dict[str, Any]:
    """Add a merchant or visiting firm, or change its name; the same again changes nothing. Raises `Invalid`, `NotFound`."""
    if not _BUYER_ID.fullmatch(buyer):
        raise Invalid("id: lower-case letters, digits and hyphens, at most 40; it is part of the account's name")
    if kind not in BUYER_KINDS:
        raise Invalid(f"kind: one of {', '.join(BUYER_KINDS)}")
    name = words("name", name, 100, needed=True)
    said = {"kind": kind, "name": name, "enabled": enabled}
    with parts.store.writing() as connection:
        hold_site(connection, site)
        mine = (VoucherBuyer.site_id == site, VoucherBuyer.id == buyer)
        standing = connection.execute(
            select(VoucherBuyer.kind, VoucherBuyer.name, VoucherBuyer.enabled).where(*mine)
        ).first()
        if standing is None:
            row = {"site_id": site, "id": buyer, "registered_at": parts.clock.now(), **said}
            connection.execute(insert(VoucherBuyer).values(**row))
        elif dict(standing._mapping) != said:  # noqa: SLF001 - SQLAlchemy's public name for it
            connection.execute(update(VoucherBuyer).where(*mine).values(**said))
        else:
            return {"site": site, "id": buyer, **said}
        audit.record(
            connection,
            at=parts.clock.now(),
            operator=operator,
            action="voucher.buyer",
            site=site,
            subject=buyer,
            origin=origin,
            detail=said,
        )
        connection.commit()
    return {"site": site, "id": buyer, **said}


def make_book(
    parts: Parts,
    *,
    site: str,
    kind: str,
    value: int,
    count: int,
    valid_from: datetime,
    valid_to: datetime,
    buyer: str | None = None,
    title: str = "",
    operator: str,
    idempotency_key: str | None = None,
    origin: str = "",
) -> Book:
    """Put a book into stock, its vouchers numbered after the site's last one. Raises `Invalid`, `NotFound`, `KeyReused`."""
    why = wrong_book(kind, value, count)
    if why is not None:
        raise Invalid(why)
    now = parts.clock.now()
    if valid_to <= valid_from or valid_to <= now:
        raise Invalid("valid_to: after valid_from, and in the future")
    title = words("title", title, 60)
    key = key_of(idempotency_key)
    content = content_of(kind, value, count, valid_from, valid_to, buyer, title)
    with parts.store.writing() as connection:
        hold_site(connection, site)
        first = _standing(connection, site, key, content)
        if first is not None:
            return first
        if buyer is not None:
            _buyer(connection, site, buyer)
        last: int = connection.execute(
            select(func.coalesce(func.max(VoucherBook.last_serial), 0)).where(VoucherBook.site_id == site)
        ).scalar_one()
        if last + count > SERIAL_MAX:
            raise Invalid(f"count: {site} has {SERIAL_MAX - last} serials left")
        book = Book(
            id=derive_in_site(site, "voucher book", str(last + 1)),
            site=site,
            kind=kind,
            value=value,
            first_serial=last + 1,
            last_serial=last + count,
            valid_from=valid_from,
            valid_to=valid_to,
            buyer=buyer,
            title=title,
        )
        _write(connection, parts, book, now, operator, key, content)
        audit.record(
            connection,
            at=now,
            operator=operator,
            action="voucher.book",
            site=site,
            subject=book.id,
            origin=origin,
            detail={"kind": kind, "value": value, "serials": [book.first_serial, book.last_serial], "buyer": buyer},
        )
        connection.commit()
    return book


def hold_site(connection: Connection, site: str) -> None:
    """Whoever numbers vouchers of a site does it alone; nobody else waits. Raises `NotFound` for a site that is not there."""
    held = select(Site.id).where(Site.id == site, Site.enabled).with_for_update(key_share=True)
    if connection.execute(held).first() is None:
        raise NotFound(f"there is no site {site[:60]} in service")


def book_of(connection: Connection, book: str) -> Book:
    """Raises `NotFound`."""
    site = book.split(".", 1)[0]
    row = connection.execute(_BOOK.where(VoucherBook.site_id == site, VoucherBook.id == book)).first()
    if row is None:
        raise NotFound("there is no such book of vouchers, or not for you")
    return Book(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it


def _buyer(connection: Connection, site: str, buyer: str) -> None:
    enabled = connection.execute(
        select(VoucherBuyer.enabled).where(VoucherBuyer.site_id == site, VoucherBuyer.id == buyer)
    ).scalar()
    if enabled is None:
        raise Invalid(f"buyer: {buyer[:60]!r} is not registered at {site}; add it first")
    if not enabled:
        raise Invalid(f"buyer: {buyer} takes no more books")


_BOOK = select(
    VoucherBook.id,
    VoucherBook.site_id.label("site"),
    VoucherBook.kind,
    VoucherBook.value,
    VoucherBook.first_serial,
    VoucherBook.last_serial,
    VoucherBook.valid_from,
    VoucherBook.valid_to,
    VoucherBook.buyer_id.label("buyer"),
    VoucherBook.title,
)


def _standing(connection: Connection, site: str, key: str, content: bytes) -> Book | None:
    """The book that an earlier request with this key made."""
    row = connection.execute(
        select(VoucherBook.id, VoucherBook.content_hash).where(
            VoucherBook.site_id == site, VoucherBook.idempotency_key == key
        )
    ).first()
    if row is None:
        return None
    if bytes(row.content_hash) != content:
        raise KeyReused
    return book_of(connection, row.id)


def _write(
    connection: Connection, parts: Parts, book: Book, now: datetime, operator: str, key: str, content: bytes
) -> None:
    day, _ = share(parts, connection, book.site, By(operator=operator)).day(now)
    connection.execute(
        insert(VoucherBook).values(
            site_id=book.site,
            id=book.id,
            kind=book.kind,
            value=book.value,
            first_serial=book.first_serial,
            last_serial=book.last_serial,
            valid_from=book.valid_from,
            valid_to=book.valid_to,
            buyer_id=book.buyer,
            title=book.title,
            made_at=now,
            operator=operator,
            idempotency_key=key,
            content_hash=content,
        )
    )
    serials = range(book.first_serial, book.last_serial + 1)
    connection.execute(
        insert(Voucher),
        [
            {
                "site_id": book.site,
                "serial": serial,
                "book_id": book.id,
                "kind": book.kind,
                "value": book.value,
                "state": "stock",
                "movements": 1,
            }
            for serial in serials
        ],
    )
    connection.execute(
        insert(VoucherMovement),
        [
            {
                "site_id": book.site,
                "serial": serial,
                "sequence": 1,
                "book_id": book.id,
                "kind": "make",
                "from_state": NOWHERE,
                "to_state": "stock",
                "at": now,
                "business_day": day,
                "fen": 0,
                "operator": operator,
                "reason": "",
            }
            for serial in serials
        ],
    )
