"""A picture that a device uploads for one of its events, and what is shown of it while it is kept."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, insert, select

from gateway.flows.reading import site_of
from gateway.flows.refusals import NotFound, Refused
from gateway.store.tables import Image, PlateEventRow, Stay
from gateway.wiring import Parts


class AnotherPicture(Refused):
    """Another picture of the event is here already; the first stands."""

    status = 409
    slug = "another-picture"


def keep(parts: Parts, site: str, device: str, event_id: str, jpeg: bytes) -> bool:
    """Store the picture; False if the same one is there already. Raises `NotFound`, `AnotherPicture`.

    The event has to be stored: a device uploads after its receipt, and pictures of nothing would grow without a bound.
    """
    with parts.store.writing() as connection:
        known = connection.execute(
            select(PlateEventRow.event_id)
            .where(PlateEventRow.site_id == site, PlateEventRow.device_id == device, PlateEventRow.event_id == event_id)
            .with_for_update()
        ).scalar_one_or_none()
        if known is None:
            raise NotFound("no event of this device has this id; send the event, and upload after its receipt")
        stored = connection.execute(
            select(Image.jpeg).where(Image.site_id == site, Image.device_id == device, Image.event_id == event_id)
        ).scalar_one_or_none()
        if stored is not None:
            if bytes(stored) != jpeg:
                raise AnotherPicture
            return False
        connection.execute(
            insert(Image).values(
                site_id=site, device_id=device, event_id=event_id, jpeg=jpeg, received_at=parts.clock.now()
            )
        )
        connection.commit()
    return True


def reads_of(connection: Connection, stay_id: str) -> dict[str, tuple[str, str]]:
    """The reads (device, event) of a stay's `entry` and `exit`, as far as it has them."""
    row = connection.execute(
        select(Stay.entry_device, Stay.entry_event, Stay.exit_device, Stay.exit_event).where(
            Stay.site_id == site_of(stay_id), Stay.id == stay_id
        )
    ).one_or_none()
    if row is None:
        return {}
    found = {"entry": (row.entry_device, row.entry_event), "exit": (row.exit_device, row.exit_event)}
    return {which: read for which, read in found.items() if all(read)}


def kept(connection: Connection, site: str, reads: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Of these reads (device, event) those whose picture is kept."""
    rows = connection.execute(
        select(Image.device_id, Image.event_id).where(
            Image.site_id == site,
            Image.device_id.in_(sorted({device for device, _ in reads})),
            Image.event_id.in_(sorted({event for _, event in reads})),
        )
    )
    return {(row.device_id, row.event_id) for row in rows} & set(reads)


def of_read(connection: Connection, site: str, device: str, event_id: str) -> bytes:
    """The picture of a read. Raises `NotFound`."""
    jpeg = connection.execute(
        select(Image.jpeg).where(Image.site_id == site, Image.device_id == device, Image.event_id == event_id)
    ).scalar_one_or_none()
    if jpeg is None:
        raise NotFound("there is no such picture, or it is not kept any more")
    return bytes(jpeg)
