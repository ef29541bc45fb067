"""One's own account: another password, and a second factor."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import account
from gateway.api.administration import NO_STORE
from gateway.api.context import Context, Staff, With
from gateway.api.live import in_zone
from gateway.api.passes import by
from gateway.console import signed_in
from gateway.console.desk import door
from gateway.console.desk.forms import Entered, Said
from gateway.console.qr import qr_code
from gateway.flows import second_factor
from gateway.flows.refusals import Invalid, Refused
from gateway.flows.users import PASSWORD_CHARACTERS_MIN

router = APIRouter(include_in_schema=False)


class NotTwice(Invalid):
    """again: not the same as the new password"""


@router.get("/account")
def own(request: Request, context: With) -> Response:
    """Who one is here, and what one can change oneself."""
    staff = door.staff_at(request, context, ("GET", "/account"))
    return _own(request, context, staff)


@router.post("/account/password")
def password(request: Request, context: With, said: Said) -> Response:
    """Another password. Whoever else is signed in under that name is signed out."""
    staff = _asked(request, context, said, "/account/password")
    new = _typed(said, "new_password")
    try:
        if new != _typed(said, "again"):
            raise NotTwice
        account.change_password(context, staff, _typed(said, "password"), new)
    except Refused as why:
        return _own(request, context, staff, "password", why)
    return _in_again(request, context, staff)[1]


@router.post("/account/second-factor")
def begin(request: Request, context: With, said: Said) -> Response:
    """The code to scan, shown once; nothing changes until the phone's first code has come."""
    staff = _asked(request, context, said, "/account/second-factor")
    try:
        told = account.propose(context, staff, _typed(said, "password"))
    except Refused as why:
        return _own(request, context, staff, "begin", why)
    return _scan(request, staff, told["sealed"], told)


@router.post("/account/second-factor/confirmation")
def confirm(request: Request, context: With, said: Said) -> Response:
    """From now on a code is asked for. The recovery codes are on the page that answers, and nowhere else."""
    staff = _asked(request, context, said, "/account/second-factor/confirmation")
    try:
        codes = second_factor.enrol(
            context.parts, staff.name, said["sealed"], said["code"], by(staff), context.wall.now()
        )
    except second_factor.NotThePhonesCode as why:
        return _scan(request, staff, said["sealed"], None, why)
    staff, session = _in_again(request, context, staff)
    answer = door.page(request, staff, "account_codes.html", codes=codes)
    answer.headers.update(NO_STORE)
    for one in session.headers.getlist("set-cookie"):
        answer.headers.append("set-cookie", one)
    return answer


@router.post("/account/second-factor/removal")
def remove(request: Request, context: With, said: Said) -> Response:
    """The password alone signs in again."""
    staff = _asked(request, context, said, "/account/second-factor/removal")
    try:
        account.without_code(context, staff, _typed(said, "password"), said["code"])
    except Refused as why:
        return _own(request, context, staff, "remove", why)
    return _in_again(request, context, staff)[1]


def _asked(request: Request, context: Context, said: Entered, path: str) -> Staff:
    """Who sent a form of these pages."""
    staff = door.staff_at(request, context, ("POST", path))
    door.own_form(staff, said["csrf"], "/account")
    return staff


def _typed(said: Entered, name: str) -> str:
    """A password is what was typed, with its spaces."""
    return said.every(name)[-1] if said.every(name) else ""


def _in_again(request: Request, context: Context, staff: Staff) -> tuple[Staff, Response]:
    """What was changed ended every session of this name: this browser's goes on with a new one."""
    user = account.holder_of(context, staff)
    token = context.tokens.issue(user, "console", context.wall.now(), rest=staff.rest)
    claims = context.tokens.read(token, "console", context.wall.now())
    answer = door.back_to("/account", said="saved")
    signed_in.keep_session(request, answer, token)
    assert claims is not None
    return replace(staff, csrf=claims.csrf, unready=False), answer


def _own(request: Request, context: Context, staff: Staff, of: str = "", why: Refused | None = None) -> Response:
    """The page; `of`: the form that was refused."""
    found = account.own_account(context, staff)
    errors: dict[str, dict[str, Refused]] = {"password": {}, "begin": {}, "remove": {}}
    if why is not None:
        errors[of] = door.at_fields(why, ("password", "new_password", "again", "code"))
    return door.page(
        request,
        staff,
        "account.html",
        200 if why is None else why.status,
        account=in_zone(found, context.parts.settings.zone),
        errors=errors,
        shortest=PASSWORD_CHARACTERS_MIN,
    )


def _scan(
    request: Request, staff: Staff, sealed: str, told: dict[str, str] | None = None, why: Refused | None = None
) -> Response:
    """The code for the phone, where it is shown, and the field for the phone's first one."""
    answer = door.page(
        request,
        staff,
        "account_scan.html",
        200 if why is None else why.status,
        secret=None if told is None else told["secret"],
        drawn=None if told is None else qr_code(told["uri"]),
        sealed=sealed,
        errors={} if why is None else door.at_fields(why, ("code",)),
    )
    answer.headers.update(NO_STORE)
    return answer
