"""Signing in, and the lane board. The working pages: `gateway.console.desk`."""

from __future__ import annotations

from datetime import timedelta
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, FastAPI, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from gateway.api.context import Context, With, address_of, holder, staff_of
from gateway.api.problems import WrongCode, WrongCredentials
from gateway.api.sessions import COOKIE, FORM_COOKIE, LIFETIME, same
from gateway.api.token import Waiting, known, prove
from gateway.console.desk import door
from gateway.console.rendering import render, secure
from gateway.console.words import BARRIER_ICONS
from gateway.flows.users import User
from gateway.runtime.ids import random_token

router = APIRouter(include_in_schema=False)

HALF_COOKIE, HALF_WAY = "parkgate_half", timedelta(minutes=5)
VIEWS = ("cards", "map", "list")
Text = Annotated[str, Form(max_length=200)]


def mount_static(app: FastAPI) -> None:
    """Serve the console's style sheet and scripts."""
    folder = files("gateway.console") / "static"
    app.mount("/static", StaticFiles(directory=str(folder)), name="static")


@router.get("/login")
def login_form(request: Request) -> Response:
    """The form, with a token that only this browser has."""
    return _form(request)


@router.post("/login")
def login(request: Request, context: With, username: Text = "", password: Text = "", csrf: Text = "") -> Response:
    """Sign in with a cookie; back to the form with a word where that fails, on to the code where the account has a second factor."""
    if not csrf or not same(csrf, request.cookies.get(FORM_COOKIE, "")):
        return _form(request, "expired", 403)
    try:
        user = known(context, username, password, address_of(request))
    except Waiting:
        return _form(request, "wait", 401, username)
    except WrongCredentials:
        return _form(request, "wrong", 401, username)
    if user.second_factor_at is None:
        return _signed_in(request, context, user)
    answer = _code_form(request)
    half = context.tokens.issue(user, "code", context.wall.now(), HALF_WAY)
    _keep(request, answer, HALF_COOKIE, half, HALF_WAY)
    return answer


@router.post("/login/code")
def login_code(request: Request, context: With, code: Text = "", csrf: Text = "") -> Response:
    """The second step: the phone's code, or a recovery code."""
    if not csrf or not same(csrf, request.cookies.get(FORM_COOKIE, "")):
        return _form(request, "expired", 403)
    claims = context.tokens.read(request.cookies.get(HALF_COOKIE, ""), "code", context.wall.now())
    user = None if claims is None else holder(context, claims)
    if user is None:
        return _form(request, "expired", 403)
    try:
        prove(context, user, code, address_of(request))
    except Waiting:
        return _code_form(request, "wait", 401)
    except WrongCode:
        return _code_form(request, "wrong_code", 401)
    return _signed_in(request, context, user)


@router.post("/logout")
def logout(request: Request, context: With, csrf: Text = "") -> Response:
    """Sign out. A wrong token changes nothing: no other page can end a session."""
    staff = staff_of(request, context)
    answer = RedirectResponse("/login", 303)
    if staff is not None and staff.csrf is not None and not same(csrf, staff.csrf):
        return RedirectResponse("/", 303)
    answer.delete_cookie(COOKIE)
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


def keep_session(request: Request, answer: Response, token: str) -> None:
    """The cookie with which this browser is signed in."""
    _keep(request, answer, COOKIE, token, LIFETIME)


def _signed_in(request: Request, context: Context, user: User) -> Response:
    answer = RedirectResponse("/", 303)
    keep_session(request, answer, context.tokens.issue(user, "console", context.wall.now()))
    for over in (FORM_COOKIE, HALF_COOKIE):
        answer.delete_cookie(over)
    return answer


def _keep(request: Request, answer: Response, name: str, value: str, lifetime: timedelta) -> None:
    answer.set_cookie(
        name,
        value,
        max_age=int(lifetime.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=secure(request),
    )


def _form(request: Request, message: str | None = None, status: int = 200, username: str = "") -> Response:
    return _with_csrf(request, "login.html", status, message=message, username=username)


def _code_form(request: Request, message: str | None = None, status: int = 200) -> Response:
    return _with_csrf(request, "login_code.html", status, message=message)


def _with_csrf(request: Request, template: str, status: int, **values: str | None) -> Response:
    csrf = random_token(18)
    answer = render(request, template, status, csrf=csrf, **values)
    _keep(request, answer, FORM_COOKIE, csrf, timedelta(hours=1))
    return answer
