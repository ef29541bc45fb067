"""Invoices as rows and as documents, what is read of them, and the hash by which a change past the flows is found."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, String, and_, cast, func, null, or_, select, text, union_all, update

from billing.exports import InvoiceLine
from billing.invoices import Buyer, Content, Goods, Held, Premises, Seller
from gateway.flows.invoices.refusals import NoSuchInvoice
from gateway.flows.reading import Sites, Slice, at_each, older
from gateway.store import tables as t
from gateway.store.personal import PERSONAL
from gateway.store.tables.invoices import ASKED_ABOUT
from gateway.wiring import Parts

INVOICE = t.Invoice.__table__.c
STAY = t.Stay.__table__.c
_FILE = t.InvoiceFile.__table__.c
_NOT_HASHED: Final = frozenset({"look_at", "looks", "row_hash", *PERSONAL["invoice"]})
_HASHED: Final = tuple(column.name for column in INVOICE if column.name not in _NOT_HASHED)
_LOOK_SECONDS_MAX: Final = 3600
_ROWS_AT_A_TIME: Final = 1_000


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice as it stands. `amount_fen` is 0 until it is sent; `red_cause`: why it was reversed (`mistake`, `refund`)."""

    id: str
    site: str
    stay: str
    merchant: str
    state: str
    requested_at: datetime
    requested_by: str | None
    kind: str
    title: str
    tax_number: str
    email: str
    phone: str
    amount_fen: int
    tax_fen: int
    rate: str
    submitted_at: datetime | None
    number: str | None
    issued_at: datetime | None
    red_cause: str | None
    red_requested_at: datetime | None
    red_requested_by: str | None
    red_number: str | None
    red_issued_at: datetime | None
    replaces: str | None
    problem: str


def document(row: Any) -> Invoice:
    return Invoice(
        id=row.id,
        site=row.site_id,
        stay=row.stay_id,
        merchant=row.merchant_id,
        state=row.state,
        requested_at=row.requested_at,
        requested_by=row.requested_by,
        kind=row.buyer_kind,
        title=row.buyer_title,
        tax_number=row.buyer_tax_number,
        email=row.buyer_email,
        phone=row.buyer_phone,
        amount_fen=row.amount_fen,
        tax_fen=row.tax_fen,
        rate=row.rate,
        submitted_at=row.submitted_at,
        number=row.number,
        issued_at=row.issued_at,
        red_cause=row.red_cause,
        red_requested_at=row.red_requested_at,
        red_requested_by=row.red_requested_by,
        red_number=row.red_number,
        red_issued_at=row.red_issued_at,
        replaces=row.replaces,
        problem=row.problem,
    )


def content_of(row: Any) -> Content:
    """What an invoice said when it was sent, to send it again."""
    return Content(
        number=row.id,
        amount_fen=row.amount_fen,
        buyer=buyer_of(row),
        seller=msgspec.convert(row.seller, Seller),
        goods=Goods(rate=Decimal(row.rate), **row.goods),
        premises=msgspec.convert(row.premises, Premises),
        place=row.place,
        plate=row.plate,
        entry_at=row.entry_at,
        exit_at=row.exit_at,
    )


def buyer_of(row: Any) -> Buyer:
    return Buyer(
        kind=row.buyer_kind,
        title=row.buyer_title,
        tax_number=row.buyer_tax_number,
        email=row.buyer_email,
        phone=row.buyer_phone,
    )


def hash_of(row: Mapping[str, Any]) -> bytes:
    """SHA-256 over all that an invoice is, without its buyer, its plate and who asked for it."""
    said = {name: row[name] for name in _HASHED}
    spelt = {name: one.astimezone(UTC) if isinstance(one, datetime) else one for name, one in said.items()}
    return hashlib.sha256(msgspec.json.encode(spelt, order="deterministic")).digest()


def change(connection: Connection, row: Any, **changed: Any) -> Any:
    """Change a locked row; as it stands then."""
    mine = (INVOICE.site_id == row.site_id, INVOICE.id == row.id)
    hashed = hash_of({**row._asdict(), **changed})
    connection.execute(update(t.Invoice).where(*mine).values(**changed, row_hash=hashed))
    return connection.execute(select(*INVOICE).where(*mine)).one()


def find(connection: Connection, invoice_id: str) -> Any:
    """Its row, wherever it is. Raises `NoSuchInvoice`."""
    found = connection.execute(select(*INVOICE).where(INVOICE.id == invoice_id)).first()
    if found is None:
        raise NoSuchInvoice
    return found


def lock_stay(connection: Connection, site: str, stay_id: str) -> Any:
    """The stay's row, held until the transaction ends; its invoices are only changed behind it. None if there is none."""
    mine = select(*STAY).where(STAY.site_id == site, STAY.id == stay_id).with_for_update()
    return connection.execute(mine).first()


def of_stay(connection: Connection, site: str, stay_id: str) -> Sequence[Any]:
    """All invoices of a stay, the oldest first."""
    mine = select(*INVOICE).where(INVOICE.site_id == site, INVOICE.stay_id == stay_id)
    return connection.execute(mine.order_by(INVOICE.requested_at, INVOICE.id)).fetchall()


def held(rows: Sequence[Any]) -> list[Held]:
    return [Held(row.id, row.state, row.amount_fen) for row in rows]


def invoice(parts: Parts, invoice_id: str) -> Invoice:
    """Raises `NoSuchInvoice`."""
    with parts.store.reading() as connection:
        return document(find(connection, invoice_id))


def pdf(parts: Parts, invoice_id: str, part: str) -> bytes:
    """The file of an invoice (`blue`) or of its red one (`red`). Raises `NoSuchInvoice` where there is none (any more)."""
    with parts.store.reading() as connection:
        row = find(connection, invoice_id)
        mine = (_FILE.site_id == row.site_id, _FILE.invoice_id == row.id, _FILE.part == part)
        found = connection.execute(select(_FILE.pdf).where(*mine)).scalar()
    if found is None:
        raise NoSuchInvoice("there is no file of this invoice, not yet or no more")
    return bytes(found)


def files(parts: Parts, invoice_id: str) -> list[str]:
    """Which of its PDFs are kept: `blue`, `red`."""
    with parts.store.reading() as connection:
        row = find(connection, invoice_id)
        kept = select(_FILE.part).where(_FILE.site_id == row.site_id, _FILE.invoice_id == row.id)
        return list(connection.execute(kept.order_by(_FILE.part)).scalars())


def invoices(
    connection: Connection,
    allowed: Sites,
    page: Slice,
    *,
    stay: str | None = None,
    state: str | None = None,
    merchant: str | None = None,
    number: str | None = None,
    within: tuple[datetime, datetime] | None = None,
) -> list[tuple[tuple[datetime, str], Invoice]]:
    """Invoices, the newest request first, each with its key for paging. `number`: of it or of its red one; `within`: issued or reversed in
    [start, end).
    """
    conditions: list[Any] = [at_each(t.Invoice.site_id, allowed)]
    for column, wanted in ((INVOICE.stay_id, stay), (INVOICE.state, state), (INVOICE.merchant_id, merchant)):
        if wanted is not None:
            conditions.append(column == wanted)
    if number is not None:
        conditions.append(or_(INVOICE.number == number, INVOICE.red_number == number))
    if within is not None:
        start, end = within
        conditions.append(or_(*(and_(at >= start, at < end) for at in (INVOICE.issued_at, INVOICE.red_issued_at))))
    conditions += older(page.after, INVOICE.requested_at, INVOICE.id)
    rows = connection.execute(
        select(*INVOICE)
        .where(*conditions)
        .order_by(INVOICE.requested_at.desc(), INVOICE.id.desc())
        .limit(page.limit + 1)
    )
    return [((row.requested_at, row.id), document(row)) for row in rows]


class Lines:
    """What was issued and reversed at some sites in [start, end), by instant and number; read when it is gone through."""

    def __init__(self, connection: Connection, sites: Sequence[str], start: datetime, end: datetime) -> None:
        self._connection = connection
        self._sites = sites
        self._within = (start, end)

    def __iter__(self) -> Iterator[InvoiceLine]:
        red = _lines(INVOICE.red_number, INVOICE.red_issued_at, INVOICE.number, self._sites, self._within)
        blue = _lines(INVOICE.number, INVOICE.issued_at, null(), self._sites, self._within)
        both = union_all(blue, red).subquery()
        found = self._connection.execute(
            select(both).order_by(both.c.at, both.c.number).execution_options(yield_per=_ROWS_AT_A_TIME)
        )
        for row in found:
            sign = 1 if row.of_number is None else -1
            yield InvoiceLine(
                at=row.at,
                site=row.site_id,
                merchant=row.merchant_id,
                number=row.number,
                of_number=row.of_number,
                stay=row.stay_id,
                amount_fen=sign * row.amount_fen,
                tax_fen=sign * row.tax_fen,
                rate=row.rate,
            )


def _lines(number: Any, at: Any, of_number: Any, sites: Sequence[str], within: tuple[datetime, datetime]) -> Any:
    own = (INVOICE.site_id, INVOICE.merchant_id, INVOICE.stay_id, INVOICE.amount_fen, INVOICE.tax_fen, INVOICE.rate)
    query = select(number.label("number"), at.label("at"), cast(of_number, String).label("of_number"), *own)
    return query.where(INVOICE.site_id.in_(sites), at >= within[0], at < within[1])


def due_for_a_look(connection: Connection, now: datetime, most: int) -> list[tuple[str, str, str]]:
    """(id, merchant, state) of what should be sent or asked about by now, the longest waiting first."""
    wanted = select(INVOICE.id, INVOICE.merchant_id, INVOICE.state).where(text(ASKED_ABOUT), INVOICE.look_at <= now)
    return [(row[0], row[1], row[2]) for row in connection.execute(wanted.order_by(INVOICE.look_at).limit(most))]


def with_too_much(connection: Connection, most: int) -> list[tuple[str, str]]:
    """(site, stay) where issued invoices say more than was received."""
    amount = func.sum(INVOICE.amount_fen)
    found = (
        select(INVOICE.site_id, INVOICE.stay_id)
        .join(t.Stay, and_(STAY.site_id == INVOICE.site_id, STAY.id == INVOICE.stay_id))
        .where(INVOICE.state == "issued")
        .group_by(INVOICE.site_id, INVOICE.stay_id, STAY.paid_fen)
        .having(amount > STAY.paid_fen)
    )
    return [(row[0], row[1]) for row in connection.execute(found.limit(most))]


def next_look(now: datetime, looks: int) -> datetime:
    """When a provider is asked again: after 15 s, 30 s, a minute, … an hour."""
    return now + timedelta(seconds=min(15 * 2 ** min(looks, 10), _LOOK_SECONDS_MAX))
