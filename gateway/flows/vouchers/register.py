"""领用登记: issuing vouchers against a signature, taking them back, declaring them void. Each whole or not at all."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, select

from billing.vouchers import number, runs
from gateway.flows import audit
from gateway.flows.posting import closed_through
from gateway.flows.pricing import months
from gateway.flows.reading import older
from gateway.flows.refusals import Invalid, KeyReused, NotFound
from gateway.flows.taking import content_of, key_of
from gateway.flows.vouchers.moving import COLLECTED_WITHIN, Why, check_range, lock, move, words
from gateway.flows.vouchers.refusals import QuotaReached, VoucherOver, VoucherState
from gateway.runtime.ids import derive
from gateway.store.tables import Household, Voucher, VoucherBook, VoucherIssue, VoucherMovement
from gateway.wiring import Parts


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """Who took which serials (both ends included), for what, on whose signature."""

    id: str
    site: str
    book: str
    first_serial: int
    last_serial: int
    household: str | None
    taker: str
    purpose: str
    signature: str
    month: str
    at: datetime
    operator: str


def issue(
    parts: Parts,
    *,
    site: str,
    first_serial: int,
    last_serial: int,
    purpose: str,
    signature: str,
    household: str | None = None,
    taker: str = "",
    operator: str,
    idempotency_key: str | None = None,
    origin: str = "",
) -> Issue:
    """Hand out a range of one book. To a household, within its quota of the month, or to somebody named.

    Raises `Invalid`, `NotFound`, `VoucherState`, `VoucherOver`, `QuotaReached`, `KeyReused`.
    """
    check_range(first_serial, last_serial)
    purpose = words("purpose", purpose, 100, needed=True)
    signature = words("signature", signature, 100, needed=True)
    if household is None and not taker.strip():
        raise Invalid("taker: say who takes them, as `household` or as `taker`")
    taker = words("taker", taker, 60, needed=False)
    key = key_of(idempotency_key)
    content = content_of(first_serial, last_serial, household, taker, purpose, signature, operator)
    now = parts.clock.now()
    month = months(now, now, parts.settings.zone)[0]
    with parts.store.writing() as connection:
        # The books before anything else, as the event path takes them: nobody waits in a circle.
        closed_through(connection, [site])
        if household is not None:
            # Held until the end, so that two who issue to one household at once count each other's.
            _hold_household(connection, site, household)
        rows = lock(connection, site, first_serial, last_serial)
        first = _standing(connection, site, key, content)
        if first is not None:
            return first
        book = _one_book(connection, rows, now)
        if household is not None:
            _check_household(connection, parts, book, household, month, len(rows))
        made = Issue(
            id=derive("vi", site, str(first_serial), str(last_serial), key),
            site=site,
            book=book.id,
            first_serial=first_serial,
            last_serial=last_serial,
            household=household,
            taker=taker,
            purpose=purpose,
            signature=signature,
            month=month,
            at=now,
            operator=operator,
        )
        connection.execute(insert(VoucherIssue).values(_row(made, key, content)))
        move(connection, parts, rows, "issue", Why(at=now, operator=operator, issue=made.id))
        _tell(connection, made, origin)
        connection.commit()
    return made


def _tell(connection: Connection, made: Issue, origin: str) -> None:
    """Who took them stands in the register, which ends some day; the audit trail does not."""
    audit.record(
        connection,
        at=made.at,
        operator=made.operator,
        action="voucher.issue",
        site=made.site,
        subject=made.id,
        origin=origin,
        detail={"book": made.book, "serials": [made.first_serial, made.last_serial]},
    )


def give_back(
    parts: Parts, *, site: str, first_serial: int, last_serial: int, reason: str, operator: str, origin: str = ""
) -> int:
    """领用退回: unused vouchers come back to the office and may be issued again. Returns how many. Raises as `issue`."""
    return _step(parts, "return", site, (first_serial, last_serial), reason=reason, operator=operator, origin=origin)


def declare_void(
    parts: Parts, *, site: str, first_serial: int, last_serial: int, reason: str, operator: str, origin: str = ""
) -> int:
    """Lost, spoilt or misprinted: they are worth nothing from now on. Returns how many. Not for one that a stay has presented."""
    return _step(parts, "void", site, (first_serial, last_serial), reason=reason, operator=operator, origin=origin)


def _step(
    parts: Parts, kind: str, site: str, serials: tuple[int, int], *, reason: str, operator: str, origin: str
) -> int:
    first, last = serials
    check_range(first, last)
    reason = words("reason", reason, 200, needed=True)
    now = parts.clock.now()
    to_state = {"return": "returned", "void": "void"}[kind]
    with parts.store.writing() as connection:
        rows = lock(connection, site, first, last)
        if all(row.state == to_state for row in rows):
            return 0  # a repeat
        move(connection, parts, rows, kind, Why(at=now, operator=operator, reason=reason))
        audit.record(
            connection,
            at=now,
            operator=operator,
            action=f"voucher.{kind}",
            site=site,
            subject=f"{number(first)}-{number(last)}",
            origin=origin,
            reason=reason,
        )
        connection.commit()
    return len(rows)


def expire(parts: Parts) -> int:
    """What was not used in time is expired, book by book; presented ones are not: they were in time. Returns how many."""
    now = parts.clock.now()
    over = (
        select(VoucherBook.site_id, VoucherBook.id, VoucherBook.first_serial, VoucherBook.last_serial)
        .where(
            # Codes collected without a network arrive later, and were handed over in time.
            VoucherBook.valid_to <= now - COLLECTED_WITHIN,
            select(Voucher.serial)
            .where(
                Voucher.site_id == VoucherBook.site_id,
                Voucher.book_id == VoucherBook.id,
                Voucher.state.in_(("stock", "issued", "returned")),
            )
            .exists(),
        )
        .order_by(VoucherBook.site_id, VoucherBook.first_serial)
    )
    with parts.store.reading() as connection:
        books = connection.execute(over).all()
    expired = 0
    for book in books:
        with parts.store.writing() as connection:
            rows = lock(connection, book.site_id, book.first_serial, book.last_serial)
            left = [row for row in rows if row.state in {"stock", "issued", "returned"}]
            move(connection, parts, left, "expire", Why(at=now))
            connection.commit()
        expired += len(left)
    return expired


def taken(connection: Connection, site: str, household: str, month: str) -> int:
    """How many vouchers a household has taken in a month, without those that it returned."""
    movement = VoucherMovement.__table__.c
    mine = and_(
        VoucherIssue.site_id == movement.site_id,
        VoucherIssue.id == movement.issue_id,
        VoucherIssue.household_id == household,
        VoucherIssue.month == month,
        VoucherIssue.book_id == movement.book_id,
        VoucherIssue.first_serial <= movement.serial,
        VoucherIssue.last_serial >= movement.serial,
    )
    found = connection.execute(
        select(movement.kind, func.count())
        .select_from(VoucherIssue)
        .join(VoucherMovement, mine)
        .where(VoucherIssue.site_id == site, movement.kind.in_(("issue", "return")))
        .group_by(movement.kind)
    )
    counts: dict[str, int] = dict(found.all())
    return counts.get("issue", 0) - counts.get("return", 0)


def _hold_household(connection: Connection, site: str, household: str) -> None:
    held = (
        select(Household.id).where(Household.site_id == site, Household.id == household).with_for_update(key_share=True)
    )
    if connection.execute(held).first() is None:
        raise NotFound(f"household {household[:64]} is not registered at {site}")


def _one_book(connection: Connection, rows: list[Row[Any]], now: datetime) -> Row[Any]:
    if len({row.book_id for row in rows}) != 1:
        pieces = ", ".join(f"{number(low)}-{number(high)}" for low, high in runs(row.serial for row in rows))
        raise VoucherState(f"{pieces} are of several books: issue each by itself")
    book = connection.execute(
        select(VoucherBook.site_id, VoucherBook.id, VoucherBook.buyer_id, VoucherBook.valid_to).where(
            VoucherBook.site_id == rows[0].site_id, VoucherBook.id == rows[0].book_id
        )
    ).one()
    if book.valid_to <= now:
        raise VoucherOver(f"the book of {number(rows[0].serial)} is no longer valid")
    return cast("Row[Any]", book)


def _check_household(
    connection: Connection, parts: Parts, book: Row[Any], household: str, month: str, asked: int
) -> None:
    """Whether the street's own vouchers may be handed to it, and so many more in this month."""
    if book.buyer_id is not None:
        raise Invalid(f"household: the book is {book.buyer_id}'s; name who takes it as `taker`")
    most = parts.settings.voucher_household_month_max
    if not most:
        return
    had = taken(connection, book.site_id, household, month)
    if had + asked > most:
        raise QuotaReached(
            f"the household has taken {had} vouchers in {month}; of {most} a month {max(0, most - had)} are left, {asked} were asked for"
        )


def _standing(connection: Connection, site: str, key: str, content: bytes) -> Issue | None:
    found = issues(connection, and_(VoucherIssue.site_id == site, VoucherIssue.idempotency_key == key), limit=1)
    if not found:
        return None
    stored = connection.execute(
        select(VoucherIssue.content_hash).where(VoucherIssue.site_id == site, VoucherIssue.id == found[0].id)
    ).scalar_one()
    if bytes(stored) != content:
        raise KeyReused
    return found[0]


def issues(
    connection: Connection,
    condition: ColumnElement[bool],
    *,
    after: tuple[datetime, str] | None = None,
    limit: int,
) -> list[Issue]:
    """The register, the newest first, at most so many after a key of (instant, id)."""
    conditions = [condition]
    conditions += older(after, VoucherIssue.at, VoucherIssue.id)
    rows = connection.execute(
        select(*VoucherIssue.__table__.c)
        .where(*conditions)
        .order_by(VoucherIssue.at.desc(), VoucherIssue.id.desc())
        .limit(limit)
    )
    return [
        Issue(
            id=row.id,
            site=row.site_id,
            book=row.book_id,
            first_serial=row.first_serial,
            last_serial=row.last_serial,
            household=row.household_id,
            taker=row.taker,
            purpose=row.purpose,
            signature=row.signature,
            month=row.month,
            at=row.at,
            operator=row.operator,
        )
        for row in rows
    ]


def _row(made: Issue, key: str, content: bytes) -> dict[str, Any]:
    return {
        "site_id": made.site,
        "id": made.id,
        "book_id": made.book,
        "first_serial": made.first_serial,
        "last_serial": made.last_serial,
        "household_id": made.household,
        "taker": made.taker,
        "purpose": made.purpose,
        "signature": made.signature,
        "month": made.month,
        "at": made.at,
        "operator": made.operator,
        "idempotency_key": key,
        "content_hash": content,
    }
