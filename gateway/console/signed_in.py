"""How a browser is kept signed in, and how a terminal that several people use is locked."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from fastapi import Request
from fastapi.responses import Response

from gateway.api.context import Context, Staff, context_of
from gateway.api.sessions import COOKIE, LIFETIME
from gateway.console.rendering import secure

SHARED_COOKIE = "parkgate_shared"
_SHARED_FOR = timedelta(days=365)
# A page tells of use once a minute at most: what it did not tell of yet is not to lock it.
TOLD_EVERY = timedelta(minutes=1)


def keep(request: Request, answer: Response, name: str, value: str, lifetime: timedelta) -> None:
    """A cookie out of reach of scripts and of other sites."""
    answer.set_cookie(
        name,
        value,
        max_age=int(lifetime.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=secure(request),
    )


def keep_session(request: Request, answer: Response, token: str) -> None:
    """The cookie with which this browser is signed in."""
    keep(request, answer, COOKIE, token, LIFETIME)


def rest_of(context: Context, *, shared: bool) -> timedelta | None:
    """How long a session may lie unused; None: as long as it lasts."""
    return timedelta(minutes=context.parts.settings.idle_lock_minutes) + TOLD_EVERY if shared else None


def is_shared(request: Request) -> bool:
    """Whether it was said at this browser before that several people use it."""
    return SHARED_COOKIE in request.cookies


def remember_shared(request: Request, answer: Response, *, shared: bool) -> None:
    """So that the next one is not asked again."""
    if shared:
        keep(request, answer, SHARED_COOKIE, "yes", _SHARED_FOR)
    elif is_shared(request):
        answer.delete_cookie(SHARED_COOKIE)


def used(request: Request, answer: Response) -> None:
    """The session of who asks was used just now. For one that is let in."""
    context = context_of(request)
    keep_session(request, answer, context.tokens.used(request.cookies[COOKIE], context.wall.now()))


def lock(request: Request, answer: Response) -> None:
    """The session counts no more; the form to sign in knows whose it was."""
    context = context_of(request)
    keep_session(request, answer, context.tokens.locked(request.cookies.get(COOKIE, ""), context.wall.now()))


def name_behind_lock(request: Request, context: Context) -> str | None:
    """Who has to sign in again at this browser; None where nothing is locked."""
    return context.tokens.name_behind_lock(request.cookies.get(COOKIE, ""), context.wall.now())


class Lock(NamedTuple):
    """`onward`: the page to come back to."""

    onward: str
    minutes: int | None


def lock_after(request: Request, staff: Staff) -> Lock:
    """How a page is locked; `minutes` without use where that happens by itself."""
    address = request.url
    onward = f"{address.path}?{address.query}" if address.query else address.path
    minutes = None if staff.rest is None else int((staff.rest - TOLD_EVERY) / timedelta(minutes=1))
    return Lock(onward if request.method == "GET" else "/", minutes)


def by_hand(request: Request) -> bool:
    """Whether somebody goes to a page, and no script asks for what is new on it (Fetch Metadata: `Sec-Fetch-Mode`)."""
    return request.headers.get("sec-fetch-mode", "navigate") == "navigate"


def onward(said: str) -> str:
    """A page of ours by its path, where to go after signing in; the first page for anything else."""
    return said if said.startswith("/") and not said.startswith(("//", "/\\")) and said.isprintable() else "/"
