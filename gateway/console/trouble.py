"""What could not be answered, as a page: in the frame for whoever is signed in, plain for everybody else."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError

from gateway.api.context import Staff, context_of, staff_of
from gateway.api.problems import Problem
from gateway.console.desk import door, sections
from gateway.console.rendering import render


def page(request: Request, problem: Problem) -> Response:
    """The problem in the reader's language, and a way on."""
    values: dict[str, Any] = {"problem": problem, "back": _back(request, problem)}
    staff = _staff(request, problem)
    if staff is None:
        return render(request, "trouble.html", problem.status, staff=None, **values)
    return door.page(request, staff, "desk_trouble.html", problem.status, **values)


def _staff(request: Request, problem: Problem) -> Staff | None:
    """Whose frame it is. Where something of ours is broken none is asked for: what broke may be what the frame needs."""
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    try:
        staff = staff_of(request, context_of(request))
    except SQLAlchemyError:
        return None
    return staff if staff is not None and staff.csrf is not None else None


def _back(request: Request, problem: Problem) -> str:
    """The page without what was wrong in its address, else the page of the navigation above it, else the first one."""
    path = request.url.path
    missing = problem.status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
    if request.method == "GET" and request.url.query and not missing:
        return path
    above = [one.where for one in sections.PAGES if one.where not in {"/", path} and path.startswith(f"{one.where}/")]
    return max(above, key=len, default="/")
