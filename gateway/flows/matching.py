"""An exit without an entry: which stay is it, if a plate was misread? Ranked for staff; without a person only where the policy lets it.

The event path asks nothing of this. What is decided without a person is a correction like any other, with its trail, and opens no gate by
itself: the vehicle's next read, within 15 s, finds its stay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, select, update

from billing.policy import Policy, in_force
from controllers.passages import State
from controllers.plate_match import Candidate, Change, Inside, Read, Wrong, alone, differences, propose
from gateway.flows import corrections
from gateway.flows import matching_rows as rows_for
from gateway.flows.charges_books import By
from gateway.flows.corrections_records import Correction
from gateway.flows.quote import bill_document
from gateway.flows.reading import site_of
from gateway.flows.refusals import Invalid, NotFound, Refused
from gateway.store import tables as t
from gateway.wiring import Parts

KIND = "no_entry"
FRESH = timedelta(minutes=5)
"""Afterwards nobody waits at the barrier any more, and a person has time."""

_ITEMS_MAX = 50
_NEAR_MAX = 500
_BY = By(operator="parkgate", origin="matching")
_ITEM = t.ExceptionItem.__table__.c


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
    plate_colour: str | None
    entry_at: datetime
    entry_device: str | None
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
    device: str | None
    event: str | None
    picture: bool
    colour: str | None


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
        candidates=tuple(_priced(parts, found, one, versions) for one in found.candidates),
    )


def likeliest(parts: Parts, connection: Connection, stays: Collection[str]) -> dict[str, tuple[Proposed, ...]]:
    """The candidates of several exits at once, in as many queries as for one: without what each would cost. None for a stay that is not known."""
    found = _found_of(parts, connection, stays)
    return {stay: tuple(_proposed(one, each) for each in one.candidates) for stay, one in found.items()}


def settle(parts: Parts, stay_id: str, chosen: str, reason: str, by: By, key: str | None = None) -> Correction:
    """A person has chosen among the candidates: the plate is put right at the end at which it was misread.

    Raises `NotFound` where the chosen one is no candidate any more, and as `corrections.correct` does.
    """
    with parts.store.reading() as connection:
        found = _found(parts, connection, stay_id)
    one = next((one for one in found.candidates if one.stay == chosen), None)
    if one is None:
        raise NotFound("it may not be this stay's exit any more: look at the item again")
    if one.wrong is Wrong.ENTRY:
        return corrections.correct(parts, chosen, corrections.Wanted(plate=found.row.plate), reason, by, key)
    return corrections.correct(parts, stay_id, corrections.Wanted(plate=one.plate), reason, by, key)


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


def _priced(parts: Parts, found: _Found, one: Candidate, versions: tuple[Policy, ...]) -> Proposed:
    """With what would be due, and whether the policy lets it be decided without a person."""
    proposed = _proposed(found, one)
    try:
        payable = bill_document(parts, one.stay, found.row.exit_at)["payable_fen"]
    except (Invalid, NotFound):
        return proposed
    chosen = _chosen(found, versions) if one is found.candidates[0] else None
    alone = chosen is not None and payable is not None and payable <= chosen[1]
    return msgspec.structs.replace(proposed, payable_fen=payable, alone=alone)


def _proposed(found: _Found, one: Candidate) -> Proposed:
    entry = found.entries[one.stay]
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
        plate_colour=entry.colour,
        entry_at=entry.at,
        entry_device=entry.device,
        entry_event=entry.event,
        entry_picture=entry.picture,
        payable_fen=None,
        alone=False,
    )


def _difference(change: Change) -> Difference:
    return Difference(change.place, change.stands, change.read, change.similar)


def _found(parts: Parts, connection: Connection, stay_id: str) -> _Found:
    """Raises `NotFound`."""
    found = _found_of(parts, connection, {stay_id})
    if stay_id not in found:
        raise NotFound("there is no such stay, or not for you")
    return found[stay_id]


def _found_of(parts: Parts, connection: Connection, stays: Collection[str]) -> dict[str, _Found]:
    """By stay. No candidates for one whose entry is known, or whose plate was deleted when its time was over."""
    rows = connection.execute(rows_for.exits(stays)).all()
    found = {row.id: _Found(row, Read(plate=row.plate, at=row.started_at), (), {}) for row in rows}
    asked = [row for row in rows if _is_asked(row)]
    if not asked:
        return found
    near, among = _near(connection, asked)
    entries = {row.id: row for row in connection.execute(rows_for.entries({one for of in near.values() for one in of}))}
    known = rows_for.known_of(connection, [*asked, *entries.values()])
    for row in asked:
        mine = [entries[one] for one in near[row.id] if one in entries]
        found[row.id] = _weighed(row, mine, among[row.id], known, parts.settings.zone)
    return found


def _is_asked(row: Any) -> bool:
    return row.state == State.NO_ENTRY and row.exit_at is not None and not row.plate.startswith("#")


def _near(connection: Connection, asked: Sequence[Any]) -> tuple[dict[str, list[str]], dict[str, int]]:
    """For each exit, those who were inside then with a plate like it, the newest first; and how many were inside."""
    near: dict[str, list[str]] = {row.id: [] for row in asked}
    among = dict.fromkeys(near, 0)
    inside: dict[str, list[Any]] = {}
    for one in connection.execute(rows_for.inside(asked)):
        inside.setdefault(one.site_id, []).append(one)
    for row in asked:
        since = row.exit_at - rows_for.LONGEST
        for one in inside.get(row.site_id, ()):
            if since <= one.started_at < row.exit_at:
                among[row.id] += 1
                if len(near[row.id]) < _NEAR_MAX and differences(one.plate, row.plate) is not None:
                    near[row.id].append(one.id)
    return near, among


def _weighed(row: Any, entered: Sequence[Any], among: int, known: rows_for.Known, zone: ZoneInfo) -> _Found:
    apart_from = {row.id, *(one.id for one in entered)}
    exit_ = rows_for.read_of(row, row.exit_at, known=known.says(row, apart_from))
    inside = [
        Inside(
            stay=one.id,
            read=rows_for.read_of(one, one.entry_at, known=known.says(one, apart_from)),
            overnight=one.entry_at.astimezone(zone).date() != row.exit_at.astimezone(zone).date(),
            waits=one.exit_at is not None,
        )
        for one in entered
    ]
    candidates = propose(exit_, inside, among)
    wanted = {one.stay for one in candidates}
    entries = {
        one.id: _Entry(one.entry_at, one.entry_device, one.entry_event, bool(one.picture), one.plate_colour)
        for one in entered
        if one.id in wanted
    }
    return _Found(row, exit_, candidates, entries)
