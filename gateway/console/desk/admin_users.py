"""Accounts of staff: made, changed, disabled and given new passwords by a manager."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from gateway.api.administration import NO_STORE, account
from gateway.api.context import Context, Staff, With
from gateway.api.live import in_zone
from gateway.api.passes import by
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.flows import reading, users_admin
from gateway.flows.charges_books import By
from gateway.flows.refusals import Invalid, NotFound, Refused
from gateway.flows.users import ROLES

router = APIRouter(include_in_schema=False)

HERE: Final = "admin.users"
WHERE: Final = "/admin/users"
_SEE, _MAKE = ("GET", "/users"), ("POST", "/users")
_CHANGE, _RESET = ("PATCH", "/users/{name}"), ("POST", "/users/{name}/reset")
_WITHOUT = ("POST", "/users/{name}/second-factor/removal")
_FIELDS: Final = ("name", "role", "sites", "reason")
UserName = Annotated[str, Path(max_length=64)]


@router.get(WHERE)
def listed(request: Request, context: With) -> Response:
    """The accounts that this person looks after."""
    staff = door.staff_at(request, context, _SEE)
    return _list(request, context, staff)


@router.post(WHERE)
def hire(request: Request, context: With, said: Said) -> Response:
    """A new account; its password is on the page that answers, and nowhere else."""
    staff = door.staff_at(request, context, _MAKE)
    door.own_form(staff, said["csrf"], WHERE)
    try:
        made = users_admin.hire(context.parts, staff.sites, said["name"], said["role"], list(_sites(said)), by(staff))
    except Refused as why:
        return _list(request, context, staff, said, _at_its_field(why))
    return with_password(request, staff, said["name"], made, here=HERE, back=WHERE)


@router.get(WHERE + "/{name}")
def one(request: Request, context: With, name: UserName) -> Response:
    """One account."""
    staff = door.staff_at(request, context, _SEE)
    return _one(request, context, staff, name)


@router.post(WHERE + "/{name}")
def change(request: Request, context: With, name: UserName, said: Said) -> Response:
    """Another role, other sites, disabled or enabled again."""
    staff = door.staff_at(request, context, _CHANGE)

    def work(who: By) -> None:
        wanted = users_admin.Change(role=said["role"], sites=_sites(said), enabled=bool(said["enabled"]))
        users_admin.change(context.parts, staff.sites, name, wanted, said["reason"], who)

    def shown(why: Refused) -> Response:
        return _one(request, context, staff, name, said, why)

    return forms.step(staff, said, work, shown, f"{WHERE}/{name}", "saved")


@router.post(WHERE + "/{name}/reset")
def reset(request: Request, context: With, name: UserName, said: Said) -> Response:
    """A new password, shown once."""
    staff = door.staff_at(request, context, _RESET)
    door.own_form(staff, said["csrf"], WHERE)
    try:
        made = users_admin.reset(context.parts, staff.sites, name, by(staff))
    except Refused as why:
        return _one(request, context, staff, name, why=why, tried="reset")
    return with_password(request, staff, name, made, here=HERE, back=WHERE)


@router.post(WHERE + "/{name}/second-factor/removal")
def without_code(request: Request, context: With, name: UserName, said: Said) -> Response:
    """No second factor any more, for who lost phone and recovery codes."""
    staff = door.staff_at(request, context, _WITHOUT)
    where = f"{WHERE}/{name}"

    def work(who: By) -> None:
        users_admin.without_code(context.parts, staff.sites, name, said["reason"], who)

    def shown(why: Refused) -> Response:
        return _one(request, context, staff, name, why=why, tried="factor", reason=said["reason"])

    return forms.step(staff, said, work, shown, where, "saved")


def with_password(
    request: Request, staff: Staff, name: str, password: str, *, here: str, back: str, device: bool = False
) -> Response:
    """The page with a new password, for the only time."""
    answer = door.page(
        request, staff, "admin_password.html", here=here, name=name, password=password, back=back, device=device
    )
    answer.headers.update(NO_STORE)
    return answer


class _SitesMissing(Refused):
    """sites: choose at least one, or all sites"""

    status = 422
    slug = "sites-missing"


def _sites(said: Entered) -> tuple[str, ...]:
    """None for all: nobody gets them by forgetting a tick. Raises `_SitesMissing`."""
    chosen = tuple(said.every("sites"))
    if not said["everywhere"] and not chosen:
        raise _SitesMissing
    return () if said["everywhere"] else chosen


def _at_its_field(why: Refused) -> Refused:
    """What is wrong with a user's name begins with that name."""
    return Invalid(f"name: {why.detail}") if re.search(r"\buser\b", why.detail) else why


def _list(
    request: Request, context: Context, staff: Staff, said: Entered | None = None, why: Refused | None = None
) -> Response:
    found = [account(one) for one in users_admin.accounts(context.parts, staff.sites)]
    return forms.form(
        request,
        staff,
        "admin_users.html",
        here=HERE,
        said=said or Entered({"role": ["guard"]}),
        why=why,
        fields=_FIELDS,
        found=in_zone(found, context.parts.settings.zone),
        **_choices(context, staff),
    )


def _one(
    request: Request,
    context: Context,
    staff: Staff,
    name: str,
    said: Entered | None = None,
    why: Refused | None = None,
    *,
    tried: str = "change",
    reason: str = "",
) -> Response:
    """`tried`: the form of the page that was refused, and why; `reason` as it was typed there."""
    found = next((one for one in users_admin.accounts(context.parts, staff.sites) if one.name == name), None)
    if found is None:
        raise NotFound("there is no such account, or not for you")
    now = {
        "role": [found.role],
        "everywhere": [] if found.sites else ["yes"],
        "sites": list(found.sites),
        "enabled": ["yes"] if found.enabled else [],
    }
    return forms.form(
        request,
        staff,
        "admin_user.html",
        here=HERE,
        said=said or Entered(now),
        why=why,
        fields=_FIELDS,
        tried=tried,
        reason=reason,
        account=in_zone(account(found), context.parts.settings.zone),
        own=name == staff.name,
        **_choices(context, staff),
    )


def _choices(context: Context, staff: Staff) -> dict[str, Any]:
    with context.parts.store.reading() as connection:
        sites = reading.sites(connection, staff.sites, reading.Slice(None, 200), disabled=True)
    return {
        "sites": sites,
        "names": {one["id"]: one["name"] for one in sites},
        "roles": ROLES,
        "all_allowed": staff.sites is None,
    }
