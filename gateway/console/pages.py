"""Signing in, and the lane board. The working pages: `gateway.console.desk`."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, FastAPI, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from gateway.api.context import With, address_of, staff_of
from gateway.api.problems import WrongCredentials
from gateway.api.sessions import COOKIE, FORM_COOKIE, LIFETIME, same
from gateway.api.token import Waiting, sign_in
from gateway.console.desk import door
from gateway.console.rendering import render, secure
from gateway.console.words import BARRIER_ICONS
from gateway.runtime.ids import random_token

router = APIRouter(include_in_schema=False)

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
    """Sign in with a cookie; back to the form with a word where that fails."""
    if not csrf or not same(csrf, request.cookies.get(FORM_COOKIE, "")):
        return _form(request, "expired", 403)
    try:
        user = sign_in(context, username, password, address_of(request))
    except Waiting:
        return _form(request, "wait", 401, username)
    except WrongCredentials:
        return _form(request, "wrong", 401, username)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        COOKIE,
        context.tokens.issue(user, "console", context.wall.now()),
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=secure(request),
    )
    answer.delete_cookie(FORM_COOKIE)
    return answer


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
    if isinstance(staff, Response):
        return staff
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


def _form(request: Request, message: str | None = None, status: int = 200, username: str = "") -> Response:
    csrf = random_token(18)
    answer = render(request, "login.html", status, message=message, csrf=csrf, username=username)
    answer.set_cookie(FORM_COOKIE, csrf, httponly=True, samesite="strict", secure=secure(request), max_age=3600)
    return answer
