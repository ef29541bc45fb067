"""What could not be answered, as a page: in the frame for whoever is signed in, plain for everybody else."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError

from gateway.api.context import Staff, context_of, staff_of
from gateway.api.problems import Problem
from gateway.console.desk import door, sections
from gateway.console.desk.routers import ROUTERS
from gateway.console.rendering import render

# The working pages: as the navigation names them, and as their routes are written.
_NAMED: Final = frozenset(one.where for one in sections.PAGES)
_PAGES: Final = frozenset(
    route.path
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and "GET" in (route.methods or ())
)


def page(request: Request, problem: Problem) -> Response:
    """The problem in the reader's language, and a way on."""
    values: dict[str, Any] = {"problem": problem, "back": _back(request, problem)}
    staff = _staff(request, problem)
    if staff is None:
        return render(request, "trouble.html", problem.status, staff=None, **values)
    return door.page(request, staff, "desk_trouble.html", problem.status, **values)


def _staff(request: Request, problem: Problem) -> Staff | None:
    """Whose frame it is. Where something of ours is broken none is asked for: what broke may be what the frame needs."""
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR and problem.refused is None:
        return None
    let_in = door.reader_of(request)
    if let_in is not None:
        return let_in
    try:
        staff = staff_of(request, context_of(request))
    except SQLAlchemyError:
        return None
    return staff if staff is not None and staff.csrf is not None else None


def _back(request: Request, problem: Problem) -> str:
    """The page that is asked for without its query, or that a form is on; else the nearest page above it; else the first one.

    Where something is missing it may be that page: then the nearest that the navigation names.
    """
    route: object = request.scope.get("route") if problem.status != HTTPStatus.NOT_FOUND else None
    place, shape = request.url.path, route.path if isinstance(route, APIRoute) else ""
    if request.method == "GET" and not request.url.query:
        place, shape = _above(place), _above(shape)
    while place and place not in _NAMED and shape not in _PAGES:
        place, shape = _above(place), _above(shape)
    return place or "/"


def _above(path: str) -> str:
    return path.rpartition("/")[0]
