"""`POST /token`: a name and a password for a bearer token."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from gateway.api import shapes
from gateway.api.answers import json
from gateway.api.context import Context, With, address_of
from gateway.api.problems import WrongCredentials, problem
from gateway.api.sessions import LIFETIME
from gateway.flows import users
from gateway.flows.users import User
from gateway.runtime.logs import logger

router = APIRouter(tags=["sign in"])
_log = logger(__name__)


class Waiting(WrongCredentials):
    """The name or the password is wrong."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds


def sign_in(context: Context, name: str, password: str, address: str) -> User:
    """The user. Raises `WrongCredentials`, or `Waiting` after too many failures: the same words, so that nothing is learnt."""
    now = context.wall.now()
    wait = context.throttle.closed_for(name, address, now)
    if wait is not None:
        raise Waiting(int(wait.total_seconds()) + 1)
    user = users.authenticate(context.parts.store, name, password)
    if user is None:
        context.throttle.failed(name, address, now)
        _log.info("login failed", name=name[:64], address=address)
        raise WrongCredentials
    context.throttle.succeeded(name, address)
    return user


@router.post("/token", responses={200: {"model": shapes.Token}})
def token(
    request: Request,
    context: With,
    username: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=200)],
    grant_type: Annotated[str | None, Form(pattern="^password$")] = None,
) -> Response:
    """OAuth2 password form. The token ends after 12 hours, with a new password, or when the account is disabled."""
    del grant_type
    try:
        user = sign_in(context, username, password, address_of(request))
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
