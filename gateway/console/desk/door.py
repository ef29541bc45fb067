"""Who may see a working page, how it is made, and how a form is answered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from gateway.api import access
from gateway.api.context import OF_ONESELF, Context, Staff, staff_of
from gateway.api.live import in_zone
from gateway.api.problems import READER, NotSignedIn
from gateway.api.sessions import same
from gateway.console import signed_in
from gateway.console.desk import sections
from gateway.console.rendering import render
from gateway.flows import board, reading
from gateway.flows.refusals import Refused


class Turned(Exception):
    """Whoever asks is not let in: `answer` is the page that says why not, or the way to where they may sign in."""

    def __init__(self, answer: Response) -> None:
        super().__init__("turned away at a page")
        self.answer = answer


def answer_turned(_request: Request, error: Exception) -> Response:
    """What `Turned` brings. For the application's handlers."""
    assert isinstance(error, Turned)
    return error.answer


def staff_at(request: Request, context: Context, *calls: tuple[str, str]) -> Staff:
    """Who asks, if their role may make these calls of the API. Raises `Turned`.

    What is refused from here on is shown to them as a page: a page raises what leaves it nothing to show.
    """
    staff = staff_of(request, context)
    if staff is None or staff.csrf is None:
        if staff is None and not request.headers.get("authorization"):
            raise Turned(RedirectResponse("/login", 303))
        raise NotSignedIn("the console takes a cookie session; sign in at /login")
    if staff.unready and not request.url.path.startswith(OF_ONESELF):
        raise Turned(RedirectResponse(OF_ONESELF, 303))
    if not all(may(staff, *call) for call in calls):
        raise Turned(page(request, staff, "desk_notice.html", 403, message="not_for_role"))
    setattr(request.state, READER, staff)
    return staff


def reader_of(request: Request) -> Staff | None:
    """Who was let in here at the page that they ask for."""
    reader = getattr(request.state, READER, None)
    return reader if isinstance(reader, Staff) else None


def may(staff: Staff, method: str, path: str) -> bool:
    """Whether a role may make a call of the API."""
    return access.allowed(staff.role, method, path)


def first_page(staff: Staff) -> str:
    """Where the navigation of this role begins. Every role has a page: figures and rules are for everybody."""
    return sections.menu(lambda *call: may(staff, *call), "").sections[0].where


def page(
    request: Request, staff: Staff, template: str, status: int = 200, *, here: str = "", **values: Any
) -> Response:
    """A working page. `here` is its name in `sections`, or that of the page to which it belongs.

    Templates have `may(method, path)`, `site_name(id)`, `alarms` (where an emergency stands for the reader, as the stream says it) as of
    `alarms_at`, `lock` of a shared terminal, and `said`: what `back_to(…, said=…)` has to say of the form before.
    """

    def this_may(method: str, path: str) -> bool:
        return may(staff, method, path)

    @cache
    def names() -> dict[str, str]:
        with request.app.state.context.parts.store.reading() as connection:
            return reading.site_names(connection)

    def site_name(site: str) -> str:
        return names().get(site, site)

    parts = request.app.state.context.parts
    with parts.store.reading() as connection:
        alarms = board.emergencies_now(connection, staff.sites)
    said = request.query_params.get("said", "") if request.method == "GET" else ""
    shared = {
        "staff": staff,
        "menu": sections.menu(this_may, here),
        "may": this_may,
        "site_name": site_name,
        "said": said,
        "lock": signed_in.lock_after(request, staff),
        **in_zone({"alarms": alarms, "alarms_at": parts.clock.now()}, parts.settings.zone),
    }
    answer = render(request, template, status, **shared, **values)
    if staff.rest is not None and signed_in.by_hand(request):
        signed_in.used(request, answer)
    return answer


def at_fields(why: Refused, fields: Collection[str]) -> dict[str, Refused]:
    """A refusal at the field that its detail begins with, as the API's details do; under "" where it names none of these.

    The document for a form's `field` macros: `errors=door.at_fields(why, ("plate", "valid_to"))`.
    """
    named = why.detail.split(" ", 1)[0].rstrip(":")
    return {named if named in fields else "": why}


def own_form(staff: Staff, csrf: str, where: str) -> None:
    """Nothing is done for a form that was not one of our own pages'. Raises `Turned`: to that page."""
    if not csrf or not same(csrf, staff.csrf or ""):
        raise Turned(back_to(where))


def back_to(where: str, query: Mapping[str, str | None] | None = None, **more: str | None) -> Response:
    """To a page by GET, so that loading it again sends nothing twice. `said="saved"` shows the words `said.saved` there."""
    told = {name: value for name, value in {**(query or {}), **more}.items() if value}
    return RedirectResponse(f"{where}?{urlencode(told)}" if told else where, 303)
