"""Where the payment channels call back. Their signature is their only credential; their answer is what each of them expects.

WeChat Pay goes by the status (and reads `code` and `message` of a refusal), Alipay by the word `success` and nothing else. What is
answered with success is committed; anything else is sent again, for a day.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse, Response

from gateway.api.context import With
from gateway.flows.orders import notices
from gateway.flows.refusals import Refused

router = APIRouter(include_in_schema=False)

_HEADERS_MAX = 64


async def _body(request: Request) -> bytes:
    return await request.body()


Body = Annotated[bytes, Depends(_body)]


@router.post("/pay/{channel}/notify")
def notify(request: Request, context: With, channel: Literal["wechat", "alipay"], body: Body) -> Response:
    """A callback of a channel."""
    headers = dict(request.headers.items()[:_HEADERS_MAX])
    try:
        notices.hear(context.parts, channel, headers, body)
    except Refused as refused:
        return _refused(channel, refused)
    return PlainTextResponse("success") if channel == "alipay" else Response(status_code=204)


def _refused(channel: str, refused: Refused) -> Response:
    """No word of why to whoever forges."""
    if channel == "alipay":
        return PlainTextResponse("failure", refused.status)
    answer = {"code": "FAIL", "message": "refused"}
    return Response(msgspec.json.encode(answer), refused.status, media_type="application/json")
