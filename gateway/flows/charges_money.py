"""What is paid for monthly charges, what is still due, and a charge that was wrong. Reads them too."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, or_, select, update

from billing.ledger import Posting, reversal
from gateway.flows.charges_books import (
    REFUND,
    By,
    Desk,
    Money,
    account_of,
    another,
    asked_as,
    check_money,
    hold_of,
    payment_under,
    reason_of,
    take,
)
from gateway.flows.charges_posting import receivable
from gateway.flows.charges_refusals import NotReversible
from gateway.flows.passes_held import bring, held_of
from gateway.flows.passes_records import load
from gateway.flows.posting import book
from gateway.flows.reading import Sites, Slice, older, site_of, within
from gateway.flows.refusals import AmountNotDue, NotFound
from gateway.flows.taking import check_channel
from gateway.runtime.ids import derive
from gateway.store import books
from gateway.store import tables as t
from gateway.wiring import Parts

_CHARGE, _TAKEN = t.Charge.__table__.c, t.ChargePayment.__table__.c
_NO_CHARGE = "there is no such charge, or not for you"


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """A payment for a charge; `due_fen` is what is still due after it."""

    id: str
    charge: str
    channel: str
    amount_fen: int
    due_fen: int


class ChargeFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which charges. `due`: only those with something still due; `seen`: by somebody who may know why nothing is."""

    id: str | None = None
    month: str | None = None
    household: str | None = None
    kind: str | None = None
    due: bool = False
    seen: bool = True


def due_of(row: Any) -> int:
    """What is still due of a charge, in fen."""
    if row.reversed_at is not None:
        return 0
    return int(row.gross_fen - row.waived_fen - row.credited_fen - row.paid_fen)


def pay(parts: Parts, charge_id: str, money: Money, by: By, idempotency_key: str | None = None) -> Paid:
    """Take money for a charge: all that is due, or a part of it. One transaction.

    Raises `AmountNotDue` for more than is due, `KeyReused`, `ChannelClosed`, `NotFound`.
    """
    check_money(parts, money)
    asked = asked_as(idempotency_key, "charge", charge_id, msgspec.to_builtins(money))
    with parts.store.writing() as connection:
        desk = hold_of(parts, connection, "charge", charge_id, by)
        first = payment_under(desk, asked)
        row = _row(desk, charge_id)
        if first is not None:
            return _paid(first.id, charge_id, money, due_of(row))
        due = due_of(row)
        if not 0 < money.amount_fen <= due:
            raise AmountNotDue(f"due for this charge: {due} fen, not {money.amount_fen}")
        against = [Posting(receivable(row.kind), -money.amount_fen)]
        payment = take(desk, "charge", charge_id, money, asked, against)
        connection.execute(
            update(t.Charge)
            .where(t.Charge.site_id == desk.site, t.Charge.id == charge_id)
            .values(paid_fen=row.paid_fen + money.amount_fen)
        )
        desk.audit("charge.pay", charge_id, payment=payment, channel=money.channel, amount_fen=money.amount_fen)
        connection.commit()
    return _paid(payment, charge_id, money, due - money.amount_fen)


def reverse(parts: Parts, charge_id: str, reason: str, by: By) -> None:
    """Undo a charge that was wrong: a reversing transaction that names it; what was paid for it is owed back.

    A month of a pass is undone only while nothing of it is earned; after that the pass is given back (`passes_refund`). Reversing
    again changes nothing. Raises `NotReversible`, `NotFound`, `Invalid`.
    """
    words = reason_of(reason)
    with parts.store.writing() as connection:
        desk = hold_of(parts, connection, "charge", charge_id, by)
        row = _row(desk, charge_id)
        if row.reversed_at is not None:
            return
        if row.kind == "pass":
            _take_back(desk, row, words)
        if row.transaction_id is not None:
            _undo(desk, row.transaction_id, charge_id)
        if row.paid_fen:
            lines = [Posting(receivable(row.kind), row.paid_fen), Posting(REFUND, -row.paid_fen)]
            desk.post("refund", ("charge", charge_id), f"charge:{charge_id}:owed-back", lines, operator=by.operator)
        connection.execute(
            update(t.Charge)
            .where(t.Charge.site_id == desk.site, t.Charge.id == charge_id)
            .values(reversed_at=desk.now, reversed_by=by.operator, reversal=words)
        )
        desk.audit("charge.reverse", charge_id, reason=words)
        connection.commit()


def pay_back(parts: Parts, charge_id: str, channel: str, by: By) -> int:
    """Hand back what was paid for a charge that was reversed. Returns the amount; again it is the same and nothing is handed out."""
    check_channel(parts, channel)
    with parts.store.writing() as connection:
        desk = hold_of(parts, connection, "charge", charge_id, by)
        row = _row(desk, charge_id)
        if row.reversed_at is None or not row.paid_fen:
            raise AmountNotDue("nothing is to be paid back for this charge")
        # Money leaves a drawer: who took the charge back does not hand it out.
        another(row.reversed_by or "", by)
        if connection.execute(_handed_back(desk.site, charge_id)).first() is None:
            account, _ = account_of(desk, channel)
            lines = [Posting(REFUND, row.paid_fen), Posting(account, -row.paid_fen)]
            desk.post("refund", ("charge", charge_id), _back_key(charge_id), lines, operator=by.operator)
            desk.audit("charge.pay_back", charge_id, channel=channel, amount_fen=row.paid_fen)
            connection.commit()
    return int(row.paid_fen)


def _back_key(charge_id: str) -> str:
    return f"charge:{charge_id}:paid-back"


def _handed_back(site: str, charge_id: str) -> Any:
    """The transaction by which its money was handed back."""
    booked = t.LedgerTransaction
    return select(booked.at, booked.operator).where(
        booked.site_id == site, booked.idempotency_key == _back_key(charge_id)
    )


def charges(
    connection: Connection, allowed: Sites, wanted: ChargeFilter, page: Slice
) -> list[tuple[tuple[datetime, str], dict[str, Any]]]:
    """Charges, newest first, each with its key for paging."""
    conditions = [within(t.Charge.site_id, allowed)]
    conditions += [
        column == value
        for column, value in (
            (_CHARGE.id, wanted.id),
            (_CHARGE.month, wanted.month),
            (_CHARGE.household_id, wanted.household),
            (_CHARGE.kind, wanted.kind),
        )
        if value is not None
    ]
    payable = _CHARGE.gross_fen - _CHARGE.waived_fen
    to_pay = and_(_CHARGE.reversed_at.is_(None), payable > _CHARGE.paid_fen + _CHARGE.credited_fen)
    if wanted.due:
        conditions.append(to_pay)
    elif not wanted.seen:
        conditions.append(or_(to_pay, and_(_CHARGE.reversed_at.is_not(None), _CHARGE.paid_fen > 0)))
    conditions += older(page.after, _CHARGE.charged_at, _CHARGE.id)
    rows = connection.execute(
        select(*_CHARGE).where(*conditions).order_by(_CHARGE.charged_at.desc(), _CHARGE.id.desc()).limit(page.limit + 1)
    )
    return [((row.charged_at, row.id), document(row, all_of_it=wanted.seen)) for row in rows]


def whole(connection: Connection, charge_id: str, *, seen: bool) -> dict[str, Any]:
    """A charge with what was taken for it, and when its money was handed back. Raises `NotFound`, as of one that the list has not."""
    site = site_of(charge_id)
    found = charges(connection, frozenset({site}), ChargeFilter(id=charge_id, seen=seen), Slice(None, 1))
    if not found:
        raise NotFound(_NO_CHARGE)
    taken = connection.execute(
        select(*_TAKEN)
        .where(_TAKEN.site_id == site, _TAKEN.purpose == "charge", _TAKEN.subject == charge_id)
        .order_by(_TAKEN.at, _TAKEN.id)
    )
    back = connection.execute(_handed_back(site, charge_id)).first()
    return found[0][1] | {
        "payments": [
            {
                "id": row.id,
                "at": row.at,
                "channel": row.channel,
                "amount_fen": row.amount_fen,
                "reference": row.reference,
                "operator": row.operator,
            }
            for row in taken
        ],
        "paid_back_at": None if back is None else back.at,
        "paid_back_by": None if back is None else back.operator,
    }


def document(row: Any, *, all_of_it: bool) -> dict[str, Any]:
    """A charge. Without `all_of_it` it is what a till needs: nothing that tells what was waived."""
    found = {
        "id": row.id,
        "site": row.site_id,
        "month": row.month,
        "household": row.household_id,
        "kind": row.kind,
        "pass": row.pass_id or None,
        "payable_fen": row.gross_fen - row.waived_fen - row.credited_fen,
        "paid_fen": row.paid_fen,
        "due_fen": due_of(row),
        "state": "reversed" if row.reversed_at is not None else "due" if due_of(row) else "settled",
        "charged_at": row.charged_at,
    }
    if not all_of_it:
        return found
    lines = [{"kind": row.kind, "fen": row.gross_fen, "rule": row.rule}]
    if row.waived_fen:
        lines.append({"kind": "low_income", "fen": -row.waived_fen, "rule": "low_income"})
    if row.credited_fen:
        lines.append({"kind": "pass_ended", "fen": -row.credited_fen, "rule": "pass.refund"})
    return found | {
        "gross_fen": row.gross_fen,
        "waived_fen": row.waived_fen,
        "lines": lines,
        "policy": row.policy_id,
        "version": row.policy_version,
        "charged_by": row.charged_by,
        "reversed_by": row.reversed_by,
        "reversal": row.reversal or None,
    }


def _take_back(desk: Desk, row: Any, reason: str) -> None:
    """The month of the pass never was. Refused once a day of it is earned, or a refund has ended it."""
    sold = load(desk.connection, desk.site, row.pass_id)
    period = next(one for one in sold.periods if one.id == row.period_id)
    if period.next_day > period.first_day or period.ended_day is not None:
        raise NotReversible("days of this pass are used or given back already: refund the pass instead")
    before = held_of(sold, desk.zone)
    period.ended_day = period.first_day
    desk.connection.execute(
        update(t.PassPeriod)
        .where(t.PassPeriod.site_id == desk.site, t.PassPeriod.id == period.id)
        .values(ended_day=period.first_day)
    )
    bring(desk, sold, before, what="end", reason=reason)


def _undo(desk: Desk, transaction_id: str, charge_id: str) -> None:
    ledger = t.LedgerTransaction.__table__.c
    found = next(books.transactions(desk.connection, ledger.site_id == desk.site, ledger.id == transaction_id))[0]
    day, belongs_to = desk.day(desk.now)
    key = f"charge:{charge_id}:reversal"
    undone = reversal(
        found,
        id=derive("t", desk.site, key),
        business_day=day,
        belongs_to=belongs_to,
        at=desk.now,
        operator=desk.by.operator,
        idempotency_key=key,
    )
    book(desk.connection, [undone])


def _row(desk: Desk, charge_id: str) -> Any:
    row = desk.connection.execute(
        select(*_CHARGE).where(_CHARGE.site_id == desk.site, _CHARGE.id == charge_id)
    ).one_or_none()
    if row is None:
        raise NotFound(_NO_CHARGE)
    return row


def _paid(payment: str, charge_id: str, money: Money, due: int) -> Paid:
    return Paid(id=payment, charge=charge_id, channel=money.channel, amount_fen=money.amount_fen, due_fen=due)
