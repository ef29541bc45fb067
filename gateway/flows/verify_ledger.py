"""Ledger transactions: each sums to zero, says what it said, stands on its day, and leads to what caused it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select

from billing.ledger import NotAnAccount, Transaction, Unbalanced, check
from gateway.flows.verify_scope import Failure, Look, chunks
from gateway.store import books
from gateway.store.tables import (
    ArrearsCredit,
    CashRefund,
    Charge,
    ChargePayment,
    DayClose,
    LedgerTransaction,
    PassIncomeRun,
    PassRefund,
    Payment,
    PaymentOrder,
    PaymentRefund,
    Posting,
    ReconciliationBreak,
    ShiftStep,
    Stay,
    VoucherStatement,
)

# What can be referred to, and the column that holds its id.
_CAUSES: dict[str, tuple[tuple[Any, Any], ...]] = {
    "stay": ((Stay.site_id, Stay.id),),
    "payment": (
        (Payment.site_id, Payment.id),
        (ChargePayment.site_id, ChargePayment.id),
        (ArrearsCredit.site_id, ArrearsCredit.id),
        (PaymentOrder.site_id, PaymentOrder.id),
    ),
    "charge": ((Charge.site_id, Charge.id), (PassIncomeRun.site_id, PassIncomeRun.id)),
    "refund": (
        (PassRefund.site_id, PassRefund.id),
        (PaymentRefund.site_id, PaymentRefund.id),
        (CashRefund.site_id, CashRefund.id),
    ),
    "close": ((DayClose.site_id, DayClose.day),),
    "voucher": ((VoucherStatement.site_id, VoucherStatement.id),),
    "shift": ((ShiftStep.site_id, ShiftStep.shift_id),),
    "break": (
        (ShiftStep.site_id, ShiftStep.break_id),
        (ReconciliationBreak.site_id, ReconciliationBreak.id),
    ),
}


def failures(look: Look) -> Iterator[Failure]:
    """In the order of (site, id)."""
    look.checked["transactions"] += 0
    conditions = look.scope.days(LedgerTransaction.__table__.c.business_day)
    for chunk in chunks(books.transactions(look.connection, *conditions)):
        for transaction, content_hash in chunk:
            why = _wrong(look, transaction, content_hash)
            if why is not None:
                yield Failure("transaction", transaction.id, why)
            look.count("transactions")
        said = [transaction for transaction, _ in chunk]
        yield from _without_cause(look, said)
        yield from _wrong_reversals(look, said)
    yield from _reversed_twice(look)
    yield from _orphans(look)


def _wrong(look: Look, transaction: Transaction, content_hash: bytes) -> str | None:
    try:
        check(transaction)
    except (Unbalanced, NotAnAccount) as error:
        return str(error).removeprefix(f"{transaction.id}: ")
    if transaction.content_hash() != content_hash:
        return "its content is not what its hash was made of"
    own_day = transaction.at.astimezone(look.scope.zone).date()
    if (transaction.belongs_to or transaction.business_day) != own_day:
        return f"it happened on {own_day} and says it belongs to {transaction.belongs_to or transaction.business_day}"
    if transaction.belongs_to is not None and transaction.belongs_to >= transaction.business_day:
        return f"it stands on {transaction.business_day}, not after {transaction.belongs_to} to which it belongs"
    return None


def _without_cause(look: Look, said: list[Transaction]) -> Iterator[Failure]:
    wanted: dict[tuple[str, str], list[Transaction]] = {}
    for transaction in said:
        wanted.setdefault((transaction.site, transaction.reference_kind), []).append(transaction)
    for (site, kind), caused in wanted.items():
        if kind not in _CAUSES:
            yield Failure("transaction", caused[0].id, f"nothing is known of a {kind}, which it says caused it")
            return
        references = [transaction.reference for transaction in caused]
        known: set[Any] = set()
        for of_site, key in _CAUSES[kind]:
            if kind == "close":
                days = look.connection.execute(select(key).where(of_site == site)).scalars()
                known.update(day.isoformat() for day in days)
            else:
                known.update(look.connection.execute(select(key).where(of_site == site, key.in_(references))).scalars())
        for transaction in caused:
            if transaction.reference not in known:
                yield Failure(
                    "transaction", transaction.id, f"there is no {kind} {transaction.reference}, which caused it"
                )


def _wrong_reversals(look: Look, said: list[Transaction]) -> Iterator[Failure]:
    for transaction in said:
        if transaction.reverses is None:
            continue
        ledger = LedgerTransaction.__table__.c
        conditions: tuple[ColumnElement[bool], ...] = (
            ledger.site_id == transaction.site,
            ledger.id == transaction.reverses,
        )
        undone = next(books.transactions(look.connection, *conditions), None)
        if undone is None:
            yield Failure("transaction", transaction.id, f"it reverses {transaction.reverses}, which is not there")
        elif [(line.account, -line.amount_fen) for line in undone[0].postings] != [
            (line.account, line.amount_fen) for line in transaction.postings
        ]:
            yield Failure("transaction", transaction.id, f"it does not undo {transaction.reverses}, which it reverses")


def _reversed_twice(look: Look) -> Iterator[Failure]:
    twice = (
        select(LedgerTransaction.reverses)
        .where(LedgerTransaction.reverses.is_not(None))
        .group_by(LedgerTransaction.site_id, LedgerTransaction.reverses)
        .having(func.count() > 1)
        .limit(1)
    )
    for found in look.connection.execute(twice).scalars():
        yield Failure("transaction", str(found), "it is reversed more than once")


def _orphans(look: Look) -> Iterator[Failure]:
    """Postings of no transaction, payments of no stay."""
    posting = (
        select(Posting.transaction_id, Posting.line)
        .outerjoin(
            LedgerTransaction,
            and_(LedgerTransaction.site_id == Posting.site_id, LedgerTransaction.id == Posting.transaction_id),
        )
        .where(LedgerTransaction.id.is_(None))
        .limit(1)
    )
    for transaction, line in look.connection.execute(posting):
        yield Failure("posting", f"{transaction}:{line}", f"there is no transaction {transaction}")
    payment = (
        select(Payment.id, Payment.stay_id)
        .outerjoin(Stay, and_(Stay.site_id == Payment.site_id, Stay.id == Payment.stay_id))
        .where(Stay.id.is_(None))
        .limit(1)
    )
    for found, stay in look.connection.execute(payment):
        yield Failure("payment", found, f"there is no stay {stay}")
