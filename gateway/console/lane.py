"""The page behind the code printed at a lane: in and out for vehicles without a plate, and a call for help.

Looking changes nothing. What a phone may do stands in two cookies: a scan, for minutes, and with which vehicle it came.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Request
from fastapi.responses import RedirectResponse, Response

from gateway.api.context import Context, With, address_of
from gateway.console.rendering import render, secure
from gateway.flows import help_calls
from gateway.flows.lane_pass import claiming, codes
from gateway.flows.lane_pass.refusals import NoStay, ScanOver
from gateway.flows.pay_token import token as pay_token
from gateway.flows.refusals import Refused

router = APIRouter(include_in_schema=False)

Token = Annotated[str, Path(max_length=200)]
SCAN_COOKIE, PHONE_COOKIE = "parkgate_scan", "parkgate_vehicle"
_ANY = "any"


class _Scene(msgspec.Struct):
    """Who asks, and where. `scan` is what the phone has, or has been given now; `came`: the vehicle that it came with."""

    request: Request
    context: Context
    token: str
    site: str
    lane: str
    came: str | None
    scan: str

    @property
    def may_name(self) -> str | None:
        return codes.scanned(self.context.parts, self.site, self.lane, self.scan)


@router.get("/lane/{token}")
def lane(request: Request, context: With, token: Token) -> Response:
    """What stands at the lane, and what this phone may do about it."""
    scene = _scene(request, context, token)
    if scene is None:
        return render(request, "notice.html", 404, staff=None, message="lane.gone")
    if scene.may_name is None:
        scene.scan = codes.new_scan(context.parts, scene.site, scene.lane)
    return _page(scene)


@router.post("/lane/{token}")
def go(request: Request, context: With, token: Token) -> Response:
    """Say that it is this phone's vehicle that waits: in, or out."""
    scene = _scene(request, context, token)
    if scene is None:
        return render(request, "notice.html", 404, staff=None, message="lane.gone")
    address, now = address_of(request), context.wall.now()
    if context.lane_refusals.closed_for(_ANY, address, now):
        return _page(scene, "wait", 429)
    try:
        claimed = _claim(scene)
    except Refused as refused:
        context.lane_refusals.failed(_ANY, address, now)
        # The scan was of no use: the next try is another.
        scene.scan = codes.new_scan(context.parts, scene.site, scene.lane)
        return _page(scene, refused.slug if refused.slug in _WORDS else "nobody-waits", refused.status)
    scene.came = claimed.plate
    if not claimed.inward and claimed.due_fen > 0 and claimed.stay is not None:
        return RedirectResponse(f"/pay/{pay_token(context.parts.settings.secret(), claimed.stay)}", 303)
    return _page(scene)


@router.post("/lane/{token}/help")
def call(request: Request, context: With, token: Token) -> Response:
    """Call a member of staff to the lane."""
    scene = _scene(request, context, token)
    if scene is None:
        return render(request, "notice.html", 404, staff=None, message="lane.gone")
    address, now = address_of(request), context.wall.now()
    if context.help_calls.closed_for(_ANY, address, now):
        return _page(scene, "calls", 429)
    context.help_calls.failed(_ANY, address, now)
    help_calls.call_from_lane(context.parts, scene.site, scene.lane, scene.came)
    return _page(scene, "called")


_OF_HELP = frozenset({"called", "calls"})
_WORDS = frozenset({"nobody-waits", "claimed-before", "scan-over", "no-stay"})


def _scene(request: Request, context: Context, token: str) -> _Scene | None:
    found = codes.lane_of(context.parts, token)
    if found is None:
        return None
    phone = codes.phone_of(context.parts, request.cookies.get(PHONE_COOKIE, ""))
    came = phone.plate if phone is not None and phone.site == found[0] else None
    return _Scene(request, context, token, *found, came, request.cookies.get(SCAN_COOKIE, ""))


def _claim(scene: _Scene) -> claiming.Claimed:
    parts = scene.context.parts
    driver = msgspec.structs.replace(claiming.DRIVER, origin=address_of(scene.request))
    if claiming.look(parts, scene.site, scene.lane).inward:
        name = scene.may_name
        if name is None:
            raise ScanOver
        return claiming.enter(parts, scene.site, scene.lane, name, driver)
    if scene.came is None:
        raise NoStay
    return claiming.leave(parts, scene.site, scene.lane, scene.came, driver)


def _page(scene: _Scene, notice: str | None = None, status: int = 200) -> Response:
    parts, name = scene.context.parts, scene.may_name
    seen = claiming.look(parts, scene.site, scene.lane, *(one for one in (scene.came, name) if one is not None))
    mine = seen.mine
    if mine is not None and mine.plate == name:
        scene.came = name  # an answer was lost on its way: the phone came with this vehicle
    inside = None if scene.came is None else claiming.inside(parts, scene.site, scene.came)
    owing = mine is not None and not mine.inward and mine.due_fen > 0 and not mine.opened
    answer = render(
        scene.request,
        "lane.html",
        status,
        page=f"/lane/{scene.token}",
        inward=seen.inward,
        waits=seen.waits,
        mine=mine,
        inside=inside,
        pay=f"/pay/{pay_token(parts.settings.secret(), mine.stay)}" if owing and mine and mine.stay else None,
        since=None if inside is None else inside.astimezone(parts.settings.zone),
        notice=None if notice in _OF_HELP else notice,
        help_notice=notice if notice in _OF_HELP else None,
    )
    _keep(scene, answer)
    return answer


def _keep(scene: _Scene, answer: Response) -> None:
    kept = {SCAN_COOKIE: (scene.scan, codes.SCAN_FOR)}
    if scene.came is not None:
        phone = codes.Phone(scene.site, scene.came)
        kept[PHONE_COOKIE] = (codes.phone_token(scene.context.parts, phone), codes.PHONE_FOR)
    for name, (value, longest) in kept.items():
        answer.set_cookie(
            name,
            value,
            max_age=int(longest.total_seconds()),
            path="/lane",
            httponly=True,
            samesite="lax",
            secure=secure(scene.request),
        )
