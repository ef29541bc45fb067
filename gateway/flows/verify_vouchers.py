"""Vouchers: each stands where its steps lead, books add up, what is used is used by a bill, buyers owe what was used and not paid."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from sqlalchemy import and_, func, or_, select

from billing.close import read_document
from billing.vouchers import MOVES, NOWHERE, Stock, number, owed_on, waived_by_place
from gateway.flows.refusals import Invalid
from gateway.flows.verify_scope import ROWS_AT_A_TIME, Failure, Look, chunks
from gateway.flows.vouchers.counting import counted
from gateway.flows.vouchers.day import steps, stocks
from gateway.flows.vouchers.payments import PURPOSE
from gateway.flows.vouchers.statements import month_bounds, worth
from gateway.store import books
from gateway.store.facts import bill_record
from gateway.store.records import BillRecord
from gateway.store.tables import (
    Bill,
    ChargePayment,
    Posting,
    Stay,
    Voucher,
    VoucherBook,
    VoucherBuyer,
    VoucherMovement,
    VoucherStatement,
)

_VOUCHER = Voucher.__table__.c
_MOVEMENT = VoucherMovement.__table__.c


def failures(look: Look) -> Iterator[Failure]:
    """Whatever the scope: a book lives longer than a month. First each voucher's steps, then books, bills, buyers' months and accounts."""
    yield from _broken_steps(look)
    yield from _books(look)
    yield from _wrong_bills(look)
    yield from _closes(look)
    yield from _statements(look)
    yield from _accounts(look)


def _broken_steps(look: Look) -> Iterator[Failure]:
    """The first step that does not go on where the one before it ended, or that there is none such."""
    earlier = VoucherMovement.__table__.alias("earlier")
    broken = (
        select(_MOVEMENT.site_id, _MOVEMENT.serial, _MOVEMENT.sequence, _MOVEMENT.from_state, earlier.c.to_state)
        .select_from(VoucherMovement)
        .outerjoin(
            earlier,
            and_(
                earlier.c.site_id == _MOVEMENT.site_id,
                earlier.c.serial == _MOVEMENT.serial,
                earlier.c.sequence == _MOVEMENT.sequence - 1,
            ),
        )
        .where(_MOVEMENT.from_state != func.coalesce(earlier.c.to_state, NOWHERE))
        .order_by(_MOVEMENT.site_id, _MOVEMENT.serial, _MOVEMENT.sequence)
        .limit(1)
    )
    for site, serial, sequence, from_state, ended in look.connection.execute(broken):
        why = f"step {sequence} goes on from {from_state}, the one before it ended as {ended or NOWHERE}"
        yield Failure("voucher", f"{site}:{number(serial)}", why)
    for kind, (from_states, to_state) in MOVES.items():
        strange = select(_MOVEMENT.site_id, _MOVEMENT.serial, _MOVEMENT.sequence).where(
            _MOVEMENT.kind == kind, or_(_MOVEMENT.from_state.not_in(from_states), _MOVEMENT.to_state != to_state)
        )
        for site, serial, sequence in look.connection.execute(strange.limit(1)):
            yield Failure("voucher", f"{site}:{number(serial)}", f"step {sequence} is no {kind}")
    yield from _standing_elsewhere(look)


def _standing_elsewhere(look: Look) -> Iterator[Failure]:
    """A voucher's state is where its last step led."""
    last = and_(
        _MOVEMENT.site_id == _VOUCHER.site_id,
        _MOVEMENT.serial == _VOUCHER.serial,
        _MOVEMENT.sequence == _VOUCHER.movements,
    )
    counted = (
        select(_MOVEMENT.site_id, _MOVEMENT.serial, func.count().label("steps"))
        .group_by(_MOVEMENT.site_id, _MOVEMENT.serial)
        .subquery()
    )
    wrong = (
        select(
            _VOUCHER.site_id, _VOUCHER.serial, _VOUCHER.state, _VOUCHER.movements, _MOVEMENT.to_state, counted.c.steps
        )
        .select_from(Voucher)
        .outerjoin(VoucherMovement, last)
        .outerjoin(counted, and_(counted.c.site_id == _VOUCHER.site_id, counted.c.serial == _VOUCHER.serial))
        .where(
            or_(
                _MOVEMENT.to_state.is_(None),
                _MOVEMENT.to_state != _VOUCHER.state,
                counted.c.steps != _VOUCHER.movements,
            )
        )
        .order_by(_VOUCHER.site_id, _VOUCHER.serial)
        .limit(1)
    )
    for site, serial, state, movements, led_to, found in look.connection.execute(wrong):
        why = f"it is {state} after {movements} steps; it has {found or 0}, of which the last led to {led_to}"
        yield Failure("voucher", f"{site}:{number(serial)}", why)


def _books(look: Look) -> Iterator[Failure]:
    """Each book: as many vouchers as its range, issued = used + void + expired + outstanding, and the register says the same."""
    sites = look.connection.execute(select(VoucherBook.site_id).distinct().order_by(VoucherBook.site_id)).scalars()
    for site in sites.all():
        for book, why in counted(look.connection, site):
            if why is not None:
                yield Failure("voucher_book", book, why)
            look.count("voucher_books")


def _wrong_bills(look: Look) -> Iterator[Failure]:
    """Stay by stay: what its last bill uses is used for it, and takes off the bill what its steps there sum to."""
    step = (
        select(_MOVEMENT.site_id, _MOVEMENT.stay_id, _MOVEMENT.serial, func.sum(_MOVEMENT.fen).label("fen"))
        .where(_MOVEMENT.kind.in_(("use", "revalue", "unuse")))
        .group_by(_MOVEMENT.site_id, _MOVEMENT.stay_id, _MOVEMENT.serial)
        .subquery()
    )
    mine = and_(
        _VOUCHER.site_id == step.c.site_id,
        _VOUCHER.serial == step.c.serial,
        _VOUCHER.stay_id == step.c.stay_id,
        _VOUCHER.state == "used",
    )
    rows = (
        select(*step.c, _VOUCHER.serial.label("used"))
        .select_from(step)
        .outerjoin(Voucher, mine)
        .order_by(step.c.site_id, step.c.stay_id, step.c.serial)
    )
    with look.connection.execute(rows.execution_options(yield_per=ROWS_AT_A_TIME)) as found:
        for chunk in chunks((key, list(of_stay)) for key, of_stay in groupby(found, key=lambda row: tuple(row[:2]))):
            bills = _last_bills(look, [key for key, _ in chunk])
            for (site, stay), of_stay in chunk:
                left = [row for row in of_stay if row.used is None and row.fen]
                why = (
                    f"voucher {number(left[0].serial)} is not used and takes {left[0].fen} fen off it" if left else None
                )
                used = {row.serial: int(row.fen) for row in of_stay if row.used is not None}
                why = why or _differs(used, bills.get((site, stay)))
                if why is not None:
                    yield Failure("stay", stay, why)
                look.count("voucher_stays")


def _last_bills(look: Look, keys: list[tuple[str, str]]) -> dict[tuple[str, str], BillRecord]:
    """The bill that stands of each stay."""
    found: dict[tuple[str, str], BillRecord] = {}
    for site in sorted({site for site, _ in keys}):
        stays = [stay for of_site, stay in keys if of_site == site]
        rows = look.connection.execute(
            select(*Bill.__table__.c)
            .join(Stay, and_(Stay.site_id == Bill.site_id, Stay.id == Bill.stay_id, Stay.bills == Bill.sequence))
            .where(Bill.site_id == site, Bill.stay_id.in_(stays))
        )
        found |= {(site, row.stay_id): bill_record(row) for row in rows}
    return found


def _differs(used: dict[int, int], record: BillRecord | None) -> str | None:
    if record is None or record.kind == "void":
        return f"it has used voucher {number(min(used))}, and no bill stands" if used else None
    off = waived_by_place(record.bill.lines)
    presented = zip(record.facts.get("vouchers", []), record.bill.vouchers_used, strict=False)
    said = {serial: off.get(place, 0) for place, (serial, is_used) in enumerate(presented) if is_used}
    for serial in sorted(said.keys() | used.keys()):
        if said.get(serial) != used.get(serial):
            return f"voucher {number(serial)} took {used.get(serial)} fen off it, its bill says {said.get(serial)}"
    return None


def _closes(look: Look) -> Iterator[Failure]:
    """How the last close says that books stand is what their steps up to it lead to."""
    for site in books.books_of(look.connection):
        last = books.newest_close(look.connection, site)
        if last is None:
            continue
        led_to = stocks(steps(look.connection, _MOVEMENT.site_id == site, _MOVEMENT.business_day <= last.day))
        try:
            said = read_document(last.canonical).vouchers
        except ValueError as problem:
            yield Failure("close", f"{site}:{last.day}", str(problem))
            continue
        for one in said:
            if one.stands != led_to.get(one.book, Stock()):
                yield Failure(
                    "close", f"{site}:{last.day}", f"book {one.book} does not stand as its vouchers' steps say"
                )


def _statements(look: Look) -> Iterator[Failure]:
    """A buyer's month is what was used in it, and what is posted for it."""
    rows = look.connection.execute(select(*VoucherStatement.__table__.c).order_by(VoucherStatement.made_at)).all()
    for row in rows:
        try:
            month = month_bounds(row.month)
        except Invalid as problem:
            yield Failure("voucher_statement", row.id, str(problem))
            continue
        used, waived = worth(look.connection, row.site_id, row.buyer_id, *month)
        posted = look.connection.execute(
            select(func.coalesce(func.sum(Posting.amount_fen), 0)).where(
                Posting.site_id == row.site_id,
                Posting.transaction_id == (row.transaction_id or ""),
                Posting.account == owed_on(row.buyer_id),
            )
        ).scalar_one()
        if (used, sum(waived.values())) != (row.used, row.fen):
            why = f"it says {row.used} used for {row.fen} fen, their steps {used} for {sum(waived.values())}"
            yield Failure("voucher_statement", row.id, why)
        if int(posted) != row.fen:
            yield Failure("voucher_statement", row.id, f"it says {row.fen} fen, {posted} are posted")
        look.count("voucher_statements")


def _accounts(look: Look) -> Iterator[Failure]:
    """What the ledger holds on a buyer's account is its months less what it paid."""
    rows = look.connection.execute(
        select(
            VoucherBuyer.site_id,
            VoucherBuyer.id,
            select(func.coalesce(func.sum(VoucherStatement.fen), 0))
            .where(VoucherStatement.site_id == VoucherBuyer.site_id, VoucherStatement.buyer_id == VoucherBuyer.id)
            .scalar_subquery()
            .label("billed"),
            select(func.coalesce(func.sum(ChargePayment.amount_fen), 0))
            .where(
                ChargePayment.site_id == VoucherBuyer.site_id,
                ChargePayment.purpose == PURPOSE,
                ChargePayment.subject == VoucherBuyer.id,
            )
            .scalar_subquery()
            .label("paid"),
        ).order_by(VoucherBuyer.site_id, VoucherBuyer.id)
    ).all()
    for row in rows:
        holds = look.connection.execute(
            select(func.coalesce(func.sum(Posting.amount_fen), 0)).where(
                Posting.site_id == row.site_id, Posting.account == owed_on(row.id)
            )
        ).scalar_one()
        if int(holds) != int(row.billed) - int(row.paid):
            why = f"it was billed {row.billed} fen and paid {row.paid}, the ledger holds {holds} as owed"
            yield Failure("voucher_buyer", f"{row.site_id}:{row.id}", why)
        look.count("voucher_buyers")
