"""Putting transactions into the books: on which day they stand, and that a repeat is booked once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, insert, select

from billing.ledger import Transaction, check
from gateway.flows.refusals import Invalid, KeyReused
from gateway.store import books
from gateway.store.tables import LedgerTransaction, Posting, SiteBooks

_KEYS_AT_A_TIME = 500


def business_day_for(
    at: datetime, zone: ZoneInfo, closed_through: date | None, opened_on: date | None = None
) -> tuple[date, date | None]:
    """The business day on which something of this instant is posted, and its own day where that one takes nothing more.

    A closed day never changes: what is dated into one stands on the first open day with `belongs_to`. So does what is dated
    before the books were opened, where `opened_on` is given.
    """
    own = at.astimezone(zone).date()
    first_open = opened_on or date.min
    if closed_through is not None:
        first_open = max(first_open, closed_through + timedelta(days=1))
    return (own, None) if own >= first_open else (first_open, own)


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """A local calendar day as the half-open interval of instants [start, end), in UTC."""
    start = datetime.combine(day, time.min, zone)
    end = datetime.combine(day + timedelta(days=1), time.min, zone)
    return start.astimezone(UTC), end.astimezone(UTC)


def month_bounds(month: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """A local calendar month such as 2026-03 as the half-open interval of instants [start, end), in UTC. Raises `Invalid`."""
    try:
        first = date.fromisoformat(f"{month}-01")
    except ValueError:
        raise Invalid("month: not a month such as 2026-03") from None
    if not 2000 <= first.year < 2200:
        raise Invalid("month: not a month such as 2026-03")
    after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return day_bounds(first, zone)[0], day_bounds(after, zone)[0]


def closed_through(connection: Connection, sites: Collection[str]) -> dict[str, date | None]:
    """How far the books of these sites are closed, by site; held against a close until this transaction ends."""
    found = connection.execute(
        select(SiteBooks.site_id, SiteBooks.closed_through)
        .where(SiteBooks.site_id.in_(sites))
        .order_by(SiteBooks.site_id)
        .with_for_update(read=True)
    )
    return dict(found.all())


def rows(transactions: Iterable[Transaction]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows for `ledger_transaction` and for `posting`. Raises `Unbalanced` or `NotAnAccount`."""
    ledger: list[dict[str, Any]] = []
    postings: list[dict[str, Any]] = []
    for transaction in transactions:
        check(transaction)
        ledger.append(
            {
                "site_id": transaction.site,
                "id": transaction.id,
                "business_day": transaction.business_day,
                "belongs_to": transaction.belongs_to,
                "at": transaction.at,
                "kind": transaction.kind,
                "reference_kind": transaction.reference_kind,
                "reference": transaction.reference,
                "operator": transaction.operator,
                "idempotency_key": transaction.idempotency_key,
                "content_hash": transaction.content_hash(),
                "reverses": transaction.reverses,
            }
        )
        for line, posting in enumerate(transaction.postings):
            postings.append(
                {
                    "site_id": transaction.site,
                    "transaction_id": transaction.id,
                    "line": line,
                    "account": posting.account,
                    "amount_fen": posting.amount_fen,
                }
            )
    return ledger, postings


def book(connection: Connection, transactions: Sequence[Transaction]) -> list[Transaction]:
    """Store transactions; returns them as they stand in the ledger.

    The same idempotency key with the same content is answered with the first result. Raises `KeyReused` for one with different
    content, `Unbalanced` or `NotAnAccount`. The caller holds the books (`closed_through`) and commits.
    """
    standing = _standing(connection, transactions)
    new: list[Transaction] = []
    result: list[Transaction] = []
    for transaction in transactions:
        key = (transaction.site, transaction.idempotency_key)
        first = standing.setdefault(key, transaction)
        if first is transaction:
            new.append(transaction)
        elif not first.asks_the_same(transaction):
            raise KeyReused(f"the ledger has other content under the key {transaction.idempotency_key}")
        result.append(first)
    ledger, postings = rows(new)
    if ledger:
        connection.execute(insert(LedgerTransaction), ledger)
        connection.execute(insert(Posting), postings)
    return result


def _standing(connection: Connection, transactions: Sequence[Transaction]) -> dict[tuple[str, str], Transaction]:
    keys: dict[str, list[str]] = {}
    for transaction in transactions:
        keys.setdefault(transaction.site, []).append(transaction.idempotency_key)
    found: dict[tuple[str, str], Transaction] = {}
    for site, wanted in keys.items():
        for place in range(0, len(wanted), _KEYS_AT_A_TIME):
            chunk = wanted[place : place + _KEYS_AT_A_TIME]
            condition = and_(LedgerTransaction.site_id == site, LedgerTransaction.idempotency_key.in_(chunk))
            for transaction, _ in books.transactions(connection, condition):
                found[transaction.site, transaction.idempotency_key] = transaction
    return found
