"""个人信息: a person asks; what is held is looked at, handed over as one file, or taken out by two members of staff; and what was asked before."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from gateway.api import personal_data as api
from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.console.words_personal import HELD
from gateway.flows import personal_data, personal_data_requests
from gateway.flows.charges_books import By
from gateway.flows.personal_data_subject import subject_of
from gateway.flows.reading import Slice
from gateway.flows.refusals import Invalid, Refused

router = APIRouter(include_in_schema=False)

HERE: Final = "personal_data"
WHERE: Final = "/personal-data"
_SEE, _EXPORT = ("GET", "/personal-data/requests"), ("POST", "/personal-data/exports")
_PROPOSE: Final = ("POST", "/personal-data/erasures")
_DECIDE: Final = {
    what: ("POST", f"/personal-data/erasures/{{request_id}}/{what}") for what in ("approval", "rejection")
}
_FIELDS: Final = ("plate", "site", "household", "identity", "reason")
_ON_A_PAGE: Final = 50


@router.get(WHERE)
def requests(request: Request, context: With, part: ByTime, *, state: Literal["", api.State] = "") -> Response:
    """What was asked and what became of it, newest first."""
    staff = door.staff_at(request, context, _SEE)
    return _page(request, context, staff, part, state)


@router.get(WHERE + "/new")
def new(request: Request, context: With) -> Response:
    """Who asks, about whom, and on what proof."""
    staff = door.staff_at(request, context, _EXPORT)
    return _form(request, context, staff, Entered())


@router.post(WHERE + "/new")
def look(request: Request, context: With, said: Said) -> Response:
    """How much is held, and why it cannot go yet. Nothing is handed out, and no address has a plate in it."""
    staff = door.staff_at(request, context, _EXPORT)
    door.own_form(staff, said["csrf"], WHERE)
    try:
        wanted = _wanted(said)
        held = personal_data.held(context.parts, subject_of(wanted.plate, wanted.household), api.asking(staff, wanted))
    except Refused as why:
        return _form(request, context, staff, said, why)
    return _form(request, context, staff, said, held=held)


@router.post(WHERE + "/export")
def export(request: Request, context: With, said: Said) -> Response:
    """The file."""
    staff = door.staff_at(request, context, _EXPORT)
    door.own_form(staff, said["csrf"], WHERE)
    try:
        return api.export(staff, context, _wanted(said))
    except Refused as why:
        return _form(request, context, staff, said, why)


@router.post(WHERE + "/erasure")
def propose(request: Request, context: With, said: Said) -> Response:
    """Ask for an erasure, which another one decides."""
    staff = door.staff_at(request, context, _PROPOSE)

    def work(_by: By) -> None:
        wanted = _wanted(said)
        personal_data.propose(context.parts, subject_of(wanted.plate, wanted.household), api.asking(staff, wanted))

    def shown(why: Refused) -> Response:
        return _form(request, context, staff, said, why)

    return forms.step(staff, said, work, shown, WHERE, "personal_data_proposed")


@router.post(WHERE + "/{request_id}/{what}")
def decide(
    request: Request,
    context: With,
    request_id: Annotated[str, Path(max_length=64)],
    what: Literal["approval", "rejection"],
    said: Said,
) -> Response:
    """A second person's word; whoever proposed it may take it back."""
    staff = door.staff_at(request, context, _SEE, _DECIDE[what])

    def work(by: By) -> None:
        who, origin = by.operator, by.origin
        if what == "approval":
            personal_data.approve(context.parts, request_id, operator=who, origin=origin, sites=staff.sites)
            return
        why = forms.shaped(api.Why, reason=said["reason"]).reason
        personal_data.reject(context.parts, request_id, operator=who, origin=origin, reason=why, sites=staff.sites)

    def shown(why: Refused) -> Response:
        return _page(request, context, staff, Slice(None, _ON_A_PAGE), "proposed", why)

    return forms.step(staff, said, work, shown, WHERE, f"personal_data_{what}")


def _wanted(said: Entered) -> api.Wanted:
    """Raises `Invalid`."""
    household = said.or_none("household")
    if household is not None:
        if not said["site"]:
            raise Invalid("site: choose the household's")
        household = f"{said['site']}/{household}"
    return forms.shaped(
        api.Wanted,
        plate=said.or_none("plate"),
        household=household,
        identity=said["identity"],
        reason=said["reason"],
    )


def _acts(staff: Staff, one: dict[str, Any]) -> list[str]:
    """What this reader may do with it: nobody approves their own, nor what cannot be read."""
    if one["state"] != "proposed":
        return []
    ways = ["rejection"] if one["unreadable"] or one["asked_by"] == staff.name[:64] else ["approval", "rejection"]
    return [what for what in ways if door.may(staff, *_DECIDE[what])]


def _page(
    request: Request, context: Context, staff: Staff, part: Slice, state: str, why: Refused | None = None
) -> Response:
    after = None if part.after is None else (part.after[0], str(part.after[1]))
    rows = personal_data_requests.listed(context.parts, staff.sites, state or None, after, part.limit)
    shown = [(key, {**(one := api.seen(staff, row)), "acts": _acts(staff, one)}) for key, row in rows]
    return forms.form(
        request,
        staff,
        "personal_data.html",
        here=HERE,
        why=why,
        found=in_zone(sliced(shown, part.limit), context.parts.settings.zone),
        states=get_args(api.State),
        asked={"state": state},
        asks=door.may(staff, *_EXPORT),
    )


def _form(
    request: Request,
    context: Context,
    staff: Staff,
    said: Entered,
    why: Refused | None = None,
    held: personal_data.Held | None = None,
) -> Response:
    return forms.form(
        request,
        staff,
        "personal_data_form.html",
        here=HERE,
        said=said,
        why=why,
        fields=_FIELDS,
        typed=_FIELDS,
        site_choices=forms.site_choices(context, staff),
        held=held,
        in_english=HELD,
        proposes=door.may(staff, *_PROPOSE),
    )
