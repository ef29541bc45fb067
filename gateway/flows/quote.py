"""A stay's bill at any moment: the one that is fixed, or what it would be. Runs the real code and writes nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from billing.bill import Bill, CannotPrice
from billing.explain import sentences
from billing.money import yuan
from billing.policy import Policy
from controllers.passages import State
from controllers.plate import masked
from gateway.flows import allowance
from gateway.flows.corrections_words import CORRECTED
from gateway.flows.explain import stay_priced
from gateway.flows.pay_token import stay_of
from gateway.flows.payment import batch_of, vehicle_of
from gateway.flows.pricing import implausible, months
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.settling import Settling
from gateway.flows.vehicle import Vehicle
from gateway.store.records import StayRecord
from gateway.wiring import Parts


class Due(NamedTuple):
    """Of a stay, in fen: its bill, what was paid of it, and what is still to be paid."""

    payable_fen: int
    paid_fen: int
    due_fen: int


def bill_document(parts: Parts, stay_id: str, at: datetime | None = None) -> dict[str, Any]:
    """The answer of `parkgate bill --batch`, with `policy` and `version`.

    Without `at`: the bill that stands, or for a vehicle still parking what it would be now. True benefit names: whoever shows it
    masks them by role. Raises `NotFound`, and `Invalid` where the stay cannot be priced.
    """
    bill = _bill(parts, stay_id, at).bill
    return {"policy": bill.policy, "version": bill.version, **bill.document()}


def due_now(parts: Parts, stay_id: str) -> Due:
    """What a payment at this moment would have to be. Raises as `bill_document` does."""
    found = _bill(parts, stay_id, None)
    return Due(payable_fen=found.bill.payable_fen, paid_fen=found.stay.paid_fen, due_fen=_due(found))


def bill_by_token(parts: Parts, token: str) -> dict[str, Any] | None:
    """What the pay page shows; None for a token that nobody signed. The plate is masked.

    `allowance` of a relative's vehicle, else None: what is left of the month with this bill, what this bill draws, and what the
    vehicle's other stays drew from that month. Never whose minutes they are, nor who else has of them.
    """
    stay_id = stay_of(parts.settings.secret(), token)
    if stay_id is None:
        return None
    try:
        found = _bill(parts, stay_id, None)
    except NotFound:
        return None
    stay, bill = found.stay, found.bill
    priced = stay_priced(found.facts)
    zh, en = sentences(bill, "zh", found.policy, stay=priced), sentences(bill, "en", found.policy, stay=priced)
    if stay.corrections:
        zh.insert(0, CORRECTED["zh"])
        en.insert(0, CORRECTED["en"])
    if stay.paid_fen:
        due = yuan(_due(found))
        zh.append(f"已付 {yuan(stay.paid_fen)} 元，还应付 {due} 元。")
        en.append(f"Paid before {yuan(stay.paid_fen)} yuan, still to pay {due} yuan.")
    return {
        "plate": masked(stay.plate),
        "entry_at": stay.entry_at,
        "exit_at": stay.exit_at,
        "minutes": bill.minutes,
        "gross_fen": bill.gross_fen,
        "payable_fen": bill.payable_fen,
        "paid_fen": stay.paid_fen,
        "due_fen": _due(found),
        "allowance": None if found.left is None else _allowance(parts, stay, bill, found.left),
        "zh": zh,
        "en": en,
        "policy": bill.policy,
        "version": bill.version,
    }


def _allowance(parts: Parts, stay: StayRecord, bill: Bill, left: _Left) -> dict[str, Any]:
    with parts.store.reading() as connection:
        draws = allowance.of_vehicle(connection, (stay.site, stay.plate), left.month, other_than=stay.id)
    return {
        "month": left.month,
        "left_minutes": left.minutes,
        "drawn_minutes": sum(bill.drawn.values()),
        "draws": [
            {"day": at.astimezone(parts.settings.zone).date().isoformat(), "minutes": minutes} for at, minutes in draws
        ],
    }


class _Left(NamedTuple):
    """Of a vehicle's allowance: the local month in question, and its minutes after a bill."""

    month: str
    minutes: int


class _Found(NamedTuple):
    """`left`: None for a vehicle without an allowance. `facts`: what the bill was priced from. `policy`: its version."""

    stay: StayRecord
    bill: Bill
    facts: dict[str, Any]
    left: _Left | None
    policy: Policy | None


def _due(found: _Found) -> int:
    return max(0, found.bill.payable_fen - found.stay.paid_fen - found.stay.posted.written_off_fen)


def _bill(parts: Parts, stay_id: str, at: datetime | None) -> _Found:
    now = parts.clock.now()
    site = stay_id.split(".", 1)[0]
    with parts.store.reading() as connection:
        plate, started_at = vehicle_of(connection, site, stay_id)
        batch = batch_of(parts, connection, (site, plate), started_at, now, locking=False)
    vehicle = Vehicle(batch, (site, plate))
    stay = next((one for one in vehicle.stays if one.id == stay_id), None)
    if stay is None:
        raise NotFound
    settling = Settling(batch, vehicle.key, stay)
    standing = settling.standing_bill()
    if at is None and standing is not None and (stay.exit_at is not None or stay.state != State.INSIDE):
        left = _left(settling, standing.bill, standing.bill.drawn, at or now)
        return _Found(stay, standing.bill, standing.facts, left, _version(settling, standing.bill))
    if stay.entry_at is None:
        raise Invalid("no entry is known for this stay: there is nothing to price it from")
    until = at or stay.exit_at or now
    if until < stay.entry_at:
        raise Invalid("at: before the entry")
    policy = batch.policy(site, stay.entry_at)
    if at is None and policy is not None and implausible(policy, stay.entry_at, until):
        raise Invalid("the stay is longer than the policy holds possible: a person must look at it first")
    try:
        priced = settling.quote(until)
    except CannotPrice as problem:
        raise Invalid(str(problem)) from None
    left = _left(settling, priced.bill, standing.bill.drawn if standing else {}, until)
    return _Found(stay, priced.bill, priced.facts, left, _version(settling, priced.bill))


def _version(settling: Settling, bill: Bill) -> Policy | None:
    """The policy that a bill names, for what its rules say."""
    found = settling.batch.estate.policies.get(bill.policy, ())
    return next((one for one in found if one.version == bill.version), None)


def _left(settling: Settling, bill: Bill, drawn: dict[str, int], at: datetime) -> _Left | None:
    """What would be left of the month of `at` with this bill, where `drawn` is drawn already."""
    batch, stay, holders = settling.batch, settling.stay, settling.what.holders
    if not holders:
        return None
    month = months(at, at, batch.zone)[0]
    left = batch.allowance_left(stay.site, holders, batch.policy(stay.site, stay.entry_at or stay.started_at), at)
    return _Left(month, max(0, left + drawn.get(month, 0) - bill.drawn.get(month, 0)))
