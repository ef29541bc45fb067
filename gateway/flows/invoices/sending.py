"""Bringing invoices to their provider and back: the scheduled part. Each step is committed before and after the provider is asked.

An invoice is sent when its stay has ended: then it says what was really paid. What it says is fixed in the row before it leaves, and goes
out the same under the same number however often it has to be sent, so no answer that is lost makes two of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from billing.invoices import Content, Goods, Premises, Seller, open_fen, problems_of
from controllers.passages import State as StayState
from gateway.flows.accounting import accounting_mapping
from gateway.flows.invoices.asking import money_went_back, rest
from gateway.flows.invoices.records import (
    buyer_of,
    change,
    content_of,
    due_for_a_look,
    find,
    held,
    lock_stay,
    next_look,
    of_stay,
    with_too_much,
)
from gateway.flows.outcome import Situation
from gateway.flows.refusals import Invalid
from gateway.flows.saving import OutcomeWriter
from gateway.invoicing.port import InvoicingError, Provider, Said, State, ToReverse
from gateway.runtime.logs import logger
from gateway.store import tables as t
from gateway.wiring import Parts

# One round: a provider that is away costs some seconds for each.
AT_ONCE = 50
_UNTIL_IT_LEAVES = timedelta(minutes=2)
# Who pays at the kiosk and stays on has nothing to wait for; the request is forgotten then.
_WAITS_AT_MOST = timedelta(days=30)
_PROBLEM_MAX = 300
_log = logger(__name__)


def tend(parts: Parts) -> str:
    """Send what was asked for, ask about what was sent; returns what was done. Does nothing where nobody issues invoices."""
    if not parts.invoicing:
        return ""
    with parts.store.reading() as connection:
        found = due_for_a_look(connection, parts.clock.now(), AT_ONCE)
    away: set[str] = set()
    for invoice, merchant, _ in found:
        if merchant not in away and not look(parts, invoice):
            away.add(merchant)  # each would wait for its time-out in vain
    return f"{len(found)} invoices looked after" if found else ""


def watch(parts: Parts) -> str:
    """Ask for red ones where an issued invoice says more than its stay has received, whatever took the money back."""
    if not parts.invoicing:
        return ""
    with parts.store.reading() as connection:
        found = with_too_much(connection, AT_ONCE)
    count = 0
    for site, stay_id in found:
        with parts.store.writing() as connection:
            stay = lock_stay(connection, site, stay_id)
            count += money_went_back(connection, site, stay_id, stay.paid_fen, parts.clock.now())
            connection.commit()
    return f"{count} red invoices asked for" if count else ""


def look(parts: Parts, invoice_id: str) -> bool:
    """Bring one a step further. False where its provider does not answer: it is asked again later."""
    row, first = _about_to_ask(parts, invoice_id)
    if row is None:
        return True
    provider = parts.invoicing.get(row.merchant_id)
    if provider is None:
        _log.error("a merchant has invoices under way and no provider in the settings", merchant=row.merchant_id)
        return False
    try:
        said = _asked(provider, row, first=first)
    except InvoicingError as problem:
        _log.warning("an invoice was not brought further", invoice=invoice_id, problem=str(problem))
        return False
    _conclude(parts, row, said)
    return True


def _about_to_ask(parts: Parts, invoice_id: str) -> tuple[Any, bool]:
    """Commit that it is sent before it is: (row, whether this is the first time); without the row: nothing to do."""
    with parts.store.writing() as connection:
        known = find(connection, invoice_id)
        stay = lock_stay(connection, known.site_id, known.stay_id)
        row = find(connection, invoice_id)
        now = parts.clock.now()
        first = row.state in {"requested", "red_requested"}
        if row.state == "requested":
            row = _prepared(parts, connection, stay, row, now)
        elif row.state in {"submitted", "red_requested", "red_submitted"}:
            state = "red_submitted" if row.state == "red_requested" else row.state
            row = change(connection, row, state=state, looks=row.looks + 1, look_at=next_look(now, row.looks))
        else:
            row = None
        connection.commit()
        return row, first


def _prepared(parts: Parts, connection: Connection, stay: Any, row: Any, now: datetime) -> Any:
    """Fix what it says, and check that it is complete; None where it does not go out now."""
    if stay.state == StayState.INSIDE and now - row.requested_at < _WAITS_AT_MOST:
        change(connection, row, look_at=now + _UNTIL_IT_LEAVES)
        return None
    amount = open_fen(stay.paid_fen, held(of_stay(connection, row.site_id, row.stay_id)))
    if stay.state in {StayState.INSIDE, StayState.VOID} or amount <= 0:
        change(connection, row, state="withdrawn", problem=f"{stay.state}, {amount} fen")
        return None
    try:
        content = _content(parts, connection, stay, row, amount)
        wrong = [one.words for one in problems_of(content)]
    except Invalid as problem:
        content, wrong = None, [problem.detail]
    if content is None or wrong:
        _refused(connection, row, "; ".join(wrong), now)
        return None
    return change(
        connection,
        row,
        state="submitted",
        submitted_at=now,
        amount_fen=amount,
        tax_fen=content.tax_fen,
        rate=str(content.goods.rate),
        goods={"code": content.goods.code, "category": content.goods.category, "name": content.goods.name},
        seller=msgspec.to_builtins(content.seller),
        premises=msgspec.to_builtins(content.premises),
        place=content.place,
        plate=content.plate,
        entry_at=content.entry_at,
        exit_at=content.exit_at,
        looks=1,
        look_at=next_look(now, 0),
    )


def _content(parts: Parts, connection: Connection, stay: Any, row: Any, amount: int) -> Content:
    """Raises `Invalid` where the mapping of the settings cannot be used."""
    mapping = accounting_mapping(parts)
    service = mapping.service
    site = connection.execute(select(t.Site.name, t.Site.premises).where(t.Site.id == row.site_id)).one()
    seller = connection.execute(select(t.Merchant.seller).where(t.Merchant.id == row.merchant_id)).scalar()
    return Content(
        number=row.id,
        amount_fen=amount,
        buyer=buyer_of(row),
        # What the site file does not say is missing, and that is said then.
        seller=msgspec.convert({"title": "", "tax_number": "", **(seller or {})}, Seller),
        goods=Goods(
            code=service.code, category=service.category, name=service.name, rate=mapping.of("income:parking").vat
        ),
        premises=msgspec.convert({"region": "", "address": "", **(site.premises or {})}, Premises),
        place=site.name,
        plate=stay.plate,
        entry_at=stay.entry_at or stay.started_at,
        exit_at=stay.exit_at or stay.started_at,
    )


def _asked(provider: Provider, row: Any, *, first: bool) -> Said:
    red = row.state == "red_submitted"
    if not first:
        said = provider.query_red(row.id) if red else provider.query(row.id)
        if said.state is not State.UNKNOWN:
            return said
    if not red:
        return provider.issue(content_of(row))
    return provider.reverse(
        ToReverse(
            number=row.id,
            of_number=row.number,
            of_issued_at=row.issued_at,
            amount_fen=row.amount_fen,
            tax_fen=row.tax_fen,
            cause=row.red_cause,
            seller=msgspec.convert(row.seller, Seller),
        )
    )


def _conclude(parts: Parts, asked: Any, said: Said) -> None:
    """Bring an invoice to what its provider says of it. One transaction; what somebody else concluded meanwhile stays."""
    if said.state not in {State.ISSUED, State.REFUSED}:
        return
    with parts.store.writing() as connection:
        now = parts.clock.now()
        stay = lock_stay(connection, asked.site_id, asked.stay_id)
        row = find(connection, asked.id)
        if row.state == asked.state:
            (_red if row.state == "red_submitted" else _blue)(connection, stay, row, said, now)
        connection.commit()


def _blue(connection: Connection, stay: Any, row: Any, said: Said, now: datetime) -> None:
    if said.state is State.REFUSED or said.number is None:
        _refused(connection, row, said.detail, now)
        return
    change(connection, row, state="issued", number=said.number, issued_at=said.issued_at or now, problem="")
    _keep(connection, row, "blue", said.pdf, now)
    # A refund may have been faster.
    money_went_back(connection, row.site_id, row.stay_id, stay.paid_fen, now)


def _red(connection: Connection, stay: Any, row: Any, said: Said, now: datetime) -> None:
    if said.state is State.REFUSED or said.number is None:
        change(connection, row, state="red_refused", problem=said.detail[:_PROBLEM_MAX])
        _to_a_person(connection, row, "red_invoice_refused", said.detail, now)
        return
    done = change(connection, row, state="red_issued", red_number=said.number, red_issued_at=said.issued_at or now)
    _keep(connection, row, "red", said.pdf, now)
    rest(connection, stay, done, now)


def _refused(connection: Connection, row: Any, why: str, now: datetime) -> None:
    change(connection, row, state="refused", problem=why[:_PROBLEM_MAX])
    _to_a_person(connection, row, "invoice_refused", why, now)


def _to_a_person(connection: Connection, row: Any, kind: str, why: str, now: datetime) -> None:
    situation = Situation(
        site=row.site_id, kind=kind, subject=row.id, at=now, stay=row.stay_id, detail=why[:_PROBLEM_MAX]
    )
    OutcomeWriter(connection).situations([situation])


def _keep(connection: Connection, row: Any, part: str, pdf: bytes | None, now: datetime) -> None:
    if pdf is not None:
        file = {"site_id": row.site_id, "invoice_id": row.id, "part": part, "pdf": pdf, "received_at": now}
        connection.execute(insert(t.InvoiceFile).values(**file))
