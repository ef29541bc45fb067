"""Who may see a working page, and how a form is answered."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from gateway.api import access
from gateway.api.context import Context, Staff, staff_of
from gateway.api.problems import NotSignedIn
from gateway.api.sessions import same
from gateway.console.rendering import render
from gateway.flows.refusals import Refused

# Each page stands for a call of the API: who may make that one sees the link, and the page.
PAGES = (
    ("board", "/", ("GET", "/live")),
    ("queue", "/queue", ("GET", "/exceptions")),
    ("stays", "/stays", ("GET", "/stays")),
)


def staff_at(request: Request, context: Context, *calls: tuple[str, str]) -> Staff | Response:
    """Who asks, if their role may make these calls of the API; else the page that says why not."""
    staff = staff_of(request, context)
    if staff is None or staff.csrf is None:
        if staff is None and not request.headers.get("authorization"):
            return RedirectResponse("/login", 303)
        raise NotSignedIn("the console takes a cookie session; sign in at /login")
    if not all(may(staff, *call) for call in calls):
        return render(request, "notice.html", 403, staff=staff, message="not_for_role")
    return staff


def may(staff: Staff, method: str, path: str) -> bool:
    """Whether a role may make a call of the API."""
    return access.allowed(staff.role, method, path)


def page(request: Request, staff: Staff, template: str, status: int = 200, **values: Any) -> Response:
    """A working page, with the way to the others that this role may see."""
    links = [(name, where) for name, where, call in PAGES if may(staff, *call)]
    return render(request, template, status, staff=staff, links=links, may=lambda *call: may(staff, *call), **values)


def refused(request: Request, staff: Staff, why: Refused, back: str) -> Response:
    """What could not be done, why, and the way back."""
    return page(request, staff, "desk_refused.html", why.status, why=why, back=back)


def from_elsewhere(staff: Staff, csrf: str) -> bool:
    """Whether a form was not one of our own pages'."""
    return not csrf or not same(csrf, staff.csrf or "")


def back_to(where: str, **query: str | None) -> Response:
    said = {name: value for name, value in query.items() if value}
    return RedirectResponse(f"{where}?{urlencode(said)}" if said else where, 303)
