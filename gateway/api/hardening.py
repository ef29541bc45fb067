"""Around every request: a bound on its body, security headers on its answer, and no traceback whatever happens."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.access import PREFIX
from gateway.api.problems import Page, Problem, problem, wants_page
from gateway.flows.registers_rows import KINDS
from gateway.runtime.ids import random_token
from gateway.runtime.logs import logger

BODY_BYTES_MAX = 64 * 1024
PICTURE_BYTES_MAX = 2 * 1024 * 1024
REGISTER_BYTES_MAX = 16 * 1024 * 1024
STATEMENT_BYTES_MAX = 32 * 1024 * 1024
_PICTURES = "/api/v1/images/"
# By the API, and by the console's forms.
_REGISTER_FILES = frozenset(f"{where}/{kind}/import" for kind in KINDS for where in (PREFIX, "/registers"))
_STATEMENT_FILES = frozenset({f"{PREFIX}/statements/import", "/money/statements/import"})

_log = logger(__name__)

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class _TooLong(Exception):
    """The body went on beyond its bound."""


class Hardening:
    """Pure ASGI, so that streams pass through it unbuffered."""

    def __init__(self, app: ASGIApp, as_page: Page) -> None:
        self._app = app
        self._as_page = as_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = _most(scope["path"])
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _dress(scope, message)
            await send(message)

        async def answer(found: Problem, headers: dict[str, str]) -> None:
            request = Request(scope)
            if wants_page(request):
                told = await run_in_threadpool(self._as_page, request, found)
                told.headers.update(headers)
            else:
                more = {"incident": found.incident} if found.incident else None
                told = problem(found.status, found.slug, found.detail, headers=headers, more=more)
            await told(scope, receive, sending)

        async def too_long() -> None:
            words = f"a request here has at most {most} bytes"
            await answer(Problem(status=413, slug="too-large", detail=words, most=most), {"Connection": "close"})

        if _announced(scope) > most:
            await too_long()
            return
        try:
            await self._app(scope, _bounded(receive, most), sending)
        except _TooLong:
            if not started:
                await too_long()
        except Exception:
            incident = random_token(9)
            _log.exception(
                "request failed", incident=incident, method=scope["method"], path=_without_tokens(scope["path"])
            )
            if started:
                raise  # half an answer is out: the connection has to break
            words = f"this is our fault; incident {incident}"
            await answer(Problem(status=500, slug="internal", detail=words, incident=incident), {})


def _most(path: str) -> int:
    """What a body here may have. The large ones are read by routes that have looked who sends them."""
    if path.startswith(_PICTURES):
        return PICTURE_BYTES_MAX
    if path in _STATEMENT_FILES:
        return STATEMENT_BYTES_MAX
    return REGISTER_BYTES_MAX if path in _REGISTER_FILES else BODY_BYTES_MAX


def _announced(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "0")
    return int(length) if length.isdecimal() and len(length) < 19 else 0


def _bounded(receive: Receive, most: int) -> Receive:
    seen = 0

    async def receiving() -> MutableMapping[str, Any]:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise _TooLong
        return message

    return receiving


def _dress(scope: Scope, message: Message) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    if not scope["path"].startswith("/static/"):
        headers.setdefault("Cache-Control", "no-store")


def _without_tokens(path: str) -> str:
    """A pay page's address is its key; a lane's code is printed, and still nobody's to read in a log."""
    return next((f"{page}…" for page in ("/pay/", "/lane/") if path.startswith(page)), path[:200])
