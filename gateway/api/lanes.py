"""What is done for a lane: its printed code, and the calls for help from it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import BaseModel, Field

from gateway.api.answers import json
from gateway.api.context import Asking, With
from gateway.api.passes import by, plain
from gateway.api.passes_shapes import Asked, Reason
from gateway.console.qr import qr_file
from gateway.flows import help_calls
from gateway.flows.lane_pass import codes
from gateway.flows.reading import site_of

router = APIRouter(tags=["lanes"])

LaneId = Annotated[str, Path(max_length=81)]
ItemId = Annotated[str, Path(max_length=64)]
StayId = Annotated[str, Field(min_length=1, max_length=64)]


class LaneCode(BaseModel):
    lane: str
    url: str = Field(description="what the QR code at the lane says")
    generation: int
    rotated_at: datetime | None
    rotated_by: str | None


class CallAnswered(BaseModel):
    id: str
    site: str
    stay: str
    lane: str
    opened: bool
    owed_fen: int = Field(description="what the stay owes as it leaves")
    resolved_by: str | None


class OfStay(Reason):
    stay: StayId


class PayLater(Asked):
    reason: str = Field(min_length=1, max_length=2000)
    stay: StayId | None = Field(default=None, description="where the call does not say which stay")


@router.get("/lanes/{lane_id}/code", responses={200: {"model": LaneCode}})
def code(staff: Asking, context: With, lane_id: LaneId) -> Response:
    """The code to print and put up at a lane, which drivers without a plate scan to enter and to leave."""
    staff.own(site_of(lane_id))
    return json(context.parts, plain(codes.code_of(context.parts, lane_id)))


@router.get("/lanes/{lane_id}/code/picture", responses={200: {"content": {"image/svg+xml": {}}}})
def picture(staff: Asking, context: With, lane_id: LaneId) -> Response:
    """The same as a picture to print."""
    staff.own(site_of(lane_id))
    return Response(qr_file(codes.code_of(context.parts, lane_id).url), media_type="image/svg+xml")


@router.post("/lanes/{lane_id}/code/rotation", responses={200: {"model": LaneCode}})
def rotate(staff: Asking, context: With, lane_id: LaneId, asked: Reason) -> Response:
    """Make the code that hangs there invalid; the answer is the new one."""
    staff.own(site_of(lane_id))
    return json(context.parts, plain(codes.rotate(context.parts, lane_id, asked.reason, by(staff))))


@router.post("/exceptions/{item_id}/stay", responses={200: {"model": CallAnswered}})
def name_stay(staff: Asking, context: With, item_id: ItemId, asked: OfStay) -> Response:
    """Answer a call for help: the vehicle without a plate that waits at its lane is this stay. 409 where none waits."""
    staff.own(help_calls.site_of(context.parts, item_id))
    return json(context.parts, plain(help_calls.name_stay(context.parts, item_id, asked.stay, asked.reason, by(staff))))


@router.post("/exceptions/{item_id}/pay-later", responses={200: {"model": CallAnswered}})
def pay_later(staff: Asking, context: With, item_id: ItemId, asked: PayLater) -> Response:
    """Answer a call for help: the vehicle leaves owing, and its lane opens. 409 where it does not wait there, or owes nothing."""
    staff.own(help_calls.site_of(context.parts, item_id))
    return json(context.parts, plain(help_calls.pay_later(context.parts, item_id, asked.reason, by(staff), asked.stay)))
