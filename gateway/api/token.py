"""`POST /token`: a name and a password for a bearer token."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from gateway.api import shapes
from gateway.api.answers import json
from gateway.api.context import Context, With, address_of
from gateway.api.problems import CodeNeeded, WrongCode, WrongCredentials, problem
from gateway.api.sessions import LIFETIME, SharedThrottle
from gateway.flows import second_factor, users
from gateway.flows.charges_books import By
from gateway.flows.users import User
from gateway.runtime.logs import logger

router = APIRouter(tags=["sign in"])
_log = logger(__name__)


class Waiting(WrongCredentials):
    """The name or the password is wrong."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds


def sign_in(context: Context, name: str, password: str, address: str, code: str = "") -> User:
    """The user. Raises `WrongCredentials`, or `Waiting` after too many tries: the same words, so that nothing is learnt.

    Of an account with a second factor `CodeNeeded` where there is no code, `WrongCode`.
    """
    user = known(context, name, password, address)
    if user.second_factor_at is not None:
        if not code:
            raise CodeNeeded
        prove(context, user, code, address)
    return user


def known(context: Context, name: str, password: str, address: str) -> User:
    """Whose name and password these are. Raises `WrongCredentials`, `Waiting`."""
    _admitted(context.throttle, name, address, context.wall.now())
    user = users.authenticate(context.parts.store, name, password)
    if user is None:
        _log.info("login failed", name=name[:64], address=address)
        raise WrongCredentials
    context.throttle.succeeded(name, address)
    return user


def prove(context: Context, user: User, code: str, address: str) -> None:
    """Look at the code of a user whose password was right. Raises `WrongCode`, `Waiting`."""
    now = context.wall.now()
    _admitted(context.codes, user.name, "", now)
    who = By(operator=user.name, role=user.role, origin=address)
    if not second_factor.takes(context.parts, user.name, code, who, now):
        _log.warning("a right password with a wrong code", name=user.name, address=address)
        raise WrongCode
    context.codes.succeeded(user.name, "")


def _admitted(throttle: SharedThrottle, name: str, address: str, now: datetime) -> None:
    wait = throttle.begin(name, address, now)
    if wait is not None:
        raise Waiting(int(wait.total_seconds()) + 1)


@router.post("/token", responses={200: {"model": shapes.Token}})
def token(
    request: Request,
    context: With,
    username: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=200)],
    grant_type: Annotated[str | None, Form(pattern="^password$")] = None,
    code: Annotated[
        str, Form(max_length=40, description="of the second factor, where the account has one; or a recovery code")
    ] = "",
) -> Response:
    """OAuth2 password form. The token ends after 12 hours, with a new password, or when the account is disabled.

    Where the account has a second factor, the form without `code` is answered 401 `/problems/code-needed`; a code is taken once.
    """
    del grant_type
    try:
        user = sign_in(context, username, password, address_of(request), code.strip())
    except Waiting as refused:
        headers = {"WWW-Authenticate": "Bearer", "Retry-After": str(refused.seconds)}
        return problem(refused.status, refused.slug, refused.detail, headers=headers)
    return json(
        context.parts,
        {
            "access_token": context.tokens.issue(user, "api", context.wall.now()),
            "token_type": "bearer",
            "expires_in": int(LIFETIME.total_seconds()),
        },
    )
