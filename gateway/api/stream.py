"""`GET /live`: lanes, exceptions, money and emergencies of the moment, as server-sent events."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from gateway.api.context import Asking, With

router = APIRouter(tags=["live"])


@router.get("/live", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def live(
    staff: Asking,
    context: With,
    *,
    only: Annotated[Literal["emergencies"] | None, Query(description="leave the board out")] = None,
) -> StreamingResponse:
    """`snapshot` with the whole board, then `change` with what is new, and `clock` every 5 s.

    A lane in `change` replaces the one with its id; `sites`, `exceptions`, `money` and `emergencies` are whole. `"all": true` replaces all.
    """
    stream = await context.hub.watch(staff.sites, staff.name, whole=only is None)
    headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)
