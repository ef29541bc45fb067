"""Every error is `application/problem+json` (RFC 9457), its `type` a stable reference below `/problems/`."""

from __future__ import annotations

from collections.abc import Mapping
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


def install(app: FastAPI) -> None:
    """Turn refusals, HTTP errors and invalid requests into problems. What nobody foresaw is the hardening's."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    for away in (OperationalError, InterfaceError, InternalError, NoConnectionLeft):
        app.add_exception_handler(away, _database)
    app.add_exception_handler(DataError, _unstorable)


def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    headers = {}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "10"
    errors = getattr(error, "errors", None)  # of a file: each with its line
    return problem(error.status, error.slug, error.detail, headers=headers, more={"errors": errors} if errors else None)


def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: "there is nothing at this address", 405: "this address does not take this method"}
    slug = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return problem(error.status_code, slug, words.get(error.status_code, str(error.detail)), headers=error.headers)


def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # What was sent is not repeated: it may be a password.
    errors = [
        {"where": ".".join(str(part) for part in found["loc"]), "what": _what(found)}
        for found in error.errors()[:_ERRORS_SHOWN_MAX]
    ]
    first = f"{errors[0]['where']}: {errors[0]['what']}" if errors else "the request cannot be used"
    return problem(422, "invalid", first, more={"errors": errors})


def _what(found: Mapping[str, Any]) -> str:
    """What is wrong with a field. A pattern is no sentence: whoever typed a month is told how one is written."""
    name = str(found["loc"][-1])
    if found["type"] == "string_pattern_mismatch" and name in _WRITTEN:
        return _WRITTEN[name]
    return str(found["msg"])[:200]


def _database(_request: Request, error: Exception) -> Response:
    assert isinstance(error, SQLAlchemyError)
    trouble = trouble_of(error) or AWAY
    _log.error("the database did not take a request", trouble=trouble.kind, problem=said(error))
    slug = f"database-{trouble.kind.replace('_', '-')}"
    return problem(503, slug, f"the database: {trouble.words}", headers={"Retry-After": "5"})


def _unstorable(_request: Request, _error: Exception) -> Response:
    # PostgreSQL takes no NUL in a text, and no number beyond its type: nothing that we store has either.
    return problem(422, "invalid", "a value holds a character or a number that cannot be stored")


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
