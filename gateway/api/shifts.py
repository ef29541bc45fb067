"""班次: shifts, what is in the drawers, handovers, and the safe of each site."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from gateway.api import shifts_shapes as shapes
from gateway.api.access import SUPERVISES_DRAWERS
from gateway.api.answers import Key, SiteName, json
from gateway.api.context import Asking, Context, Staff, With
from gateway.api.lists import ByTime, ListOf, page
from gateway.api.passes import by, plain
from gateway.flows import shifts_handover, shifts_reading, shifts_work
from gateway.flows.shifts_books import site_of
from gateway.flows.shifts_reading import Seen

router = APIRouter(tags=["shifts"])

ShiftId = Annotated[str, Path(max_length=64)]
Site = Annotated[str, Path(max_length=40)]


def _seen(staff: Staff) -> Seen:
    return Seen(staff.name, staff.role in SUPERVISES_DRAWERS)


def _own(staff: Staff, context: Context, shift_id: str) -> None:
    """Raises `NotFound` for a shift of another's site."""
    with context.parts.store.reading() as connection:
        site = site_of(connection, shift_id)
    staff.own(site)


@router.get("/shifts", responses={200: {"model": ListOf[shapes.Shift]}})
def shifts(
    staff: Asking,
    context: With,
    part: ByTime,
    *,
    site: SiteName = None,
    state: Annotated[Literal["open", "closed"] | None, Query()] = None,
    cashier: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Shifts, newest first, with what should be in each drawer: a supervisor reads all amounts, a till those of its own."""
    with context.reports.reading() as connection:
        found = shifts_reading.shifts(connection, staff.only(site), _seen(staff), part, state=state, cashier=cashier)
    return json(context.parts, page([(key, plain(one)) for key, one in found], part.limit))


@router.post("/shifts", status_code=201, responses={201: {"model": shapes.Step}})
def open_shift(staff: Asking, context: With, asked: shapes.ToOpen, key: Key = None) -> Response:
    """Open a shift at a drawer with its counted float. 409 if you have one open at the site, or the drawer has."""
    staff.own(asked.site)
    made = shifts_work.open_at(context.parts, asked.site, asked.drawer, asked.pieces, asked.source, by(staff), key)
    return json(context.parts, plain(made), 201)


@router.get("/shifts/{shift_id}", responses={200: {"model": shapes.WholeShift}})
def shift(staff: Asking, context: With, shift_id: ShiftId) -> Response:
    """One shift with its steps."""
    with context.parts.store.reading() as connection:
        found = shifts_reading.shift(connection, staff.sites, _seen(staff), shift_id)
    return json(context.parts, found)


@router.post("/shifts/{shift_id}/counts", status_code=201, responses={201: {"model": shapes.Step}})
def count(staff: Asking, context: With, shift_id: ShiftId, asked: shapes.Count, key: Key = None) -> Response:
    """Say what is in the drawer; the answer says what should be. Every count is kept."""
    _own(staff, context, shift_id)
    return json(context.parts, plain(shifts_work.count(context.parts, shift_id, asked.pieces, by(staff), key)), 201)


@router.post("/shifts/{shift_id}/deposits", status_code=201, responses={201: {"model": shapes.Step}})
def deposit(staff: Asking, context: With, shift_id: ShiftId, asked: shapes.ToDeposit, key: Key = None) -> Response:
    """Bring money into the safe or to the bank while the shift goes on."""
    _own(staff, context, shift_id)
    made = shifts_work.deposit(context.parts, shift_id, asked.pieces, asked.to, by(staff), key)
    return json(context.parts, plain(made), 201)


@router.post("/shifts/{shift_id}/handover", responses={200: {"model": shapes.Step}})
def hand_over(staff: Asking, context: With, shift_id: ShiftId, asked: shapes.ToHandOver, key: Key = None) -> Response:
    """Hand the drawer to another cashier as it was just counted. 409 if it was not, or money has moved since."""
    _own(staff, context, shift_id)
    return json(context.parts, plain(shifts_handover.offer(context.parts, shift_id, asked.to, by(staff), key)))


@router.post("/shifts/{shift_id}/handover/confirmation", responses={200: {"model": shapes.Step}})
def take_over(staff: Asking, context: With, shift_id: ShiftId, asked: shapes.ToTakeOver, key: Key = None) -> Response:
    """Take over what was handed to you: `next_shift` is yours. 409 if it is not the amount that was counted."""
    _own(staff, context, shift_id)
    made = shifts_handover.take_over(context.parts, shift_id, asked.amount_fen, by(staff), key)
    return json(context.parts, plain(made))


@router.post("/shifts/{shift_id}/forced-handover", responses={200: {"model": shapes.Step}})
def force(staff: Asking, context: With, shift_id: ShiftId, asked: shapes.ToForce, key: Key = None) -> Response:
    """Count the drawer of a cashier who has left, and hand it to another or close it. 409 for one's own."""
    _own(staff, context, shift_id)
    made = shifts_handover.force(
        context.parts,
        shift_id,
        asked.pieces,
        asked.reason,
        by(staff),
        to=asked.to,
        into=asked.into,
        idempotency_key=key,
    )
    return json(context.parts, plain(made))


@router.post("/shifts/{shift_id}/close", responses={200: {"model": shapes.Step}})
def close(staff: Asking, context: With, shift_id: ShiftId, asked: shapes.ToClose, key: Key = None) -> Response:
    """Close by the last count: all of it goes into the safe or to the bank. 409 if it was not counted, or money has moved since."""
    _own(staff, context, shift_id)
    return json(context.parts, plain(shifts_work.close(context.parts, shift_id, asked.to, by(staff), key)))


@router.get("/safes", responses={200: {"model": ListOf[shapes.Safe]}})
def safes(staff: Asking, context: With, site: SiteName = None) -> Response:
    """What is in the safe of each site."""
    with context.reports.reading() as connection:
        found = shifts_reading.safes(connection, staff.only(site))
    return json(context.parts, {"items": found, "next": None})


@router.post("/safes/{site}/moves", status_code=201, responses={201: {"model": shapes.Step}})
def move_safe(staff: Asking, context: With, site: Site, asked: shapes.SafeMove, key: Key = None) -> Response:
    """Bring money from the safe to the bank, or back. 409 if the safe does not hold so much."""
    staff.own(site)
    made = shifts_work.move_safe(context.parts, site, asked.to, asked.amount_fen, asked.reason, by(staff), key)
    return json(context.parts, plain(made), 201)
