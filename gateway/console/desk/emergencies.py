"""应急放行: declared after a look at what opens, what really happened at each lane, and the end of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api.commands import EmergencyAsked, sites_meant
from gateway.api.context import Context, Staff, With
from gateway.api.live import in_zone
from gateway.api.passes import plain
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.console.rendering import language_of
from gateway.console.words import WORDS
from gateway.flows import emergencies, emergencies_lanes
from gateway.flows.charges_books import By, reason_of
from gateway.flows.refusals import Refused
from gateway.flows.staff_refusals import AlreadyDeclared, OtherLanes

router = APIRouter(include_in_schema=False)

_SEE: Final = ("GET", "/emergencies")
_CALLS: Final = {"declaration": ("POST", "/emergencies"), "end": ("POST", "/emergencies/end")}
_FIELDS: Final = ("site", "reason")
# Every site that is the reader's: what the API means by no site.
_ALL: Final = "*"
_PAST_SHOWN: Final = 20
# How long what became of the lanes is shown after the end.
_AFTER: Final = timedelta(hours=1)


@router.get("/emergencies")
def shown(request: Request, context: With, site: str = "") -> Response:
    """What stands, and what became of it at each lane; the form by which one is declared."""
    staff = door.staff_at(request, context, _SEE)
    return _page(request, context, staff, Entered({"site": [site]}))


@router.post("/emergencies/{what}")
def do(request: Request, context: With, what: Literal["declaration", "end"], said: Said) -> Response:
    """Declared only once the lanes that open were shown, and are still those; ended at once."""
    staff = door.staff_at(request, context, _SEE, _CALLS[what])
    opens: dict[str, list[dict[str, Any]]] | None = None

    def asked() -> tuple[list[str], str]:
        found = forms.shaped(
            EmergencyAsked, site=None if said["site"] == _ALL else said["site"], reason=reason_of(said["reason"])
        )
        return sites_meant(staff, context, found.site), found.reason

    def work(by: By) -> None:
        nonlocal opens
        sites, reason = asked()
        if what == "end":
            emergencies.end(context.parts, sites, reason, by)
            return
        opens = _opens(context, sites)
        if said["seen"] != _seen(opens):
            raise OtherLanes
        emergencies.declare(context.parts, sites, reason, by)

    def again(why: Refused | None) -> Response:
        return _page(request, context, staff, said, why, what, opens)

    if what == "declaration" and said["what"] != "declare":
        door.own_form(staff, said["csrf"], "/emergencies")
        try:
            opens = _opens(context, asked()[0])
        except Refused as why:
            return again(why)
        return again(None)
    return forms.step(staff, said, work, again, "/emergencies", f"emergency_{what}")


def _opens(context: Context, sites: list[str]) -> dict[str, list[dict[str, Any]]]:
    """The lanes of these sites that would open. Raises `AlreadyDeclared` where none would."""
    parts = context.parts
    with parts.store.reading() as connection:
        standing = {one.site for one in emergencies.declared(connection, frozenset(sites))}
        found = emergencies_lanes.lanes_in_service(connection, frozenset(sites) - standing, parts.clock.now())
    if sites and standing.issuperset(sites):
        raise AlreadyDeclared
    return found


def _seen(opens: dict[str, list[dict[str, Any]]]) -> str:
    return " ".join(sorted(one["id"] for lanes in opens.values() for one in lanes))


def _page(
    request: Request,
    context: Context,
    staff: Staff,
    said: Entered | None = None,
    why: Refused | None = None,
    tried: str = "declaration",
    opens: dict[str, list[dict[str, Any]]] | None = None,
) -> Response:
    """`tried` was refused, and why. `opens`: what the declaration opens that is asked about."""
    parts = context.parts
    now = parts.clock.now()
    with parts.store.reading() as connection:
        sites = forms.sites(connection, staff)
        stand = emergencies.declared(connection, staff.sites)
        over = [one for one in emergencies.declared(connection, staff.sites, all_of_them=True) if one.ended_at]
        recent = [*stand, *(one for one in over if one.ended_at and now - one.ended_at < _AFTER)]
        lanes = emergencies_lanes.lanes_in_service(connection, frozenset(one.site for one in recent), now)
        stood = [(one, emergencies_lanes.at_lanes(connection, one, lanes.get(one.site, []), now)) for one in recent]
    standing = {one.site for one in stand}
    free = [(one["id"], one["name"]) for one in sites if one["id"] not in standing]
    whole = [(_ALL, WORDS[language_of(request)]["emergency.all" if staff.sites is None else "emergency.mine"])]
    zone = parts.settings.zone
    return forms.form(
        request,
        staff,
        "desk_emergencies.html",
        here="emergencies",
        said=said,
        why=why,
        fields=_FIELDS,
        stood=[
            {**in_zone(plain(one), zone), "lanes": [in_zone(plain(lane), zone) for lane in at]} for one, at in stood
        ],
        standing=len(standing),
        past=[in_zone(plain(one), zone) for one in over[:_PAST_SHOWN]],
        choices=free + (whole if len(free) > 1 else []),
        tried=tried,
        opens=opens,
        seen=_seen(opens) if opens else "",
        may_declare=door.may(staff, *_CALLS["declaration"]),
        may_end=door.may(staff, *_CALLS["end"]),
    )
