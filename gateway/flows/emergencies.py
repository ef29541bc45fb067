"""应急放行: an emergency of a site or of the whole street. Its barriers are told to stay open, and stay so until somebody ends it by name.

Source: gate protocol, "Safety". While it lasts every read is let through with the reason `emergency`, and whoever leaves owing owes it as
`assets:receivable:emergency`. A device that was away is told again as soon as it says how it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from controllers import decide
from controllers.commands import Action, Reason
from gateway.flows import audit
from gateway.flows.answer import to_lane
from gateway.flows.charges_books import By, reason_of
from gateway.flows.inbound import StatusIn
from gateway.flows.outcome import Outcome, PlannedCommand, Situation
from gateway.flows.reading import Sites, at_each
from gateway.flows.refusals import NotFound
from gateway.flows.saving import OutcomeWriter
from gateway.flows.staff_refusals import AlreadyDeclared
from gateway.runtime.ids import derive, random_token
from gateway.store import books
from gateway.store import tables as t
from gateway.store.estate import load_estate
from gateway.store.facts import Facts
from gateway.store.records import Estate, LaneFacts
from gateway.wiring import Parts

_EMERGENCY, _COMMAND = t.Emergency.__table__.c, t.CommandRow.__table__.c
_SERVICE = "parkgate"


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """An emergency of a site as it stands. `ended_at` is null while it lasts."""

    id: str
    site: str
    declared_at: datetime
    declared_by: str
    reason: str
    ended_at: datetime | None = None
    ended_by: str | None = None
    end_reason: str | None = None


def declare(parts: Parts, sites: Sequence[str], reason: str, by: By) -> list[Declared]:
    """Open every barrier of these sites and keep them open. One transaction; the gates are told at once.

    A site for which one is declared already stays as it was; raises `AlreadyDeclared` where all are. Raises `NotFound`, `Invalid`.
    """
    words = reason_of(reason)
    with parts.store.writing() as connection:
        now, estate = parts.clock.now(), load_estate(connection)
        _known(estate, sites)
        for site in sorted(sites):
            books.lock_books(connection, site)
        before = {one.site for one in _standing(connection, sites)}
        new = [site for site in sorted(sites) if site not in before]
        if not new:
            raise AlreadyDeclared
        planned: list[PlannedCommand] = []
        for site in new:
            name = f"em-{random_token(9)}"
            said = {"declared_at": now, "declared_by": by.operator, "reason": words}
            connection.execute(insert(t.Emergency).values(site_id=site, id=name, **said))
            planned += [_hold(estate, lane, now, by.operator, name) for lane in _lanes(estate, site)]
            _note(connection, now, "emergency.declare", site, words, by, name)
        _plan(connection, planned, (), now)
        found = _standing(connection, sites)
        connection.commit()
    _tell(parts)
    return found


def end(parts: Parts, sites: Sequence[str], reason: str, by: By) -> list[Declared]:
    """It is over: barriers with a loop come down by themselves when nobody stands under them; the others wait for a person on the spot.

    Raises `NotFound` where none of these sites has one, `Invalid`.
    """
    words = reason_of(reason)
    with parts.store.writing() as connection:
        now, estate = parts.clock.now(), load_estate(connection)
        for site in sorted(sites):
            books.lock_books(connection, site)
        over = _standing(connection, sites)
        if not over:
            raise NotFound("no emergency is declared there, or not for you")
        planned: list[PlannedCommand] = []
        by_hand: list[Situation] = []
        for one in over:
            mine = (_EMERGENCY.site_id == one.site, _EMERGENCY.id == one.id)
            ended = {"ended_at": now, "ended_by": by.operator, "end_reason": words}
            connection.execute(update(t.Emergency).where(*mine).values(**ended))
            for lane in _lanes(estate, one.site):
                if lane.loop:
                    name = derive("c", one.site, lane.lane, "release", one.id)
                    planned.append(to_lane(estate, lane, Action.RELEASE, Reason.EMERGENCY, name, now, by=by.operator))
                else:
                    by_hand.append(
                        Situation(
                            site=one.site, kind="held_open", subject=f"{lane.lane}:{one.id}", at=now, lane=lane.lane
                        )
                    )
            _note(connection, now, "emergency.end", one.site, words, by, one.id)
        _plan(connection, planned, by_hand, now)
        found = _by_id(connection, [(one.site, one.id) for one in over])
        connection.commit()
    _tell(parts)
    return found


def renew(parts: Parts, statuses: Iterable[StatusIn]) -> int:
    """Devices of a site with an emergency that have said how they are: whatever is not open is told again. Returns how many lanes."""
    estate = parts.estates.newest
    if estate is None or not estate.emergencies:
        return 0
    down = [lane for one in statuses for lane in _not_open(estate, one)]
    if not down:
        return 0
    with parts.store.writing() as connection:
        now = parts.clock.now()
        standing = {one.site: one.id for one in _standing(connection, {lane.site for lane in down})}
        told = _told_just_now(connection, now, {lane.site for lane in down})
        planned = [
            _hold(estate, lane, now, _SERVICE, f"{standing[lane.site]}:{now.isoformat()}")
            for lane in down
            if lane.site in standing and (lane.site, lane.lane) not in told
        ]
        if planned:
            _plan(connection, planned, (), now)
            connection.commit()
    if planned:
        parts.outbox.notify()
    return len(planned)


def declared(connection: Connection, allowed: Sites, *, all_of_them: bool = False) -> list[Declared]:
    """Emergencies that last, or all of them with those that are over, the newest first; at most 200."""
    lasts = () if all_of_them else (_EMERGENCY.ended_at.is_(None),)
    rows = connection.execute(
        select(*_EMERGENCY)
        .where(at_each(t.Emergency.site_id, allowed), *lasts)
        .order_by(_EMERGENCY.declared_at.desc(), _EMERGENCY.id)
        .limit(200)
    )
    return [_declared(row) for row in rows]


def _standing(connection: Connection, sites: Iterable[str]) -> list[Declared]:
    rows = connection.execute(
        select(*_EMERGENCY)
        .where(_EMERGENCY.site_id.in_(sorted(sites)), _EMERGENCY.ended_at.is_(None))
        .order_by(_EMERGENCY.site_id)
    )
    return [_declared(row) for row in rows]


def _by_id(connection: Connection, names: Sequence[tuple[str, str]]) -> list[Declared]:
    found: list[Declared] = []
    for site, name in names:
        row = connection.execute(select(*_EMERGENCY).where(_EMERGENCY.site_id == site, _EMERGENCY.id == name)).one()
        found.append(_declared(row))
    return found


def _declared(row: Any) -> Declared:
    return Declared(
        id=row.id,
        site=row.site_id,
        declared_at=row.declared_at,
        declared_by=row.declared_by,
        reason=row.reason,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
        end_reason=row.end_reason,
    )


def _known(estate: Estate, sites: Sequence[str]) -> None:
    """Raises `NotFound`."""
    unknown = sorted(set(sites) - estate.sites.keys())
    if unknown or not sites:
        raise NotFound(f"there is no site {unknown[0]:.60} in service" if unknown else "there is no site in service")


def _lanes(estate: Estate, site: str) -> list[LaneFacts]:
    return [lane for _, lane in sorted(estate.lanes.items()) if lane.site == site]


def _not_open(estate: Estate, one: StatusIn) -> list[LaneFacts]:
    if one.site not in estate.emergencies or not one.status.online:
        return []
    said = one.status.barrier
    return [
        lane
        for lane in _lanes(estate, one.site)
        if lane.device == one.device and said.get(lane.lane) not in {"open", "fault"}
    ]


def _told_just_now(connection: Connection, now: datetime, sites: set[str]) -> set[tuple[str, str]]:
    rows = connection.execute(
        select(_COMMAND.site_id, _COMMAND.lane_id).where(
            _COMMAND.site_id.in_(sorted(sites)),
            _COMMAND.planned_at > now - decide.OPEN_FOR,
            _COMMAND.action == Action.HOLD_OPEN.value,
            _COMMAND.state.in_(("planned", "sent", "accepted")),
        )
    )
    return {(row.site_id, row.lane_id) for row in rows}


def _hold(estate: Estate, lane: LaneFacts, now: datetime, by: str, cause: str) -> PlannedCommand:
    name = derive("c", lane.site, lane.lane, "emergency", cause)
    return to_lane(estate, lane, Action.HOLD_OPEN, Reason.EMERGENCY, name, now, by=by)


def _plan(
    connection: Connection, planned: Sequence[PlannedCommand], by_hand: Sequence[Situation], now: datetime
) -> None:
    OutcomeWriter(connection).save(Outcome(commands=list(planned), situations=list(by_hand)), Facts(), now, None)


def _note(connection: Connection, now: datetime, action: str, site: str, reason: str, by: By, name: str) -> None:
    audit.record(
        connection,
        at=now,
        operator=by.operator,
        action=action,
        site=site,
        subject=name,
        origin=by.origin,
        reason=reason,
    )


def _tell(parts: Parts) -> None:
    parts.estates.forget()
    parts.outbox.notify()
