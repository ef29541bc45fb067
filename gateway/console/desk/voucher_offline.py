"""离线收券: codes that were collected without a network, brought later, and what a person decides where nothing was found for one."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from gateway.api import voucher_shapes as shapes
from gateway.api.answers import instant
from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.console.desk import door, forms, vouchers
from gateway.console.desk.forms import Entered, Said
from gateway.flows import reading
from gateway.flows.charges_books import By
from gateway.flows.reading import Slice, site_of
from gateway.flows.refusals import Invalid, Refused
from gateway.flows.vouchers import offline
from gateway.flows.vouchers import reading as found

router = APIRouter(include_in_schema=False)

HERE: Final = "voucher_offline"
WHERE: Final = "/vouchers/redemptions"
_SEE, _BRING = ("GET", "/vouchers/redemptions"), ("POST", "/vouchers/redemptions")
_DECIDE: Final = ("POST", "/vouchers/redemptions/{redemption_id}/resolution")
_LANES_MAX: Final = 200
State = Literal["queued", "done", "refused", "resolved"]
Site = Annotated[str, Path(max_length=40)]
Name = Annotated[str, Path(max_length=64)]


@router.get(WHERE)
def redemptions(
    request: Request,
    context: With,
    part: ByTime,
    *,
    site: Annotated[str, Query(max_length=64)] = "",
    state: Literal["", "queued", "done", "refused", "resolved"] = "",
) -> Response:
    """What was brought, the newest first."""
    staff = door.staff_at(request, context, _SEE)
    allowed = staff.only(site or None)
    with context.reports.reading() as connection:
        rows = found.redemptions(connection, allowed, part, state=state or None)
        known = forms.sites(connection, staff)
    return door.page(
        request,
        staff,
        "vouchers_redemptions.html",
        here=HERE,
        tabs=vouchers.tabs(staff),
        found=in_zone(sliced([(key, _told(one)) for key, one in rows], part.limit), context.parts.settings.zone),
        sites=known,
        states=get_args(State),
        asked={"site": site, "state": state},
        brings=door.may(staff, *_BRING),
    )


@router.get(WHERE + "/new")
def bring_form(request: Request, context: With) -> Response:
    """Where and when, and the codes."""
    staff = door.staff_at(request, context, _BRING)
    now = context.parts.clock.now().astimezone(context.parts.settings.zone)
    return _bring_form(request, context, staff, Entered({"at": [f"{now:%Y-%m-%dT%H:%M}"]}))


@router.post(WHERE + "/new")
def bring(request: Request, context: With, said: Said) -> Response:
    """Bring codes that were collected at one exit at one time. Each counts once, however often it is brought."""
    staff = door.staff_at(request, context, _BRING)

    def work(by: By) -> None:
        at = instant("at", said["at"], context.parts.settings.zone)
        if at is None:
            raise Invalid("at: say when they were handed over")
        codes = said["items"].split()
        collected = [{"code": code, "lane": said["lane"], "at": said["at"]} for code in codes]
        asked = forms.shaped(shapes.ToBring, items=collected)
        for item in asked.items:
            staff.only(site_of(item.lane))
        items = [offline.Collected(code=item.code, lane=item.lane, at=at) for item in asked.items]
        offline.bring(context.parts, items, operator=by.operator, origin=by.origin)

    def shown(why: Refused) -> Response:
        return _bring_form(request, context, staff, said, _at_its_field(why))

    return forms.step(staff, said, work, shown, WHERE, "vouchers_brought")


@router.get(WHERE + "/{site}/{redemption_id}")
def redemption(request: Request, context: With, site: Site, redemption_id: Name) -> Response:
    """One, and what may be decided about it."""
    staff = door.staff_at(request, context, _SEE)
    return _page(request, context, staff, (site, redemption_id))


@router.post(WHERE + "/{site}/{redemption_id}")
def decide(request: Request, context: With, site: Site, redemption_id: Name, said: Said) -> Response:
    """Its stay; back to its holder; void; or nothing to do."""
    staff = door.staff_at(request, context, _SEE, _DECIDE)

    def work(by: By) -> None:
        staff.own(site)
        asked = forms.shaped(
            shapes.ToResolve, site=site, action=said["what"], stay=said.or_none("stay"), reason=said["reason"]
        )
        offline.resolve(
            context.parts,
            site=site,
            redemption=redemption_id,
            action=asked.action,
            stay=asked.stay,
            reason=asked.reason,
            operator=by.operator,
            origin=by.origin,
        )

    def shown(why: Refused) -> Response:
        return _page(request, context, staff, (site, redemption_id), said, why)

    return forms.step(staff, said, work, shown, f"{WHERE}/{site}/{redemption_id}", "done")


def _at_its_field(why: Refused) -> Refused:
    """Of all codes the lane and the time are the same: what is wrong with one's is wrong with the form's."""
    named, _, told = why.detail.partition(": ")
    return Invalid(f"{named.rpartition('.')[2]}: {told}") if named.startswith("items.") else why


def _told(redemption: dict[str, Any]) -> dict[str, Any]:
    """With the word for why it needs a person; the detail is in the flow's own words."""
    if redemption["state"] != "refused":
        why = None
    elif redemption["voucher"] is None:
        why = "unreadable"
    else:
        why = "no_stay" if redemption["detail"] == offline.NO_STAY else "not_good"
    return {**redemption, "why": why}


def _acts(staff: Staff, redemption: dict[str, Any]) -> tuple[str, ...]:
    """What may be decided: about a voucher that is held for it; else there is nothing to do but to say so."""
    if redemption["state"] in {"done", "resolved"} or not door.may(staff, *_DECIDE):
        return ()
    return ("match", "release", "void") if redemption["held"] else ("dismiss",)


def _page(
    request: Request,
    context: Context,
    staff: Staff,
    at: tuple[str, str],
    said: Entered | None = None,
    why: Refused | None = None,
) -> Response:
    """`at`: its site and its id."""
    site, name = at
    staff.own(site)
    with context.parts.store.reading() as connection:
        one = found.redemption(connection, site, name)
    return forms.form(
        request,
        staff,
        "vouchers_redemption.html",
        here=HERE,
        said=said,
        why=why,
        fields=("stay", "reason"),
        one=in_zone(_told(one), context.parts.settings.zone),
        acts=_acts(staff, one),
        tabs=vouchers.tabs(staff),
    )


def _bring_form(
    request: Request, context: Context, staff: Staff, said: Entered, why: Refused | None = None
) -> Response:
    with context.parts.store.reading() as connection:
        names = reading.site_names(connection)
        part = Slice(None, _LANES_MAX)
        lanes = reading.lanes(connection, staff.sites, part, context.parts.clock.now(), disabled=False)
    exits = [one for one in lanes if one["direction"] == "out"]
    return forms.form(
        request,
        staff,
        "vouchers_bring_form.html",
        here=HERE,
        said=said,
        why=why,
        fields=("lane", "at", "items"),
        lanes=[(one["id"], f"{names[one['site']]} {one['id'].partition('.')[2]}") for one in exits],
    )
