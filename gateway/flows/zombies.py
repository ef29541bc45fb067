"""僵尸车: vehicles that have not moved for a site's `zombie_days`: found, given notice, their people spoken to, towed or cleared, on record.

A case names a stay, never a plate: the plate goes when its time has come, the case stays. What is done here moves no money and ends no
stay; what a towed vehicle owes, and that it is gone, is for a correction.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Connection, and_, func, insert, literal_column, or_, select, update

from gateway.flows import audit
from gateway.flows.charges_books import By, reason_of
from gateway.flows.reading import Document, Sites, Slice, at_each, older
from gateway.flows.refusals import NotFound, Refused
from gateway.runtime.ids import derive_in_site
from gateway.store.tables import Presence, Site, Stay, ZombieStep, ZombieVehicle
from gateway.wiring import Parts

Step = Literal["notice", "contact", "towed", "cleared"]
BECOMES: Final[dict[str, str]] = {"notice": "notified", "contact": "contacted", "towed": "towed", "cleared": "cleared"}
OPEN: Final = ("found", "notified", "contacted")
STATES: Final = (*OPEN, "towed", "cleared", "moved")
BY_ITSELF: Final = "parkgate"
_ENDS: Final = frozenset({"towed", "cleared"})
_AT_ONCE: Final = 500
_STEPS_SHOWN_MAX: Final = 200
_CASE, _STEP, _STAY = ZombieVehicle.__table__.c, ZombieStep.__table__.c, Stay.__table__.c
_SEEN = Presence.__table__.c


class NoticeFirst(Refused):
    """Nobody's vehicle is towed without a notice: put one on it, and on record, first."""

    status = 409
    slug = "notice-first"


class CaseOver(Refused):
    """The case is over already: the vehicle has moved, was towed, or was cleared."""

    status = 409
    slug = "case-over"


def look(parts: Parts) -> str:
    """Cases of who moved end, and of who has not moved for long enough begin. Bounded; returns what it did, in words."""
    now = parts.clock.now()
    with parts.store.reading() as connection:
        if not _gone(connection) and not _standing(connection, now):
            return ""
    with parts.store.writing() as connection:
        gone, standing = _gone(connection), _standing(connection, now)
        for case in gone:
            _end(connection, case.site_id, case.id, "moved", now)
            _write(connection, case.site_id, case.id, "moved", BY_ITSELF, "", now)
        for stay in standing:
            case_id = _name(stay.site_id, stay.id, stay.newest_at)
            row = {"site_id": stay.site_id, "id": case_id, "stay_id": stay.id, "since": stay.newest_at}
            connection.execute(insert(ZombieVehicle).values(**row, found_at=now, state="found"))
            _write(connection, stay.site_id, case_id, "found", BY_ITSELF, "", now)
        connection.commit()
    return f"{len(standing)} vehicles found, {len(gone)} moved"


def listed(
    connection: Connection, allowed: Sites, page: Slice, *, state: str | None = None, now: datetime
) -> list[tuple[tuple[Any, ...], Document]]:
    """Cases, the newest first, each with its key for paging. `state`: one of `STATES`, or `open`."""
    conditions = [at_each(ZombieVehicle.site_id, allowed)]
    if state == "open":
        conditions.append(_CASE.ended_at.is_(None))
    elif state is not None:
        conditions.append(_CASE.state == state)
    conditions += older(page.after, _CASE.found_at, _CASE.id)
    rows = connection.execute(
        _cases().where(*conditions).order_by(_CASE.found_at.desc(), _CASE.id.desc()).limit(page.limit + 1)
    )
    return [((row.found_at, row.id), _document(row, now)) for row in rows]


def one(connection: Connection, allowed: Sites, case_id: str, now: datetime) -> Document:
    """A case with its steps, the oldest first. Raises `NotFound`."""
    row = connection.execute(_cases().where(*_this(allowed, case_id))).one_or_none()
    if row is None:
        raise NotFound("there is no such case, or not for you")
    steps = connection.execute(
        select(_STEP.at, _STEP.step, _STEP.operator, _STEP.note)
        .where(_STEP.site_id == row.site_id, _STEP.zombie_id == case_id)
        .order_by(_STEP.sequence)
        .limit(_STEPS_SHOWN_MAX)
    )
    return {**_document(row, now), "steps": [dict(step) for step in steps.mappings()]}


def step(parts: Parts, allowed: Sites, case_id: str, step: Step, note: str, by: By) -> Document:
    """Say what was done about a vehicle. The same said again by the same person, with nothing between, changes nothing.

    Raises `NotFound`, `Invalid` without a note, `CaseOver`, `NoticeFirst` for a tow before any notice.
    """
    words = reason_of(note, "note")
    with parts.store.writing() as connection:
        now = parts.clock.now()
        case = connection.execute(select(*_CASE).where(*_this(allowed, case_id)).with_for_update()).one_or_none()
        if case is None:
            raise NotFound("there is no such case, or not for you")
        said = _said(connection, case.site_id, case_id)
        if said[-1] == (step, by.operator, words):
            return one(connection, allowed, case_id, now)
        if case.ended_at is not None:
            raise CaseOver
        if step == "towed" and not any(name == "notice" for name, _, _ in said):
            raise NoticeFirst
        # A second notice after they were spoken to does not take that back.
        state = BECOMES[step] if (step, case.state) != ("notice", "contacted") else case.state
        if step in _ENDS:
            _end(connection, case.site_id, case_id, state, now)
        else:
            connection.execute(update(ZombieVehicle).where(*_key(case.site_id, case_id)).values(state=state))
        _write(connection, case.site_id, case_id, step, by.operator, words, now)
        audit.record(
            connection,
            at=now,
            operator=by.operator,
            action=f"zombie.{step}",
            site=case.site_id,
            subject=case_id,
            origin=by.origin,
            reason=words,
            detail={"stay": case.stay_id},
        )
        found = one(connection, allowed, case_id, now)
        connection.commit()
    return found


def _standing(connection: Connection, now: datetime) -> list[Any]:
    """Who stands where the site wants to know, and has no case of this standing: the stay, and when it was last read."""
    # Written out, not bound: a database uses a partial index only where it can see that its condition holds.
    inside = _STAY.state == literal_column("'inside'")
    sites = connection.execute(select(Site.id, Site.zombie_days).where(Site.enabled, Site.zombie_days > 0)).all()
    found: list[Any] = []
    for site, days in sites:
        before = now - timedelta(days=days)
        known = select(_CASE.id).where(
            _CASE.site_id == _STAY.site_id, _CASE.stay_id == _STAY.id, _CASE.since == _SEEN.newest_at
        )
        open_case = select(_CASE.id).where(
            _CASE.site_id == _STAY.site_id, _CASE.stay_id == _STAY.id, _CASE.ended_at.is_(None)
        )
        found += connection.execute(
            select(_STAY.site_id, _STAY.id, _SEEN.newest_at)
            .join_from(Stay, Presence, and_(_SEEN.site_id == _STAY.site_id, _SEEN.plate == _STAY.plate))
            .where(_STAY.site_id == site, inside, _STAY.entry_at < before, _SEEN.newest_at < before)
            .where(~known.exists(), ~open_case.exists())
            .order_by(_SEEN.newest_at, _STAY.id)
            .limit(_AT_ONCE)
        ).all()
    return found


def _gone(connection: Connection) -> list[Any]:
    """Open cases whose stay is over, or whose vehicle was read since: it has moved."""
    return list(
        connection.execute(
            select(_CASE.site_id, _CASE.id)
            .join_from(
                ZombieVehicle, Stay, and_(_STAY.site_id == _CASE.site_id, _STAY.id == _CASE.stay_id), isouter=True
            )
            .outerjoin(Presence, and_(_SEEN.site_id == _STAY.site_id, _SEEN.plate == _STAY.plate))
            .where(_CASE.ended_at.is_(None))
            .where(or_(_STAY.id.is_(None), _STAY.state != "inside", _SEEN.newest_at > _CASE.since))
            .order_by(_CASE.site_id, _CASE.id)
            .limit(_AT_ONCE)
        )
    )


def _name(site: str, stay_id: str, since: datetime) -> str:
    return derive_in_site(site, "zombie", stay_id, since.isoformat())


def _cases() -> Any:
    """A case with what its stay still says."""
    return select(*_CASE, _STAY.plate, _STAY.entry_at, _STAY.entry_lane).join_from(
        ZombieVehicle, Stay, and_(_STAY.site_id == _CASE.site_id, _STAY.id == _CASE.stay_id), isouter=True
    )


def _this(allowed: Sites, case_id: str) -> tuple[Any, ...]:
    return (at_each(ZombieVehicle.site_id, allowed), _CASE.id == case_id)


def _key(site: str, case_id: str) -> tuple[Any, ...]:
    return (_CASE.site_id == site, _CASE.id == case_id)


def _end(connection: Connection, site: str, case_id: str, state: str, now: datetime) -> None:
    connection.execute(update(ZombieVehicle).where(*_key(site, case_id)).values(state=state, ended_at=now))


def _said(connection: Connection, site: str, case_id: str) -> list[tuple[str, str, str]]:
    rows = connection.execute(
        select(_STEP.step, _STEP.operator, _STEP.note)
        .where(_STEP.site_id == site, _STEP.zombie_id == case_id)
        .order_by(_STEP.sequence)
    )
    return [(row.step, row.operator, row.note) for row in rows]


def _write(connection: Connection, site: str, case_id: str, step: str, operator: str, note: str, now: datetime) -> None:
    """The next step. Its place is counted under the lock of the case, or of the writer."""
    before = connection.execute(
        select(func.count()).select_from(ZombieStep).where(_STEP.site_id == site, _STEP.zombie_id == case_id)
    ).scalar_one()
    connection.execute(
        insert(ZombieStep).values(
            site_id=site, zombie_id=case_id, sequence=before + 1, at=now, step=step, operator=operator[:64], note=note
        )
    )


def _document(row: Any, now: datetime) -> Document:
    return {
        "id": row.id,
        "site": row.site_id,
        "stay": row.stay_id,
        "plate": row.plate,
        "entry_at": row.entry_at,
        "entry_lane": None if row.entry_lane is None else f"{row.site_id}.{row.entry_lane}",
        "since": row.since,
        "days": ((row.ended_at or now) - row.since).days,
        "found_at": row.found_at,
        "state": row.state,
        "ended_at": row.ended_at,
    }
