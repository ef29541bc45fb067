"""What passes, charges, arrears and vouchers share: who does it, the site's books, money at the till, and a second person.

These flows are rare and touch what the daily income and the close also touch, so each takes its site's books alone, as the close
does: no two of them ever meet. The event path, which shares the books, waits a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, insert, select

from billing.ledger import Posting, Transaction
from billing.people import same_person
from gateway.flows import audit, shifts, taking
from gateway.flows.charges_refusals import SecondPersonNeeded
from gateway.flows.posting import book, business_day_for
from gateway.flows.refusals import Invalid, KeyReused, NotFound
from gateway.runtime.ids import derive
from gateway.store import books
from gateway.store import tables as t
from gateway.wiring import Parts

PREPAID, REFUND = "liability:prepaid", "liability:refund"
REASON_MAX = 2000


class By(msgspec.Struct, frozen=True, kw_only=True):
    """Who does it: the account, its role, and from where."""

    operator: str
    role: str = ""
    origin: str = ""


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """What is handed over: the channel, the amount in fen and the payer's reference."""

    channel: str
    amount_fen: int
    reference: str = ""


class Books(msgspec.Struct, frozen=True):
    """How far a site's books reach, held until the transaction ends."""

    opened_on: date
    closed_through: date | None


@dataclass(frozen=True, slots=True)
class Desk:
    """One piece of work at a site: its transaction, who does it, and the instant that all of it bears."""

    parts: Parts
    connection: Connection
    site: str
    by: By
    now: datetime
    books: Books | None = None

    @property
    def zone(self) -> ZoneInfo:
        return self.parts.settings.zone

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def day(self, at: datetime) -> tuple[date, date | None]:
        """On which business day something of an instant stands, and its own day where that one takes nothing more."""
        assert self.books is not None, "the books are not held"
        return business_day_for(at, self.zone, self.books.closed_through, self.books.opened_on)

    def transaction(
        self,
        kind: str,
        cause: tuple[str, str],
        key: str,
        postings: Iterable[Posting],
        *,
        at: datetime | None = None,
        operator: str | None = None,
    ) -> Transaction | None:
        """A transaction on the day that is open for its instant; None where there is nothing to post."""
        lines = tuple(posting for posting in postings if posting.amount_fen)
        if not lines:
            return None
        at = at or self.now
        day, belongs_to = self.day(at)
        return Transaction(
            id=derive("t", self.site, key),
            site=self.site,
            business_day=day,
            belongs_to=belongs_to,
            at=at,
            kind=kind,
            reference_kind=cause[0],
            reference=cause[1],
            operator=operator,
            idempotency_key=key,
            reverses=None,
            postings=lines,
        )

    def post(
        self,
        kind: str,
        cause: tuple[str, str],
        key: str,
        postings: Iterable[Posting],
        *,
        at: datetime | None = None,
        operator: str | None = None,
    ) -> str | None:
        """Book one transaction. Returns its id; None where there is nothing to post."""
        made = self.transaction(kind, cause, key, postings, at=at, operator=operator)
        return None if made is None else book(self.connection, [made])[0].id

    def audit(self, action: str, subject: str, *, reason: str = "", **detail: Any) -> None:
        """A line in the same transaction. Never an amount that would tell of a certificate."""
        audit.record(
            self.connection,
            at=self.now,
            operator=self.by.operator,
            action=action,
            site=self.site,
            subject=subject,
            origin=self.by.origin,
            reason=reason,
            detail=detail,
        )


def hold(parts: Parts, connection: Connection, site: str, by: By) -> Desk:
    """Take the books of a site alone, and read the clock behind that lock. Raises `NotFound` for a site without books."""
    held = books.lock_books(connection, site)
    if held is None:
        raise NotFound(f"there is no site {site:.60}, or its site file has not been applied")
    return Desk(parts, connection, site, by, parts.clock.now(), Books(*held))


def hold_of(parts: Parts, connection: Connection, what: str, identifier: str, by: By) -> Desk:
    """The same for the site of something whose id begins with it. Raises `NotFound` in the words of that thing."""
    try:
        return hold(parts, connection, identifier.partition(".")[0], by)
    except NotFound:
        raise NotFound(f"there is no such {what}, or not for you") from None


def share(parts: Parts, connection: Connection, site: str, by: By) -> Desk:
    """The same without keeping others from posting, for work that holds another lock. Raises `NotFound`."""
    row = connection.execute(
        select(t.SiteBooks.opened_on, t.SiteBooks.closed_through)
        .where(t.SiteBooks.site_id == site)
        .with_for_update(read=True)
    ).one_or_none()
    if row is None:
        raise NotFound(f"there is no site {site:.60}, or its site file has not been applied")
    return Desk(parts, connection, site, by, parts.clock.now(), Books(row.opened_on, row.closed_through))


def check_money(parts: Parts, money: Money) -> None:
    """Raises `Invalid`, `ChannelClosed` or `AmountNotDue`."""
    taking.check_money(parts, money.channel, money.amount_fen, money.reference)


def asked_as(idempotency_key: str | None, *said: Any) -> Asked:
    """What was asked, under the caller's key or one of its own: the same key with other content is refused. Raises `Invalid`."""
    return Asked(taking.key_of(idempotency_key), taking.content_of(*said))


def account_of(desk: Desk, channel: str) -> tuple[str, str | None]:
    """Where money of a channel stands: (account, shift). Cash stands in the cashier's shift; one without gets one."""
    return shifts.account_of(
        desk.connection, desk.site, channel, desk.by.operator or desk.by.role or "service", desk.now
    )


class Asked(msgspec.Struct, frozen=True):
    """Under which key something was asked, and a hash of what it was."""

    key: str
    content: bytes


class Standing(msgspec.Struct, frozen=True):
    """A payment that stands under an idempotency key."""

    id: str
    subject: str
    amount_fen: int


def payment_under(desk: Desk, asked: Asked) -> Standing | None:
    """The payment that was taken under this key. Raises `KeyReused` where it was for something else."""
    payment = t.ChargePayment
    row = desk.connection.execute(
        select(payment.id, payment.subject, payment.amount_fen, payment.content_hash).where(
            payment.site_id == desk.site, payment.idempotency_key == asked.key
        )
    ).one_or_none()
    if row is None:
        return None
    if bytes(row.content_hash) != asked.content:
        raise KeyReused
    return Standing(row.id, row.subject, row.amount_fen)


def take(desk: Desk, purpose: str, subject: str, money: Money, asked: Asked, against: Sequence[Posting]) -> str:
    """Keep a payment and book it against accounts (whose sum is minus the amount). Returns its id."""
    payment_id = derive("cp", desk.site, asked.key)
    account, shift = account_of(desk, money.channel)
    desk.connection.execute(
        insert(t.ChargePayment).values(
            site_id=desk.site,
            id=payment_id,
            purpose=purpose,
            subject=subject,
            channel=money.channel,
            amount_fen=money.amount_fen,
            reference=money.reference,
            at=desk.now,
            operator=desk.by.operator,
            shift_id=shift,
            idempotency_key=asked.key,
            content_hash=asked.content,
        )
    )
    lines = [Posting(account, money.amount_fen), *against]
    desk.post("payment", ("payment", payment_id), f"payment:{payment_id}", lines, operator=desk.by.operator)
    return payment_id


def another(proposed_by: str, by: By) -> None:
    """Four eyes: who proposed it does not decide it. Raises `SecondPersonNeeded`."""
    if same_person(proposed_by, by.operator):
        raise SecondPersonNeeded


def reason_of(text: str, what: str = "reason") -> str:
    """A reason in words. Raises `Invalid`."""
    words = text.strip()
    if not words:
        raise Invalid(f"{what} is missing: say why in a few words")
    if len(words) > REASON_MAX or not words.replace("\n", " ").isprintable():
        raise Invalid(f"{what}: at most {REASON_MAX} printable characters")
    return words
