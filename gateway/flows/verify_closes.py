"""Closes: the chain, the digest and the figures of each, computed again from the rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from sqlalchemy import func, select

from billing.close import (
    BreakAt,
    DayFacts,
    Document,
    DoesNotBalance,
    Lines,
    Passage,
    Record,
    read_document,
    read_lines,
    seal,
    verify_chain,
)
from billing.ledger import Transaction
from billing.vouchers import BookDay
from gateway.flows.posting import day_bounds
from gateway.flows.verify_bills import Policies
from gateway.flows.verify_reconciliation import wrong_close
from gateway.flows.verify_scope import Failure, Look
from gateway.flows.vouchers import day as voucher_day
from gateway.store import books
from gateway.store.tables import Bill, DayClose, LedgerTransaction

_CLOSE = DayClose.__table__.c
_BILL = Bill.__table__.c
# A stay that was read just before the day's end may be voided just after it.
_SETTLES_WITHIN = timedelta(minutes=10)
# How far an event reaches that came late: an entry of last week splits the stay that ended on this day.
_REACHES = timedelta(days=40)


def failures(look: Look) -> Iterator[Failure]:
    """By (site, sequence), then the books that disagree with their last close."""
    look.checked["closes"] += 0
    before: Record | None = None
    conditions = look.scope.days(_CLOSE.day)
    for record, lines, sealed_at in books.closes(look.connection, *conditions):
        if before is None or (before.site, before.kind) != (record.site, record.kind):
            before = _before(look, record)
        broken = verify_chain([record], after=before)
        why = broken.why if broken else None
        why = why or _wrong_day(look, record, lines, sealed_at, before)
        if why is not None:
            yield Failure("close", f"{record.site}:{record.day}", why)
        look.count("closes" if record.kind == "close" else "reconciled")
        before = record
    yield from _wrong_books(look)


def _before(look: Look, record: Record) -> Record | None:
    """The record before the first one in scope. None too where the chain has lost it: then the hash tells."""
    if not look.scope.days(_CLOSE.day):
        return None
    found = books.closes(
        look.connection,
        _CLOSE.site_id == record.site,
        _CLOSE.kind == record.kind,
        _CLOSE.sequence == record.sequence - 1,
    )
    return next((before for before, _, _ in found), None)


def _wrong_day(look: Look, record: Record, compressed: bytes, sealed_at: datetime, before: Record | None) -> str | None:
    if record.kind != "close":
        return None
    try:
        document = read_document(record.canonical)
        lines = read_lines(compressed)
    except ValueError as error:
        return str(error)
    if lines.digest != document.digest:
        return "its digest is not the digest of the lines kept with it"
    stored = [transaction for transaction, _ in _stored(look, record.site, record.day)]
    return (
        _wrong_transactions(lines, stored)
        or _wrong_figures(
            record, document, lines, stored, voucher_day.close_section(look.connection, record.site, record.day, before)
        )
        or wrong_close(look, record, document, sealed_at)
        or _wrong_passages(look, record, lines, sealed_at)
    )


def _stored(look: Look, site: str, day: date) -> Iterator[tuple[Transaction, bytes]]:
    return books.transactions(look.connection, LedgerTransaction.site_id == site, LedgerTransaction.business_day == day)


def _wrong_transactions(lines: Lines, stored: list[Transaction]) -> str | None:
    """The ledger only grows and a closed day takes nothing more: the rows must be those that were sealed."""
    found = {transaction.id: transaction.content_hash().hex() for transaction in stored}
    for transaction_id in sorted(found.keys() | lines.transactions.keys()):
        if transaction_id not in found:
            return f"transaction {transaction_id} was sealed and is not there"
        if transaction_id not in lines.transactions:
            return f"transaction {transaction_id} stands on the day and was not sealed"
        if found[transaction_id] != lines.transactions[transaction_id]:
            return f"transaction {transaction_id} is not what was sealed"
    return None


def _wrong_figures(
    record: Record, document: Document, lines: Lines, stored: list[Transaction], vouchers: list[BookDay]
) -> str | None:
    """Sealed again from the rows, with what only that night knew taken from the close, it must give the same bytes."""
    facts = DayFacts(
        site=record.site,
        day=record.day,
        timezone=document.timezone,
        transactions=stored,
        passages=lines.passages,
        openings=document.openings,
        open_exceptions=[
            (carried.kind, record.day - timedelta(days=carried.age_days))
            for carried in document.exceptions
            for _ in range(carried.count)
        ],
        vouchers=vouchers,
        breaks=[
            BreakAt(one.kind, one.state, record.day - timedelta(days=one.age_days), one.amount_fen if first else 0)
            for one in document.breaks
            for first in (True, *[False] * (one.count - 1))
        ],
    )
    try:
        again = seal(facts, sequence=record.sequence, previous_hash=record.previous_hash)
    except DoesNotBalance as why:
        return str(why)
    return None if again.record.canonical == record.canonical else "its figures are not those of its rows"


def _wrong_passages(look: Look, record: Record, lines: Lines, sealed_at: datetime) -> str | None:
    """Stays may still change after their day is sealed, but only by events that came late, because staff corrected them, or because
    a vehicle that was let out is told to have backed away, long after.
    """
    start, end = day_bounds(record.day, look.scope.zone)
    if books.late_events(look.connection, record.site, start - _REACHES, end + _SETTLES_WITHIN, sealed_at):
        return None
    named = {passage.stay for passage in lines.passages}
    there = books.stays_named(look.connection, record.site, named)
    corrected = books.corrected_stays(look.connection, record.site, named, sealed_at)
    for passage in lines.passages:
        if passage.stay in corrected:
            continue
        at = there.get(passage.stay)
        if at is None:
            return f"stay {passage.stay} was sealed and is not there"
        if passage.at not in at and not _taken_back(look, record.site, passage, sealed_at):
            return f"stay {passage.stay} was sealed with its {passage.way} at {passage.at}"
    return None


def _taken_back(look: Look, site: str, passage: Passage, sealed_at: datetime) -> bool:
    """Whether the vehicle did leave then and its stay went on: its policy lets it, or the bill of that exit was taken back since.

    By the bills, which are kept when the events are deleted.
    """
    if passage.way != "exit":
        return False
    mine = (_BILL.site_id == site, _BILL.stay_id == passage.stay)
    exits = select(_BILL.policy_id, _BILL.policy_version, _BILL.sequence).where(
        *mine, _BILL.kind == "exit", _BILL.until == passage.at
    )
    policies = Policies(look.connection)
    for policy_id, version, sequence in look.connection.execute(exits).all():
        policy = policies.of(policy_id, version)
        since = select(_BILL.sequence).where(
            *mine, _BILL.sequence > sequence, _BILL.fixed_at >= sealed_at - books.WAITS_FOR_THE_CLOSE
        )
        if (policy is not None and policy.lets_reenter) or look.connection.execute(since.limit(1)).first() is not None:
            return True
    return False


def _wrong_books(look: Look) -> Iterator[Failure]:
    """How far the books say they are closed is the day of their last close."""
    if look.scope.to_day is not None:
        return
    closes = select(_CLOSE.site_id, func.max(_CLOSE.day)).where(_CLOSE.kind == "close").group_by(_CLOSE.site_id)
    last: dict[str, date] = dict(look.connection.execute(closes).all())
    held = books.books_of(look.connection)
    for site in sorted(held.keys() | last.keys()):
        through = held[site][1] if site in held else None
        if through != last.get(site):
            yield Failure(
                "books", site, f"the books say closed through {through}, the last close is of {last.get(site)}"
            )
