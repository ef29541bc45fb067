"""先离场后付费: who may leave first and pay later by agreement: proposed with its evidence, approved by a second person, ended by one."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from gateway.api import arrears_shapes as shapes
from gateway.api.arrears import agreement_proposed, own
from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.passes import plain
from gateway.api.passes_shapes import Reason
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.flows import arrears_agreements as flow
from gateway.flows.charges_books import By
from gateway.flows.passes_terms import plate_of
from gateway.flows.reading import Slice, site_of
from gateway.flows.refusals import Refused

router = APIRouter(include_in_schema=False)

HERE: Final = "agreements"
WHERE: Final = "/money/agreements"
_SEE, _PROPOSE = ("GET", "/pay-later-agreements"), ("POST", "/pay-later-agreements")
_CALLS: Final = {
    what: ("POST", f"/pay-later-agreements/{{agreement_id}}/{what}") for what in ("approval", "refusal", "end")
}
_FIELDS: Final = ("site", "plate", "limit_fen", "evidence", "valid_from", "valid_to")
_ON_A_PAGE: Final = 50
Text = Annotated[str, Query(max_length=64)]
What = Literal["approval", "refusal", "end"]


@router.get(WHERE)
def agreements(
    request: Request,
    context: With,
    part: ByTime,
    *,
    site: Text = "",
    plate: Annotated[str, Query(max_length=40)] = "",
    state: Literal["", "proposed", "approved", "refused", "ended"] = "",
) -> Response:
    """Newest first."""
    staff = door.staff_at(request, context, _SEE)
    return _page(request, context, staff, part, {"site": site, "plate": plate, "state": state})


@router.get(WHERE + "/new")
def propose_form(request: Request, context: With, plate: Annotated[str, Query(max_length=40)] = "") -> Response:
    """For which vehicle, where, up to how much, and what says so."""
    staff = door.staff_at(request, context, _PROPOSE)
    return _form(request, context, staff, Entered({"plate": [plate]}))


@router.post(WHERE + "/new")
def propose(request: Request, context: With, said: Said) -> Response:
    """Put it on record; it holds once a second person has approved it."""
    staff = door.staff_at(request, context, _PROPOSE)

    def work(_by: By) -> None:
        typed = {name: said.or_none(name) for name in _FIELDS} | {
            "limit_fen": forms.fen("limit_fen", said["limit_fen"])
        }
        asked = forms.shaped(shapes.AgreementAsked, **typed)
        agreement_proposed(staff, context, asked)

    def shown(why: Refused) -> Response:
        return _form(request, context, staff, said, why)

    return forms.step(staff, said, work, shown, WHERE, "agreement_proposed")


@router.post(WHERE + "/{agreement_id}/{what}")
def do(
    request: Request, context: With, agreement_id: Annotated[str, Path(max_length=64)], what: What, said: Said
) -> Response:
    """A second person's word; or the end of one that holds."""
    staff = door.staff_at(request, context, _SEE, _CALLS[what])

    def work(by: By) -> None:
        own(staff, site_of(agreement_id))
        if what == "approval":
            flow.approve(context.parts, agreement_id, by)
            return
        reason = forms.shaped(Reason, reason=said["reason"]).reason
        (flow.refuse if what == "refusal" else flow.end)(context.parts, agreement_id, reason, by)

    def shown(why: Refused) -> Response:
        asked = {"site": "", "plate": "", "state": ""}
        return _page(request, context, staff, Slice(None, _ON_A_PAGE), asked, why)

    return forms.step(staff, said, work, shown, WHERE, f"agreement_{what}")


def _acts(staff: Staff, agreement: dict[str, Any]) -> list[str]:
    """What this reader may do with it: nobody decides their own, and the street's are for who has the street."""
    if agreement["site"] == flow.STREET and staff.sites is not None:
        return []
    mine = agreement["proposed_by"] == staff.name
    ways = {"proposed": [] if mine else ["approval", "refusal"], "approved": ["end"]}.get(agreement["state"], [])
    return [what for what in ways if door.may(staff, *_CALLS[what])]


def _page(
    request: Request,
    context: Context,
    staff: Staff,
    part: Slice,
    asked: dict[str, str],
    why: Refused | None = None,
) -> Response:
    wanted = plate_of(asked["plate"]) if asked["plate"] else None
    allowed = staff.only(asked["site"] or None)
    with context.reports.reading() as connection:
        rows = flow.agreements(connection, allowed, part, plate=wanted, state=asked["state"] or None)
        known = forms.sites(connection, staff)
    listed = [(key, {**(one := plain(row)), "acts": _acts(staff, one)}) for key, row in rows]
    return forms.form(
        request,
        staff,
        "money_agreements.html",
        here=HERE,
        why=why,
        found=in_zone(sliced(listed, part.limit), context.parts.settings.zone),
        sites=known,
        asked=asked,
        proposes=door.may(staff, *_PROPOSE),
    )


def _form(request: Request, context: Context, staff: Staff, said: Entered, why: Refused | None = None) -> Response:
    return forms.form(
        request,
        staff,
        "money_agreement_form.html",
        here=HERE,
        said=said,
        why=why,
        fields=_FIELDS,
        site_choices=forms.site_choices(context, staff),
        street=flow.STREET if staff.sites is None else None,
    )
