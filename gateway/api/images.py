"""Pictures: uploaded by devices with their own accounts, looked at by staff."""

from __future__ import annotations

import time
from io import BytesIO
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from gateway.api.context import Asking, With, context_of
from gateway.api.problems import NotAPicture, NotSignedIn, problem
from gateway.flows import images
from gateway.flows.credentials import DeviceCredentials, DeviceName, basic

router = APIRouter(tags=["pictures"])

Name = Annotated[str, Path(max_length=64)]
# Twice the place that the board has for one, for screens with two dots a pixel.
SMALL = (176, 112)
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


@router.get(
    "/events/{site}/{device}/{event}/picture",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
def shown(
    staff: Asking,
    context: With,
    site: Name,
    device: Name,
    event: Name,
    *,
    size: Annotated[Literal["small"] | None, Query(description="at most 176 × 112, as lists show it")] = None,
) -> Response:
    """The picture of a read, while it is kept."""
    staff.own(site)
    with context.parts.store.reading() as connection:
        jpeg = images.of_read(connection, site, device, event)
    return as_jpeg(small(jpeg) if size == "small" else jpeg)


def small(jpeg: bytes) -> bytes:
    """The same at most `SMALL`, for a browser that shows sixty at once; as it is where it cannot be read."""
    from PIL import Image  # noqa: PLC0415 - for who looks at pictures, not for every process that starts

    made = BytesIO()
    try:
        with Image.open(BytesIO(jpeg), formats=("JPEG",)) as picture:
            picture.draft("RGB", SMALL)  # decoded at the next larger of an eighth, a quarter, a half
            picture.thumbnail(SMALL)
            picture.convert("RGB").save(made, "JPEG", quality=80)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return jpeg
    return made.getvalue()


def as_jpeg(jpeg: bytes) -> Response:
    """A picture as it is answered: nobody on the way keeps it."""
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


def _device(credentials: DeviceCredentials, given: tuple[str, str] | None, origin: str) -> DeviceName | None:
    return None if given is None else credentials.verify(*given, origin=origin, now=time.monotonic())
