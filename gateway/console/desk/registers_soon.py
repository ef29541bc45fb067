"""What ends within a month, register by register, and certificates whose review is due: what somebody has to be asked about."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api.context import With
from gateway.api.live import in_zone
from gateway.console.desk import door
from gateway.console.desk import registers_forms as forms
from gateway.console.desk.registers import SOON, filter_of
from gateway.flows import passes_reading, registers_entries
from gateway.flows.reading import Slice

router = APIRouter(include_in_schema=False)

_SHOWN = 20


@router.get("/registers/soon")
def soon(request: Request, context: With) -> Response:
    """The first of each; the lists have the rest."""
    staff = door.staff_at(request, context, ("GET", "/households"))
    parts, zone = context.parts, context.parts.settings.zone
    until = (parts.clock.now() + SOON).astimezone(zone).date()
    ending: dict[str, list[dict[str, object]]] = {}
    with context.reports.reading() as connection:
        for kind in forms.FIELDS:
            if not door.may(staff, "GET", f"/{kind}"):
                continue
            wanted = filter_of(staff, context, kind, site="", plate="", household="", valid="soon")
            how = registers_entries.shown(connection, parts, kind)
            found = registers_entries.listed(connection, kind, staff.sites, wanted, Slice(None, _SHOWN), how)
            ending[kind] = [forms.entry_as_seen(context, staff, kind, one) for _, one in found]
        due = []
        if door.may(staff, "GET", "/certificates"):
            how = registers_entries.shown(connection, parts, "certificates")
            wanted = registers_entries.Filter(due=until)
            found = registers_entries.listed(connection, "certificates", staff.sites, wanted, Slice(None, _SHOWN), how)
            due = [forms.entry_as_seen(context, staff, "certificates", one) for _, one in found]
        sold = []
        if door.may(staff, "GET", "/pass-reminders"):
            sold = passes_reading.ending(parts, connection, staff.sites, SOON.days)[:_SHOWN]
    return door.page(
        request,
        staff,
        "registers_soon.html",
        here="soon",
        ending=ending,
        due=due,
        sold=in_zone(sold, zone),
        columns={kind: forms.columns(kind, staff.role) for kind in ending},
        most=_SHOWN,
    )
