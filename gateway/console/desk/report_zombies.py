"""僵尸车: who has not moved for long, and what is done about it."""

from __future__ import annotations

from typing import Annotated, cast, get_args

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import Response

from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.passes import by
from gateway.api.zombies import State, may_step
from gateway.console.desk import door, forms
from gateway.flows import reading, zombies
from gateway.flows.refusals import Invalid, Refused

router = APIRouter(include_in_schema=False)

_SEE = ("GET", "/zombie-vehicles")
_DO = ("POST", "/zombie-vehicles/{case_id}/steps")
_STEPS = get_args(zombies.Step)
CaseId = Annotated[str, Path(max_length=64)]
Text = Annotated[str, Query(max_length=40)]
Field = Annotated[str, Form(max_length=2000)]


@router.get("/zombies")
def listed(request: Request, context: With, part: ByTime, site: Text = "", state: Text = "") -> Response:
    """Cases, the newest found first; by default those under way."""
    staff = door.staff_at(request, context, _SEE)
    states = get_args(State)
    if state and state not in states:
        raise Invalid(f"state: one of {', '.join(states)}")
    allowed = staff.only(site or None)
    wanted = None if state == "any" else state or "open"
    with context.reports.reading() as connection:
        found = zombies.listed(connection, allowed, part, state=wanted, now=context.parts.clock.now())
        sites = forms.sites(connection, staff)
    return door.page(
        request,
        staff,
        "report_zombies.html",
        here="zombies",
        found=in_zone(sliced(found, part.limit), context.parts.settings.zone),
        sites=sites,
        names={one["id"]: one["name"] for one in sites},
        states=states,
        asked={"site": site, "state": state or "open"},
    )


@router.get("/zombies/{case_id}")
def one(request: Request, context: With, case_id: CaseId) -> Response:
    """One case, with everything that was done, and what may be done next."""
    staff = door.staff_at(request, context, ("GET", "/zombie-vehicles/{case_id}"))
    return _page(request, context, staff, case_id)


@router.post("/zombies/{case_id}")
def step(
    request: Request, context: With, case_id: CaseId, *, csrf: Field = "", step: Field = "", note: Field = ""
) -> Response:
    """Put a step on record."""
    staff = door.staff_at(request, context, _DO)
    where = f"/zombies/{case_id}"
    door.own_form(staff, csrf, "/zombies")
    try:
        staff.own(reading.site_of(case_id))
        meant = _meant(step)
        may_step(staff.role, meant)
        zombies.step(context.parts, staff.sites, case_id, meant, note, by(staff))
    except Invalid as why:
        return _page(request, context, staff, case_id, why, {"step": step, "note": note})
    return door.back_to(where, said="saved")


def _meant(step: str) -> zombies.Step:
    """Raises `Invalid`."""
    if step not in _STEPS:
        raise Invalid(f"step: one of {', '.join(_STEPS)}")
    return cast("zombies.Step", step)


def _page(
    request: Request,
    context: Context,
    staff: Staff,
    case_id: str,
    why: Refused | None = None,
    entered: dict[str, str] | None = None,
) -> Response:
    staff.own(reading.site_of(case_id))
    with context.parts.store.reading() as connection:
        found = zombies.one(connection, staff.sites, case_id, context.parts.clock.now())
    steps = [one for one in _STEPS if one != "towed" or staff.role == "manager"]
    may = door.may(staff, *_DO) and found["ended_at"] is None
    return door.page(
        request,
        staff,
        "report_zombie.html",
        200 if why is None else why.status,
        here="zombies",
        case=in_zone(found, context.parts.settings.zone),
        steps=steps if may else [],
        errors={} if why is None else door.at_fields(why, ("step", "note")),
        entered=entered or {"step": "notice", "note": ""},
    )
