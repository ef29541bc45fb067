"""`GET /live`: lanes, exceptions, money and emergencies of the moment, as server-sent events. `GET /live/emergencies`: these alone, for everybody."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from gateway.api.context import Asking, Context, Staff, With

router = APIRouter(tags=["live"])

_STREAM: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/event-stream": {}}}}


@router.get("/live", response_class=StreamingResponse, responses=_STREAM)
async def live(staff: Asking, context: With) -> StreamingResponse:
    """`snapshot` with the whole board, then `change` with what is new, and `clock` every 5 s.

    A lane in `change` replaces the one with its id; `sites`, `exceptions`, `money` and `emergencies` are whole. `"all": true` replaces all.
    """
    return await _stream(context, staff, whole=True)


@router.get("/live/emergencies", response_class=StreamingResponse, responses=_STREAM)
async def live_emergencies(staff: Asking, context: With) -> StreamingResponse:
    """As `GET /live`, with `emergencies` alone: what stands at the sites of the account, which every page says to everybody."""
    return await _stream(context, staff, whole=False)


async def _stream(context: Context, staff: Staff, *, whole: bool) -> StreamingResponse:
    stream = await context.hub.watch(staff.sites, staff.name, whole=whole)
    headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)
