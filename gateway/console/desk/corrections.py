"""更正: what would come of a correction is shown before it is made; what waits for a second person is decided by one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from gateway.api import shapes
from gateway.api.answers import instant
from gateway.api.context import Context, Staff, With
from gateway.api.corrections import own
from gateway.api.lists import ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.passes import plain
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.flows import corrections as flow
from gateway.flows import corrections_listed, reading
from gateway.flows.charges_books import By
from gateway.flows.corrections_records import documents
from gateway.flows.refusals import NotFound, Refused

router = APIRouter(include_in_schema=False)

HERE: Final = "corrections"
WHERE: Final = "/corrections"
_SEE, _ASK = ("GET", "/corrections"), ("POST", "/stays/{stay_id}/corrections")
_CALLS: Final = {
    what: ("POST", f"/stays/{{stay_id}}/corrections/{{correction_id}}/{what}") for what in ("approval", "refusal")
}
_FIELDS: Final = ("plate", "entry_at", "part", "reason")
_STATES: Final = ("proposed", "made", "refused", "any")
_PARTS: Final = ("stay", "entry", "exit")
StayId = Annotated[str, Path(max_length=64)]
CorrectionId = Annotated[str, Path(max_length=64)]


@router.get(WHERE)
def listed(
    request: Request,
    context: With,
    part: ByTime,
    *,
    site: Annotated[str, Query(max_length=40)] = "",
    state: Literal["proposed", "made", "refused", "any"] = "proposed",
) -> Response:
    """What waits for a second person, and what was decided."""
    staff = door.staff_at(request, context, _SEE)
    allowed = staff.only(site or None)
    with context.reports.reading() as connection:
        rows = corrections_listed.listed(connection, allowed, part, state=None if state == "any" else state)
        known = forms.sites(connection, staff)
    found = sliced([(key, plain(one)) for key, one in rows], part.limit)
    return door.page(
        request,
        staff,
        "corrections.html",
        here=HERE,
        found=in_zone(found, context.parts.settings.zone),
        sites=known,
        states=_STATES,
        asked={"site": site, "state": state},
    )


@router.get("/stays/{stay_id}/correction")
def ask_form(request: Request, context: With, stay_id: StayId) -> Response:
    """What is right, and why."""
    staff = door.staff_at(request, context, _ASK)
    return _form(request, context, staff, stay_id, Entered())


@router.post("/stays/{stay_id}/correction")
def ask(request: Request, context: With, stay_id: StayId, said: Said) -> Response:
    """Show what would come of it; what was seen is then made, or proposed, and nothing else."""
    staff = door.staff_at(request, context, _ASK)

    def work(by: By) -> str:
        staff.own(reading.site_of(stay_id))
        wanted, reason = _asked(context, said)
        found = flow.correct(context.parts, stay_id, wanted, reason, by, said.once, seen=said["seen"])
        return f"/stays/{found.stay_after}?said=correction_{found.state}"

    def shown(why: Refused) -> Response:
        return _form(request, context, staff, stay_id, said, why)

    if said["seen"]:
        return forms.step(staff, said, work, shown, f"/stays/{stay_id}", "correction_made")
    door.own_form(staff, said["csrf"], f"/stays/{stay_id}/correction")
    try:
        staff.own(reading.site_of(stay_id))
        wanted, _ = _asked(context, said)
        effect = flow.preview(context.parts, stay_id, wanted)
    except Refused as why:
        return shown(why)
    return _form(request, context, staff, stay_id, said, effect=effect)


def _asked(context: Context, said: Entered) -> tuple[flow.Wanted, str]:
    """Raises `Invalid`."""
    asked = forms.shaped(
        shapes.CorrectionAsked, **{name: said.or_none(name) for name in _FIELDS} | {"reason": said["reason"]}
    )
    moment = instant("entry_at", asked.entry_at, context.parts.settings.zone)
    return flow.Wanted(plate=asked.plate, entry_at=moment, part=asked.part), asked.reason


def _form(
    request: Request,
    context: Context,
    staff: Staff,
    stay_id: str,
    said: Entered,
    why: Refused | None = None,
    effect: flow.Preview | None = None,
) -> Response:
    with context.parts.store.reading() as connection:
        stay = reading.stay(connection, staff.sites, stay_id)
    return forms.form(
        request,
        staff,
        "correction_form.html",
        here="stays",
        said=said,
        why=why,
        fields=_FIELDS,
        stay=in_zone(stay, context.parts.settings.zone),
        parts=_PARTS,
        effect=_shown(context, effect),
        wide=True,
    )


def _shown(context: Context, effect: flow.Preview | None) -> Any:
    """A preview for a page, with what is handed back."""
    if effect is None:
        return None
    document = msgspec.to_builtins(effect, builtin_types=(datetime,))
    return {**in_zone(document, context.parts.settings.zone), "seen": effect.seen}


@router.get("/stays/{stay_id}/corrections/{correction_id}")
def one(request: Request, context: With, stay_id: StayId, correction_id: CorrectionId) -> Response:
    """One correction; while it waits, with what would come of it at this moment."""
    staff = door.staff_at(request, context, _SEE)
    return _one(request, context, staff, stay_id, correction_id)


@router.post("/stays/{stay_id}/corrections/{correction_id}/{what}")
def decide(
    request: Request,
    context: With,
    stay_id: StayId,
    correction_id: CorrectionId,
    what: Literal["approval", "refusal"],
    said: Said,
) -> Response:
    """A second person's word, about what they saw."""
    staff = door.staff_at(request, context, _CALLS[what])

    def work(by: By) -> None:
        _document(context, staff, stay_id, correction_id)
        if what == "approval":
            flow.approve(context.parts, correction_id, by, seen=said["seen"])
        else:
            asked = forms.shaped(shapes.Decision, reason=said["reason"])
            flow.refuse(context.parts, correction_id, asked.reason, by)

    def shown(why: Refused) -> Response:
        return _one(request, context, staff, stay_id, correction_id, said, why)

    where = f"/stays/{stay_id}/corrections/{correction_id}"
    return forms.step(staff, said, work, shown, where, f"correction_{what}")


def _document(context: Context, staff: Staff, stay_id: str, correction_id: str) -> flow.Correction:
    """Raises `NotFound`."""
    own(staff, stay_id, correction_id)
    with context.parts.store.reading() as connection:
        found = documents(connection, reading.site_of(correction_id), [correction_id])
    if not found or stay_id not in {found[0].stay, found[0].stay_after}:
        raise NotFound("there is no such correction, or not for you")
    return found[0]


def _one(
    request: Request,
    context: Context,
    staff: Staff,
    stay_id: str,
    correction_id: str,
    said: Entered | None = None,
    why: Refused | None = None,
) -> Response:
    """Who may not decide it sees what was worked out when it was proposed."""
    effect = None
    found = _document(context, staff, stay_id, correction_id)
    decides = found.state == "proposed" and found.by != staff.name and door.may(staff, *_CALLS["approval"])
    if decides:
        try:
            effect = flow.preview_of(context.parts, correction_id)
        except Refused as impossible:
            why = why or impossible
    return forms.form(
        request,
        staff,
        "correction.html",
        here=HERE,
        said=said,
        why=why,
        fields=("reason",),
        one=in_zone(plain(found), context.parts.settings.zone),
        decides=decides,
        effect=_shown(context, effect),
        wide=True,
    )
