"""Electronic invoices: each says what it said, its tax is the rate's, and no stay is invoiced for more than the ledger says it brought."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import func, select

from billing.exports.vouchers import contained_vat
from billing.ledger import Posted
from gateway.flows.invoices.records import INVOICE, STAY, hash_of
from gateway.flows.verify_scope import ROWS_AT_A_TIME, Failure, Look
from gateway.store.tables import AuditEntry, Site, Stay

_SENT = frozenset({"submitted", "issued", "red_requested", "red_submitted", "red_refused", "red_issued"})
_NUMBERED = _SENT - {"submitted"}
_NUMBER_DIGITS = 20
_ACTIONS = ("invoice.request", "invoice.again", "invoice.reverse")
_TOLD = AuditEntry.__table__.c


def failures(look: Look) -> Iterator[Failure]:
    """Invoices in the order of (site, id)."""
    look.checked["invoices"] += 0
    for site in look.connection.execute(select(Site.id).order_by(Site.id)).scalars().all():
        after = ""
        while page := _page(look, site, after):
            after = page[-1].id
            received = _received(look, site, [row.stay_id for row in page])
            issued = _issued(look, site, [row.stay_id for row in page])
            twice = _twice(look, [number for row in page for number in (row.number, row.red_number) if number])
            for row in page:
                why = _wrong(row, twice) or _too_much(row, received, issued)
                if why is not None:
                    yield Failure("invoice", row.id, why)
                look.count("invoices")
    yield from _lost(look)


def _lost(look: Look) -> Iterator[Failure]:
    """Invoices of which the audit trail tells, and that are not there: none is ever taken away."""
    told = select(_TOLD.site_id, _TOLD.detail).where(_TOLD.action.in_(_ACTIONS), *look.scope.instants(_TOLD.at))
    for chunk in look.rows(told.order_by(_TOLD.id)):
        names = {line.detail["invoice"] for line in chunk}
        there = set(look.connection.execute(select(INVOICE.id).where(INVOICE.id.in_(sorted(names)))).scalars())
        for name in sorted(names - there):
            yield Failure("invoice", name, "the audit trail tells of it, and it is not there")


def _page(look: Look, site: str, after: str) -> list[Any]:
    conditions = [INVOICE.site_id == site, INVOICE.id > after, *look.scope.instants(INVOICE.requested_at)]
    rows = look.connection.execute(select(*INVOICE).where(*conditions).order_by(INVOICE.id).limit(ROWS_AT_A_TIME))
    return list(rows)


def _received(look: Look, site: str, stays: list[str]) -> dict[str, int]:
    """What stays brought by what the ledger holds for them; that these are the ledger's is looked at with the stays."""
    rows = look.connection.execute(select(Stay.id, Stay.posted).where(STAY.site_id == site, STAY.id.in_(stays)))
    return {row.id: sum(msgspec.convert(row.posted, Posted).received.values()) for row in rows}


def _issued(look: Look, site: str, stays: list[str]) -> dict[str, int]:
    query = (
        select(INVOICE.stay_id, func.sum(INVOICE.amount_fen))
        .where(INVOICE.site_id == site, INVOICE.stay_id.in_(stays), INVOICE.state == "issued")
        .group_by(INVOICE.stay_id)
    )
    return {stay: int(fen) for stay, fen in look.connection.execute(query)}


def _twice(look: Look, numbers: list[str]) -> frozenset[str]:
    """Numbers that stand more than once: each is one invoice's, anywhere."""
    seen: set[str] = set()
    again: set[str] = set()
    for column in (INVOICE.number, INVOICE.red_number):
        for number in look.connection.execute(select(column).where(column.in_(numbers))).scalars():
            (again if number in seen else seen).add(number)
    return frozenset(again)


def _wrong(row: Any, twice: frozenset[str]) -> str | None:
    if hash_of(row._asdict()) != bytes(row.row_hash):
        return "it does not say what was written"
    if (row.state in _SENT) != (row.amount_fen > 0) and row.state != "refused":
        return f"it is {row.state} over {row.amount_fen} fen"
    if contained_vat(row.amount_fen, Decimal(row.rate)) != row.tax_fen:
        return f"{row.tax_fen} fen are not the tax at {row.rate} in {row.amount_fen} fen"
    for number, there in ((row.number, row.state in _NUMBERED), (row.red_number, row.state == "red_issued")):
        if (number is not None) != there or (number is not None and not _is_number(number)):
            return f"it is {row.state} with the number {number or 'none'}"
        if number in twice:
            return f"another one has its number {number}"
    return None


def _is_number(number: str) -> bool:
    return len(number) == _NUMBER_DIGITS and number.isascii() and number.isdigit()


def _too_much(row: Any, received: dict[str, int], issued: dict[str, int]) -> str | None:
    """A refund asks for the red one in its own transaction; what remains issued was received."""
    brought, says = received.get(row.stay_id, 0), issued.get(row.stay_id, 0)
    if row.state == "issued" and says > brought:
        return f"{says} fen are invoiced for its stay, the ledger has {brought} received"
    return None
