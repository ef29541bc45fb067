"""车道二维码: the codes that hang at lanes, by gate; printed, and renewed with a reason."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from gateway.api.context import Context, Staff, With
from gateway.api.live import in_zone
from gateway.api.passes import plain
from gateway.api.passes_shapes import Reason
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.console.words import LANGUAGES, WORDS
from gateway.flows import reading
from gateway.flows.charges_books import By
from gateway.flows.lane_pass import codes
from gateway.flows.reading import Slice, site_of
from gateway.flows.refusals import NotFound, Refused

router = APIRouter(include_in_schema=False)

_SEE: Final = ("GET", "/lanes/{lane_id}/code")
_PICTURE: Final = ("GET", "/lanes/{lane_id}/code/picture")
_RENEW: Final = ("POST", "/lanes/{lane_id}/code/rotation")
_LANES_MAX: Final = 5_000
LaneId = Annotated[str, Path(max_length=81)]
Text = Annotated[str, Query(max_length=81)]


@router.get("/lane-codes")
def listed(request: Request, context: With, site: Text = "") -> Response:
    """The codes of the lanes in service, by gate."""
    staff = door.staff_at(request, context, _SEE)
    lanes = _lanes(context, staff, site)
    with context.parts.store.reading() as connection:
        sites = forms.sites(connection, staff)
    return door.page(
        request, staff, "lane_codes.html", here="lane_codes", lanes=lanes, sites=sites, asked={"site": site}
    )


@router.get("/lane-codes/print")
def printed(request: Request, context: With, site: Text, gate: Text = "", lane: Text = "") -> Response:
    """A sheet for each of these lanes, in both languages, whichever the page has."""
    staff = door.staff_at(request, context, _SEE, _PICTURE)
    found = [one for one in _lanes(context, staff, site) if gate in ("", one["gate"]) and lane in ("", one["id"])]
    if not found:
        raise NotFound
    both = [(lang, WORDS[lang]["codes.sheet"], WORDS[lang]["codes.sheet.how"]) for lang in LANGUAGES]
    return door.page(request, staff, "lane_codes_print.html", here="lane_codes", lanes=found, both=both)


@router.get("/lane-codes/{lane_id}")
def one(request: Request, context: With, lane_id: LaneId) -> Response:
    """A lane's code, and the form by which it is renewed."""
    staff = door.staff_at(request, context, _SEE, _PICTURE)
    return _one(request, context, staff, lane_id)


@router.post("/lane-codes/{lane_id}/rotation")
def renew(request: Request, context: With, lane_id: LaneId, said: Said) -> Response:
    """The one that was seen becomes invalid; sent twice it is renewed once."""
    staff = door.staff_at(request, context, _SEE, _RENEW)

    def work(by: By) -> None:
        staff.own(site_of(lane_id))
        asked = forms.shaped(Reason, reason=said["reason"])
        codes.rotate(context.parts, lane_id, asked.reason, by, forms.number("version", said["version"]))

    def shown(why: Refused) -> Response:
        return _one(request, context, staff, lane_id, said, why)

    return forms.step(staff, said, work, shown, f"/lane-codes/{lane_id}", "code_renewed")


def _lanes(context: Context, staff: Staff, site: str) -> list[dict[str, Any]]:
    """Lanes in service with their codes, by site and gate. Raises `NotAllowed` for another's site."""
    parts, allowed = context.parts, staff.only(site or None)
    with parts.store.reading() as connection:
        lanes = reading.lanes(connection, allowed, Slice(None, _LANES_MAX), parts.clock.now(), disabled=False)
    of = codes.codes(parts, allowed)
    zone = parts.settings.zone
    found = [{**one, "code": in_zone(plain(of[one["id"]]), zone)} for one in lanes if one["id"] in of]
    return sorted(found, key=lambda one: (one["site"], one["gate"], one["id"]))


def _one(
    request: Request,
    context: Context,
    staff: Staff,
    lane_id: str,
    said: Entered | None = None,
    why: Refused | None = None,
) -> Response:
    staff.own(site_of(lane_id))
    found = next((one for one in _lanes(context, staff, site_of(lane_id)) if one["id"] == lane_id), None)
    if found is None:
        raise NotFound("there is no such lane, or not for you")
    return forms.form(
        request,
        staff,
        "lane_code.html",
        here="lane_codes",
        said=said,
        why=why,
        fields=("reason",),
        lane=found,
        renews=door.may(staff, *_RENEW),
    )
