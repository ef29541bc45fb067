"""Pictures, uploaded by devices with their own accounts."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from gateway.api.context import With, context_of
from gateway.api.problems import NotAPicture, NotSignedIn, problem
from gateway.flows import images
from gateway.flows.credentials import DeviceCredentials, DeviceName, basic

router = APIRouter(tags=["pictures"])

_JPEG_BEGINS, _JPEG_ENDS = b"\xff\xd8\xff", b"\xff\xd9"


@router.put("/images/{event_id}", status_code=201)
async def upload(
    request: Request, context: With, event_id: Annotated[str, Path(min_length=1, max_length=64)]
) -> Response:
    """A JPEG of at most 2 MiB for an event that has its receipt. 201 when stored, 204 when the same one was there already."""
    given = basic(request.headers.get("authorization", ""))
    device = await run_in_threadpool(
        _device, context.credentials, given, "" if request.client is None else request.client.host
    )
    if device is None:
        refused = NotSignedIn("a device's own account is asked for: user name {site}.{device}, HTTP Basic")
        return problem(401, refused.slug, refused.detail, headers={"WWW-Authenticate": 'Basic realm="parkgate"'})
    jpeg = await request.body()
    if not jpeg.startswith(_JPEG_BEGINS) or not jpeg.rstrip(b"\x00").endswith(_JPEG_ENDS):
        raise NotAPicture("the body is not a whole JPEG")
    new = await run_in_threadpool(images.keep, context_of(request).parts, device.site, device.device, event_id, jpeg)
    return Response(status_code=201 if new else 204)


def _device(credentials: DeviceCredentials, given: tuple[str, str] | None, origin: str) -> DeviceName | None:
    return None if given is None else credentials.verify(*given, origin=origin, now=time.monotonic())
