"""Asking for an invoice: by the driver on the page of the stay, or by staff. One at a time a stay, and never over more than was paid.

What it will say is fixed when it is sent, which is after the exit: who pays before leaving may ask at once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from billing.invoices import UNDER_WAY, Buyer, open_fen, problems_of_buyer, tidy, to_reverse
from gateway.flows import audit
from gateway.flows.charges_books import By
from gateway.flows.invoices.records import (
    INVOICE,
    Invoice,
    buyer_of,
    change,
    document,
    find,
    hash_of,
    held,
    lock_stay,
    of_stay,
)
from gateway.flows.invoices.refusals import (
    BuyerWrong,
    InvoiceNotOffered,
    InvoiceNotThere,
    InvoiceUnderWay,
    NothingToInvoice,
)
from gateway.flows.refusals import NotFound
from gateway.runtime.ids import derive
from gateway.store import tables as t
from gateway.wiring import Parts

DRIVER = "driver"
SERVICE = By(operator="service")
# More than anybody needs; whoever clicks on and on makes no more.
INVOICES_MAX = 20


class Offer(msgspec.Struct, frozen=True):
    """What the page of a stay says of invoices. `state`: of the newest one; None where nobody has asked."""

    may_ask: bool
    state: str | None


def offered(parts: Parts, stay_id: str) -> Offer | None:
    """None where the stay's merchant issues no invoices, or there is no such stay."""
    if not parts.invoicing:
        return None
    site = stay_id.partition(".")[0]
    with parts.store.reading() as connection:
        paid = connection.execute(select(t.Stay.paid_fen).where(t.Stay.site_id == site, t.Stay.id == stay_id)).scalar()
        if paid is None or not parts.invoicing.offers(merchant_of(connection, site, stay_id)):
            return None
        rows = of_stay(connection, site, stay_id)
    under_way = any(row.state in UNDER_WAY for row in rows)
    may_ask = not under_way and open_fen(paid, held(rows)) > 0
    return Offer(may_ask, rows[-1].state if rows else None)


def ask(parts: Parts, stay_id: str, buyer: Buyer, by: By | None = None, origin: str = "") -> Invoice:
    """An invoice over what was paid and none covers yet; asked for again it is the same one.

    Until it is sent staff may put its buyer right; a driver may not, for a stay's page is open to who stood at the exit's display.

    Raises `BuyerWrong`, `InvoiceNotOffered`, `NothingToInvoice`, `InvoiceUnderWay`, `NotFound`.
    """
    buyer = tidy(buyer)
    if problems := problems_of_buyer(buyer):
        raise BuyerWrong(problems)
    site = stay_id.partition(".")[0]
    with parts.store.writing() as connection:
        now = parts.clock.now()
        stay = lock_stay(connection, site, stay_id)
        if stay is None or stay.state == "void" or stay.plate.startswith("#"):
            raise NotFound("there is no such stay, or it is too old for an invoice")
        merchant = merchant_of(connection, site, stay_id)
        if not parts.invoicing.offers(merchant):
            raise InvoiceNotOffered
        rows = of_stay(connection, site, stay_id)
        under_way = next((one for one in rows if one.state in UNDER_WAY), None)
        if under_way is not None:
            made = _again(connection, under_way, buyer, by)
        elif open_fen(stay.paid_fen, held(rows)) <= 0 or len(rows) >= INVOICES_MAX:
            raise NothingToInvoice
        else:
            made = put(connection, stay, merchant, buyer, now, count=len(rows), by=by)
        if made is not under_way:
            who = by or By(operator=DRIVER, origin=origin)
            _audit(connection, "invoice.request", made, who, now)
        connection.commit()
    return document(made)


def put(
    connection: Connection,
    stay: Any,
    merchant: str,
    buyer: Buyer,
    now: datetime,
    *,
    count: int,
    by: By | None = None,
    replaces: str | None = None,
) -> Any:
    """A new row, behind the lock of its stay, of which it is the `count`th."""
    row: dict[str, Any] = dict.fromkeys(column.name for column in INVOICE)
    row |= {
        "site_id": stay.site_id,
        # Letters and digits only, as providers take them; with the instant, so that a restored database gives out no number twice.
        "id": derive("iv", stay.site_id, stay.id, str(count), now.isoformat()).replace("-", ""),
        "stay_id": stay.id,
        "merchant_id": merchant,
        "state": "requested",
        "requested_at": now,
        "requested_by": by.operator if by is not None else None,
        **_buyer(buyer),
        "plate": stay.plate,
        "replaces": replaces,
        "look_at": now,
        "amount_fen": 0,
        "tax_fen": 0,
        "rate": "0",
        "goods": {},
        "seller": {},
        "premises": {},
        "place": "",
        "problem": "",
        "looks": 0,
    }
    row["row_hash"] = hash_of(row)
    connection.execute(insert(t.Invoice).values(**row))
    return find(connection, row["id"])


def reverse(parts: Parts, invoice_id: str, reason: str, by: By) -> Invoice:
    """A red one, because what it says is wrong (开票有误): the title, most often. Then it may be asked for anew.

    Raises `InvoiceNotThere`, `NoSuchInvoice`.
    """
    with parts.store.writing() as connection:
        now = parts.clock.now()
        row = _locked(connection, invoice_id)
        if row.state != "issued":
            raise InvoiceNotThere(f"the invoice is {row.state}, not issued")
        row = to_be_reversed(connection, row, "mistake", now, by)
        _audit(connection, "invoice.reverse", row, by, now, reason=reason)
        connection.commit()
    return document(row)


def again(parts: Parts, invoice_id: str, by: By) -> Invoice:
    """Send one that was refused, or whose red one was, once more: what kept it back was put right. Raises `InvoiceNotThere`, `NoSuchInvoice`.

    One that was never sent, or that the tax authority has not, is asked for anew instead, under a number of its own.
    """
    with parts.store.writing() as connection:
        now = parts.clock.now()
        row = _locked(connection, invoice_id)
        if row.state == "refused":
            stay = lock_stay(connection, row.site_id, row.stay_id)
            rows = of_stay(connection, row.site_id, row.stay_id)
            if any(one.state in UNDER_WAY for one in rows):
                raise InvoiceUnderWay
            if not row.buyer_title or open_fen(stay.paid_fen, held(rows)) <= 0 or len(rows) >= INVOICES_MAX:
                raise NothingToInvoice
            merchant = merchant_of(connection, row.site_id, row.stay_id)
            row = put(connection, stay, merchant, buyer_of(row), now, count=len(rows), by=by, replaces=row.id)
        elif row.state == "red_refused":
            row = change(connection, row, state="red_requested", problem="", looks=0, look_at=now)
        else:
            raise InvoiceNotThere(f"the invoice is {row.state}: nothing of it was refused")
        _audit(connection, "invoice.again", row, by, now)
        connection.commit()
    return document(row)


def money_went_back(connection: Connection, site: str, stay_id: str, paid_fen: int, now: datetime) -> int:
    """Ask for red ones where what is issued says more than a stay has received. How many. The caller holds the stay, and commits."""
    rows = of_stay(connection, site, stay_id)
    reverse_these = set(to_reverse(paid_fen, held(rows)))
    for row in rows:
        if row.id in reverse_these:
            made = to_be_reversed(connection, row, "refund", now, None)
            _audit(connection, "invoice.reverse", made, SERVICE, now)
    return len(reverse_these)


def to_be_reversed(connection: Connection, row: Any, cause: str, now: datetime, by: By | None) -> Any:
    return change(
        connection,
        row,
        state="red_requested",
        red_cause=cause,
        red_requested_at=now,
        red_requested_by=by.operator if by is not None else None,
        looks=0,
        look_at=now,
    )


def rest(connection: Connection, stay: Any, red: Any, now: datetime) -> Any:
    """After a refund in part: a new one over what is left, for the same buyer. None where nothing is, or the buyer was taken out."""
    rows = of_stay(connection, stay.site_id, stay.id)
    waits = any(one.state in UNDER_WAY for one in rows)
    if red.red_cause != "refund" or not red.buyer_title or waits or len(rows) >= INVOICES_MAX:
        return None
    if open_fen(stay.paid_fen, held(rows)) <= 0:
        return None
    made = put(connection, stay, red.merchant_id, buyer_of(red), now, count=len(rows), replaces=red.id)
    _audit(connection, "invoice.request", made, SERVICE, now)
    return made


def merchant_of(connection: Connection, site: str, stay_id: str) -> str:
    """Who sells: the merchant through whose accounts the stay was paid, else, and where it were several, the site's."""
    order = t.PaymentOrder.__table__.c
    paid = select(order.merchant_id).where(order.site_id == site, order.stay_id == stay_id, order.applied_fen > 0)
    found = connection.execute(paid.distinct().limit(2)).scalars().all()
    if len(found) == 1:
        return str(found[0])
    return str(connection.execute(select(t.Site.merchant_id).where(t.Site.id == site)).scalar_one())


def _again(connection: Connection, row: Any, buyer: Buyer, by: By | None) -> Any:
    """One that is under way. Raises `InvoiceUnderWay`."""
    if buyer_of(row) == buyer:
        return row
    if row.state != "requested" or by is None:
        raise InvoiceUnderWay
    return change(connection, row, **_buyer(buyer))


def _locked(connection: Connection, invoice_id: str) -> Any:
    """Its row as it stands behind the lock of its stay. Raises `NoSuchInvoice`."""
    known = find(connection, invoice_id)
    lock_stay(connection, known.site_id, known.stay_id)
    return find(connection, invoice_id)


def _buyer(buyer: Buyer) -> dict[str, str]:
    return {
        "buyer_kind": buyer.kind,
        "buyer_title": buyer.title,
        "buyer_tax_number": buyer.tax_number,
        "buyer_email": buyer.email,
        "buyer_phone": buyer.phone,
    }


def _audit(connection: Connection, action: str, row: Any, by: By, now: datetime, *, reason: str = "") -> None:
    """Never who the buyer is."""
    audit.record(
        connection,
        at=now,
        operator=by.operator,
        action=action,
        site=row.site_id,
        subject=row.stay_id,
        origin=by.origin,
        reason=reason,
        detail={"invoice": row.id, "amount_fen": row.amount_fen},
    )
