"""欠费: what is owed for stays that have ended, taken at any site of the street; and what is given up of it, by two persons."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from gateway.api import arrears_shapes as shapes
from gateway.api.arrears import reach
from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.passes import plain
from gateway.api.passes_shapes import Reason
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.flows import arrears as flow
from gateway.flows import arrears_write_off
from gateway.flows.charges_books import By, Money
from gateway.flows.passes_terms import plate_of
from gateway.flows.reading import Slice, site_of
from gateway.flows.refusals import NotFound, Refused

router = APIRouter(include_in_schema=False)

HERE: Final = "arrears"
WHERE: Final = "/money/arrears"
GIVEN_UP: Final = "/money/write-offs"
_SEE, _SEE_GIVEN_UP = ("GET", "/arrears"), ("GET", "/arrears/write-offs")
_CALLS: Final = {
    "payment": ("POST", "/arrears/{stay_id}/payments"),
    "write-off": ("POST", "/arrears/{stay_id}/write-offs"),
}
_DECIDE: Final = {
    "approval": ("POST", "/arrears/write-offs/{write_off_id}/approval"),
    "refusal": ("POST", "/arrears/write-offs/{write_off_id}/refusal"),
}
_TABS: Final = (
    (WHERE, "desk.arrears", _SEE),
    (GIVEN_UP, "arrears.given_up", _SEE_GIVEN_UP),
    ("/money/reminders", "arrears.reminders", ("GET", "/arrears/reminders")),
)
_FIELDS: Final = ("site", "channel", "amount_fen", "reference", "reason")
_ON_A_PAGE: Final = 50
StayId = Annotated[str, Path(max_length=64)]
Text = Annotated[str, Query(max_length=40)]
What = Literal["payment", "write-off"]
Decision = Literal["approval", "refusal"]


def tabs(staff: Staff) -> list[tuple[str, str]]:
    """The pages of arrears that the reader sees, with their words."""
    return [(where, words) for where, words, call in _TABS if door.may(staff, *call)]


@router.get(WHERE)
def owed(request: Request, context: With, part: ByTime, *, site: Text = "", plate: Text = "") -> Response:
    """Newest first; a till that asks for a whole plate sees what that vehicle owes anywhere on the street."""
    staff = door.staff_at(request, context, _SEE)
    wanted = plate_of(plate) if plate else None
    allowed = reach(staff, site or None, wanted)
    with context.reports.reading() as connection:
        found = flow.owed(connection, allowed, part, plate=wanted)
        known = forms.sites(connection, staff)
    return door.page(
        request,
        staff,
        "money_arrears.html",
        here=HERE,
        tabs=tabs(staff),
        found=in_zone(sliced([(key, plain(one)) for key, one in found], part.limit), context.parts.settings.zone),
        sites=known,
        asked={"site": site, "plate": plate},
        acts=[what for what, call in _CALLS.items() if door.may(staff, *call)],
    )


@router.get(WHERE + "/{stay_id}/{what}")
def step_form(request: Request, context: With, stay_id: StayId, what: What, plate: Text = "") -> Response:
    """Take what is owed, or propose to give it up. `plate`: of a stay at another's site, whoever takes it knows the plate."""
    staff = door.staff_at(request, context, _CALLS[what])
    return _form(request, context, staff, stay_id, what, Entered({"plate": [plate]}))


@router.post(WHERE + "/{stay_id}/{what}")
def step(request: Request, context: With, stay_id: StayId, what: What, said: Said) -> Response:
    """All of it, here or at another site; or a proposal, which a second person decides."""
    staff = door.staff_at(request, context, _CALLS[what])

    def work(by: By) -> str:
        if what == "payment":
            _collect(context, staff, stay_id, said, by)
            return WHERE
        staff.own(site_of(stay_id))
        amount = forms.fen_or_none("amount_fen", said["amount_fen"])
        asked = forms.shaped(shapes.WriteOffAsked, amount_fen=amount, reason=said["reason"])
        arrears_write_off.propose(context.parts, stay_id, asked.reason, by, asked.amount_fen)
        return GIVEN_UP if door.may(staff, *_SEE_GIVEN_UP) else WHERE

    def shown(why: Refused) -> Response:
        return _form(request, context, staff, stay_id, what, said, why)

    return forms.step(staff, said, work, shown, WHERE, f"arrears_{what}")


@router.get(GIVEN_UP)
def given_up(
    request: Request,
    context: With,
    part: ByTime,
    *,
    site: Text = "",
    state: Literal["", "proposed", "approved", "refused"] = "",
) -> Response:
    """What was proposed, and what became of it, newest first."""
    staff = door.staff_at(request, context, _SEE_GIVEN_UP)
    return _given_up(request, context, staff, part, {"site": site, "state": state})


@router.post(GIVEN_UP + "/{write_off_id}/{what}")
def decide(request: Request, context: With, write_off_id: StayId, what: Decision, said: Said) -> Response:
    """A second person's word."""
    staff = door.staff_at(request, context, _SEE_GIVEN_UP, _DECIDE[what])

    def work(by: By) -> None:
        staff.own(site_of(write_off_id))
        if what == "approval":
            arrears_write_off.approve(context.parts, write_off_id, by)
        else:
            reason = forms.shaped(Reason, reason=said["reason"]).reason
            arrears_write_off.refuse(context.parts, write_off_id, reason, by)

    def shown(why: Refused) -> Response:
        asked = {"site": "", "state": "proposed"}
        return _given_up(request, context, staff, Slice(None, _ON_A_PAGE), asked, why)

    return forms.step(staff, said, work, shown, GIVEN_UP, "done")


def _collect(context: Context, staff: Staff, stay_id: str, said: Entered, by: By) -> None:
    seen = forms.number("seen_fen", said["seen_fen"])
    asked = forms.shaped(
        shapes.ToCollect,
        site=said.or_none("site"),
        channel=said["channel"],
        amount_fen=seen,
        reference=said["reference"],
    )
    staff.own(asked.site or site_of(stay_id))
    money = Money(channel=asked.channel, amount_fen=asked.amount_fen, reference=asked.reference)
    flow.collect(context.parts, stay_id, money, by, at_site=asked.site, idempotency_key=said.once)


def _given_up(
    request: Request,
    context: Context,
    staff: Staff,
    part: Slice,
    asked: dict[str, str],
    why: Refused | None = None,
) -> Response:
    allowed = staff.only(asked["site"] or None)
    with context.reports.reading() as connection:
        found = arrears_write_off.write_offs(connection, allowed, part, state=asked["state"] or None)
        known = forms.sites(connection, staff)
    return forms.form(
        request,
        staff,
        "money_write_offs.html",
        here=HERE,
        why=why,
        tabs=tabs(staff),
        found=in_zone(sliced([(key, plain(one)) for key, one in found], part.limit), context.parts.settings.zone),
        sites=known,
        asked=asked,
        decides=[what for what, call in _DECIDE.items() if door.may(staff, *call)],
    )


def _form(
    request: Request,
    context: Context,
    staff: Staff,
    stay_id: str,
    what: str,
    said: Entered,
    why: Refused | None = None,
) -> Response:
    one = _one(context, staff, stay_id, said["plate"])
    return forms.form(
        request,
        staff,
        "money_arrears_form.html",
        here=HERE,
        said=said,
        why=why,
        fields=_FIELDS,
        what=what,
        one=in_zone(one, context.parts.settings.zone),
        site_choices=forms.site_choices(context, staff),
        channels=forms.channels(request),
    )


def _one(context: Context, staff: Staff, stay_id: str, plate: str) -> dict[str, Any]:
    """What a stay owes. Raises `NotFound` where it owes nothing, or for whom it is not."""
    wanted = plate_of(plate) if plate else None
    with context.parts.store.reading() as connection:
        allowed = reach(staff, None, wanted)
        found = flow.owed(connection, allowed, Slice(None, 1), plate=wanted, stay=stay_id)
    if not found:
        raise NotFound
    document: dict[str, Any] = plain(found[0][1])
    return document
