"""Taking money for a stay: the amount must be what is due at this moment, and the same payment counts once.

A payment at an exit opens the lane only if the vehicle's plate event is that lane's newest, not reversed, and under five minutes
old; otherwise its next read finds it paid.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import Connection, bindparam, insert, select

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
from gateway.flows.pricing import implausible
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
        payment_id = derive("p", site, key)
        account, shift = account_of(connection, site, channel, operator or role or "service", now)
        _book(settling, account, amount_fen, now, operator, payment_id)
        settled = Verdict(True, Reason.PAID, "paid")
        opens = open_lane(batch, parts, FactLoader(connection), vehicle, stay, settled, payment_id)
        OutcomeWriter(connection).save(batch.outcome, batch.facts, now, None)
        said = {"channel": channel, "amount_fen": amount_fen}
        row = {"site_id": site, "id": payment_id, "stay_id": stay_id, **said, "reference": reference, "at": now}
        asked = {"operator": operator, "shift_id": shift, "idempotency_key": key, "content_hash": content}
        put(connection, _PAYMENT, row | asked)
        audit.record(
            connection,
            at=now,
            operator=operator or "service",
            action="payment.take",
            site=site,
            subject=stay_id,
            origin=origin,
            detail={"payment": payment_id, **said},
        )
        connection.commit()
    if opens:
        parts.outbox.notify()
    return Taken(id=payment_id, stay=stay_id, channel=channel, amount_fen=amount_fen, opens=opens)


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


def _fix_what_is_due(settling: Settling, amount_fen: int, now: datetime) -> None:
    """A vehicle at its exit, or gone, has a bill that is fixed; one that still parks has it fixed now (rule 10)."""
    stay, batch = settling.stay, settling.batch
    if stay.state == State.INSIDE and stay.exit_at is None:
        assert stay.entry_at is not None
        policy = batch.policy(stay.site, stay.entry_at)
        if policy is not None and implausible(policy, stay.entry_at, now):
            raise AmountNotDue("the stay is longer than the policy holds possible: a person must look at it first")
        try:
            priced = settling.quote(now)
        except CannotPrice as problem:
            raise AmountNotDue(f"the stay cannot be priced: {problem}") from None
        due = priced.bill.payable_fen - stay.paid_fen
        if due == amount_fen:
            settling.fix_early(priced, now, now)
    else:
        due = stay.due_fen
    if due != amount_fen:
        raise AmountNotDue(f"due at this moment: {max(0, due)} fen, not {amount_fen}")


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
    settling.book(now, "payment", paid=paid, operator=operator, cause=("payment", payment_id))


def open_lane(
    batch: Batch,
    parts: Parts,
    loader: FactLoader,
    vehicle: Vehicle,
    stay: StayRecord,
    settled: Verdict,
    cause: str,
) -> bool:
    """Let the vehicle out that stands at the barrier, if it is still there and nothing more is due.

    `settled`: by what; `cause`: the id of the payment, or of what else settled it, from which the command's own follows.
    """
    if stay.state != State.INSIDE or stay.exit_lane is None or stay.due_fen:
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
