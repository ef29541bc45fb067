"""The offline list: which vehicles a site's gates let through by themselves, and its versions.

It holds vehicles with a valid pass, certificate or free class, never blocked ones; no reason and no name is in it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from controllers.commands import ListDelta, ListEntry, WholeList
from gateway.store import tables as t
from gateway.store.estate import load_estate
from gateway.store.records import Estate
from gateway.wiring import Parts

# Without an end in the register, a list that is not renewed holds this long.
_WITHOUT_END = timedelta(days=90)
_DELTA_MAX = 200
# Of two that store a site's first list at the same instant the second waits for the first, and then finds its work done.
_BEGUN: dict[str, Any] = {
    "postgresql": postgres_insert(t.OfflineList).on_conflict_do_nothing(),
    "sqlite": sqlite_insert(t.OfflineList).on_conflict_do_nothing(),
}


class Published(msgspec.Struct, frozen=True):
    """A site's list as it is now; `delta` brings a device from the version before to it."""

    site: str
    whole: WholeList
    delta: ListDelta | None


def current_lists(parts: Parts) -> dict[str, Published]:
    """Compute every site's list and store the new versions. `delta` only where it changed by a little."""
    now = parts.clock.now()
    with parts.store.reading() as connection:
        estate = load_estate(connection)
        computed = {site: entries(connection, estate, site, now) for site in sorted(estate.sites)}
        stored = {row.site_id: row for row in connection.execute(select(t.OfflineList.__table__))}
    found: dict[str, Published] = {}
    for site, wanted in computed.items():
        row = stored.get(site)
        if row is not None and row.digest == _digest(wanted):
            found[site] = Published(site, _whole(row.version, wanted), None)
        else:
            found[site] = _store(parts, site, wanted, now)
    return found


def entries(connection: Connection, estate: Estate, site: str, now: datetime) -> dict[str, datetime]:
    """Plates and until when each may pass, as of now."""
    found: dict[str, datetime] = {}
    without_end = (now + _WITHOUT_END).replace(hour=0, minute=0, second=0, microsecond=0)

    def admit(plate: str, until: datetime | None) -> None:
        end = until or without_end
        if end > now and end > found.get(plate, now):
            found[plate] = end

    versions = estate.policies.get(estate.sites[site].policy_id, [])
    offers = {offer.id: offer.grace_days for policy in versions for offer in policy.passes}
    held = t.PassHeld
    for row in connection.execute(
        select(held.plate, held.pass_id, held.valid_to, held.exact).where(held.site_id == site, held.valid_from <= now)
    ):
        admit(row.plate, row.valid_to + timedelta(days=0 if row.exact else offers.get(row.pass_id, 0)))
    vehicle, certificate = t.ResidentVehicle, t.Certificate
    if any(policy.low_income is not None for policy in versions):
        certified = select(
            vehicle.plate,
            certificate.valid_from,
            certificate.valid_to,
            vehicle.valid_from.label("own_from"),
            vehicle.valid_to.label("own_to"),
        ).join(
            certificate,
            (certificate.site_id == vehicle.site_id) & (certificate.household_id == vehicle.household_id),
        )
        for owned in connection.execute(certified.where(vehicle.site_id == site)):
            if all(since is None or since <= now for since in (owned.valid_from, owned.own_from)):
                admit(owned.plate, min((end for end in (owned.valid_to, owned.own_to) if end), default=None))
    registered = {one.id for policy in versions for one in policy.free_classes if one.register}
    free, blocked = t.FreeVehicle, t.BlockedVehicle
    for listed in connection.execute(
        select(free.plate, free.class_id, free.valid_from, free.valid_to).where(free.site_id == site)
    ):
        if listed.class_id in registered and (listed.valid_from is None or listed.valid_from <= now):
            admit(listed.plate, listed.valid_to)
    for barred in connection.execute(
        select(blocked.plate, blocked.valid_to).where(blocked.site_id == site, ~blocked.lifted)
    ):
        # One that begins later counts as well: a list may outlive the moment at which it was made.
        if barred.valid_to is None or barred.valid_to > now:
            found.pop(barred.plate, None)
    return found


def _store(parts: Parts, site: str, wanted: dict[str, datetime], now: datetime) -> Published:
    """A new version. Two bridges may get here at once: the row's lock lets one through, the other finds its work done."""
    table = t.OfflineList
    begun = {"site_id": site, "version": 0, "previous_version": 0, "digest": "", "entries": {}, "changed_at": now}
    with parts.store.writing() as connection:
        connection.execute(_BEGUN[connection.dialect.name], begun)
        row = connection.execute(select(table.__table__).where(table.site_id == site).with_for_update()).one()
        if row.digest == _digest(wanted):
            return Published(site, _whole(row.version, wanted), None)
        version = row.version + 1
        values = {
            "version": version,
            "previous_version": row.version,
            "digest": _digest(wanted),
            "entries": {plate: until.isoformat() for plate, until in sorted(wanted.items())},
            "changed_at": now,
        }
        connection.execute(update(table).where(table.site_id == site).values(**values))
        connection.commit()
    before = {plate: datetime.fromisoformat(until) for plate, until in row.entries.items()}
    # What a device without a first version has, nobody knows.
    return Published(site, _whole(version, wanted), _delta(version, before, wanted) if row.version else None)


def _delta(version: int, before: dict[str, datetime], after: dict[str, datetime]) -> ListDelta | None:
    added = {plate: until for plate, until in after.items() if before.get(plate) != until}
    removed = before.keys() - after.keys()
    if len(added) + len(removed) > _DELTA_MAX:
        return None
    return ListDelta(version=version, from_version=version - 1, add=_entries(added), remove=tuple(sorted(removed)))


def _whole(version: int, wanted: dict[str, datetime]) -> WholeList:
    return WholeList(version=version, entries=_entries(wanted))


def _entries(wanted: dict[str, datetime]) -> tuple[ListEntry, ...]:
    return tuple(ListEntry(plate=plate, until=until) for plate, until in sorted(wanted.items()))


def _digest(wanted: dict[str, datetime]) -> str:
    said = "\n".join(f"{plate} {until.isoformat()}" for plate, until in sorted(wanted.items()))
    return hashlib.sha256(said.encode()).hexdigest()
