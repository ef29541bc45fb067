"""Stays: their bills priced again, what the ledger and the payments hold for them, the events they follow from; allowances."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, tuple_

from billing.ledger import Posted, balances
from gateway.flows import shifts, verify_cash_refunds
from gateway.flows.verify_bills import Drawn, Policies, wrong_bill, wrong_draws, wrong_span
from gateway.flows.verify_scope import ROWS_AT_A_TIME, Failure, Look
from gateway.store.facts import bill_record
from gateway.store.records import BillRecord
from gateway.store.tables import (
    AllowanceBalance,
    AllowanceDraw,
    ArrearsCredit,
    Bill,
    LedgerTransaction,
    Payment,
    PaymentOrder,
    PaymentRefund,
    PlateEventRow,
    Posting,
    Presence,
    Site,
    Stay,
    StayCorrection,
)

_STAY = Stay.__table__.c
_BILL = Bill.__table__.c
_EVENT = PlateEventRow.__table__.c
_DRAW = AllowanceDraw.__table__.c
_CORRECTION = StayCorrection.__table__.c


@dataclass
class Around:
    """What belongs to some stays, by stay."""

    ledger: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    received: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    bills: dict[str, list[BillRecord]] = field(default_factory=lambda: defaultdict(list))
    drawn: dict[str, Drawn] = field(default_factory=lambda: defaultdict(lambda: defaultdict(dict)))
    events: dict[tuple[str, str], Any] = field(default_factory=dict)
    corrected: Counter[str] = field(default_factory=Counter)


def failures(look: Look) -> Iterator[Failure]:
    """Stays in the order of (site, id), then bills of no stay, then allowances."""
    for kind in ("stays", "bills", "payments", "allowances"):
        look.checked[kind] += 0
    policies = Policies(look.connection)
    for chunk in _stays(look):
        around = _load_around(look.connection, chunk)
        for stay in chunk:
            yield from _of_stay(look, policies, stay, around)
            look.count("stays")
        yield from _of_no_vehicle(look, chunk)
    orphan = (
        select(Bill.stay_id, Bill.sequence)
        .outerjoin(Stay, and_(Stay.site_id == Bill.site_id, Stay.id == Bill.stay_id))
        .where(Stay.id.is_(None))
        .limit(1)
    )
    for stay_id, sequence in look.connection.execute(orphan):
        yield Failure("bill", f"{stay_id}:{sequence}", f"there is no stay {stay_id}")
    yield from _allowances(look)


def _stays(look: Look) -> Iterator[list[Row[Any]]]:
    """Pages of one site each, by key: no long-lived cursor, bounded memory."""
    in_scope: list[ColumnElement[bool]] = []
    if look.scope.from_day is not None or look.scope.to_day is not None:
        started, left = look.scope.instants(_STAY.started_at), look.scope.instants(_STAY.exit_at)
        in_scope = [or_(and_(*started), and_(*left))]
    sites = look.connection.execute(select(Site.id).order_by(Site.id)).scalars().all()
    for site in sites:
        after = ""
        while True:
            page = look.connection.execute(
                select(*_STAY)
                .where(_STAY.site_id == site, _STAY.id > after, *in_scope)
                .order_by(_STAY.id)
                .limit(ROWS_AT_A_TIME)
            ).all()
            if not page:
                break
            yield list(page)
            after = page[-1].id


def _of_no_vehicle(look: Look, chunk: list[Row[Any]]) -> Iterator[Failure]:
    """A stay is found by its plate among the vehicles that were ever here; one whose plate was taken out is nobody's."""
    site, named = chunk[0].site_id, {stay.plate for stay in chunk if not stay.plate.startswith("#")}
    came = select(Presence.plate).where(Presence.site_id == site, Presence.plate.in_(named))
    missing = named - set(look.connection.execute(came).scalars()) if named else set()
    yield from (
        Failure("stay", stay.id, "nothing says that its vehicle ever came here")
        for stay in chunk
        if stay.plate in missing
    )


def _load_around(connection: Connection, chunk: list[Row[Any]]) -> Around:
    site, ids = chunk[0].site_id, [stay.id for stay in chunk]
    around = Around()
    stay_of_payment: dict[str, str] = {}
    paid = select(Payment).where(Payment.site_id == site, Payment.stay_id.in_(ids))
    for payment in connection.execute(paid.with_only_columns(*Payment.__table__.c)):
        stay_of_payment[payment.id] = payment.stay_id
        around.received[payment.stay_id][shifts.account(payment.channel, payment.shift_id)] += payment.amount_fen
    elsewhere = select(ArrearsCredit).where(ArrearsCredit.site_id == site, ArrearsCredit.stay_id.in_(ids))
    for credit in connection.execute(elsewhere.with_only_columns(*ArrearsCredit.__table__.c)):
        stay_of_payment[credit.id] = credit.stay_id
        around.received[credit.stay_id][f"clearing:{credit.collected_at_site}"] += credit.amount_fen
    _load_taken_off(connection, site, ids, around)
    _load_corrected(connection, site, ids, around)
    _load_ledger(connection, site, "stay", {stay: stay for stay in ids}, around)
    _load_ledger(connection, site, "payment", stay_of_payment, around)
    for row in connection.execute(
        select(*_BILL).where(_BILL.site_id == site, _BILL.stay_id.in_(ids)).order_by(_BILL.stay_id, _BILL.sequence)
    ):
        around.bills[row.stay_id].append(bill_record(row))
    for draw in connection.execute(select(*_DRAW).where(_DRAW.site_id == site, _DRAW.stay_id.in_(ids))):
        around.drawn[draw.stay_id][draw.sequence][draw.holder, draw.month] = draw.minutes
    named = [(stay.entry_device, stay.entry_event) for stay in chunk if stay.entry_event is not None]
    named += [(stay.exit_device, stay.exit_event) for stay in chunk if stay.exit_event is not None]
    if named:
        events = select(_EVENT.device_id, _EVENT.event_id, _EVENT.at, _EVENT.lane_id, _EVENT.plate)
        for event in connection.execute(
            events.where(_EVENT.site_id == site, tuple_(_EVENT.device_id, _EVENT.event_id).in_(named))
        ):
            around.events[event[0], event[1]] = event
    return around


def _load_corrected(connection: Connection, site: str, ids: list[str], around: Around) -> None:
    """How often each was put right by staff."""
    for name in (_CORRECTION.stay_id, _CORRECTION.stay_after):
        named = select(name).where(_CORRECTION.site_id == site, name.in_(ids), _CORRECTION.state == "made")
        if name is _CORRECTION.stay_after:
            named = named.where(_CORRECTION.stay_after != _CORRECTION.stay_id)
        around.corrected.update(connection.execute(named).scalars())


def _load_taken_off(connection: Connection, site: str, ids: list[str], around: Around) -> None:
    """What refunds took off these stays: less was received, by a transaction that names the refund."""
    off = (
        select(
            PaymentRefund.stay_id, PaymentRefund.off_stay_fen, PaymentOrder.channel, Posting.account, Posting.amount_fen
        )
        .join(
            PaymentOrder,
            and_(PaymentOrder.site_id == PaymentRefund.site_id, PaymentOrder.id == PaymentRefund.order_id),
        )
        .join(
            Posting,
            and_(
                Posting.site_id == PaymentRefund.site_id,
                Posting.transaction_id == PaymentRefund.off_transaction_id,
            ),
        )
        .where(PaymentRefund.site_id == site, PaymentRefund.stay_id.in_(ids), PaymentRefund.off_stay_fen > 0)
    )
    for stay, fen, channel, account, posted in connection.execute(off):
        around.ledger[stay][account] += posted
        if account == shifts.account(channel, None):
            around.received[stay][account] -= fen
    for cash in verify_cash_refunds.taken_off(connection, site, ids):
        for account, posted in cash.ledger.items():
            around.ledger[cash.stay][account] += posted
        around.received[cash.stay][cash.received] -= cash.fen


def _load_ledger(connection: Connection, site: str, kind: str, stay_of: dict[str, str], around: Around) -> None:
    if not stay_of:
        return
    ledger = LedgerTransaction.__table__.c
    sums = (
        select(ledger.reference, Posting.account, func.sum(Posting.amount_fen))
        .join(Posting, and_(Posting.site_id == ledger.site_id, Posting.transaction_id == ledger.id))
        .where(ledger.site_id == site, ledger.reference_kind == kind, ledger.reference.in_(list(stay_of)))
        .group_by(ledger.reference, Posting.account)
    )
    for reference, account, fen in connection.execute(sums):
        around.ledger[stay_of[reference]][account] += int(fen)


def _of_stay(look: Look, policies: Policies, stay: Row[Any], around: Around) -> Iterator[Failure]:
    why = _wrong_money(stay, around) or _wrong_instants(stay, around)
    if why is None and stay.corrections != around.corrected[stay.id]:
        why = f"it is said to be put right {stay.corrections} times, {around.corrected[stay.id]} corrections name it"
    if why is not None:
        yield Failure("stay", stay.id, why)
        return
    look.checked["payments"] += len(around.received.get(stay.id, {}))
    bills = around.bills.get(stay.id, [])
    for bill in bills:
        why = wrong_bill(policies, bill, bills)
        if why is not None:
            yield Failure("bill", f"{bill.stay}:{bill.sequence}", why)
            return  # what stands cannot be read out of a bill that does not hold
        look.count("bills")
    why = _wrong_standing(policies, stay, bills, around)
    if why is not None:
        yield Failure("stay", stay.id, why)


def _wrong_money(stay: Row[Any], around: Around) -> str | None:
    """What the stay says of the ledger and of its payments."""
    try:
        posted = msgspec.convert(stay.posted or {}, Posted)
    except msgspec.ValidationError as error:
        return f"what it says is posted cannot be read: {error}"
    ledger = {account: fen for account, fen in around.ledger.get(stay.id, {}).items() if fen}
    said = balances(posted)
    if ledger != said:
        account = min(account for account in ledger.keys() | said.keys() if ledger.get(account) != said.get(account))
        return f"the ledger holds {ledger.get(account, 0)} fen on {account} for it, it says {said.get(account, 0)}"
    received = {account: fen for account, fen in around.received.get(stay.id, {}).items() if fen}
    if sum(received.values()) != stay.paid_fen:
        return f"{stay.paid_fen} fen are said to be paid, its payments sum to {sum(received.values())}"
    if received != posted.received:
        return f"its payments are {received}, the ledger has {posted.received}"
    return None


def _wrong_instants(stay: Row[Any], around: Around) -> str | None:
    """Entry and exit are those of the events it follows from, as long as these are kept."""
    for word, at, lane, device, event in (
        ("entry", stay.entry_at, stay.entry_lane, stay.entry_device, stay.entry_event),
        ("exit", stay.exit_at, stay.exit_lane, stay.exit_device, stay.exit_event),
    ):
        if (device is None) != (event is None) or (event is not None and at is None):
            return f"its {word} is said to be at {at}, by the event {device}/{event}"
        happened = around.events.get((device, event))
        if happened is None:
            continue
        if at != happened.at:
            return f"its {word} is said to be at {at}, the event {device}/{event} was at {happened.at}"
        if lane != happened.lane_id:
            return f"its {word} is said to be through {lane}, the event {device}/{event} was at {happened.lane_id}"
        # Whoever's plate ended is `#` on one side or nothing on the other; what is void keeps what it was made of.
        ended = happened.plate is None or stay.plate.startswith("#") or stay.state == "void"
        if not ended and happened.plate != stay.plate:
            return f"the event of its {word}, {device}/{event}, is another vehicle's"
    if stay.entry_at is not None and stay.started_at != stay.entry_at:
        return f"it is said to start at {stay.started_at}, its entry was at {stay.entry_at}"
    return None


def _wrong_standing(policies: Policies, stay: Row[Any], bills: list[BillRecord], around: Around) -> str | None:
    """The last bill against the stay, the draws and what is posted."""
    if [bill.sequence for bill in bills] != list(range(1, stay.bills + 1)):
        return f"it had {stay.bills} bills, there are {[bill.sequence for bill in bills]}"
    last = bills[-1] if bills and bills[-1].kind != "void" else None
    gross, payable = (last.bill.gross_fen, last.bill.payable_fen) if last else (0, 0)
    if ((stay.gross_fen or 0), (stay.payable_fen or 0)) != (gross, payable):
        return f"it says {stay.gross_fen} fen gross and {stay.payable_fen} payable, its bill {gross} and {payable}"
    if last is not None and (stay.policy_id, stay.policy_version) != (last.bill.policy, last.bill.version):
        return f"it is said to be under {stay.policy_id} {stay.policy_version}, its bill is not"
    why = wrong_draws(bills, around.drawn.get(stay.id, {}))
    if why is not None:
        return why
    if last is not None and stay.state == "left":
        why = wrong_span(policies, stay, last)
        if why is not None:
            return why
        posted = msgspec.convert(stay.posted or {}, Posted)
        waived = {kind: fen for kind, fen in last.bill.waived_by_kind().items() if fen}
        if (posted.income_fen, posted.waived) != (gross, waived):
            return f"it left with a bill of {gross} fen gross, {posted.income_fen} are posted as income"
    return None


def _allowances(look: Look) -> Iterator[Failure]:
    """Each month of each holder: drawn is what the draws sum to, and never above the limit."""
    sums = (
        select(
            AllowanceDraw.site_id,
            AllowanceDraw.holder,
            AllowanceDraw.month,
            func.sum(AllowanceDraw.minutes).label("minutes"),
        )
        .group_by(AllowanceDraw.site_id, AllowanceDraw.holder, AllowanceDraw.month)
        .subquery()
    )
    same = and_(
        sums.c.site_id == AllowanceBalance.site_id,
        sums.c.holder == AllowanceBalance.holder,
        sums.c.month == AllowanceBalance.month,
    )
    balance = AllowanceBalance.__table__.c
    query = (
        select(*balance, sums.c.minutes)
        .outerjoin(sums, same)
        .where(*_months(look, balance.month))
        .order_by(balance.site_id, balance.holder, balance.month)
    )
    with look.connection.execute(query.execution_options(yield_per=ROWS_AT_A_TIME)) as found:
        for row in found:
            key = f"{row.site_id}:{row.holder}:{row.month}"
            if row.drawn_minutes != (row.minutes or 0):
                yield Failure(
                    "allowance", key, f"{row.drawn_minutes} minutes drawn, its draws sum to {row.minutes or 0}"
                )
            if not 0 <= row.drawn_minutes <= row.limit_minutes:
                yield Failure("allowance", key, f"{row.drawn_minutes} minutes drawn of {row.limit_minutes}")
            look.count("allowances")
    unknown = select(sums.c.site_id, sums.c.holder, sums.c.month).outerjoin(AllowanceBalance, same)
    for site, holder, month in look.connection.execute(unknown.where(AllowanceBalance.holder.is_(None)).limit(1)):
        yield Failure("allowance", f"{site}:{holder}:{month}", "minutes were drawn from a month that has no balance")


def _months(look: Look, column: ColumnElement[str]) -> Iterable[ColumnElement[bool]]:
    if look.scope.from_day is not None:
        yield column >= f"{look.scope.from_day:%Y-%m}"
    if look.scope.to_day is not None:
        yield column <= f"{look.scope.to_day:%Y-%m}"
