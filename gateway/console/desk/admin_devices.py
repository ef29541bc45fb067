"""Sites and devices: what is in service, how devices are, and their passwords."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from gateway.api.context import Context, Staff, With
from gateway.api.lists import AllByName
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.passes import by
from gateway.console.desk import door, forms
from gateway.console.desk.admin_users import with_password
from gateway.console.desk.forms import Said
from gateway.flows import device_abilities, device_access, reading
from gateway.flows.charges_books import By
from gateway.flows.device_refusals import ToldLast, told_last
from gateway.flows.refusals import NotFound

router = APIRouter(include_in_schema=False)

_SITES, _DEVICES = ("GET", "/sites"), ("GET", "/devices")
_RENEW, _REVOKE = ("POST", "/devices/{device_id}/credentials"), ("POST", "/devices/{device_id}/revocation")
_ADMIN = ("GET", "/users")
_ALL = reading.Slice(None, 200)
DeviceId = Annotated[str, Path(max_length=81)]


@router.get("/admin/sites")
def sites(request: Request, context: With, part: AllByName) -> Response:
    """Sites by id, also those out of service."""
    staff = door.staff_at(request, context, _SITES, _ADMIN)
    with context.parts.store.reading() as connection:
        found = reading.sites(connection, staff.sites, part, disabled=True)
    keyed = [((one["id"], one["id"]), one) for one in found]
    return door.page(request, staff, "admin_sites.html", here="admin.sites", found=sliced(keyed, part.limit))


@router.get("/admin/devices")
def devices(
    request: Request, context: With, part: AllByName, site: Annotated[str, Query(max_length=40)] = ""
) -> Response:
    """Devices by site, with what they last said of themselves."""
    staff = door.staff_at(request, context, _DEVICES, _ADMIN)
    allowed = staff.only(site or None)
    with context.parts.store.reading() as connection:
        now = context.parts.clock.now()
        found = reading.devices(connection, allowed, part, now, disabled=True)
        known = reading.sites(connection, staff.sites, _ALL, disabled=True)
    keyed = [((one["site"], one["device"]), one) for one in found]
    return door.page(
        request,
        staff,
        "admin_devices.html",
        here="admin.devices",
        found=in_zone(sliced(keyed, part.limit), context.parts.settings.zone),
        sites=known,
        names={one["id"]: one["name"] for one in known},
        asked={"site": site},
    )


@router.get("/admin/devices/{device_id}")
def device(request: Request, context: With, device_id: DeviceId) -> Response:
    """One device: how it is, and its password."""
    staff = door.staff_at(request, context, _DEVICES, _ADMIN)
    return _one(request, context, staff, device_id)


@router.post("/admin/devices/{device_id}/credentials")
def renew(request: Request, context: With, device_id: DeviceId, said: Said) -> Response:
    """A new password, shown once; the one before ends with this."""
    staff = door.staff_at(request, context, _RENEW)
    where = f"/admin/devices/{device_id}"
    door.own_form(staff, said["csrf"], where)
    staff.own(reading.site_of(device_id))
    made = device_access.renew(context.parts, staff.sites, device_id, said["reason"], by(staff))
    return with_password(request, staff, made.username, made.password, here="admin.devices", back=where, device=True)


@router.post("/admin/devices/{device_id}/revocation")
def revoke(request: Request, context: With, device_id: DeviceId, said: Said) -> Response:
    """No password at all: it is let in no longer."""
    staff = door.staff_at(request, context, _REVOKE)
    where = f"/admin/devices/{device_id}"

    def work(who: By) -> None:
        staff.own(reading.site_of(device_id))
        device_access.revoke(context.parts, staff.sites, device_id, said["reason"], who)

    return forms.step(staff, said, work, None, where, "done")


def _one(request: Request, context: Context, staff: Staff, device_id: str) -> Response:
    site, _, _ = device_id.partition(".")
    staff.own(site)
    found, lanes, refused = _read(context, site, device_id)
    if found is None:
        raise NotFound("there is no such device, or not for you")
    zone = context.parts.settings.zone
    return door.page(
        request,
        staff,
        "admin_device.html",
        here="admin.devices",
        device=in_zone(found, zone),
        lanes=in_zone(lanes, zone),
        refused=in_zone([refused._asdict()], zone)[0] if refused is not None else None,
        abilities=_abilities(context, found),
        external=not context.parts.settings.broker.embedded,
    )


def _read(
    context: Context, site: str, device_id: str
) -> tuple[dict[str, Any] | None, list[dict[str, Any]], ToldLast | None]:
    """The device, its lanes, and what it was refused."""
    with context.parts.store.reading() as connection:
        now, here = context.parts.clock.now(), frozenset({site})
        found = reading.devices(connection, here, _ALL, now, disabled=True)
        lanes = reading.lanes(connection, here, _ALL, now, disabled=True)
        refused = told_last(connection, site, device_id.partition(".")[2])
    return (
        next((one for one in found if one["id"] == device_id), None),
        [one for one in lanes if one["device"] == device_id],
        refused,
    )


def _abilities(context: Context, found: dict[str, Any]) -> device_abilities.Abilities | None:
    zone = context.parts.settings.zone
    with context.parts.store.reading() as connection:
        return device_abilities.of(connection, found["site"], found["device"], found["vendor"], zone)
