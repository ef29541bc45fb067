"""Administration over HTTP: accounts of staff, passwords of devices, the audit trail, the settings."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from gateway.api.access import SEES_LOW_INCOME
from gateway.api.answers import SiteName, instant, json
from gateway.api.context import Asking, Staff, With
from gateway.api.lists import ByTime, ListOf, NotOurCursor, page
from gateway.api.passes import by
from gateway.api.passes_shapes import Asked, Words
from gateway.api.problems import NotAllowed
from gateway.flows import audit_trail, device_access, settings_shown, users_admin
from gateway.flows.reading import Slice, site_of
from gateway.flows.users import User
from gateway.runtime.settings import Role

router = APIRouter(tags=["administration"])

DeviceId = Annotated[str, Path(max_length=81)]
UserName = Annotated[str, Path(max_length=64)]
Sites = Annotated[list[Annotated[str, Field(min_length=1, max_length=40)]], Field(max_length=1000)]
NO_STORE = {"Cache-Control": "no-store"}


class AccountShape(BaseModel):
    """`sites` empty: all sites. `second_factor_at`: since when a code is asked for with the password."""

    name: str
    role: Role
    sites: list[str]
    enabled: bool
    created_at: datetime
    second_factor_at: datetime | None


class AccountAsked(Asked):
    name: Annotated[str, Field(pattern=r"^[a-z0-9._-]{1,64}$")]
    role: Role
    sites: Sites = Field(default_factory=list)


class AccountChange(Asked):
    """What is left out stays as it is."""

    role: Role | None = None
    sites: Sites | None = None
    enabled: bool | None = None
    reason: Words


class PasswordMade(BaseModel):
    """It is not shown again."""

    name: str
    password: str


class Reason(Asked):
    reason: Words


class TrailLine(BaseModel):
    """`sealed`: what it says more is for registrar and finance."""

    id: int
    at: datetime
    operator: str
    action: str
    site: str | None
    subject: str
    origin: str
    reason: str
    detail: dict[str, Any]
    sealed: bool


class SettingShape(BaseModel):
    """`value`: `***` where it holds a secret that is set."""

    name: str
    value: str
    default: bool
    about: str


@router.get("/users", responses={200: {"model": ListOf[AccountShape]}})
def users(staff: Asking, context: With) -> Response:
    """Accounts by name, those with sites of yours alone; who has all sites sees all."""
    found = [account(one) for one in users_admin.accounts(context.parts, staff.sites)]
    return json(context.parts, {"items": found, "next": None})


@router.post("/users", status_code=201, responses={201: {"model": PasswordMade}})
def hire(staff: Asking, context: With, asked: AccountAsked) -> Response:
    """A new account. Its password is in this answer and nowhere else."""
    made = users_admin.hire(context.parts, staff.sites, asked.name, asked.role, asked.sites, by(staff))
    return told_once(context, {"name": asked.name, "password": made}, 201)


@router.patch("/users/{name}", responses={200: {"model": AccountShape}})
def change(staff: Asking, context: With, name: UserName, asked: AccountChange) -> Response:
    """Another role, other sites, disabled or enabled again. Never one's own account."""
    sites = None if asked.sites is None else tuple(asked.sites)
    wanted = users_admin.Change(role=asked.role, sites=sites, enabled=asked.enabled)
    done = users_admin.change(context.parts, staff.sites, name, wanted, asked.reason, by(staff))
    return json(context.parts, account(done))


@router.post("/users/{name}/reset", responses={200: {"model": PasswordMade}})
def reset(staff: Asking, context: With, name: UserName) -> Response:
    """A new password; whoever is signed in under that name is signed out."""
    return told_once(
        context, {"name": name, "password": users_admin.reset(context.parts, staff.sites, name, by(staff))}
    )


@router.post("/users/{name}/second-factor/removal", status_code=204)
def without_code(staff: Asking, context: With, name: UserName, asked: Reason) -> Response:
    """Take the second factor off an account whose phone and recovery codes are lost: its password alone signs in again."""
    users_admin.without_code(context.parts, staff.sites, name, asked.reason, by(staff))
    return Response(status_code=204)


@router.post("/devices/{device_id}/credentials", responses={200: {"model": PasswordMade}})
def renew(staff: Asking, context: With, device_id: DeviceId, asked: Reason) -> Response:
    """A new password for a device; the one before ends with this. A broker of its own is told by `parkgate device accounts`."""
    staff.own(site_of(device_id))
    made = device_access.renew(context.parts, staff.sites, device_id, asked.reason, by(staff))
    return told_once(context, {"name": made.username, "password": made.password})


@router.post("/devices/{device_id}/revocation", status_code=204)
def revoke(staff: Asking, context: With, device_id: DeviceId, asked: Reason) -> Response:
    """No password at all: the device is let in no longer, until it is given a new one."""
    staff.own(site_of(device_id))
    device_access.revoke(context.parts, staff.sites, device_id, asked.reason, by(staff))
    return Response(status_code=204)


@router.get("/audit", responses={200: {"model": ListOf[TrailLine]}})
def trail(
    staff: Asking,
    context: With,
    part: ByTime,
    *,
    site: SiteName = None,
    operator: Annotated[str | None, Query(max_length=64)] = None,
    action: Annotated[
        str | None, Query(max_length=60, description="its name, or the beginning of it and `*`: `registry.*`")
    ] = None,
    subject: Annotated[
        str | None, Query(max_length=200, description="what it was done to, or the beginning of that and `*`")
    ] = None,
    since: Annotated[str | None, Query(alias="from", max_length=40)] = None,
    until: Annotated[str | None, Query(alias="to", max_length=40)] = None,
) -> Response:
    """Who did what, the newest first."""
    zone = context.parts.settings.zone
    wanted = audit_trail.TrailFilter(
        site=site,
        operator=operator or None,
        action=action or None,
        subject=subject or None,
        since=instant("from", since, zone),
        until=instant("to", until, zone, end=True),
    )
    return json(context.parts, trail_page(staff, context, wanted, part))


def trail_page(staff: Staff, context: With, wanted: audit_trail.TrailFilter, part: Slice) -> dict[str, Any]:
    """A page of the trail for this person. Raises `NotOurCursor`, `NotAllowed` for a site that is not theirs."""
    if part.after is not None and not part.after[1].isdecimal():
        raise NotOurCursor
    allowed = staff.only(wanted.site)
    with context.reports.reading() as connection:
        found = audit_trail.search(connection, allowed, wanted, part, truly=staff.role in SEES_LOW_INCOME)
    return page(found, part.limit)


@router.get("/settings", responses={200: {"model": ListOf[SettingShape]}})
def settings(staff: Asking, context: With) -> Response:
    """How this process is set up; no secret is among it. For who has all sites."""
    all_sites(staff)
    return json(context.parts, {"items": settings_shown.shown(context.parts.settings), "next": None})


def all_sites(staff: Staff) -> None:
    """Raises `NotAllowed`."""
    if staff.sites is not None:
        raise NotAllowed("this is of the whole street: ask who has all of its sites")


def account(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "role": user.role,
        "sites": list(user.sites),
        "enabled": user.enabled,
        "created_at": user.created_at,
        "second_factor_at": user.second_factor_at,
    }


def told_once(context: With, document: dict[str, Any], status: int = 200) -> Response:
    """An answer with a secret in it, which nothing on its way keeps."""
    answer = json(context.parts, document, status)
    answer.headers.update(NO_STORE)
    return answer
