"""How books of vouchers move and stand, by business day: for the close, for reports, and for `verify`. Writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta

from sqlalchemy import ColumnElement, Connection, func, select

from billing.close import Record, read_document
from billing.vouchers import EMPTY, BookDay, Moved, Stock, day_of_books
from gateway.store.books import close_before
from gateway.store.tables import VoucherMovement

_MOVEMENT = VoucherMovement.__table__.c


def close_section(connection: Connection, site: str, day: date, previous: Record | None) -> list[BookDay]:
    """What a close says of vouchers: empty as long as a site has none. `previous` is the close before it.

    A site's first close also counts what moved before it.
    """
    on_the_day = _MOVEMENT.business_day == day if previous is not None else _MOVEMENT.business_day <= day
    moved = steps(connection, _MOVEMENT.site_id == site, on_the_day)
    before = standing_before(connection, site, day, previous, {one.book for one in moved})
    return day_of_books(before, moved) if moved or before else []


def standing_before(
    connection: Connection, site: str, day: date, previous: Record | None, moving: Collection[str]
) -> dict[str, Stock]:
    """How a site's books stood before a day, as the close before it says; those that were at rest from their movements."""
    if previous is None:
        return {}
    before = {one.book: one.stands for one in read_document(previous.canonical).vouchers}
    at_rest = sorted(set(moving) - before.keys())
    if at_rest:
        earlier = (_MOVEMENT.site_id == site, _MOVEMENT.book_id.in_(at_rest), _MOVEMENT.business_day < day)
        before |= stocks(steps(connection, *earlier))
    return before


def report(connection: Connection, conditions: Sequence[ColumnElement[bool]], day: date) -> list[BookDay]:
    """The books on a day, from their movements alone."""
    before = stocks(steps(connection, *conditions, _MOVEMENT.business_day < day))
    return day_of_books(before, steps(connection, *conditions, _MOVEMENT.business_day == day))


def shown(connection: Connection, site: str, day: date, books: Collection[str] | None = None) -> list[BookDay]:
    """A site's books on a day. How they stood before is what the last close before it says, and what has moved since then.

    `books`: these alone, by id.
    """
    here = [_MOVEMENT.site_id == site]
    if books is not None:
        here.append(_MOVEMENT.book_id.in_(sorted(books)))
    closed = close_before(connection, site, day)
    if closed is None:
        return report(connection, here, day)
    moved = steps(connection, *here, _MOVEMENT.business_day == day)
    since = steps(connection, *here, _MOVEMENT.business_day > closed.day, _MOVEMENT.business_day < day)
    moving = {one.book for one in (*since, *moved)}
    before = standing_before(connection, site, closed.day + timedelta(days=1), closed, moving)
    if books is not None:
        before = {book: stock for book, stock in before.items() if book in books}
    return day_of_books(stocks(since, before), moved)


def steps(connection: Connection, *conditions: ColumnElement[bool]) -> list[Moved]:
    """Movements counted by book, kind and states."""
    what = (_MOVEMENT.book_id, _MOVEMENT.kind, _MOVEMENT.from_state, _MOVEMENT.to_state)
    rows = connection.execute(
        select(*what, func.count(), func.sum(_MOVEMENT.fen)).where(*conditions).group_by(*what).order_by(*what)
    )
    # A sum of big integers is a decimal on PostgreSQL.
    return [Moved(book, kind, before, after, count, int(fen)) for book, kind, before, after, count, fen in rows]


def stocks(moved: Iterable[Moved], before: Mapping[str, Stock] | None = None) -> dict[str, Stock]:
    """How books stand after all of these steps, from how they stood before them."""
    found = dict(before or {})
    for one in moved:
        found[one.book] = found.get(one.book, EMPTY).after({(one.from_state, one.to_state): one.count})
    return found
