"""Vouchers follow the bill of their stay: what it needs is used, what it needs no longer is not, what is left over goes back.

A voucher with a stay is changed only under the lock of that stay's vehicle, in the transaction that keeps the bill. Pure.
"""

from __future__ import annotations

from datetime import datetime

from billing.vouchers import waived_by_place
from controllers.passages import State
from gateway.flows.batch import Batch
from gateway.flows.outcome import VoucherStep
from gateway.store.records import BillRecord, StayRecord, VoucherRecord


def presented(batch: Batch, stay: StayRecord) -> list[VoucherRecord]:
    """Those that a bill of this stay may use, in the order in which they were presented."""
    return batch.facts.vouchers.get(stay.id, [])


def used(record: BillRecord | None) -> dict[int, int]:
    """What each voucher that a bill uses takes off it, in fen, by serial."""
    if record is None or record.kind == "void":
        return {}
    off = waived_by_place(record.bill.lines)
    serials: list[int] = record.facts.get("vouchers", [])
    needed = zip(serials, record.bill.vouchers_used, strict=True)
    return {serial: off.get(place, 0) for place, (serial, taken) in enumerate(needed) if taken}


def has_all(batch: Batch, stay: StayRecord, record: BillRecord) -> bool:
    """Whether every voucher that a bill used is still this stay's."""
    return used(record).keys() <= {voucher.serial for voucher in presented(batch, stay)}


def follow(batch: Batch, stay: StayRecord, before: BillRecord | None, after: BillRecord, at: datetime) -> None:
    """Bring the stay's vouchers from one bill to the next."""
    stood, stands = used(before), used(after)
    for voucher in presented(batch, stay):
        taken_off = stands.get(voucher.serial, 0) - stood.get(voucher.serial, 0)
        if voucher.serial in stands and voucher.state != "used":
            step(batch, voucher, "use", "used", at, fen=taken_off)
        elif voucher.serial in stands and taken_off:
            step(batch, voucher, "revalue", "used", at, fen=taken_off)
        elif voucher.serial not in stands and voucher.state == "used":
            step(batch, voucher, "unuse", "presented", at, fen=taken_off)


def release(batch: Batch, stay: StayRecord, at: datetime) -> None:
    """A stay that is over keeps what its bill used; the others can be presented for another one."""
    if stay.state == State.INSIDE and not stay.gone:
        return
    for voucher in tuple(presented(batch, stay)):
        if voucher.state == "presented":
            step(batch, voucher, "release", "issued", at)
            batch.facts.vouchers[stay.id].remove(voucher)
            stay.vouchers -= 1


def step(
    batch: Batch,
    voucher: VoucherRecord,
    kind: str,
    to_state: str,
    at: datetime,
    *,
    fen: int = 0,
    operator: str | None = None,
) -> None:
    """One step: the voucher stands where it leads, and the outcome stores both. `voucher.stay` is the stay it is about."""
    before, stay = voucher.state, voucher.stay
    voucher.state = to_state
    voucher.movements += 1
    if to_state not in {"presented", "used"}:
        voucher.stay = voucher.presented_at = None
    batch.outcome.vouchers[voucher.site, voucher.serial] = voucher
    batch.outcome.voucher_steps.append(
        VoucherStep(
            site=voucher.site,
            serial=voucher.serial,
            sequence=voucher.movements,
            book=voucher.book,
            kind=kind,
            from_state=before,
            to_state=to_state,
            at=at,
            business_day=batch.business_day(voucher.site, at)[0],
            fen=fen,
            stay=stay,
            operator=operator,
        )
    )
