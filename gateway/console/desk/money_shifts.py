"""班次: shifts and what is in their drawers: opened, counted by denomination, handed over, closed, or taken over by a manager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from billing.statements.cash import DENOMINATIONS
from gateway.api import shifts_shapes as shapes
from gateway.api.access import SUPERVISES_DRAWERS
from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByTime
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.passes import plain
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.flows import shifts_handover, shifts_reading, shifts_work
from gateway.flows.charges_books import By
from gateway.flows.refusals import Refused
from gateway.flows.shifts_books import site_of
from gateway.flows.shifts_reading import Seen
from gateway.wiring import Parts

router = APIRouter(include_in_schema=False)

HERE: Final = "shifts"
_LIST, _SEE = ("GET", "/shifts"), ("GET", "/shifts/{shift_id}")
_OPEN, _SAFE = ("POST", "/shifts"), ("POST", "/safes/{site}/moves")
# Each step at a drawer is a call of the API.
_CALLS: Final = {
    "count": ("POST", "/shifts/{shift_id}/counts"),
    "deposit": ("POST", "/shifts/{shift_id}/deposits"),
    "offer": ("POST", "/shifts/{shift_id}/handover"),
    "take_over": ("POST", "/shifts/{shift_id}/handover/confirmation"),
    "close": ("POST", "/shifts/{shift_id}/close"),
    "force": ("POST", "/shifts/{shift_id}/forced-handover"),
}
_FIELDS: Final = ("site", "drawer", "pieces", "source", "to", "into", "amount_fen", "reason")
_FACES: Final = sorted(DENOMINATIONS, reverse=True)
ShiftId = Annotated[str, Path(max_length=64)]
Site = Annotated[str, Path(max_length=40)]
What = Literal["count", "deposit", "offer", "take_over", "close", "force"]


@router.get("/money/shifts")
def shifts(
    request: Request,
    context: With,
    part: ByTime,
    *,
    site: Annotated[str, Query(max_length=40)] = "",
    state: Literal["open", "closed", "any"] = "open",
) -> Response:
    """Shifts, the newest first; for supervisors also what each safe holds."""
    staff = door.staff_at(request, context, _LIST)
    allowed = staff.only(site or None)
    wanted = None if state == "any" else state
    with context.reports.reading() as connection:
        found = shifts_reading.shifts(connection, allowed, _seen(staff), part, state=wanted)
        safes = shifts_reading.safes(connection, allowed) if door.may(staff, "GET", "/safes") else []
        known = forms.sites(connection, staff)
    listed = sliced([(key, plain(one)) for key, one in found], part.limit)
    return door.page(
        request,
        staff,
        "money_shifts.html",
        here=HERE,
        found=in_zone(listed, context.parts.settings.zone),
        safes=safes,
        sites=known,
        asked={"site": site, "state": state},
        opens=door.may(staff, *_OPEN),
        moves=door.may(staff, *_SAFE),
    )


@router.get("/money/shifts/open")
def open_form(request: Request, context: With) -> Response:
    """The form with which a shift begins."""
    staff = door.staff_at(request, context, _OPEN)
    return _open_form(request, context, staff)


@router.post("/money/shifts/open")
def open_shift(request: Request, context: With, said: Said) -> Response:
    """Open a shift with its counted float."""
    staff = door.staff_at(request, context, _OPEN)

    def work(by: By) -> str:
        asked = forms.shaped(
            shapes.ToOpen, site=said["site"], drawer=said["drawer"], pieces=_pieces(said), source=said.or_none("source")
        )
        staff.own(asked.site)
        made = shifts_work.open_at(context.parts, asked.site, asked.drawer, asked.pieces, asked.source, by, said.once)
        return f"/money/shifts/{made.shift}"

    def shown(why: Refused) -> Response:
        return _open_form(request, context, staff, said, why)

    return forms.step(staff, said, work, shown, "/money/shifts", "shift_open")


@router.get("/money/shifts/{shift_id}")
def shift(request: Request, context: With, shift_id: ShiftId) -> Response:
    """One shift with its steps, and what may be done next."""
    staff = door.staff_at(request, context, _SEE)
    found = _found(context, staff, shift_id)
    return door.page(request, staff, "money_shift.html", here=HERE, shift=found, acts=_acts(staff, found), faces=_FACES)


@router.get("/money/shifts/{shift_id}/{what}")
def step_form(request: Request, context: With, shift_id: ShiftId, what: What) -> Response:
    """The form of a step."""
    staff = door.staff_at(request, context, _CALLS[what])
    return _form(request, context, staff, shift_id, what)


@router.post("/money/shifts/{shift_id}/{what}")
def step(request: Request, context: With, shift_id: ShiftId, what: What, said: Said) -> Response:
    """A step at a drawer."""
    staff = door.staff_at(request, context, _CALLS[what])

    def work(by: By) -> None:
        with context.parts.store.reading() as connection:
            site = site_of(connection, shift_id)
        staff.own(site)
        _STEPS[what](context.parts, shift_id, said, by)

    def shown(why: Refused) -> Response:
        return _form(request, context, staff, shift_id, what, said, why)

    return forms.step(staff, said, work, shown, f"/money/shifts/{shift_id}", f"shift_{what}")


@router.get("/money/safes/{site}")
def safe_form(request: Request, context: With, site: Site) -> Response:
    """Money between the safe and the bank."""
    staff = door.staff_at(request, context, _SAFE)
    return _safe_form(request, context, staff, site)


@router.post("/money/safes/{site}")
def move_safe(request: Request, context: With, site: Site, said: Said) -> Response:
    """Bring it."""
    staff = door.staff_at(request, context, _SAFE)

    def work(by: By) -> None:
        staff.own(site)
        amount = forms.fen("amount_fen", said["amount_fen"])
        asked = forms.shaped(shapes.SafeMove, to=said["to"], amount_fen=amount, reason=said["reason"])
        shifts_work.move_safe(context.parts, site, asked.to, asked.amount_fen, asked.reason, by, said.once)

    def shown(why: Refused) -> Response:
        return _safe_form(request, context, staff, site, said, why)

    return forms.step(staff, said, work, shown, "/money/shifts", "safe_moved")


def _count(parts: Parts, shift_id: str, said: Entered, by: By) -> None:
    shifts_work.count(parts, shift_id, forms.shaped(shapes.Count, pieces=_pieces(said)).pieces, by, said.once)


def _deposit(parts: Parts, shift_id: str, said: Entered, by: By) -> None:
    asked = forms.shaped(shapes.ToDeposit, pieces=_pieces(said), to=said.or_none("to"))
    shifts_work.deposit(parts, shift_id, asked.pieces, asked.to, by, said.once)


def _offer(parts: Parts, shift_id: str, said: Entered, by: By) -> None:
    shifts_handover.offer(parts, shift_id, forms.shaped(shapes.ToHandOver, to=said["to"]).to, by, said.once)


def _take_over(parts: Parts, shift_id: str, said: Entered, by: By) -> None:
    counted = sum(int(face) * many for face, many in _pieces(said).items())
    shifts_handover.take_over(parts, shift_id, counted, by, said.once)


def _close(parts: Parts, shift_id: str, said: Entered, by: By) -> None:
    shifts_work.close(parts, shift_id, forms.shaped(shapes.ToClose, to=said.or_none("to")).to, by, said.once)


def _force(parts: Parts, shift_id: str, said: Entered, by: By) -> None:
    asked = forms.shaped(
        shapes.ToForce,
        pieces=_pieces(said),
        reason=said["reason"],
        to=said.or_none("to"),
        into=said.or_none("into"),
    )
    shifts_handover.force(
        parts, shift_id, asked.pieces, asked.reason, by, to=asked.to, into=asked.into, idempotency_key=said.once
    )


_STEPS: Final[dict[str, Callable[[Parts, str, Entered, By], None]]] = {
    "count": _count,
    "deposit": _deposit,
    "offer": _offer,
    "take_over": _take_over,
    "close": _close,
    "force": _force,
}


def _pieces(said: Entered) -> dict[str, int]:
    """How many of each coin and note; of what was left empty there is none. Raises `Invalid`."""
    return {str(face): forms.number("pieces", text) for face in _FACES if (text := said[f"pieces_{face}"])}


def _seen(staff: Staff) -> Seen:
    return Seen(staff.name, staff.role in SUPERVISES_DRAWERS)


def _found(context: Context, staff: Staff, shift_id: str) -> dict[str, Any]:
    with context.parts.store.reading() as connection:
        found = shifts_reading.shift(connection, staff.sites, _seen(staff), shift_id)
    shown: dict[str, Any] = in_zone(found, context.parts.settings.zone)
    return shown


def _acts(staff: Staff, shift: dict[str, Any]) -> list[str]:
    """What this reader may do with it next. The flow decides; this only shows no way that leads nowhere."""
    if shift["state"] != "open":
        return []
    mine = shift["cashier"] == staff.name
    counted = mine and shift["counted_fen"] is not None and shift["expected_fen"] is not None
    wanted = ["count", "deposit", *(["offer", "close"] if counted else [])] if mine else []
    if shift["offered_to"] == staff.name:
        wanted.append("take_over")
    if not mine:
        wanted.append("force")
    return [one for one in wanted if door.may(staff, *_CALLS[one])]


def _form(
    request: Request,
    context: Context,
    staff: Staff,
    shift_id: str,
    what: str,
    said: Entered | None = None,
    why: Refused | None = None,
) -> Response:
    found = _found(context, staff, shift_id)
    return forms.form(
        request,
        staff,
        "money_shift_form.html",
        here=HERE,
        said=said,
        why=why,
        fields=_FIELDS,
        shift=found,
        what=what,
        faces=_FACES,
    )


def _open_form(
    request: Request, context: Context, staff: Staff, said: Entered | None = None, why: Refused | None = None
) -> Response:
    return forms.form(
        request,
        staff,
        "money_shift_form.html",
        here=HERE,
        said=said,
        why=why,
        fields=_FIELDS,
        shift=None,
        what="open",
        site_choices=forms.site_choices(context, staff),
        faces=_FACES,
    )


def _safe_form(
    request: Request,
    context: Context,
    staff: Staff,
    site: str,
    said: Entered | None = None,
    why: Refused | None = None,
) -> Response:
    staff.own(site)
    with context.reports.reading() as connection:
        safes = shifts_reading.safes(connection, frozenset({site}))
    return forms.form(
        request, staff, "money_safe.html", here=HERE, said=said, why=why, fields=_FIELDS, site=site, safes=safes
    )
