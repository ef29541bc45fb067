"""Presenting a voucher for a stay: by phone, at the console, or (in `offline`) collected before. Used once, whatever happens.

The voucher is bound to the stay under two locks: its vehicle's and its own row's. What the bill then needs is used in the same
transaction; what it does not need goes back when the stay is over (`gateway.flows.voucher_use`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, Row, select

from billing.bill import CannotPrice
from billing.vouchers import Forged, NotACode, number, serial_of
from controllers.decide import Verdict
from controllers.passages import State
from gateway.flows import audit, voucher_use
from gateway.flows.batch import Batch
from gateway.flows.payment import batch_of, open_lane, vehicle_of
from gateway.flows.pricing import settled_by
from gateway.flows.refusals import NotFound
from gateway.flows.saving import OutcomeWriter
from gateway.flows.settling import Settling
from gateway.flows.vehicle import Vehicle
from gateway.flows.vouchers.moving import signing_key, words
from gateway.flows.vouchers.refusals import (
    VoucherNotIssued,
    VoucherNotNow,
    VoucherNotValid,
    VoucherOver,
    VoucherUsed,
)
from gateway.runtime.ids import derive
from gateway.store.facts import FactLoader
from gateway.store.records import StayRecord, VoucherRecord
from gateway.store.tables import Voucher, VoucherBook
from gateway.wiring import Parts

STAY_MAX = 20
"""Vouchers that one stay can present."""


class Presented(msgspec.Struct, frozen=True, kw_only=True):
    """A voucher as it now stands for a stay, and what is due there at this moment. `opens`: the lane was told to open."""

    voucher: str
    stay: str
    kind: str
    value: int
    state: str
    due_fen: int
    opens: bool = False


def present(parts: Parts, *, stay_id: str, code: str, operator: str | None = None, origin: str = "") -> Presented:
    """Present a code for a stay. One transaction; the same code for the same stay again changes nothing.

    `operator` None: the driver. Raises `VoucherNotValid`, `VoucherUsed`, `VoucherNotIssued`, `VoucherOver`, `VoucherNotNow`,
    `NotFound`.
    """
    site = stay_id.split(".", 1)[0]
    serial = read_code(parts, site, code)
    now = parts.clock.now()
    with parts.store.writing() as connection:
        plate, started_at = vehicle_of(connection, site, stay_id)
        batch = batch_of(parts, connection, (site, plate), started_at, now)
        vehicle = Vehicle(batch, (site, plate))
        stay = stay_in(vehicle, stay_id)
        settling = Settling(batch, vehicle.key, stay)
        row = lock_voucher(connection, site, serial)
        if row.stay_id == stay_id:
            return _said(settling, row, row.state, now)
        check_voucher(row, now)
        check_stay(settling)
        attach(batch, settling, row, "present", now, operator=operator)
        opens = _open(parts, connection, vehicle, settling, serial)
        OutcomeWriter(connection).save(batch.outcome, batch.facts, now, None)
        state = batch.outcome.vouchers[site, serial].state
        found = _said(settling, row, state, now, opens=opens)
        audit.record(
            connection,
            at=now,
            operator=operator or "driver",
            action="voucher.present",
            site=site,
            subject=stay_id,
            origin=origin,
            detail={"voucher": number(serial), "state": state, "due_fen": found.due_fen},
        )
        connection.commit()
    if opens:
        parts.outbox.notify()
    return found


def withdraw(parts: Parts, *, stay_id: str, serial: int, reason: str, operator: str, origin: str = "") -> None:
    """Give a voucher back that was presented for the wrong stay, as long as no bill used it. Raises `VoucherNotNow`, `NotFound`, `Invalid`."""
    reason = words("reason", reason, 300, needed=True)
    site = stay_id.split(".", 1)[0]
    now = parts.clock.now()
    with parts.store.writing() as connection:
        plate, started_at = vehicle_of(connection, site, stay_id)
        batch = batch_of(parts, connection, (site, plate), started_at, now)
        vehicle = Vehicle(batch, (site, plate))
        stay = stay_in(vehicle, stay_id)
        found = next((one for one in voucher_use.presented(batch, stay) if one.serial == serial), None)
        if found is None:
            raise NotFound("the stay has presented no such voucher")
        if found.state != "presented":
            raise VoucherNotNow("a bill has used it; it comes back only if that bill is taken back")
        voucher_use.step(batch, found, "withdraw", "issued", now, operator=operator)
        batch.facts.vouchers[stay.id].remove(found)
        stay.vouchers -= 1
        OutcomeWriter(connection).save(batch.outcome, batch.facts, now, None)
        audit.record(
            connection,
            at=now,
            operator=operator,
            action="voucher.withdraw",
            site=site,
            subject=stay_id,
            origin=origin,
            reason=reason,
            detail={"voucher": number(serial)},
        )
        connection.commit()


def read_code(parts: Parts, site: str, code: str) -> int:
    """The serial. Raises `VoucherNotValid`."""
    try:
        return serial_of(signing_key(parts), site, code)
    except (NotACode, Forged) as why:
        raise VoucherNotValid(str(why)) from None


def stay_in(vehicle: Vehicle, stay_id: str) -> StayRecord:
    """Raises `NotFound`."""
    for stay in vehicle.stays:
        if stay.id == stay_id:
            return stay
    raise NotFound("the stay is too old for a voucher, or void; ask the street office")


def lock_voucher(connection: Connection, site: str, serial: int) -> Row[Any]:
    """The voucher with its book's validity, locked: whoever else presents it waits here. Raises `VoucherNotValid`."""
    row = connection.execute(
        select(*Voucher.__table__.c, VoucherBook.valid_from, VoucherBook.valid_to)
        .join(VoucherBook, (VoucherBook.site_id == Voucher.site_id) & (VoucherBook.id == Voucher.book_id))
        .where(Voucher.site_id == site, Voucher.serial == serial)
        .with_for_update(of=Voucher)
    ).first()
    if row is None:
        # Signed with our key and yet never made: a book of another database, or one that was lost with it.
        raise VoucherNotValid("no such voucher was ever made here")
    return cast("Row[Any]", row)


def check_voucher(row: Row[Any], at: datetime) -> None:
    """Whether it can be presented at an instant. Raises the refusal that says why not."""
    if row.state in {"presented", "used"}:
        raise VoucherUsed
    if row.state in {"stock", "returned"}:
        raise VoucherNotIssued
    if row.state != "issued":
        raise VoucherOver(f"the voucher is {row.state}")
    if not row.valid_from <= at < row.valid_to:
        raise VoucherOver("the voucher is not valid at this time")


def check_stay(settling: Settling) -> None:
    """Whether a voucher can do anything for a stay. Raises `VoucherNotNow`."""
    stay = settling.stay
    if stay.gone or stay.state not in {State.INSIDE, State.LEFT} or stay.entry_at is None:
        raise VoucherNotNow("a person has to look at this stay first")
    if stay.vouchers >= STAY_MAX:
        raise VoucherNotNow(f"a stay takes at most {STAY_MAX} vouchers")
    if stay.exit_at is not None and not stay.due_fen:
        raise VoucherNotNow("nothing is due: keep the voucher for another time")


def attach(
    batch: Batch,
    settling: Settling,
    row: Row[Any],
    kind: str,
    at: datetime,
    *,
    operator: str | None,
) -> None:
    """Bind a voucher to a stay and let the bill use it where it is fixed already. Raises `VoucherNotNow`."""
    stay = settling.stay
    record = VoucherRecord(
        site=stay.site,
        serial=row.serial,
        book=row.book_id,
        kind=row.kind,
        value=row.value,
        state=row.state,
        movements=row.movements,
        stay=stay.id,
        presented_at=at,
    )
    voucher_use.step(batch, record, kind, "presented", at, operator=operator)
    batch.facts.vouchers.setdefault(stay.id, []).append(record)
    stay.vouchers += 1
    try:
        settling.refix(at)
    except CannotPrice as problem:
        raise VoucherNotNow(f"the stay cannot be priced: {problem}") from None
    if stay.state == State.LEFT and not stay.due_fen:
        batch.outcome.resolved.append((stay.site, "unpaid_exit", stay.id))


def _open(parts: Parts, connection: Connection, vehicle: Vehicle, settling: Settling, serial: int) -> bool:
    """Let it out that waits at its exit, if the voucher has settled all."""
    stay, standing = settling.stay, settling.standing_bill()
    if standing is None:
        return False
    settled = Verdict(True, *settled_by(standing.bill, settling.what, stay.paid_fen))
    cause = derive("v", stay.site, number(serial), stay.id)
    return open_lane(vehicle.batch, parts, FactLoader(connection), vehicle, stay, settled, cause)


def _said(settling: Settling, row: Row[Any], state: str, now: datetime, *, opens: bool = False) -> Presented:
    return Presented(
        voucher=number(row.serial),
        stay=settling.stay.id,
        kind=row.kind,
        value=row.value,
        state=state,
        due_fen=_due(settling, now),
        opens=opens,
    )


def _due(settling: Settling, now: datetime) -> int:
    """What is still to be paid: of the bill that is fixed, or of what it would be now."""
    stay = settling.stay
    if stay.exit_at is not None:
        return stay.due_fen
    try:
        return max(0, settling.quote(now).bill.payable_fen - stay.paid_fen)
    except CannotPrice as problem:
        raise VoucherNotNow(f"the stay cannot be priced: {problem}") from None
