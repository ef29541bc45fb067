"""日结: seal a site's business day. One transaction a site, with its books held alone.

What the close is made of is loaded in a few set queries; what it says is decided in `billing.close`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta

import msgspec
from sqlalchemy import Connection, update

from billing.close import FIRST_PREVIOUS, DayFacts, DoesNotBalance, Record, seal, street_hash
from billing.ledger import Transaction
from gateway.flows import audit, pass_income
from gateway.flows.posting import day_bounds
from gateway.flows.reconciliation import carried
from gateway.flows.refusals import NotClosable, NotFound
from gateway.flows.saving import OutcomeWriter
from gateway.flows.vouchers import day as voucher_day
from gateway.flows.vouchers.counting import miscounted
from gateway.store import books
from gateway.store.tables import LedgerTransaction, SiteBooks
from gateway.wiring import Parts

# Catching up after a long outage goes on in further runs.
DAYS_AT_A_TIME = 400


class ClosedSite(msgspec.Struct, frozen=True):
    site: str
    sequence: int
    hash: bytes


class ClosedDay(msgspec.Struct, frozen=True):
    """A closed day: its sites in the order of their ids, and the street's hash over them."""

    day: date
    sites: tuple[ClosedSite, ...]
    street_hash: bytes


def close_day(
    parts: Parts,
    day: date,
    site: str | None = None,
    operator: str | None = None,
    progress: Callable[[str], object] | None = None,
    *,
    origin: str = "",
) -> ClosedDay:
    """Seal a day of a site, or of all enabled sites, one after the other. Closing again returns the same. `origin`: from where.

    Raises `NotClosable`, saying which site and why: the day is not over at the site's local time, the day before it is open, or
    its books do not balance. Sites closed before the refusal stay closed. Raises `NotFound` for an unknown site.
    """
    closed: list[ClosedSite] = []
    for name in _sites(parts, site, day):
        record = close_site(parts, name, day, operator, origin)
        closed.append(ClosedSite(name, record.sequence, record.hash))
        if progress is not None:
            progress(name)
    return ClosedDay(day, tuple(closed), street_hash({one.site: one.hash for one in closed}))


def close_site(parts: Parts, site: str, day: date, operator: str | None = None, origin: str = "") -> Record:
    """Seal one site's day, or return the close that it has."""
    _refuse_unfinished(parts, site, day)
    with parts.store.writing() as connection:
        record, sealed = _close(parts, connection, site, day, operator, origin)
        if not sealed:
            return record
        connection.commit()
    parts.metrics.days_closed.inc()
    return record


def preview(parts: Parts, site: str, day: date) -> Record:
    """What closing a site's day would seal at this moment, or the close that it has: the same work, of which nothing stays.

    Raises as `close_site`.
    """
    _refuse_unfinished(parts, site, day)
    with parts.store.writing() as connection:
        return _close(parts, connection, site, day)[0]


def _close(
    parts: Parts, connection: Connection, site: str, day: date, operator: str | None = None, origin: str = ""
) -> tuple[Record, bool]:
    """The close of a day, and whether it was sealed now; with the site's books held alone, and not committed."""
    held = books.lock_books(connection, site)
    if held is None:
        raise NotFound(f"site {site} has no books; apply its site file first")
    done = books.close_of(connection, site, day)
    if done is not None:
        return done, False
    previous = books.newest_close(connection, site)
    _refuse_out_of_order(connection, site, day, held, previous)
    pass_income.earn_before_close(parts, connection, site, day, held)
    return _seal(parts, connection, site, day, previous, operator=operator, origin=origin), True


def close_missed(parts: Parts, until: date, operator: str | None = None) -> Iterator[tuple[str, date]]:
    """Close every day up to `until` that is still open, in order: day by day over the street, so that a street's hash is whole
    as early as can be. Yields each (site, day) closed. At most `DAYS_AT_A_TIME` days a run.

    A site that refuses is left where it stands, the others go on; its refusal is raised at the end.
    """
    with parts.store.reading() as connection:
        following = next_days(connection)
    refusal: NotClosable | None = None
    day = min(following.values(), default=until + timedelta(days=1))
    last = min(until, day + timedelta(days=DAYS_AT_A_TIME - 1))
    while day <= last:
        for site in sorted(following):
            if following[site] > day:
                continue
            try:
                close_site(parts, site, day, operator)
            except NotClosable as why:
                refusal = refusal or why
                del following[site]
                continue
            yield site, day
        day += timedelta(days=1)
    if refusal is not None:
        raise refusal


def next_days(connection: Connection) -> dict[str, date]:
    """The first day that is not closed, by site in service."""
    held = books.books_of(connection)
    return {
        site: _next_day(held[site], books.first_business_day(connection, site))
        for site in books.enabled_sites(connection)
        if site in held
    }


def _sites(parts: Parts, site: str | None, day: date) -> list[str]:
    """A site, or the street: without sites whose books begin after the day, so that a day closed before they came stays as it was."""
    with parts.store.reading() as connection:
        known = books.enabled_sites(connection)
        begun = [name for name in known if site is None and books.has_begun(connection, name, day)]
    if site is None:
        if not known:
            raise NotClosable("there is no site; apply a site file first")
        return begun or list(known)
    if site not in known:
        raise NotFound(f"there is no site {site} in service")
    return [site]


def _refuse_unfinished(parts: Parts, site: str, day: date) -> None:
    _, end = day_bounds(day, parts.settings.zone)
    if parts.clock.now() < end:
        raise NotClosable(
            f"{site}: {day} is not over; it can be closed from {end.astimezone(parts.settings.zone):%F %R}"
        )


def _refuse_out_of_order(
    connection: Connection, site: str, day: date, held: tuple[date, date | None], previous: Record | None
) -> None:
    through = held[1]
    if through is not None and day <= through:
        raise NotClosable(f"{site}: {day} is before its first close; the books are closed through {through}")
    if (previous.day if previous else None) != through:
        raise NotClosable(f"{site}: its books and its closes disagree on the last closed day; run `parkgate verify`")
    first = _next_day(held, books.first_business_day(connection, site) if through is None else None)
    if day > first:
        raise NotClosable(f"{site}: {day - timedelta(days=1)} is open; close {first} first")


def _next_day(held: tuple[date, date | None], earliest: date | None) -> date:
    """The first day to close: the one after the last, else where the books begin."""
    opened_on, through = held
    if through is not None:
        return through + timedelta(days=1)
    return min(opened_on, earliest or opened_on)


def _seal(
    parts: Parts,
    connection: Connection,
    site: str,
    day: date,
    previous: Record | None,
    *,
    operator: str | None,
    origin: str,
) -> Record:
    zone = parts.settings.zone
    start, end = day_bounds(day, zone)
    vouchers = voucher_day.close_section(connection, site, day, previous)
    # Before the exceptions are counted, and of this day: what does not fit is carried over with it.
    OutcomeWriter(connection).situations(miscounted(connection, site, vouchers, end - timedelta(microseconds=1)))
    facts = DayFacts(
        site=site,
        day=day,
        timezone=zone.key,
        transactions=_transactions(connection, site, day),
        passages=books.passages(connection, site, start, end),
        openings=books.openings(connection, site, start, end),
        open_exceptions=[
            (kind, at.astimezone(zone).date()) for kind, at in books.open_exceptions(connection, site, end)
        ],
        vouchers=vouchers,
        breaks=carried.at_close(connection, site, day),
    )
    try:
        sealed = seal(
            facts,
            sequence=previous.sequence + 1 if previous else 1,
            previous_hash=previous.hash if previous else FIRST_PREVIOUS,
        )
    except DoesNotBalance as why:
        raise NotClosable(f"{site}: the books of {day} do not balance: {why}") from None
    record = sealed.record
    now = parts.clock.now()
    books.put_record(connection, sealed, now, operator)
    connection.execute(update(SiteBooks).where(SiteBooks.site_id == site).values(closed_through=day))
    if operator is not None:
        audit.record(
            connection, at=now, operator=operator, action="close", site=site, subject=day.isoformat(), origin=origin
        )
    return record


def _transactions(connection: Connection, site: str, day: date) -> list[Transaction]:
    condition = (LedgerTransaction.site_id == site, LedgerTransaction.business_day == day)
    stored = list(books.transactions(connection, *condition))
    for transaction, content_hash in stored:
        if transaction.content_hash() != content_hash:
            raise NotClosable(
                f"{site}: the books of {day} do not hold: transaction {transaction.id} was changed; run `parkgate verify`"
            )
    return [transaction for transaction, _ in stored]
