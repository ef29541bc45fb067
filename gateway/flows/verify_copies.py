"""What stands in two places says the same in both: a payment and its transaction, a voucher and its book, a policy and its text.

Each check is one query for the first row that differs. Who changes a row past the program has to change its other place as well, and
that one is a row of the ledger, of what only grows, or of what is derived again elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Table, and_, case, func, literal, not_, or_, select, union_all

from billing.ledger import WRITTEN_OFF
from billing.policy import parse
from billing.policy_parts import PolicyError
from billing.vouchers import MOVES, number
from gateway.flows.verify_scope import Failure, Look
from gateway.store import tables as t

_LEDGER, _POSTING = t.LedgerTransaction.__table__.c, t.Posting.__table__.c
_STEP, _SHIFT = t.ShiftStep.__table__.c, t.Shift.__table__.c
_VOUCHER, _MOVEMENT = t.Voucher.__table__.c, t.VoucherMovement.__table__.c
_PERIOD, _PASS, _RUN = t.PassPeriod.__table__.c, t.ParkingPass.__table__.c, t.PassIncomeRun.__table__.c
_CHARGE, _DRAW = t.Charge.__table__.c, t.AllowanceDraw.__table__.c
# No money: what devices told, which is by far the most. An agreement, or what a person asks, may be of the whole street.
_ELSEWHERE = {
    *("plate_event", "presence", "command", "image", "device_state", "device_spell", "offline_list"),
    *("pay_later_agreement", "personal_data_request"),
}
# Steps that change what a voucher takes off a bill.
_COUNTS = ("use", "revalue", "unuse")


def failures(look: Look) -> Iterator[Failure]:
    yield from _sites(look)
    yield from _policies(look)
    yield from _limits(look)
    yield from _taken(look)
    yield from _orders(look)
    yield from _given_up(look)
    yield from _paid_back(look)
    yield from _drawers(look)
    yield from _vouchers(look)
    yield from _passes(look)


def _first(look: Look, what: str, why: str, query: Select[Any]) -> Iterator[Failure]:
    """The first row of a query for rows that do not hold; its columns are the row's name."""
    row = look.connection.execute(query.order_by(*query.selected_columns).limit(1)).first()
    if row is not None:
        yield Failure(what, ":".join(str(value) for value in row), why)


# ---------------------------------------------------------------------- what everything hangs on


def _sites(look: Look) -> Iterator[Failure]:
    """A row of a site that there is not is in nobody's report: what goes through the sites one by one would pass it by."""
    for name in look.connection.execute(_OF_NO_SITE).scalars().all():
        table = _OF_A_SITE[name]
        for found in look.connection.execute(_homeless(table, *table.primary_key).limit(1)):
            yield Failure(name, ":".join(str(value) for value in found), "there is no such site")


def _homeless(table: Table, *columns: ColumnElement[Any]) -> Select[Any]:
    return select(*columns).where(table.c.site_id.not_in(select(t.Site.id)))


_OF_A_SITE = {
    table.name: table
    for table in t.Base.metadata.sorted_tables
    if "site_id" in table.primary_key.columns and table.name not in _ELSEWHERE
}
# One statement and not one for each of some sixty tables: most of what a verification of few rows takes is asking.
_OF_NO_SITE = union_all(
    *(select(literal(name)).where(_homeless(table, table.c.site_id).exists()) for name, table in _OF_A_SITE.items())
)


def _policies(look: Look) -> Iterator[Failure]:
    """A policy's text is what was loaded, and its row says of it what it says itself."""
    policy = t.PolicyVersion.__table__.c
    for row in look.connection.execute(select(*policy).order_by(policy.policy_id, policy.version)):
        name = f"{row.policy_id}:{row.version}"
        try:
            said = parse(row.text)
        except PolicyError as problem:
            yield Failure("policy_version", name, f"its text is no policy: {problem}")
            continue
        if hashlib.sha256(row.text.encode()).digest() != bytes(row.digest):
            yield Failure("policy_version", name, "its text is not what its digest was made of")
        elif (said.id, said.version, said.effective_from) != (row.policy_id, row.version, row.effective_from):
            yield Failure("policy_version", name, "its text is of another policy, version or day")
        look.count("policies")


def _limits(look: Look) -> Iterator[Failure]:
    """A month's free minutes are those of some version of a policy; none where a balance was only locked (PostgreSQL)."""
    texts = look.connection.execute(select(t.PolicyVersion.text)).scalars()
    known = {policy.relative_allowance.minutes_per_month for policy in _parsed(texts) if policy.relative_allowance}
    balance = t.AllowanceBalance.__table__.c
    strange = select(balance.site_id, balance.holder, balance.month).where(
        balance.limit_minutes.not_in(sorted(known | {0}))
    )
    yield from _first(look, "allowance", "no policy gives so many free minutes a month", strange)


def _parsed(texts: Any) -> Iterator[Any]:
    for text in texts:
        try:
            yield parse(text)
        except PolicyError:
            continue


# ---------------------------------------------------------------------- money that was taken


def _taken(look: Look) -> Iterator[Failure]:
    """Money that was taken was taken when, and by whom, its transaction says."""
    for table in (t.Payment, t.ChargePayment, t.ArrearsCredit):
        row = table.__table__.c
        query = (
            select(row.id)
            .join(t.LedgerTransaction, _caused_by(table.__table__, "payment"))
            .where(_LEDGER.kind == "payment", _other(row.at, row.operator), *look.scope.instants(row.at))
        )
        yield from _first(look, table.__tablename__, "its transaction is of another time or by somebody else", query)


def _orders(look: Look) -> Iterator[Failure]:
    """Cash is in a drawer and nothing else is; what an order brought is a payment of that instant, and no order is lost."""
    order = t.PaymentOrder.__table__.c
    for table in (t.Payment, t.ChargePayment):
        row = table.__table__.c
        lies = select(row.id).where((row.channel == "cash") != row.shift_id.is_not(None), *look.scope.instants(row.at))
        yield from _first(look, table.__tablename__, "cash is in no drawer, or a drawer holds what is no cash", lies)
    row = t.Payment.__table__.c
    brought = and_(order.site_id == row.site_id, order.payment_id == row.id, order.paid_at == row.at)
    alone = select(row.id).where(row.idempotency_key.startswith("order:", autoescape=True))
    alone = alone.where(~select(order.id).where(brought).exists(), *look.scope.instants(row.at))
    yield from _first(look, "payment", "no order that was paid then brought it", alone)
    beyond = and_(_LEDGER.site_id == order.site_id, _LEDGER.idempotency_key == ("order:" + order.id + ":beyond"))
    then = select(order.id).join(t.LedgerTransaction, beyond).where(_LEDGER.at.is_distinct_from(order.paid_at))
    yield from _first(look, "order", "the ledger has what was beyond its bill at another instant", then)
    named = select(order.id).where((order.applied_fen > 0) != order.payment_id.is_not(None))
    yield from _first(look, "order", "it names a payment and has none, or has one unnamed", named)
    charged = t.ChargePayment.__table__.c
    for purpose, found in (("pass", _PERIOD), ("charge", _CHARGE)):
        there = select(found.id).where(found.site_id == charged.site_id, found.id == charged.subject)
        lost = select(charged.id).where(charged.purpose == purpose, ~there.exists(), *look.scope.instants(charged.at))
        yield from _first(look, "charge_payment", f"there is no {purpose} that it is for", lost)


def _given_up(look: Look) -> Iterator[Failure]:
    """A write-off that was approved is one transaction, by who approved it and then, of its amount; and no other gives anything up."""
    row = t.ArrearsWriteOff.__table__.c
    mine = and_(_LEDGER.site_id == row.site_id, _LEDGER.id == row.transaction_id)
    line = and_(
        _POSTING.site_id == _LEDGER.site_id, _POSTING.transaction_id == _LEDGER.id, _POSTING.account == WRITTEN_OFF
    )
    signed = case((row.kind == "owed", row.amount_fen), (row.kind == "overpaid", -row.amount_fen))
    posted = select(_LEDGER.id).where(
        mine,
        _LEDGER.kind == "write_off",
        _LEDGER.reference == row.stay_id,
        not_(_other(row.decided_at, row.decided_by)),
        select(_POSTING.line).where(line, _POSTING.amount_fen == signed).exists(),
    )
    approved = row.state == "approved"
    wrong = or_(and_(approved, ~posted.exists()), and_(not_(approved), row.transaction_id.is_not(None)))
    query = select(row.id).where(wrong, *look.scope.instants(row.proposed_at))
    yield from _first(look, "write_off", "it is not what its transaction says", query)
    unsaid = select(_LEDGER.id).where(
        _LEDGER.kind == "write_off", ~select(row.id).where(mine).exists(), *look.scope.days(_LEDGER.business_day)
    )
    yield from _first(look, "transaction", "it gives up what no write-off has", unsaid)


def _paid_back(look: Look) -> Iterator[Failure]:
    """Of what a refund took off its stay so much was given up as its transaction says; the channel was asked when the ledger says."""
    row, order = t.PaymentRefund.__table__.c, t.PaymentOrder.__table__.c
    given_up = (
        select(func.coalesce(func.sum(_POSTING.amount_fen), 0))
        .where(
            _POSTING.site_id == row.site_id,
            _POSTING.transaction_id == row.off_transaction_id,
            _POSTING.account == WRITTEN_OFF,
        )
        .scalar_subquery()
    )
    off = or_(row.given_up_fen != given_up, (row.off_stay_fen > 0) != row.off_transaction_id.is_not(None))
    in_scope = look.scope.instants(row.proposed_at)
    why = "it gives up another amount than its transaction says"
    yield from _first(look, "refund", why, select(row.id).where(off, *in_scope))
    made = and_(_LEDGER.site_id == row.site_id, _LEDGER.idempotency_key == ("refund:" + row.id + ":made"))
    otherwise = select(row.id).join(t.LedgerTransaction, made).where(_LEDGER.at.is_distinct_from(row.sent_at))
    yield from _first(look, "refund", "it was sent at another time than the ledger says", otherwise.where(*in_scope))
    early = select(row.id).where(row.state.in_(("proposed", "approved", "refused")), row.sent_at.is_not(None))
    early = early.where(row.looks == 0, *in_scope)
    yield from _first(look, "refund", "it was never sent and says when", early)
    of_order = and_(order.site_id == row.site_id, order.id == row.order_id, order.stay_id == row.stay_id)
    lost = select(row.id).outerjoin(t.PaymentOrder, of_order).where(order.id.is_(None), *in_scope)
    yield from _first(look, "refund", "there is no such order of its stay", lost)


def _caused_by(table: FromClause, kind: str) -> ColumnElement[bool]:
    return and_(_LEDGER.site_id == table.c.site_id, _LEDGER.reference_kind == kind, _LEDGER.reference == table.c.id)


def _other(at: ColumnElement[Any], operator: ColumnElement[Any]) -> ColumnElement[bool]:
    return or_(_LEDGER.at != at, _LEDGER.operator.is_distinct_from(operator))


def _drawers(look: Look) -> Iterator[Failure]:
    """A step that moved money was done when and by whom its transaction says; of the steps of a shift none is missing."""
    moved = and_(_LEDGER.site_id == _STEP.site_id, _LEDGER.id == _STEP.transaction_id)
    query = (
        select(_STEP.shift_id, _STEP.sequence)
        .join(t.LedgerTransaction, moved)
        .where(_other(_STEP.at, _STEP.operator), *look.scope.instants(_STEP.at))
    )
    yield from _first(look, "shift_step", "its transaction is of another time or by somebody else", query)
    gap = (
        select(_STEP.site_id, _STEP.shift_id)
        .group_by(_STEP.site_id, _STEP.shift_id)
        .having(or_(func.max(_STEP.sequence) != func.count(), func.min(_STEP.sequence) != 1))
    )
    yield from _first(look, "shift", "a step of it is missing", gap)
    came = and_(_STEP.site_id == _SHIFT.site_id, _STEP.shift_id == _SHIFT.from_shift, _STEP.next_shift == _SHIFT.id)
    alone = select(_SHIFT.id).where(_SHIFT.from_shift.is_not(None), ~select(_STEP.sequence).where(came).exists())
    yield from _first(look, "shift", "nobody handed it over", alone)
    twice = (
        select(_STEP.site_id, _STEP.shift_id, _STEP.transaction_id)
        .where(_STEP.transaction_id.is_not(None))
        .group_by(_STEP.site_id, _STEP.shift_id, _STEP.transaction_id)
        .having(func.count() > 1)
    )
    yield from _first(look, "shift_step", "two steps of a shift say that they moved it", twice)
    unsaid = (
        select(_STEP.shift_id, _STEP.sequence)
        .where(_STEP.transaction_id.is_not(None))
        .where(~select(_LEDGER.id).where(moved).exists())
    )
    yield from _first(look, "shift_step", "the transaction that it names is not there", unsaid)


# ---------------------------------------------------------------------- vouchers


def _vouchers(look: Look) -> Iterator[Failure]:
    """A voucher is worth what its book says and is where its last step left it; a step is of its voucher's book, and no other kind counts."""
    book = t.VoucherBook.__table__.c
    of_book = and_(book.site_id == _VOUCHER.site_id, book.id == _VOUCHER.book_id)
    other = select(_VOUCHER.site_id, _VOUCHER.serial).join(t.VoucherBook, of_book)
    differs = or_(
        book.kind != _VOUCHER.kind,
        book.value != _VOUCHER.value,
        not_(_VOUCHER.serial.between(book.first_serial, book.last_serial)),
    )
    yield from _vouchers_first(look, "it is not worth what its book says", other.where(differs))
    of_voucher = and_(_VOUCHER.site_id == _MOVEMENT.site_id, _VOUCHER.serial == _MOVEMENT.serial)
    steps = select(_MOVEMENT.site_id, _MOVEMENT.serial)
    joined = steps.join(t.Voucher, of_voucher)
    yield from _vouchers_first(
        look, "a step of it is of another book", joined.where(_MOVEMENT.book_id != _VOUCHER.book_id)
    )
    yield from _vouchers_first(look, "a step of it is of no kind", steps.where(_MOVEMENT.kind.not_in(list(MOVES))))
    nothing = and_(_MOVEMENT.kind.not_in(_COUNTS), _MOVEMENT.fen != 0)
    yield from _vouchers_first(look, "a step that takes nothing off a bill says that it does", steps.where(nothing))
    alone = steps.outerjoin(t.Voucher, of_voucher).where(_VOUCHER.serial.is_(None))
    yield from _vouchers_first(look, "it has steps and is not there", alone)
    last = joined.where(_MOVEMENT.sequence == _VOUCHER.movements)
    # One that was brought on paper is bound before its stay is found.
    another = func.coalesce(_VOUCHER.stay_id, "") != func.coalesce(_MOVEMENT.stay_id, "")
    kept = or_(
        and_(_VOUCHER.state == "presented", another),
        and_(_VOUCHER.state == "used", or_(another, _MOVEMENT.stay_id.is_(None))),
    )
    free = and_(
        _VOUCHER.state.not_in(("presented", "used")),
        or_(_VOUCHER.stay_id.is_not(None), _VOUCHER.presented_at.is_not(None)),
    )
    yield from _vouchers_first(look, "it is of another stay than its last step says", last.where(or_(kept, free)))


def _vouchers_first(look: Look, why: str, query: Select[Any]) -> Iterator[Failure]:
    for site, serial in look.connection.execute(query.order_by(*query.selected_columns).limit(1)):
        yield Failure("voucher", f"{site}:{number(serial)}", why)


# ---------------------------------------------------------------------- passes and charges


def _passes(look: Look) -> Iterator[Failure]:
    """Periods are of a pass; a run of income and a charge name the transaction that they caused."""
    of_pass = and_(_PASS.site_id == _PERIOD.site_id, _PASS.id == _PERIOD.pass_id)
    lost = select(_PERIOD.id).outerjoin(t.ParkingPass, of_pass).where(_PASS.id.is_(None))
    yield from _first(look, "pass_period", "there is no pass that it is a period of", lost)
    bare = select(_PASS.id).outerjoin(t.PassPeriod, of_pass).where(_PERIOD.id.is_(None))
    yield from _first(look, "parking_pass", "it has no period", bare)
    for table, row in ((t.PassIncomeRun, _RUN), (t.Charge, _CHARGE)):
        caused = _caused_by(table.__table__, "charge")
        named = select(row.id).where(
            row.transaction_id.is_not(None),
            ~select(_LEDGER.id).where(caused, _LEDGER.id == row.transaction_id).exists(),
        )
        yield from _first(look, table.__tablename__, "the transaction that it names is not its own", named)
        silent = select(row.id).where(row.transaction_id.is_(None), select(_LEDGER.id).where(caused).exists())
        yield from _first(look, table.__tablename__, "it names no transaction, and caused one", silent)
    refund = t.PassRefund.__table__.c
    ended = and_(_PERIOD.site_id == refund.site_id, _PERIOD.pass_id == refund.pass_id)
    # What was to begin later ended when it would have begun.
    ended = and_(
        ended,
        _PERIOD.ended_day == case((_PERIOD.first_day > refund.ended_day, _PERIOD.first_day), else_=refund.ended_day),
    )
    other = select(refund.id).where(refund.state.in_(("approved", "paid")), ~select(_PERIOD.id).where(ended).exists())
    yield from _first(look, "pass_refund", "its pass did not end on that day", other)
    gap = (
        select(_RUN.site_id, _RUN.day)
        .group_by(_RUN.site_id, _RUN.day)
        .having(or_(func.min(_RUN.sequence) != 0, func.max(_RUN.sequence) != func.count() - 1))
    )
    yield from _first(look, "pass_income_run", "a run of its day is missing", gap)
