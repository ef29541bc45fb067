"""The console's style sheets and scripts: few and small, held in memory, and answered before anything else is looked at.

`/static/{version}/{name}` has the content's hash in its address, so that a browser asks once and never again; scripts name each other relatively,
and so within their version. `/static/{name}` is the same, asked for anew each time.
"""

from __future__ import annotations

import gzip
import re
from functools import cache
from hashlib import sha256
from importlib.resources import files
from mimetypes import guess_type
from typing import Final, NamedTuple

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

_WHERE: Final = re.compile(r"/static/(?:(?P<version>[0-9a-f]{12})/)?(?P<name>[\w.-]+)", re.ASCII)
_KEPT: Final = "public, max-age=31536000, immutable"
# Of another version than ours: of a page from before or after an upgrade. What we have is better than nothing, and not to be kept.
_ASKED_ANEW: Final = "no-cache"


class Asset(NamedTuple):
    """`packed`: with gzip."""

    media_type: str
    body: bytes
    packed: bytes
    etag: str


@cache
def _held() -> tuple[str, dict[str, Asset]]:
    found: dict[str, Asset] = {}
    for file in sorted((files("gateway.console") / "static").iterdir(), key=lambda one: one.name):
        body = file.read_bytes()
        media_type = guess_type(file.name)[0] or "application/octet-stream"
        etag = sha256(body).hexdigest()[:16]
        found[file.name] = Asset(media_type, body, gzip.compress(body, mtime=0), etag)
    names = "\n".join(f"{name} {asset.etag}" for name, asset in found.items())
    return sha256(names.encode()).hexdigest()[:12], found


def where() -> str:
    """Below which address a page finds them."""
    return f"/static/{_held()[0]}"


class Assets:
    """Pure ASGI, around the application: its hundreds of routes are not looked through, and no thread is waited for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _WHERE.fullmatch(scope["path"]) if scope["type"] == "http" else None
        version, held = _held()
        asset = held.get(asked["name"]) if asked and scope["method"] in {"GET", "HEAD"} else None
        if asked is None or asset is None:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        packs = "gzip" in headers.get("accept-encoding", "")
        etag = f'"{asset.etag}{"-gzip" if packs else ""}"'
        more = {
            "Cache-Control": _KEPT if asked["version"] == version else _ASKED_ANEW,
            "ETag": etag,
            "Vary": "Accept-Encoding",
        }
        if etag in headers.get("if-none-match", ""):
            answer = Response(status_code=304, headers=more)
        else:
            more |= {"Content-Encoding": "gzip"} if packs else {}
            answer = Response(asset.packed if packs else asset.body, media_type=asset.media_type, headers=more)
        await answer(scope, receive, send)
