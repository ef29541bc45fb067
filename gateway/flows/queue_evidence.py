"""What an item of the queue is about, to look at: the plate as it was read, and the picture while one is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, func, select

from gateway.flows import images, matching
from gateway.flows.matching import Proposed
from gateway.flows.refusals import NotFound
from gateway.store import tables as t
from gateway.wiring import Parts

WEIGHED_MAX = 20
_EVENT, _IMAGE = t.PlateEventRow.__table__.c, t.Image.__table__.c
# Of what a vehicle did after a read (it passed, another behind it), the picture is that of the read.
_READ = func.coalesce(_EVENT.for_event, _EVENT.event_id)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What was read, by which device under which id; `plate` None for a vehicle without one, or where it was deleted."""

    device: str
    event: str
    plate: str | None
    plate_colour: str | None
    pictured: bool


def of_items(parts: Parts, connection: Connection, items: Iterable[Mapping[str, Any]]) -> dict[str, Seen]:
    """By item, where it is about a read that is still known. One query for each site that has such items."""
    reads = {item["id"]: read for item in items if (read := _read(parts, connection, item)) is not None}
    by_site: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for site, device, event in reads.values():
        by_site[site].add((device, event))
    found: dict[tuple[str, str, str], Seen] = {}
    same = and_(_IMAGE.site_id == _EVENT.site_id, _IMAGE.device_id == _EVENT.device_id, _IMAGE.event_id == _READ)
    for site, wanted in by_site.items():
        rows = connection.execute(
            select(
                _EVENT.device_id,
                _EVENT.event_id,
                _READ.label("read"),
                _EVENT.plate,
                _EVENT.plate_colour,
                _IMAGE.event_id.label("picture"),
            )
            .outerjoin_from(t.PlateEventRow, t.Image, same)
            .where(
                _EVENT.site_id == site,
                _EVENT.device_id.in_(sorted({device for device, _ in wanted})),
                _EVENT.event_id.in_(sorted({event for _, event in wanted})),
            )
        )
        for row in rows:
            found[site, row.device_id, row.event_id] = Seen(
                device=row.device_id,
                event=row.read,
                plate=row.plate,
                plate_colour=row.plate_colour,
                pictured=row.picture is not None,
            )
    return {item: found[read] for item, read in reads.items() if read in found}


def whose(parts: Parts, connection: Connection, items: Iterable[Mapping[str, Any]]) -> dict[str, tuple[Proposed, ...]]:
    """By item: which stays an exit without an entry may belong to. Of the first so many that are open."""
    asked = [one for one in items if one["kind"] == matching.KIND and one["state"] == "open" and one["stay"]]
    found = matching.likeliest(parts, connection, {one["stay"] for one in asked[:WEIGHED_MAX]})
    return {one["id"]: found[one["stay"]] for one in asked[:WEIGHED_MAX] if one["stay"] in found}


def picture(parts: Parts, connection: Connection, item: Mapping[str, Any]) -> bytes:
    """The picture of the read that an item is about. Raises `NotFound`."""
    read = _read(parts, connection, item)
    if read is None:
        raise NotFound("the item is about no read")
    site, device, event = read
    wanted = select(_READ).where(_EVENT.site_id == site, _EVENT.device_id == device, _EVENT.event_id == event)
    return images.of_read(connection, site, device, connection.execute(wanted).scalar() or event)


def _read(parts: Parts, connection: Connection, item: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Site, device and event: an item names its lane, and each lane has one device."""
    if not item["lane"] or not item["event"]:
        return None
    site, _, name = item["lane"].partition(".")
    lane = parts.estates.known(connection, {(site, name)}).lanes.get((site, name))
    return None if lane is None else (site, lane.device, item["event"])
