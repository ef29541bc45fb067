"""Signing in, and the lane board. The working pages: `gateway.console.desk`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from gateway.api.context import Context, With, address_of, holder, staff_of
from gateway.api.problems import WrongCode, WrongCredentials
from gateway.api.sessions import COOKIE, FORM_COOKIE, same
from gateway.api.token import Waiting, known, prove
from gateway.console import signed_in
from gateway.console.desk import door
from gateway.console.rendering import render
from gateway.console.words import BARRIER_ICONS
from gateway.flows.users import User
from gateway.runtime.ids import random_token

router = APIRouter(include_in_schema=False)

HALF_COOKIE, HALF_WAY = "parkgate_half", timedelta(minutes=5)
VIEWS = ("cards", "map", "list")
_OURS = re.compile(r"[\w-]{24}", re.ASCII)
Text = Annotated[str, Form(max_length=200)]
Address = Annotated[str, Form(max_length=500)]


@router.get("/login")
def login_form(request: Request, context: With, onward: Annotated[str, Query(max_length=500)] = "") -> Response:
    """The form, with a token that only this browser has. `onward`: from where a terminal was locked."""
    return _form(request, context, onward=onward)


@router.post("/login")
def login(
    request: Request,
    context: With,
    *,
    username: Text = "",
    password: Text = "",
    csrf: Text = "",
    onward: Address = "",
    shared: Annotated[bool, Form()] = False,
) -> Response:
    """Sign in with a cookie; back to the form with a word where that fails, on to the code where the account has a second factor."""
    if not csrf or not same(csrf, request.cookies.get(FORM_COOKIE, "")):
        return _form(request, context, "expired", 403)
    try:
        user = known(context, username, password, address_of(request))
    except Waiting:
        return _form(request, context, "wait", 401, username, onward=onward, shared=shared)
    except WrongCredentials:
        return _form(request, context, "wrong", 401, username, onward=onward, shared=shared)
    if user.second_factor_at is None:
        return _signed_in(request, context, user, shared, onward)
    answer = _code_form(request, onward)
    half = context.tokens.issue(user, "code", context.wall.now(), HALF_WAY)
    signed_in.keep(request, answer, HALF_COOKIE, half, HALF_WAY)
    signed_in.remember_shared(request, answer, shared=shared)
    return answer


@router.post("/login/code")
def login_code(request: Request, context: With, code: Text = "", csrf: Text = "", onward: Address = "") -> Response:
    """The second step: the phone's code, or a recovery code."""
    if not csrf or not same(csrf, request.cookies.get(FORM_COOKIE, "")):
        return _form(request, context, "expired", 403)
    claims = context.tokens.read(request.cookies.get(HALF_COOKIE, ""), "code", context.wall.now())
    user = None if claims is None else holder(context, claims)
    if user is None:
        return _form(request, context, "expired", 403)
    try:
        prove(context, user, code, address_of(request))
    except Waiting:
        return _code_form(request, onward, "wait", 401)
    except WrongCode:
        return _code_form(request, onward, "wrong_code", 401)
    return _signed_in(request, context, user, signed_in.is_shared(request), onward)


@router.post("/logout")
def logout(request: Request, context: With, csrf: Text = "") -> Response:
    """Sign out. A wrong token changes nothing: no other page can end a session."""
    staff = staff_of(request, context)
    answer = RedirectResponse("/login", 303)
    if staff is not None and staff.csrf is not None and not same(csrf, staff.csrf):
        return RedirectResponse("/", 303)
    answer.delete_cookie(COOKIE)
    return answer


@router.post("/lock")
def lock(request: Request, context: With, csrf: Text = "", onward: Address = "") -> Response:
    """Lock this terminal: by hand, or because nobody used it. Whoever signs in again as the same person goes on where they were."""
    staff = staff_of(request, context)
    if staff is not None and staff.csrf is not None and not same(csrf, staff.csrf):
        return RedirectResponse("/", 303)
    answer = door.back_to("/login", onward=signed_in.onward(onward))
    if staff is not None:
        signed_in.lock(request, answer)
    return answer


@router.post("/used")
def used(request: Request, context: With, csrf: Text = "") -> Response:
    """Somebody does something on a page of a shared terminal, and asks for none."""
    staff = door.staff_at(request, context)
    door.own_form(staff, csrf, "/")
    answer = Response(status_code=204)
    signed_in.used(request, answer)
    return answer


@router.get("/")
def lane_board(request: Request, context: With) -> Response:
    """Every lane of the sites that the user may see. Complete without script, live with it. Others are led to their first page."""
    staff = door.staff_at(request, context)
    if not door.may(staff, "GET", "/live"):
        return RedirectResponse(door.first_page(staff), 303)
    board = context.hub.snapshot(staff.sites)
    lanes_of: dict[str, list[dict[str, object]]] = {}
    for lane in board["lanes"]:
        lanes_of.setdefault(lane["site"], []).append(lane)
    asked = request.query_params.get("view", "")
    view = asked if asked in VIEWS else VIEWS[0]
    return door.page(
        request,
        staff,
        "board.html",
        here="board",
        view=view,
        views=VIEWS,
        board=board,
        lanes_of=lanes_of,
        looks=door.may(staff, "GET", "/events/{site}/{device}/{event}/picture"),
        icons=BARRIER_ICONS,
    )


def _signed_in(request: Request, context: Context, user: User, shared: bool, onward: str) -> Response:
    # Where somebody else takes over a locked terminal, the page of who was there before is not theirs.
    again = signed_in.name_behind_lock(request, context) == user.name
    answer = RedirectResponse(signed_in.onward(onward) if again else "/", 303)
    rest = signed_in.rest_of(context, shared=shared)
    signed_in.keep_session(request, answer, context.tokens.issue(user, "console", context.wall.now(), rest=rest))
    for over in (FORM_COOKIE, HALF_COOKIE):
        answer.delete_cookie(over)
    signed_in.remember_shared(request, answer, shared=shared)
    return answer


def _form(
    request: Request,
    context: Context,
    message: str | None = None,
    status: int = 200,
    username: str = "",
    *,
    onward: str = "",
    shared: bool | None = None,
) -> Response:
    locked = signed_in.name_behind_lock(request, context)
    return _with_csrf(
        request,
        "login.html",
        status,
        message=message or ("locked" if locked else None),
        username=username or locked or "",
        onward=onward,
        shared=signed_in.is_shared(request) if shared is None else shared,
        minutes=context.parts.settings.idle_lock_minutes,
    )


def _code_form(request: Request, onward: str, message: str | None = None, status: int = 200) -> Response:
    return _with_csrf(request, "login_code.html", status, message=message, onward=onward)


def _with_csrf(request: Request, template: str, status: int, **values: object) -> Response:
    # One for all tabs: locked together they all come to this form, and none is to spoil another's.
    kept = request.cookies.get(FORM_COOKIE, "")
    csrf = kept if _OURS.fullmatch(kept) else random_token(18)
    answer = render(request, template, status, csrf=csrf, **values)
    signed_in.keep(request, answer, FORM_COOKIE, csrf, timedelta(hours=1))
    return answer
