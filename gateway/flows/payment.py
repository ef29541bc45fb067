"""Taking money for a stay: the amount must be what is due at this moment, and the same payment counts once.

A payment at an exit opens the lane only if the vehicle's plate event is that lane's newest, not reversed, and under five minutes
old; otherwise its next read finds it paid.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from billing.bill import CannotPrice
from controllers import decide
from controllers.commands import Reason
from controllers.decide import Verdict
from controllers.events import Kind
from controllers.passages import Decision, State
from gateway.flows import audit
from gateway.flows.answer import plan
from gateway.flows.batch import Batch
from gateway.flows.gather import gather_vehicles
from gateway.flows.pricing import Priced, implausible
from gateway.flows.refusals import AmountNotDue, KeyReused, NotFound
from gateway.flows.saving import OutcomeWriter
from gateway.flows.settling import Settling
from gateway.flows.shifts import account_of
from gateway.flows.taking import check_money, content_of, key_of
from gateway.flows.vehicle import Vehicle
from gateway.runtime.ids import derive
from gateway.store import tables as t
from gateway.store.facts import FactLoader
from gateway.store.prepared import find, put
from gateway.store.records import EventRecord, StayRecord
from gateway.wiring import Parts

_VEHICLE = select(t.Stay.plate, t.Stay.started_at).where(
    t.Stay.site_id == bindparam("site"), t.Stay.id == bindparam("stay")
)
_SAME_KEY = select(
    t.Payment.id, t.Payment.stay_id, t.Payment.channel, t.Payment.amount_fen, t.Payment.content_hash
).where(t.Payment.site_id == bindparam("site"), t.Payment.idempotency_key == bindparam("key"))
_PAYMENT = insert(t.Payment)
_CLOSE_ORDERS = (
    update(t.PaymentOrder)
    .where(
        t.PaymentOrder.site_id == bindparam("of_site"),
        t.PaymentOrder.stay_id == bindparam("of_stay"),
        t.PaymentOrder.state.in_(("created", "open")),
    )
    .values(state="closing", look_at=bindparam("now"))
)


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as it stands in the books. `opens`: a command for the lane was planned with it."""

    id: str
    stay: str
    channel: str
    amount_fen: int
    opens: bool = False


def take(
    parts: Parts,
    *,
    stay_id: str,
    channel: str,
    amount_fen: int,
    reference: str = "",
    operator: str | None = None,
    role: str = "",
    idempotency_key: str | None = None,
    origin: str = "",
    ended: bool = False,
) -> Taken:
    """Take exactly what is due. One transaction. Refuses with `gateway.flows.refusals`.

    `ended`: for arrears, which only a stay that has ended has; of one that goes on nothing is taken in advance.
    """
    check_money(parts, channel, amount_fen, reference)
    site, key = stay_id.split(".", 1)[0], key_of(idempotency_key)
    content = content_of(stay_id, channel, amount_fen, reference)
    now = parts.clock.now()
    with parts.store.deciding() as connection:
        plate, started_at = vehicle_of(connection, site, stay_id)
        batch = batch_of(parts, connection, (site, plate), started_at, now)
        # Behind the vehicle's lock: a repeat that waited for it sees the first one's row.
        first = _first(connection, site, key, content)
        if first is not None:
            return first
        vehicle = Vehicle(batch, (site, plate))
        stay = _stay_in(vehicle, stay_id, ended=ended)
        settling = Settling(batch, vehicle.key, stay)
        _fix_what_is_due(settling, amount_fen, now)
        money = Received(channel, amount_fen, reference, now, key, content, operator=operator, role=role, origin=origin)
        taken = receive(parts, connection, vehicle, settling, money)
        OutcomeWriter(connection).save(batch.outcome, batch.facts, now, None)
        connection.commit()
    if taken.opens:
        parts.outbox.notify()
    return taken


class Received(msgspec.Struct, frozen=True):
    """Money that is there, under a key that counts it once. `at`: when it was paid; `content`: a hash of what was asked."""

    channel: str
    amount_fen: int
    reference: str
    at: datetime
    key: str
    content: bytes
    operator: str | None = None
    role: str = ""
    origin: str = ""


def receive(
    parts: Parts,
    connection: Connection,
    vehicle: Vehicle,
    settling: Settling,
    money: Received,
    then: Callable[[], object] = lambda: None,
) -> Taken:
    """Book money on a stay, keep it as a payment, and open the lane where nothing more is due. The caller saves the outcome.

    `then`: what is to be done once it is booked, before it is seen whether anything is still due.
    """
    batch, stay = settling.batch, settling.stay
    site, now = stay.site, batch.now
    payment_id = derive("p", site, money.key)
    account, shift = account_of(connection, site, money.channel, money.operator or money.role or "service", now)
    _book(settling, account, money.amount_fen, money.at, money.operator, payment_id)
    then()
    settled = Verdict(True, Reason.PAID, "paid")
    opens = open_lane(batch, parts, FactLoader(connection), vehicle, stay, settled, payment_id)
    said = {"channel": money.channel, "amount_fen": money.amount_fen}
    row = {"site_id": site, "id": payment_id, "stay_id": stay.id, **said, "reference": money.reference, "at": money.at}
    asked = {
        "operator": money.operator,
        "shift_id": shift,
        "idempotency_key": money.key,
        "content_hash": money.content,
    }
    put(connection, _PAYMENT, row | asked)
    close_orders_of(connection, site, stay.id, now)
    audit.record(
        connection,
        at=now,
        operator=money.operator or "service",
        action="payment.take",
        site=site,
        subject=stay.id,
        origin=money.origin,
        detail={"payment": payment_id, **said},
    )
    return Taken(id=payment_id, stay=stay.id, channel=money.channel, amount_fen=money.amount_fen, opens=opens)


def close_orders_of(connection: Connection, site: str, stay_id: str, now: datetime) -> None:
    """What a stay owes has changed: orders for what it owed are closed at their channel as soon as it is asked."""
    connection.execute(_CLOSE_ORDERS, {"of_site": site, "of_stay": stay_id, "now": now})


def _stay_in(vehicle: Vehicle, stay_id: str, *, ended: bool) -> StayRecord:
    """Raises `NotFound`."""
    stay = next((one for one in vehicle.stays if one.id == stay_id), None)
    if stay is None:
        raise NotFound("the stay is too old to be paid here, or void; ask the street office")
    if ended and stay.state != State.LEFT:
        raise NotFound("there is no such stay that has ended, or not for you")
    return stay


def vehicle_of(connection: Connection, site: str, stay_id: str) -> tuple[str, datetime]:
    """A stay's plate and start. Raises `NotFound`."""
    for found in find(connection, _VEHICLE, site=site, stay=stay_id):
        return found.plate, found.started_at
    raise NotFound


def batch_of(
    parts: Parts, connection: Connection, key: tuple[str, str], since: datetime, now: datetime, *, locking: bool = True
) -> Batch:
    """The facts of one vehicle from a stay of it on. `locking=False`: for a quote."""
    estate = parts.estates.known(connection)
    facts = gather_vehicles(FactLoader(connection, locking=locking), estate, {key: since}, now, parts.settings.zone)
    return Batch(estate=estate, facts=facts, now=now, zone=parts.settings.zone, base_url=parts.settings.base_url)


def _first(connection: Connection, site: str, key: str, content: bytes) -> Taken | None:
    row = next(iter(find(connection, _SAME_KEY, site=site, key=key)), None)
    if row is None:
        return None
    if bytes(row.content_hash) != content:
        raise KeyReused
    return Taken(id=row.id, stay=row.stay_id, channel=row.channel, amount_fen=row.amount_fen)


def what_is_due(settling: Settling, now: datetime) -> tuple[int, Priced | None]:
    """What a stay owes at an instant, in fen, and for a vehicle that still parks the bill that says so; below 0: paid beyond it.

    A vehicle at its exit, or gone, has a bill that is fixed. Raises `AmountNotDue` where the stay cannot be priced.
    """
    stay, batch = settling.stay, settling.batch
    if stay.state != State.INSIDE or stay.exit_at is not None:
        return stay.due_fen, None
    assert stay.entry_at is not None
    policy = batch.policy(stay.site, stay.entry_at)
    if policy is not None and implausible(policy, stay.entry_at, now):
        raise AmountNotDue("the stay is longer than the policy holds possible: a person must look at it first")
    try:
        priced = settling.quote(now)
    except CannotPrice as problem:
        raise AmountNotDue(f"the stay cannot be priced: {problem}") from None
    return priced.bill.payable_fen - stay.paid_fen - stay.posted.written_off_fen, priced


def _fix_what_is_due(settling: Settling, amount_fen: int, now: datetime) -> None:
    """The bill of one that still parks is fixed now (rule 10)."""
    due, priced = what_is_due(settling, now)
    if due != amount_fen:
        raise AmountNotDue(f"due at this moment: {max(0, due)} fen, not {amount_fen}")
    if priced is not None:
        settling.fix_early(priced, now, now)


def _book(
    settling: Settling,
    account: str,
    amount_fen: int,
    now: datetime,
    operator: str | None,
    payment_id: str,
) -> None:
    stay = settling.stay
    paid = {**stay.posted.received, account: stay.posted.received.get(account, 0) + amount_fen}
    stay.paid_fen += amount_fen
    # A part of what a vehicle owes that has not left is held for it: nobody owes the rest yet.
    part = stay.state == State.INSIDE and (settling.standing_bill() is None or stay.due_fen > 0)
    settling.book(now, "payment", paid=paid, operator=operator, cause=("payment", payment_id), nothing=part)


def open_lane(
    batch: Batch,
    parts: Parts,
    loader: FactLoader,
    vehicle: Vehicle,
    stay: StayRecord,
    settled: Verdict,
    cause: str,
) -> bool:
    """Let the vehicle out that stands at the barrier, if it is still there and nothing more is due, or it may owe what is.

    `settled`: by what, or that it may; `cause`: the id of the payment, or of what else settled it, from which the command's own follows.
    """
    owes = stay.due_fen and settled.reason is not Reason.PAY_LATER
    if stay.state != State.INSIDE or stay.exit_lane is None or owes:
        return False
    read = _newest_read(vehicle, stay)
    if read is None or batch.now - read.at >= decide.PAYMENT_OPENS_WITHIN:
        return False
    newest = loader.newest_reads({(read.site, read.lane)}, batch.now + decide.FUTURE_MAX).get((read.site, read.lane))
    if newest is None or (newest.device, newest.event) != (read.device, read.event):
        return False
    lane = batch.estate.lanes[read.site, read.lane]
    read.decision, read.reason = Decision.OPEN, settled.reason.value
    batch.outcome.changed(read)
    command = plan(
        batch,
        parts.settings.secret(),
        read,
        lane,
        settled,
        stay,
        command_id=derive("c", read.site, read.device, read.event, cause),
        # From the payment, not from the read: the vehicle may have waited there for minutes.
        expires_at=batch.now + decide.OPEN_FOR,
    )
    batch.outcome.commands.append(command)
    vehicle.fold(batch.now)
    return True


def _newest_read(vehicle: Vehicle, stay: StayRecord) -> EventRecord | None:
    """The newest read of the vehicle at the exit where it waits; None once it has backed away or gone."""
    reads = [one for one in vehicle.events.values() if one.kind == Kind.PLATE and one.lane == stay.exit_lane]
    newest = max(reads, key=lambda one: (one.at, one.event), default=None)
    return None if newest is None or newest.completed else newest
