"""Money that a channel has: booked once, whenever and however often it is told, and never refused.

What the stay owes is paid with it; an order that was paid in time counts as of the moment at which it was quoted, also when that is told
late, so that the order of callbacks and exits changes nothing. What is beyond (paid twice, paid also in cash, a bill that fell) is owed
back: it stands in `liability:refund`, and a refund is proposed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, insert, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from billing.bill import CannotPrice
from billing.ledger import Posting
from controllers.passages import State
from gateway.channels.port import OrderSaid, OrderState
from gateway.flows import audit
from gateway.flows.charges_books import REFUND as OWED_BACK
from gateway.flows.charges_books import By, share
from gateway.flows.orders.records import find_order, lock_order, next_look
from gateway.flows.orders.refusals import AmountDiffers, NoSuchOrder
from gateway.flows.outcome import Situation
from gateway.flows.payment import Received, batch_of, receive, vehicle_of, what_is_due
from gateway.flows.refusals import AmountNotDue, NotFound
from gateway.flows.saving import OutcomeWriter
from gateway.flows.settling import Settling
from gateway.flows.shifts import account
from gateway.flows.taking import content_of
from gateway.flows.vehicle import Vehicle
from gateway.runtime.ids import derive
from gateway.store import tables as t
from gateway.wiring import Parts

SERVICE = By(operator="service")
_BEYOND = "付款超过应付金额，多付部分退回 (paid beyond the bill)"


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What became of news of a payment. `new`: False for a repeat. `applied_fen`: on the stay; the rest is owed back."""

    order: str
    new: bool
    applied_fen: int = 0
    opens: bool = False


class _Fixed(NamedTuple):
    """What a stay takes of the money, and what follows once that is booked."""

    takes: int
    then: Callable[[], object] = lambda: None


class _Lane(NamedTuple):
    """The vehicle of an order, locked, and its stay."""

    vehicle: Vehicle
    settling: Settling


def money_came(parts: Parts, merchant: str, channel: str, said: OrderSaid, notice: str | None = None) -> Heard:
    """Book a payment that the channel has. One transaction. `notice`: the callback's id, kept with it.

    Raises `NoSuchOrder`, and `AmountDiffers` after putting that in front of a person.
    """
    assert said.state is OrderState.PAID
    with parts.store.deciding() as connection:
        known = find_order(connection, said.number)
        if known is None or (known.merchant_id, known.channel) != (merchant, channel):
            raise NoSuchOrder
        now = parts.clock.now()
        lane = _vehicle(parts, connection, known, now)
        # Behind the vehicle's lock, as everybody takes them.
        order = lock_order(connection, known.site_id, known.id)
        heard = None
        if said.amount_fen != order.amount_fen or (order.trade is not None and order.trade != said.trade):
            _to_a_person(connection, order, said, now)
        elif order.paid_at is not None:
            heard = Heard(order=order.id, new=False, applied_fen=order.applied_fen)
        else:
            heard = _book(parts, connection, order, lane, said, now)
        if notice is not None and heard is not None:
            note(connection, order.site_id, notice, order.id, now)
        connection.commit()
    if heard is None:
        raise AmountDiffers
    if heard.opens:
        parts.outbox.notify()
    return heard


def note(connection: Connection, site: str, notice: str, subject: str, now: datetime) -> None:
    """Remember a callback by its id."""
    made = postgres_insert if connection.dialect.name == "postgresql" else sqlite_insert
    row = {"site_id": site, "id": notice, "subject": subject, "at": now}
    connection.execute(made(t.PaymentNotice).values(**row).on_conflict_do_nothing())


def _vehicle(parts: Parts, connection: Connection, order: Any, now: datetime) -> _Lane | None:
    """None where the stay can take no money any more: void, or so old that its plate is gone."""
    try:
        plate, started_at = vehicle_of(connection, order.site_id, order.stay_id)
    except NotFound:
        return None
    if plate.startswith("#"):
        return None
    batch = batch_of(parts, connection, (order.site_id, plate), started_at, now)
    vehicle = Vehicle(batch, (order.site_id, plate))
    stay = next((one for one in vehicle.stays if one.id == order.stay_id), None)
    return None if stay is None else _Lane(vehicle, Settling(batch, vehicle.key, stay))


def _book(
    parts: Parts, connection: Connection, order: Any, lane: _Lane | None, said: OrderSaid, now: datetime
) -> Heard:
    # The day on which the channel has it; never before it was ordered, nor ahead of us.
    at = min(max(said.paid_at or now, order.quoted_at), now)
    applied, payment_id, opens = 0, None, False
    if lane is not None:
        fixed = _fix(lane.settling, order, at)
        applied = fixed.takes
        if applied:
            money = Received(
                order.channel,
                applied,
                said.trade or "",
                at,
                f"order:{order.id}",
                content_of("order", order.id, order.amount_fen),
                operator=None,
            )
            taken = receive(parts, connection, lane.vehicle, lane.settling, money, fixed.then)
            payment_id, opens = taken.id, taken.opens
            batch = lane.settling.batch
            OutcomeWriter(connection).save(batch.outcome, batch.facts, now, None)
    beyond = order.amount_fen - applied
    if beyond:
        _owe_back(parts, connection, order, beyond, at, now)
    connection.execute(
        update(t.PaymentOrder)
        .where(t.PaymentOrder.site_id == order.site_id, t.PaymentOrder.id == order.id)
        .values(
            state="paid",
            code=None,
            trade=said.trade,
            paid_at=at,
            told_at=now,
            paid_fen=order.amount_fen,
            applied_fen=applied,
            payment_id=payment_id,
        )
    )
    audit.record(
        connection,
        at=now,
        operator=SERVICE.operator,
        action="order.paid",
        site=order.site_id,
        subject=order.stay_id,
        detail={"order": order.id, "channel": order.channel, "amount_fen": order.amount_fen, "owed_back_fen": beyond},
    )
    return Heard(order=order.id, new=True, applied_fen=applied, opens=opens)


def _fix(settling: Settling, order: Any, at: datetime) -> _Fixed:
    """Fix the bill that the money pays; what of it the stay takes."""
    stay, amount = settling.stay, int(order.amount_fen)
    parks = stay.state == State.INSIDE and stay.exit_at is None
    if parks and _as_quoted(settling, order, at):
        return _Fixed(amount)
    try:
        due, priced = what_is_due(settling, at)
    except AmountNotDue:
        return _Fixed(0)  # a person must look at the stay first; the money is owed back until then
    if due <= amount or parks:
        takes = min(amount, max(0, due))
        if priced is not None and 0 < takes == due:
            settling.fix_early(priced, at, at)
        return _Fixed(takes)
    if _as_quoted(settling, order, at):
        # It was paid before the exit and is told after it: the exit follows from it as if it had been told in time.
        if stay.state != State.LEFT:
            return _Fixed(amount, then=lambda: settling.refix(at))
        # What remains is owed by whom it was owed before, so that is worked out first.
        stay.paid_fen += amount
        settling.refix(at)
        stay.paid_fen -= amount  # `receive` adds it when it books
    return _Fixed(amount)


def _as_quoted(settling: Settling, order: Any, at: datetime) -> bool:
    """Fix the bill as it stood when it was quoted, where the stay went on from then and the order says exactly what was due."""
    stay = settling.stay
    if stay.entry_at is None or order.quoted_at < stay.entry_at:
        return False
    if stay.exit_at is not None and order.quoted_at >= stay.exit_at:
        return False
    try:
        priced = settling.quote(order.quoted_at)
    except CannotPrice:
        return False
    if priced.bill.payable_fen - stay.paid_fen - stay.posted.written_off_fen != order.amount_fen:
        return False
    settling.fix_early(priced, order.quoted_at, at)
    return True


def _owe_back(parts: Parts, connection: Connection, order: Any, fen: int, at: datetime, now: datetime) -> None:
    """What is beyond the bill stands as owed back, and a refund is proposed."""
    desk = share(parts, connection, order.site_id, SERVICE)
    lines = [Posting(account(order.channel, None), fen), Posting(OWED_BACK, -fen)]
    desk.post("payment", ("payment", order.id), f"order:{order.id}:beyond", lines, at=at)
    connection.execute(
        insert(t.PaymentRefund).values(
            site_id=order.site_id,
            id=derive("pr", order.site_id, order.id, "beyond").replace("-", ""),
            order_id=order.id,
            stay_id=order.stay_id,
            amount_fen=fen,
            off_stay_fen=0,
            given_up_fen=0,
            reason=_BEYOND,
            state="proposed",
            proposed_at=now,
            proposed_by=SERVICE.operator,
            decision="",
            look_at=next_look(now, 0),
            looks=0,
            problem="",
        )
    )


def _to_a_person(connection: Connection, order: Any, said: OrderSaid, now: datetime) -> None:
    words = f"{order.channel}: {order.amount_fen} fen ordered, {said.amount_fen} fen said to be paid"
    situation = Situation(
        site=order.site_id, kind="payment_mismatch", subject=order.id, at=now, stay=order.stay_id, detail=words
    )
    OutcomeWriter(connection).situations([situation])
