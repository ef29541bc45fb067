"""Codes that were collected without a network: brought later, each counted once, matched to the stay that left with it.

What is brought is bound at once (`collect`), so that a copy of it presented elsewhere is refused from then on. Its stay may not be
known yet, since a gate that was offline uploads its events later: until then it is queued and tried again. What cannot be
matched, and a code that turns out to be used already, needs a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from billing.vouchers import number
from controllers.passages import State
from gateway.flows import audit
from gateway.flows.outcome import Situation
from gateway.flows.payment import batch_of, vehicle_of
from gateway.flows.refusals import Invalid, NotFound, Refused
from gateway.flows.saving import OutcomeWriter
from gateway.flows.settling import Settling
from gateway.flows.taking import content_of
from gateway.flows.vehicle import Vehicle
from gateway.flows.vouchers.books import hold_site
from gateway.flows.vouchers.moving import COLLECTED_WITHIN, Why, lock, move, words
from gateway.flows.vouchers.redeem import attach, check_stay, check_voucher, lock_voucher, read_code, stay_in
from gateway.flows.vouchers.refusals import VoucherNotNow, VoucherUsed
from gateway.runtime.ids import derive
from gateway.store.tables import ExceptionItem, Lane, Stay, VoucherRedemption
from gateway.wiring import Parts

ITEMS_MAX = 200
_AHEAD_MAX = timedelta(minutes=5)
_BEFORE = timedelta(minutes=10)
_AFTER = timedelta(minutes=2)
"""A code is collected from a vehicle that stands at the exit: its read was a little before, or after by another clock."""

_SWEPT_AT_ONCE = 200

NO_STAY = "no stay with something due left there at that time"
REUSED, REFUSED, UNMATCHED = "voucher_reused", "voucher_refused", "voucher_unmatched"
Resolution = Literal["match", "release", "void", "dismiss"]


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """A code, the exit lane at which it was handed over (`{site}.{lane}`), and when."""

    code: str
    lane: str
    at: datetime


class Redemption(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it: `queued`, `done`, `refused` (a person has to look), `resolved`."""

    id: str
    site: str
    lane: str
    at: datetime
    received_at: datetime
    voucher: str | None
    state: str
    stay: str | None
    detail: str


def bring(parts: Parts, items: Sequence[Collected], *, operator: str, origin: str = "") -> list[Redemption]:
    """Take collected codes in, in their order. Each is a transaction of its own; brought again it is the same one.

    Raises `Invalid` before anything is taken in, naming the item: an unknown exit lane, an instant in the future.
    """
    if not 1 <= len(items) <= ITEMS_MAX:
        raise Invalid(f"items: 1 to {ITEMS_MAX} at once")
    _check(parts, items)
    found = []
    for item in items:
        site, lane = item.lane.split(".", 1)
        taken = _collect(parts, site, lane, item, operator, origin)
        found.append(_match(parts, site, taken.id) if taken.state == "queued" else taken)
    return found


def match_queued(parts: Parts) -> int:
    """One round over what is queued: its stay may have come. Returns how many were dealt with."""
    queued = select(VoucherRedemption.site_id, VoucherRedemption.id).where(VoucherRedemption.state == "queued")
    with parts.store.reading() as connection:
        rows = connection.execute(queued.order_by(VoucherRedemption.received_at).limit(_SWEPT_AT_ONCE)).all()
    return sum(_match(parts, row.site_id, row.id).state != "queued" for row in rows)


def resolve(
    parts: Parts,
    *,
    site: str,
    redemption: str,
    action: Resolution,
    stay: str | None = None,
    reason: str,
    operator: str,
    origin: str = "",
) -> Redemption:
    """A person's decision: it belongs to this stay; it goes back to its holder; it is void; or there is nothing to do.

    Raises `NotFound`, `VoucherNotNow` where that cannot be, `Invalid`.
    """
    reason = words("reason", reason, 200, needed=True)
    now = parts.clock.now()
    with parts.store.writing() as connection:
        standing = _standing(connection, site, redemption)
        if standing is None:
            raise NotFound
        if standing.state in {"done", "resolved"}:
            raise VoucherNotNow(f"it is {standing.state} already")
        if action == "match":
            if stay is None or stay.split(".", 1)[0] != site:
                raise Invalid("stay: which one it belongs to, at the same site")
            _bind(parts, connection, standing, stay, now, operator)
        else:
            _settle_paper(connection, parts, standing, action, Why(at=now, operator=operator, reason=reason))
        _becomes(connection, standing, "resolved", reason, stay=stay if action == "match" else None)
        connection.execute(
            update(ExceptionItem)
            .where(
                ExceptionItem.site_id == site,
                ExceptionItem.kind.in_((REUSED, REFUSED, UNMATCHED)),
                ExceptionItem.subject == redemption,
                ExceptionItem.state == "open",
            )
            .values(state="resolved", resolved_at=now, resolved_by=operator, resolution=reason)
        )
        audit.record(
            connection,
            at=now,
            operator=operator,
            action=f"voucher.redemption.{action}",
            site=site,
            subject=redemption,
            origin=origin,
            reason=reason,
        )
        connection.commit()
        found = _standing(connection, site, redemption)
    assert found is not None
    return _document(found)


def _settle_paper(connection: Connection, parts: Parts, standing: Row[Any], action: Resolution, why: Why) -> None:
    """What becomes of a voucher that is held for a stay which nobody found."""
    held = [] if standing.serial is None else lock(connection, standing.site_id, standing.serial, standing.serial)
    mine = [row for row in held if _waits_for(row, standing.id)]
    if action == "dismiss":
        if mine:
            raise VoucherNotNow("the voucher is still held for it: match, release or void it")
        return
    if not mine:
        raise VoucherNotNow("no voucher is held for it: dismiss it")
    move(connection, parts, mine, action, why)


def _check(parts: Parts, items: Sequence[Collected]) -> None:
    latest = parts.clock.now() + _AHEAD_MAX
    with parts.store.reading() as connection:
        exits = {
            f"{site}.{lane}"
            for site, lane in connection.execute(select(Lane.site_id, Lane.id).where(Lane.direction == "out"))
        }
    for place, item in enumerate(items):
        if item.lane not in exits:
            raise Invalid(f"items.{place}.lane: {item.lane[:90]!r} is no exit lane; write it as site.lane")
        if item.at > latest:
            raise Invalid(f"items.{place}.at: in the future; set the clock of the device right")


def _collect(parts: Parts, site: str, lane: str, item: Collected, operator: str, origin: str) -> Redemption:
    now = parts.clock.now()
    serial: int | None = None
    why: Refused | None = None
    try:
        serial = read_code(parts, site, item.code)
    except Refused as refused:
        why = refused
    # What cannot be read has a name as well, from which nobody can tell what was typed.
    what = number(serial) if serial is not None else content_of("not a voucher", item.code).hex()[:20]
    redemption = derive("vr", site, what, lane, item.at.isoformat())
    with parts.store.writing() as connection:
        hold_site(connection, site)
        standing = _standing(connection, site, redemption)
        if standing is not None:
            return _document(standing)
        if serial is not None:
            why = _hold(connection, parts, site, serial, item.at, Why(at=now, operator=operator, redemption=redemption))
        connection.execute(
            insert(VoucherRedemption).values(
                site_id=site,
                id=redemption,
                serial=serial,
                lane_id=lane,
                at=item.at,
                received_at=now,
                state="queued" if why is None else "refused",
                stay_id=None,
                detail="" if why is None else why.detail,
                operator=operator,
            )
        )
        if why is not None:
            kind = REUSED if isinstance(why, VoucherUsed) else REFUSED
            told = why.detail if serial is None else f"{number(serial)}: {why.detail}"
            OutcomeWriter(connection).situations(
                [Situation(site=site, kind=kind, subject=redemption, at=now, lane=lane, detail=told)]
            )
        audit.record(
            connection,
            at=now,
            operator=operator,
            action="voucher.collect",
            site=site,
            subject=redemption,
            origin=origin,
            detail={"voucher": None if serial is None else number(serial), "accepted": why is None},
        )
        connection.commit()
        standing = _standing(connection, site, redemption)
    assert standing is not None
    return _document(standing)


def _hold(
    connection: Connection, parts: Parts, site: str, serial: int, collected_at: datetime, why: Why
) -> Refused | None:
    """Bind the voucher to what was brought; the refusal where it cannot be."""
    try:
        check_voucher(lock_voucher(connection, site, serial), collected_at)
    except Refused as refused:
        return refused
    move(connection, parts, lock(connection, site, serial, serial), "collect", why)
    return None


def _match(parts: Parts, site: str, redemption: str) -> Redemption:
    """Find the stay that left with it and let its bill use it; or give up after two days, for a person."""
    now = parts.clock.now()
    with parts.store.writing() as connection:
        standing = _standing(connection, site, redemption)
        assert standing is not None
        if standing.state != "queued":
            return _document(standing)
        stay = _stay_at(connection, standing)
        if stay is not None:
            try:
                _bind(parts, connection, standing, stay, now, None)
            except (VoucherNotNow, NotFound):
                stay = None
        if stay is not None:
            _becomes(connection, standing, "done", "", stay=stay)
        elif now - standing.received_at >= COLLECTED_WITHIN:
            _becomes(connection, standing, "refused", NO_STAY)
            about = Situation(
                site=site, kind=UNMATCHED, subject=redemption, at=now, lane=standing.lane_id, detail=NO_STAY
            )
            OutcomeWriter(connection).situations([about])
        else:
            return _document(standing)
        connection.commit()
        standing = _standing(connection, site, redemption)
    assert standing is not None
    return _document(standing)


def _stay_at(connection: Connection, standing: Row[Any]) -> str | None:
    """The stay that was at the exit then and still owes something: the last before the instant, else the first after it."""
    rows = connection.execute(
        select(Stay.id, Stay.exit_at, Stay.payable_fen, Stay.paid_fen, Stay.posted).where(
            Stay.site_id == standing.site_id,
            Stay.exit_at >= standing.at - _BEFORE,
            Stay.exit_at <= standing.at + _AFTER,
            Stay.exit_lane == standing.lane_id,
            Stay.state.in_((State.LEFT.value, State.INSIDE.value)),
        )
    ).all()
    # What was written off is owed no more.
    owing = [row for row in rows if (row.payable_fen or 0) - row.posted.get("written_off_fen", 0) > row.paid_fen]
    before = [row for row in owing if row.exit_at <= standing.at]
    if before:
        return str(max(before, key=lambda row: (row.exit_at, row.id)).id)
    return str(min(owing, key=lambda row: (row.exit_at, row.id)).id) if owing else None


def _bind(
    parts: Parts, connection: Connection, standing: Row[Any], stay_id: str, now: datetime, operator: str | None
) -> None:
    """Give a voucher that was collected its stay. Raises `VoucherNotNow`, `NotFound`; then nothing has been written."""
    plate, started_at = vehicle_of(connection, standing.site_id, stay_id)
    batch = batch_of(parts, connection, (standing.site_id, plate), started_at, now)
    vehicle = Vehicle(batch, (standing.site_id, plate))
    settling = Settling(batch, vehicle.key, stay_in(vehicle, stay_id))
    if standing.serial is None:
        raise VoucherNotNow("what was brought is no voucher")
    row = lock_voucher(connection, standing.site_id, standing.serial)
    if not _waits_for(row, standing.id):
        raise VoucherNotNow("the voucher is not held for it")
    check_stay(settling)
    attach(batch, settling, row, "match", now, operator=operator)
    OutcomeWriter(connection).save(batch.outcome, batch.facts, now, None)


def _waits_for(row: Row[Any], redemption: str) -> bool:
    return row.state == "presented" and row.stay_id is None and row.redemption_id == redemption


def _becomes(connection: Connection, standing: Row[Any], state: str, detail: str, *, stay: str | None = None) -> None:
    connection.execute(
        update(VoucherRedemption)
        .where(VoucherRedemption.site_id == standing.site_id, VoucherRedemption.id == standing.id)
        .values(state=state, detail=detail, stay_id=stay)
    )


def _standing(connection: Connection, site: str, redemption: str) -> Row[Any] | None:
    return connection.execute(
        select(*VoucherRedemption.__table__.c)
        .where(VoucherRedemption.site_id == site, VoucherRedemption.id == redemption)
        .with_for_update()
    ).first()


def _document(row: Row[Any]) -> Redemption:
    return Redemption(
        id=row.id,
        site=row.site_id,
        lane=f"{row.site_id}.{row.lane_id}",
        at=row.at,
        received_at=row.received_at,
        voucher=None if row.serial is None else number(row.serial),
        state=row.state,
        stay=row.stay_id,
        detail=row.detail,
    )
