"""求助: a driver at a lane where nobody is on site calls, and a member of staff answers by name.

A call is an item in the queue of what needs a person. Whoever cannot pay there leaves owing: the bill stands as a receivable of the stay
(`assets:receivable:pay_later`), and the lane opens for exactly the vehicle that waits, with the reason and the name on record.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from controllers import decide
from controllers.commands import Reason
from controllers.decide import Verdict
from controllers.passages import State
from gateway.flows import audit
from gateway.flows.attending import not_anothers
from gateway.flows.charges_books import By, reason_of
from gateway.flows.charges_refusals import AlreadyDecided
from gateway.flows.lane_pass import claiming
from gateway.flows.outcome import Situation
from gateway.flows.payment import batch_of, open_lane, vehicle_of
from gateway.flows.reading import at_each
from gateway.flows.refusals import AmountNotDue, Invalid, NotFound
from gateway.flows.saving import OutcomeWriter
from gateway.flows.staff_refusals import NotAtTheLane
from gateway.flows.vehicle import Vehicle
from gateway.store import tables as t
from gateway.store.facts import FactLoader
from gateway.wiring import Parts

KIND = "help_call"
_ITEM = t.ExceptionItem.__table__.c
# Who calls again within it is the same call.
_SLOT = timedelta(minutes=10)
_OWING = Verdict(True, Reason.PAY_LATER, "pay_later")


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a call. `lane`: `{site}.{lane}`. `owed_fen`: what the stay owes as it leaves."""

    id: str
    site: str
    stay: str
    lane: str
    opened: bool
    owed_fen: int
    resolved_by: str | None


def call_from_lane(parts: Parts, site: str, lane: str, plate: str | None = None) -> None:
    """Somebody scanned the lane's code and presses for help. `plate`: the name of the vehicle without one with which the phone came."""
    with parts.store.writing() as connection:
        stay = None
        if plate is not None:
            stay = connection.execute(
                select(t.Stay.id).where(t.Stay.site_id == site, t.Stay.plate == plate, t.Stay.state == "inside")
            ).scalar()
        _call(parts, connection, site, lane, stay)
        connection.commit()


def call_from_page(parts: Parts, stay_id: str) -> None:
    """The driver of a stay presses for help on its pay page. Raises `NotFound` once it has ended."""
    site = stay_id.partition(".")[0]
    with parts.store.writing() as connection:
        row = connection.execute(
            select(t.Stay.state, t.Stay.exit_lane).where(t.Stay.site_id == site, t.Stay.id == stay_id)
        ).one_or_none()
        if row is None or row.state != State.INSIDE:
            raise NotFound("the stay has ended")
        _call(parts, connection, site, row.exit_lane, stay_id)
        connection.commit()


def site_of(parts: Parts, item_id: str) -> str:
    """The site of a call. Raises `NotFound`."""
    with parts.store.reading() as connection:
        return str(_item(connection, item_id).site_id)


def name_stay(parts: Parts, item_id: str, stay_id: str, reason: str, by: By) -> Answered:
    """Say which stay the vehicle without a plate is that waits at the call's lane: a phone was lost. What it owes is shown there.

    Raises `AlreadyDecided`, `Claimed` while somebody else works on the call, `Invalid`, `NotFound`, and what `claiming.leave` raises.
    """
    words, site = reason_of(reason), stay_id.partition(".")[0]
    with parts.store.reading() as connection:
        item = _open(connection, item_id)
        plate, _ = vehicle_of(connection, site, stay_id)
    if item.site_id != site:
        raise NotFound("there is no such stay at this site, or not for you")
    if item.lane_id is None:
        raise Invalid("the call came from no lane")

    def note(connection: Connection) -> None:
        item = _open(connection, item_id, locking=True)
        not_anothers(item, by, parts.clock.now())
        _change(connection, item, stay_id=stay_id)

    done = claiming.leave(parts, site, item.lane_id, plate, by, words, then=note)
    return Answered(
        id=item_id,
        site=site,
        stay=stay_id,
        lane=f"{site}.{item.lane_id}",
        opened=done.opened,
        owed_fen=done.due_fen,
        resolved_by=None,
    )


def pay_later(parts: Parts, item_id: str, reason: str, by: By, stay_id: str | None = None) -> Answered:
    """Let the vehicle of a call out owing what it owes. One transaction. `stay_id`: where the call does not say which stay.

    Raises `AlreadyDecided`, `Claimed` while somebody else works on it, `AmountNotDue` where nothing is due (it goes out by itself),
    `NotAtTheLane`, `Invalid`, `NotFound`.
    """
    words = reason_of(reason)
    with parts.store.deciding() as connection:
        now = parts.clock.now()
        item = _open(connection, item_id)
        wanted = stay_id or item.stay_id
        if wanted is None:
            raise Invalid("stay: say whose it is")
        site = item.site_id
        plate, started_at = vehicle_of(connection, site, wanted)
        batch = batch_of(parts, connection, (site, plate), started_at, now)
        item = _open(connection, item_id, locking=True)
        not_anothers(item, by, now)
        vehicle = Vehicle(batch, (site, plate))
        stay = next((one for one in vehicle.stays if one.id == wanted and one.state == State.INSIDE), None)
        if stay is None or stay.exit_lane is None or item.lane_id not in {None, stay.exit_lane}:
            raise NotAtTheLane
        owed, lane = stay.due_fen, stay.exit_lane
        if owed <= 0:
            raise AmountNotDue("nothing is due: it goes out when it is read again")
        if not open_lane(batch, parts, FactLoader(connection), vehicle, stay, _OWING, f"{item_id}:{now.isoformat()}"):
            raise NotAtTheLane
        # Who let it out is named in the command, too.
        batch.outcome.commands[-1] = msgspec.structs.replace(batch.outcome.commands[-1], operator=by.operator)
        OutcomeWriter(connection).save(batch.outcome, batch.facts, now, None)
        _change(
            connection,
            item,
            state="resolved",
            stay_id=wanted,
            resolved_at=now,
            resolved_by=by.operator,
            resolution=f"pay_later {owed} fen: {words}",
            claimed_by=None,
            claimed_at=None,
        )
        audit.record(
            connection,
            at=now,
            operator=by.operator,
            action="help.pay_later",
            site=site,
            subject=wanted,
            origin=by.origin,
            reason=words,
            detail={"call": item_id, "lane": lane, "owed_fen": owed},
        )
        connection.commit()
    parts.outbox.notify()
    return Answered(
        id=item_id, site=site, stay=wanted, lane=f"{site}.{lane}", opened=True, owed_fen=owed, resolved_by=by.operator
    )


def _call(parts: Parts, connection: Connection, site: str, lane: str | None, stay: str | None) -> None:
    now = parts.clock.now()
    event = None
    if lane is not None:
        newest = FactLoader(connection).newest_reads({(site, lane)}, now + decide.FUTURE_MAX).get((site, lane))
        if newest is not None and now - newest.at < decide.PAYMENT_OPENS_WITHIN:
            event, stay = newest.event, stay or _waiting(connection, site, lane, newest.plate)
    slot = int(now.timestamp() // _SLOT.total_seconds())
    called = Situation(
        site=site, kind=KIND, subject=f"{stay or lane}:{slot}", at=now, lane=lane, stay=stay, event=event
    )
    OutcomeWriter(connection).situations([called])


def _waiting(connection: Connection, site: str, lane: str, plate: str | None) -> str | None:
    """The stay of the vehicle that was read at an exit, so that nobody has to look for it."""
    mine = (t.Stay.site_id == site, t.Stay.plate == plate, t.Stay.exit_lane == lane, t.Stay.state == State.INSIDE)
    return None if plate is None else connection.execute(select(t.Stay.id).where(*mine)).scalar()


def _item(connection: Connection, item_id: str, *, locking: bool = False) -> Any:
    wanted = select(*_ITEM).where(at_each(t.ExceptionItem.site_id, None), _ITEM.id == item_id, _ITEM.kind == KIND)
    row = connection.execute(wanted.with_for_update() if locking else wanted).one_or_none()
    if row is None:
        raise NotFound("there is no such call for help, or not for you")
    return row


def _open(connection: Connection, item_id: str, *, locking: bool = False) -> Any:
    """Raises `AlreadyDecided`, `NotFound`."""
    row = _item(connection, item_id, locking=locking)
    if row.state != "open":
        raise AlreadyDecided(f"the call was answered by {row.resolved_by}")
    return row


def _change(connection: Connection, item: Any, **changed: Any) -> None:
    connection.execute(
        update(t.ExceptionItem).where(_ITEM.site_id == item.site_id, _ITEM.id == item.id).values(**changed)
    )
