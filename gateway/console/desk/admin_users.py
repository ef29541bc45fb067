"""Accounts of staff: made, changed, disabled and given new passwords by a manager."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import Response

from gateway.api.administration import NO_STORE, account
from gateway.api.context import Context, Staff, With
from gateway.api.live import in_zone
from gateway.api.passes import by
from gateway.console.desk import door
from gateway.flows import reading, users_admin
from gateway.flows.refusals import NotFound, Refused
from gateway.flows.users import ROLES

router = APIRouter(include_in_schema=False)

_SEE, _MAKE = ("GET", "/users"), ("POST", "/users")
_CHANGE, _RESET = ("PATCH", "/users/{name}"), ("POST", "/users/{name}/reset")
_WITHOUT = ("POST", "/users/{name}/second-factor/removal")
UserName = Annotated[str, Path(max_length=64)]
Text = Annotated[str, Form(max_length=2000)]
Sites = Annotated[list[Annotated[str, Form(max_length=40)]], Form()]


@router.get("/admin/users")
def listed(request: Request, context: With) -> Response:
    """The accounts that this person looks after."""
    staff = door.staff_at(request, context, _SEE)
    return staff if isinstance(staff, Response) else _list(request, context, staff)


@router.post("/admin/users")
def hire(
    request: Request,
    context: With,
    *,
    csrf: Text = "",
    name: Text = "",
    role: Text = "",
    everywhere: Text = "",
    sites: Sites = [],  # noqa: B006 - a form's default is never changed
) -> Response:
    """A new account; its password is on the page that answers, and nowhere else."""
    staff = door.staff_at(request, context, _MAKE)
    if isinstance(staff, Response):
        return staff
    if door.from_elsewhere(staff, csrf):
        return door.back_to("/admin/users")
    try:
        _meant(everywhere, sites)
        made = users_admin.hire(context.parts, staff.sites, name.strip(), role, [] if everywhere else sites, by(staff))
    except Refused as why:
        entered = {"name": name, "role": role, "everywhere": everywhere, "sites": sites}
        return _list(request, context, staff, why, entered)
    return _told(request, staff, name.strip(), made)


@router.get("/admin/users/{name}")
def one(request: Request, context: With, name: UserName) -> Response:
    """One account."""
    staff = door.staff_at(request, context, _SEE)
    return staff if isinstance(staff, Response) else _one(request, context, staff, name)


@router.post("/admin/users/{name}")
def change(
    request: Request,
    context: With,
    name: UserName,
    *,
    csrf: Text = "",
    role: Text = "",
    everywhere: Text = "",
    sites: Sites = [],  # noqa: B006 - a form's default is never changed
    enabled: Text = "",
    reason: Text = "",
) -> Response:
    """Another role, other sites, disabled or enabled again."""
    staff = door.staff_at(request, context, _CHANGE)
    if isinstance(staff, Response):
        return staff
    where = f"/admin/users/{name}"
    if door.from_elsewhere(staff, csrf):
        return door.back_to("/admin/users")
    try:
        _meant(everywhere, sites)
        wanted = users_admin.Change(role=role, sites=() if everywhere else tuple(sites), enabled=bool(enabled))
        users_admin.change(context.parts, staff.sites, name, wanted, reason, by(staff))
    except NotFound as why:
        return door.refused(request, staff, why, "/admin/users")
    except Refused as why:
        entered = {"role": role, "everywhere": everywhere, "sites": sites, "enabled": enabled, "reason": reason}
        return _one(request, context, staff, name, why, entered)
    return door.back_to(where, said="saved")


@router.post("/admin/users/{name}/reset")
def reset(request: Request, context: With, name: UserName, csrf: Text = "") -> Response:
    """A new password, shown once."""
    staff = door.staff_at(request, context, _RESET)
    if isinstance(staff, Response):
        return staff
    if door.from_elsewhere(staff, csrf):
        return door.back_to("/admin/users")
    try:
        made = users_admin.reset(context.parts, staff.sites, name, by(staff))
    except Refused as why:
        return door.refused(request, staff, why, "/admin/users")
    return _told(request, staff, name, made)


@router.post("/admin/users/{name}/second-factor/removal")
def without_code(request: Request, context: With, name: UserName, csrf: Text = "", reason: Text = "") -> Response:
    """No second factor any more, for who lost phone and recovery codes."""
    staff = door.staff_at(request, context, _WITHOUT)
    if isinstance(staff, Response):
        return staff
    where = f"/admin/users/{name}"
    if door.from_elsewhere(staff, csrf):
        return door.back_to("/admin/users")
    try:
        users_admin.without_code(context.parts, staff.sites, name, reason, by(staff))
    except Refused as why:
        return door.refused(request, staff, why, where)
    return door.back_to(where, said="saved")


class _SitesMissing(Refused):
    """sites: choose at least one, or all sites"""

    status = 422
    slug = "sites-missing"


def _meant(everywhere: str, sites: list[str]) -> None:
    """An empty list would mean all sites: nobody gets them by forgetting a tick. Raises `_SitesMissing`."""
    if not everywhere and not sites:
        raise _SitesMissing


def _told(request: Request, staff: Staff, name: str, password: str) -> Response:
    answer = door.page(
        request,
        staff,
        "admin_password.html",
        here="admin.users",
        name=name,
        password=password,
        back="/admin/users",
        device=False,
    )
    answer.headers.update(NO_STORE)
    return answer


def _list(
    request: Request,
    context: Context,
    staff: Staff,
    why: Refused | None = None,
    entered: dict[str, Any] | None = None,
) -> Response:
    found = [account(one) for one in users_admin.accounts(context.parts, staff.sites)]
    return door.page(
        request,
        staff,
        "admin_users.html",
        200 if why is None else why.status,
        here="admin.users",
        found=in_zone(found, context.parts.settings.zone),
        **_form(context, staff, why),
        entered=entered or {"name": "", "role": "guard", "everywhere": "", "sites": []},
    )


def _one(
    request: Request,
    context: Context,
    staff: Staff,
    name: str,
    why: Refused | None = None,
    entered: dict[str, Any] | None = None,
) -> Response:
    found = next((one for one in users_admin.accounts(context.parts, staff.sites) if one.name == name), None)
    if found is None:
        return door.refused(request, staff, NotFound("there is no such account, or not for you"), "/admin/users")
    now = {"role": found.role, "everywhere": "" if found.sites else "yes", "sites": list(found.sites)}
    return door.page(
        request,
        staff,
        "admin_user.html",
        200 if why is None else why.status,
        here="admin.users",
        account=in_zone(account(found), context.parts.settings.zone),
        own=name == staff.name,
        **_form(context, staff, why),
        entered=entered or {**now, "enabled": "yes" if found.enabled else "", "reason": ""},
    )


def _form(context: Context, staff: Staff, why: Refused | None) -> dict[str, Any]:
    with context.parts.store.reading() as connection:
        sites = reading.sites(connection, staff.sites, reading.Slice(None, 200), disabled=True)
    errors: dict[str, Refused] = {}
    if why is not None:
        errors = door.at_fields(why, ("name", "role", "sites", "reason"))
        if "" in errors and re.search(r"user", why.detail):
            errors = {"name": why}
    return {
        "sites": sites,
        "names": {one["id"]: one["name"] for one in sites},
        "roles": ROLES,
        "errors": errors,
        "all_allowed": staff.sites is None,
    }
