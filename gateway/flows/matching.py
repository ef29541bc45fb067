"""An exit without an entry: which stay is it, if a plate was misread? Ranked for staff; without a person only where the policy lets it.

The event path asks nothing of this. What is decided without a person is a correction like any other, with its trail, and opens no gate by
itself: the vehicle's next read, within 15 s, finds its stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, and_, or_, select, update

from billing.policy import Policy, in_force
from controllers.events import PlateColour
from controllers.passages import State
from controllers.plate_match import Candidate, Change, Inside, Read, Wrong, alone, differences, propose
from gateway.flows import corrections
from gateway.flows.charges_books import By
from gateway.flows.quote import bill_document
from gateway.flows.reading import site_of
from gateway.flows.refusals import Invalid, NotFound, Refused
from gateway.store import tables as t
from gateway.store.facts import FactLoader
from gateway.wiring import Parts

KIND = "no_entry"
FRESH = timedelta(minutes=5)
"""Afterwards nobody waits at the barrier any more, and a person has time."""

_ITEMS_MAX = 50
_INSIDE_MAX = 20_000
_NEAR_MAX = 500
_LONGEST_DAYS = 7
_BY = By(operator="parkgate", origin="matching")
_STAY = t.Stay.__table__.c
_EVENT = t.PlateEventRow.__table__.c
_ITEM = t.ExceptionItem.__table__.c
_IMAGE = t.Image.__table__.c


class Difference(msgspec.Struct, frozen=True):
    """One character: its place (from 0), what stands on the plate of the candidate, what was read. Empty: there is none."""

    place: int
    stands: str
    read: str
    similar: bool


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """A stay that the exit may belong to. `score`: log10 of how many times likelier than an exit whose entry was missed; `lead`: how far it is
    ahead of the next explanation. `characters`, `colour`, `time`: what of the score they give. `wrong`: which end was probably misread.
    """

    stay: str
    plate: str
    score: float
    lead: float
    changes: tuple[Difference, ...]
    characters: float
    colour: float
    time: float
    wrong: Wrong
    waits: bool
    entry_at: datetime
    entry_event: str | None
    entry_picture: bool
    payable_fen: int | None
    alone: bool


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """The exit in question, and the candidates, the likeliest first; none for a stay whose entry is known. `known`: the plate that was read is in a
    register or was here before.
    """

    stay: str
    plate: str
    exit_at: datetime | None
    exit_event: str | None
    exit_picture: bool
    known: bool
    candidates: tuple[Proposed, ...]


class _Entry(NamedTuple):
    at: datetime
    event: str | None
    picture: bool


class _Found(NamedTuple):
    row: Any
    exit_: Read
    candidates: tuple[Candidate, ...]
    entries: dict[str, _Entry]


def ranked(parts: Parts, stay_id: str) -> Ranked:
    """Which stays an exit without an entry may belong to. Writes nothing. Raises `NotFound`."""
    with parts.store.reading() as connection:
        found = _found(parts, connection, stay_id)
        versions = _versions(parts, connection, site_of(stay_id))
    row = found.row
    return Ranked(
        stay=stay_id,
        plate=row.plate,
        exit_at=row.exit_at,
        exit_event=row.exit_event,
        exit_picture=found.exit_.picture,
        known=found.exit_.known,
        candidates=tuple(_proposed(parts, found, one, versions) for one in found.candidates),
    )


def match_waiting(parts: Parts) -> int:
    """One round over the fresh exits without an entry, where a policy lets them find their stay without a person. How many did."""
    now = parts.clock.now()
    with parts.store.reading() as connection:
        estate = parts.estates.known(connection)
        sites = [
            site.id
            for site in estate.sites.values()
            if any(one.matching is not None for one in estate.policies.get(site.policy_id, ()))
        ]
        waiting = [row for site in sorted(sites) for row in _fresh(connection, site, now)]
    return sum(_match(parts, row.site_id, row.id, row.stay_id) for row in waiting)


def _fresh(connection: Connection, site: str, now: datetime) -> Iterable[Any]:
    """Not looked at yet: what was found stands in the item."""
    return connection.execute(
        select(_ITEM.site_id, _ITEM.id, _ITEM.stay_id)
        .where(
            _ITEM.site_id == site,
            _ITEM.state == "open",
            _ITEM.opened_at > now - FRESH,
            _ITEM.kind == KIND,
            _ITEM.detail == "",
        )
        .order_by(_ITEM.opened_at)
        .limit(_ITEMS_MAX)
    ).all()


def _match(parts: Parts, site: str, item: str, stay_id: str) -> bool:
    try:
        with parts.store.reading() as connection:
            found = _found(parts, connection, stay_id)
            versions = _versions(parts, connection, site)
    except NotFound:
        return False  # it has found its entry by itself meanwhile
    chosen = _chosen(found, versions)
    if chosen is not None:
        one, fen_max = chosen
        words = f"号牌误识别，自动匹配：领先 {one.lead:.2f}，{len(one.changes)} 个字符不同"
        try:
            corrections.correct(
                parts,
                stay_id,
                corrections.Wanted(plate=one.plate),
                words,
                _BY,
                f"matching:{stay_id}",
                fen_max=fen_max,
            )
        except Refused:
            pass  # what it would cost, or what it would do to others, is for a person to judge
        else:
            return True
    _looked(parts, site, item, found)
    return False


def _looked(parts: Parts, site: str, item: str, found: _Found) -> None:
    """No plate stands in the item: what is kept of plates ends with the stays."""
    first = f"; {found.candidates[0].stay} +{found.candidates[0].lead:.2f}" if found.candidates else ""
    with parts.store.writing() as connection:
        connection.execute(
            update(t.ExceptionItem)
            .where(_ITEM.site_id == site, _ITEM.id == item, _ITEM.state == "open", _ITEM.detail == "")
            .values(detail=f"candidates: {len(found.candidates)}{first}")
        )
        connection.commit()


def _chosen(found: _Found, versions: tuple[Policy, ...]) -> tuple[Candidate, int] | None:
    """Who needs no person by the rules of the policy at its entry, and up to which bill."""
    if not found.candidates:
        return None
    entry = found.entries[found.candidates[0].stay]
    policy = in_force(versions, entry.at) if versions else None
    if policy is None or policy.matching is None:
        return None
    one = alone(found.candidates, found.exit_, policy.matching.lead)
    return None if one is None else (one, policy.matching.fen_max)


def _versions(parts: Parts, connection: Connection, site: str) -> tuple[Policy, ...]:
    estate = parts.estates.known(connection)
    return tuple(estate.policies.get(estate.sites[site].policy_id, ())) if site in estate.sites else ()


def _proposed(parts: Parts, found: _Found, one: Candidate, versions: tuple[Policy, ...]) -> Proposed:
    entry = found.entries[one.stay]
    try:
        payable = bill_document(parts, one.stay, found.row.exit_at)["payable_fen"]
    except (Invalid, NotFound):
        payable = None
    chosen = _chosen(found, versions) if one is found.candidates[0] else None
    return Proposed(
        stay=one.stay,
        plate=one.plate,
        score=one.score,
        lead=one.lead,
        changes=tuple(_difference(change) for change in one.changes),
        characters=one.characters,
        colour=one.colour,
        time=one.time,
        wrong=one.wrong,
        waits=one.waits,
        entry_at=entry.at,
        entry_event=entry.event,
        entry_picture=entry.picture,
        payable_fen=payable,
        alone=chosen is not None and payable is not None and payable <= chosen[1],
    )


def _difference(change: Change) -> Difference:
    return Difference(change.place, change.stands, change.read, change.similar)


def _found(parts: Parts, connection: Connection, stay_id: str) -> _Found:
    """No candidates for a stay whose entry is known, or whose plate was deleted when its time was over. Raises `NotFound`."""
    site = site_of(stay_id)
    row = connection.execute(_one(site, stay_id)).first()
    if row is None:
        raise NotFound("there is no such stay, or not for you")
    if row.state != State.NO_ENTRY or row.exit_at is None or row.plate.startswith("#"):
        return _Found(row, Read(plate=row.plate, at=row.started_at), (), {})
    inside_then = connection.execute(_inside(site, row.exit_at)).all()
    near = [one for one in inside_then if differences(one.plate, row.plate) is not None]
    rows = connection.execute(_entries(site, [one.id for one in near[:_NEAR_MAX]])).all()
    known = _known(connection, site, {row.plate, *(one.plate for one in rows)}, {stay_id, *(one.id for one in rows)})
    zone = parts.settings.zone
    exit_ = _read(row, row.exit_at, known)
    inside = [
        Inside(
            stay=one.id,
            read=_read(one, one.entry_at, known),
            overnight=one.entry_at.astimezone(zone).date() != row.exit_at.astimezone(zone).date(),
            waits=one.exit_at is not None,
        )
        for one in rows
    ]
    candidates = propose(exit_, inside, len(inside_then))
    wanted = {one.stay for one in candidates}
    entries = {one.id: _Entry(one.entry_at, one.entry_event, bool(one.picture)) for one in rows if one.id in wanted}
    return _Found(row, exit_, candidates, entries)


def _read(row: Any, at: datetime, known: set[str]) -> Read:
    return Read(
        plate=row.plate,
        at=at,
        colour=PlateColour(row.plate_colour) if row.plate_colour else None,
        confidence=row.confidence,
        certainties=tuple(one / 100 for one in row.certainties or b""),
        known=row.plate in known,
        picture=bool(row.picture),
    )


def _with_read(device: Any, event: Any) -> Any:
    """Stays with how the read at one of their ends was read, and whether there is a picture of it."""
    picture = (
        select(_IMAGE.event_id)
        .where(_IMAGE.site_id == _STAY.site_id, _IMAGE.device_id == device, _IMAGE.event_id == event)
        .exists()
    )
    columns = (
        _STAY.id,
        _STAY.plate,
        _STAY.plate_colour,
        _STAY.state,
        _STAY.started_at,
        _STAY.entry_at,
        _STAY.exit_at,
        _STAY.entry_event,
        _STAY.exit_event,
        _EVENT.confidence,
        _EVENT.certainties,
        picture.label("picture"),
    )
    joined = and_(_EVENT.site_id == _STAY.site_id, _EVENT.device_id == device, _EVENT.event_id == event)
    return select(*columns).select_from(t.Stay.__table__.outerjoin(t.PlateEventRow.__table__, joined))


def _one(site: str, stay_id: str) -> Any:
    return _with_read(_STAY.exit_device, _STAY.exit_event).where(_STAY.site_id == site, _STAY.id == stay_id)


def _entries(site: str, stays: list[str]) -> Any:
    return _with_read(_STAY.entry_device, _STAY.entry_event).where(_STAY.site_id == site, _STAY.id.in_(stays))


def _inside(site: str, at: datetime) -> Any:
    """Who was inside then, or is thought to have left without being seen. Longer ago than a week nobody is a candidate."""
    return (
        select(_STAY.id, _STAY.plate)
        .where(
            _STAY.site_id == site,
            _STAY.started_at < at,
            _STAY.started_at >= at - timedelta(days=_LONGEST_DAYS),
            _STAY.entry_at.is_not(None),
            or_(_STAY.state == State.INSIDE, _STAY.state == State.MISSING_EXIT),
        )
        .order_by(_STAY.started_at.desc(), _STAY.id)
        .limit(_INSIDE_MAX)
    )


def _known(connection: Connection, site: str, plates: set[str], apart_from: set[str]) -> set[str]:
    """Those of the plates that a register names, or that have been here in another stay."""
    keys = [(site, plate) for plate in sorted(plates)]
    registered = FactLoader(connection, locking=False).registrations(keys)()
    # Only those whose entry was seen: a plate that is misread the same way every time would else be taken for another vehicle's.
    before = connection.execute(
        select(_STAY.plate, _STAY.id).where(
            _STAY.site_id == site,
            _STAY.plate.in_(sorted(plates)),
            _STAY.entry_at.is_not(None),
            _STAY.state != State.VOID,
        )
    )
    return {plate for (_, plate), found in registered.items() if found.known} | {
        row.plate for row in before if row.id not in apart_from
    }
