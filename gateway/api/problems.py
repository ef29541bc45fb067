"""Every error is `application/problem+json` (RFC 9457), its `type` a stable reference below `/problems/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import DataError, InterfaceError, InternalError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from starlette.exceptions import HTTPException

from gateway.flows.refusals import Refused
from gateway.runtime.logs import logger
from gateway.store.trouble import AWAY, said, trouble_of

MEDIA_TYPE = "application/problem+json"
READER = "reader"
"""What a request's state has: who was let in at the page that it is for."""
_ERRORS_SHOWN_MAX = 20
# How a field is written, where its shape says so by a pattern.
_WRITTEN = {
    "month": "not a month such as 2026-03",
    "channel": "lower-case letters, digits and underscores, such as cash",
    "kind": "lower-case letters and underscores",
    "state": "not a state of this list",
    "Idempotency-Key": "printable ASCII without spaces",
}

_log = logger(__name__)


class NotSignedIn(Refused):
    """Sign in first: there is no valid token with this request."""

    status = 401
    slug = "not-signed-in"


class WrongCredentials(Refused):
    """The name or the password is wrong."""

    status = 401
    slug = "wrong-credentials"


class CodeNeeded(Refused):
    """The password is right; this account needs its code as well."""

    status = 401
    slug = "code-needed"


class WrongCode(Refused):
    """The code is wrong, or was used before; wait for the next one."""

    status = 401
    slug = "wrong-code"


class SecondFactorFirst(Refused):
    """Your role needs a second factor: set it up on your account's page before anything else."""

    status = 403
    slug = "second-factor-first"


class NotAllowed(Refused):
    """Your role does not allow this."""

    status = 403
    slug = "not-allowed"


class TooLarge(Refused):
    """The request is too large."""

    status = 413
    slug = "too-large"


class NotAPicture(Refused):
    """A picture is a JPEG."""

    status = 415
    slug = "not-a-picture"


class TooMany(Refused):
    """Too many at once; try again later."""

    status = 503
    slug = "too-many"


class TooLong(Refused):
    """It took too long; ask for less, or try again later."""

    status = 503
    slug = "too-long"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What was wrong. `refused`: what a flow said; `field`: the name of what could not be used; `most`: the bytes that a body may have; `incident`: what the log calls it."""

    status: int
    slug: str
    detail: str
    refused: Refused | None = None
    field: str = ""
    most: int = 0
    incident: str = ""


Page = Callable[[Request, Problem], Response]
"""A problem as a page, for whoever asked with a browser."""


def problem(
    status: int,
    slug: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Response:
    """One problem document."""
    document = {
        "type": f"/problems/{slug}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **(more or {}),
    }
    return Response(msgspec.json.encode(document), status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def wants_page(request: Request) -> bool:
    """Whether somebody reads the answer in a browser: of a page, not of the API. Who was let in at a page reads pages, whatever they accept."""
    if request.url.path.startswith("/api/"):
        return False
    return hasattr(request.state, READER) or "text/html" in request.headers.get("accept", "")


def install(app: FastAPI, as_page: Page) -> None:
    """Turn refusals, HTTP errors and invalid requests into problems, or into pages. What nobody foresaw is the hardening's."""

    def foreseen(of: type[Exception], told: Callable[[Any], _Told]) -> None:
        def answer(request: Request, error: Exception) -> Response:
            found, headers, more = told(error)
            if wants_page(request):
                page = as_page(request, found)
                page.headers.update(headers)
                return page
            return problem(found.status, found.slug, found.detail, headers=headers, more=more)

        app.add_exception_handler(of, answer)

    foreseen(Refused, _refused)
    foreseen(HTTPException, _http)
    foreseen(RequestValidationError, _invalid)
    for away in (OperationalError, InterfaceError, InternalError, NoConnectionLeft):
        foreseen(away, _database)
    foreseen(DataError, _unstorable)


_Told = tuple[Problem, Mapping[str, str], Mapping[str, Any]]


def _refused(error: Refused) -> _Told:
    headers = {}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "10"
    errors = getattr(error, "errors", None)  # of a file: each with its line
    # A kind that is about one field, as a list's cursor is, has no words of its own: its field is named.
    name = error.detail.partition(":")[0]
    field = name if error.general and name.isidentifier() and name != error.detail else ""
    found = Problem(status=error.status, slug=error.slug, detail=error.detail, refused=error, field=field)
    return found, headers, {"errors": errors} if errors else {}


def _http(error: HTTPException) -> _Told:
    words = {404: "there is nothing at this address", 405: "this address does not take this method"}
    slug = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    detail = words.get(error.status_code, str(error.detail))
    return Problem(status=error.status_code, slug=slug, detail=detail), error.headers or {}, {}


def _invalid(error: RequestValidationError) -> _Told:
    # What was sent is not repeated: it may be a password.
    errors = [
        {"where": ".".join(str(part) for part in found["loc"]), "what": _what(found)}
        for found in error.errors()[:_ERRORS_SHOWN_MAX]
    ]
    first = f"{errors[0]['where']}: {errors[0]['what']}" if errors else "the request cannot be used"
    field = errors[0]["where"].rpartition(".")[2] if errors else ""
    return Problem(status=422, slug="invalid", detail=first, field=field), {}, {"errors": errors}


def _what(found: Mapping[str, Any]) -> str:
    """What is wrong with a field. A pattern is no sentence: whoever typed a month is told how one is written."""
    name = str(found["loc"][-1])
    if found["type"] == "string_pattern_mismatch" and name in _WRITTEN:
        return _WRITTEN[name]
    return str(found["msg"])[:200]


def _database(error: SQLAlchemyError) -> _Told:
    trouble = trouble_of(error) or AWAY
    _log.error("the database did not take a request", trouble=trouble.kind, problem=said(error))
    slug = f"database-{trouble.kind.replace('_', '-')}"
    return Problem(status=503, slug=slug, detail=f"the database: {trouble.words}"), {"Retry-After": "5"}, {}


def _unstorable(_error: DataError) -> _Told:
    # PostgreSQL takes no NUL in a text, and no number beyond its type: nothing that we store has either.
    detail = "a value holds a character or a number that cannot be stored"
    return Problem(status=422, slug="invalid", detail=detail), {}, {}


SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "stable reference of the kind of problem"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"where": {"type": "string"}, "what": {"type": "string"}},
            },
        },
        "incident": {"type": "string", "description": "500 only: what the log calls it"},
    },
}
