"""The own stay, found at a lane's code by plate and time of entry: it leads to the pay page. Nobody tries many."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import RedirectResponse, Response

from controllers.plate import normalise
from gateway.api.context import Context, With, address_of
from gateway.console.rendering import render
from gateway.flows import own_stay
from gateway.flows.lane_pass import codes
from gateway.flows.pay_token import token as pay_token
from gateway.flows.refusals import Invalid

router = APIRouter(include_in_schema=False)

Token = Annotated[str, Path(max_length=200)]
Text = Annotated[str, Form(max_length=40)]
_ANY = "any"


@router.get("/lane/{token}/stay")
def form(request: Request, context: With, token: Token) -> Response:
    """What is asked for."""
    if codes.lane_of(context.parts, token) is None:
        return render(request, "notice.html", 404, staff=None, message="lane.gone")
    return _page(request, context, token)


@router.post("/lane/{token}/stay")
def look(request: Request, context: With, token: Token, plate: Text = "", day: Text = "", clock: Text = "") -> Response:
    """To the pay page where both fit. A plate that is not here and a time that does not fit are answered alike."""
    lane = codes.lane_of(context.parts, token)
    if lane is None:
        return render(request, "notice.html", 404, staff=None, message="lane.gone")
    site, said = lane[0], {"plate": plate, "day": day, "clock": clock}
    came_at = _instant(context, day, clock)
    if came_at is None:
        return _page(request, context, token, "time", 422, said)
    # The plate as it is looked for: other spellings of it are no further tries.
    vehicle, address, now = f"{site}:{normalise(plate) or ''}", address_of(request), context.wall.now()
    of_plate, of_address = context.stay_guesses, context.stay_guesses_of_address
    if of_plate.closed_for(vehicle, _ANY, now) or of_address.closed_for(_ANY, address, now):
        return _page(request, context, token, "wait", 429, said)
    try:
        found = own_stay.find(context.parts, site, plate, came_at)
    except Invalid:
        return _page(request, context, token, "plate", 422, said)
    if found is None:
        of_plate.failed(vehicle, _ANY, now)
        of_address.failed(_ANY, address, now)
        return _page(request, context, token, "nothing", 404, said)
    return RedirectResponse(f"/pay/{pay_token(context.parts.settings.secret(), found)}", 303)


def _instant(context: Context, day: str, clock: str) -> datetime | None:
    try:
        return datetime.strptime(f"{day} {clock[:5]}", "%Y-%m-%d %H:%M").replace(tzinfo=context.parts.settings.zone)
    except ValueError:
        return None


def _page(
    request: Request,
    context: Context,
    token: str,
    notice: str | None = None,
    status: int = 200,
    said: dict[str, str] | None = None,
) -> Response:
    today = context.parts.clock.now().astimezone(context.parts.settings.zone).date().isoformat()
    begun = {"plate": "", "day": today, "clock": ""}
    return render(
        request, "own_stay.html", status, page=f"/lane/{token}", notice=notice, said=said or begun, latest=today
    )
