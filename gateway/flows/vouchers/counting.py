"""Counting the stock: what the steps of a book lead to against the vouchers there are and the register. Writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select

from billing.vouchers import BookDay, Stock
from gateway.flows.outcome import Situation
from gateway.flows.vouchers.day import steps, stocks
from gateway.store.tables import Voucher, VoucherBook, VoucherIssue, VoucherMovement

COUNT = "voucher_count"
"""停车券不符: the break's kind in the contract "money"."""


def counted(connection: Connection, site: str, only: Collection[str] | None = None) -> Iterator[tuple[str, str | None]]:
    """Each book of a site, or only some, with why it does not hold (None: it does), in the order of serials.

    As many vouchers as its range has; issued = used + void + expired + outstanding; issued as often as the register says.
    """

    def about(column: Any) -> list[ColumnElement[bool]]:
        return [] if only is None else [column.in_(sorted(only))]

    standing: dict[str, dict[str, int]] = {}
    by_state = (
        select(Voucher.book_id, Voucher.state, func.count())
        .where(Voucher.site_id == site, *about(Voucher.book_id))
        .group_by(Voucher.book_id, Voucher.state)
    )
    for book, state, count in connection.execute(by_state):
        standing.setdefault(book, {})[state] = count
    registered = select(VoucherIssue.book_id, func.sum(VoucherIssue.last_serial - VoucherIssue.first_serial + 1)).where(
        VoucherIssue.site_id == site, *about(VoucherIssue.book_id)
    )
    taken = {book: int(count) for book, count in connection.execute(registered.group_by(VoucherIssue.book_id))}
    moved = steps(connection, VoucherMovement.__table__.c.site_id == site, *about(VoucherMovement.__table__.c.book_id))
    led_to = stocks(moved)
    issued: dict[str, int] = {}
    for one in moved:
        issued[one.book] = issued.get(one.book, 0) + (one.count if one.kind == "issue" else 0)
    books = select(VoucherBook.id, VoucherBook.first_serial, VoucherBook.last_serial).where(
        VoucherBook.site_id == site, *about(VoucherBook.id)
    )
    for row in connection.execute(books.order_by(VoucherBook.first_serial)).all():
        why = _wrong(row.last_serial - row.first_serial + 1, led_to.get(row.id, Stock()), standing.get(row.id, {}))
        if why is None and issued.get(row.id, 0) != taken.get(row.id, 0):
            why = f"{issued.get(row.id, 0)} vouchers were issued, the register has {taken.get(row.id, 0)}"
        yield row.id, why


def miscounted(connection: Connection, site: str, moved: Collection[BookDay], at: datetime) -> list[Situation]:
    """Those of a day's books that do not hold, each for a person, as of an instant of that day."""
    books = {one.book for one in moved if one.moved}
    if not books:
        return []
    return [
        Situation(site=site, kind=COUNT, subject=book, at=at, detail=why)
        for book, why in counted(connection, site, books)
        if why is not None
    ]


def _wrong(size: int, led_to: Stock, standing: dict[str, int]) -> str | None:
    if sum(standing.values()) != size:
        return f"it has {size} serials and {sum(standing.values())} vouchers"
    there = msgspec.structs.replace(
        led_to,
        made=size,
        stock=standing.get("stock", 0),
        returned=standing.get("returned", 0),
        used=standing.get("used", 0),
        outstanding=standing.get("issued", 0) + standing.get("presented", 0),
    )
    gone, led_away = standing.get("void", 0) + standing.get("expired", 0), there.void + there.expired + there.scrapped
    if gone != led_away:
        return f"{gone} of its vouchers are void or expired, by their steps {led_away}"
    return there.wrong()
