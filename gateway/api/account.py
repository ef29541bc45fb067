"""One's own account over HTTP: another password, and a second factor, each with the password that is in force."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from gateway.api.administration import AccountShape, account, told_once
from gateway.api.answers import json
from gateway.api.context import Asking, Context, Staff, With
from gateway.api.passes import by
from gateway.api.passes_shapes import Asked
from gateway.api.problems import WrongCode, WrongCredentials
from gateway.api.token import known, prove
from gateway.flows import second_factor, users
from gateway.flows.refusals import Invalid, NotFound, Refused
from gateway.flows.users import User

router = APIRouter(tags=["account"])

Password = Annotated[str, Field(max_length=200)]
Code = Annotated[str, Field(max_length=40)]


class NotYourPassword(Refused):
    """password: not the one that you sign in with, or tried too often; wait ten minutes then"""

    status = 403
    slug = "not-your-password"


class NotTheCode(Refused):
    """code: wrong, or used before; wait for the next one"""

    status = 403
    slug = "not-the-code"


class OwnAccount(AccountShape):
    """`codes_left`: recovery codes that were not used. `demanded`: the role needs a second factor."""

    codes_left: int
    demanded: bool


class NewPassword(Asked):
    password: Password
    new_password: Password


class Begin(Asked):
    password: Password


class Proposed(BaseModel):
    """What the phone's application is told: the secret, or the same as an address for a QR code. `sealed` comes back with its first code."""

    secret: str
    uri: str
    sealed: str


class Confirm(Asked):
    sealed: Annotated[str, Field(max_length=1000)]
    code: Code


class Enrolled(BaseModel):
    """Each signs in once in place of a code. They are not shown again."""

    recovery_codes: list[str]


class Remove(Asked):
    password: Password
    code: Code


@router.get("/account", responses={200: {"model": OwnAccount}})
def own(staff: Asking, context: With) -> Response:
    """Your account."""
    return json(context.parts, own_account(context, staff))


@router.post("/account/password", status_code=204)
def password(staff: Asking, context: With, asked: NewPassword) -> Response:
    """Another password; every token of yours ends, this one too."""
    change_password(context, staff, asked.password, asked.new_password)
    return Response(status_code=204)


@router.post("/account/second-factor", responses={200: {"model": Proposed}})
def begin(staff: Asking, context: With, asked: Begin) -> Response:
    """A secret for a phone. Nothing changes until a code of it has come."""
    return told_once(context, propose(context, staff, asked.password))


@router.post("/account/second-factor/confirmation", responses={200: {"model": Enrolled}})
def confirm(staff: Asking, context: With, asked: Confirm) -> Response:
    """From now on a code is asked for with the password; every token of yours ends, this one too."""
    codes = second_factor.enrol(context.parts, staff.name, asked.sealed, asked.code, by(staff), context.wall.now())
    return told_once(context, {"recovery_codes": codes})


@router.post("/account/second-factor/removal", status_code=204)
def remove(staff: Asking, context: With, asked: Remove) -> Response:
    """No code any more, with the password and a last code; every token of yours ends, this one too."""
    without_code(context, staff, asked.password, asked.code)
    return Response(status_code=204)


def own_account(context: Context, staff: Staff) -> dict[str, Any]:
    """Raises `NotFound` for an account that has just gone."""
    user = holder_of(context, staff)
    with context.parts.store.reading() as connection:
        left = second_factor.codes_left(connection, staff.name)
    demanded = user.role in context.parts.settings.second_factor_roles
    return {**account(user), "codes_left": left, "demanded": demanded}


def holder_of(context: Context, staff: Staff) -> User:
    """The account as it is now. Raises `NotFound` if it has just gone."""
    with context.parts.store.reading() as connection:
        user = users.find(connection, staff.name)
    if user is None:
        raise NotFound
    return user


def change_password(context: Context, staff: Staff, old: str, new: str) -> None:
    """Raises `NotYourPassword`, `Invalid`."""
    _confirmed(context, staff, old)
    try:
        users.reset(context.parts, staff.name, new, operator=staff.name, origin=staff.origin, action="user.password")
    except Invalid as why:
        raise Invalid(f"new_password: {why.detail}") from None


def propose(context: Context, staff: Staff, password: str) -> dict[str, str]:
    """What a phone is told. Raises `NotYourPassword`, `AlreadyEnrolled`."""
    _confirmed(context, staff, password)
    made = second_factor.proposed(context.parts, staff.name)
    return {"secret": made.secret, "uri": made.uri, "sealed": made.sealed}


def without_code(context: Context, staff: Staff, password: str, code: str) -> None:
    """Raises `NotYourPassword`, `NotTheCode`, `NotFound`."""
    user = _confirmed(context, staff, password)
    if user.second_factor_at is None:
        raise NotFound("this account has no second factor")
    try:
        prove(context, user, code, staff.origin)
    except (WrongCode, WrongCredentials):
        raise NotTheCode from None
    with context.parts.store.writing() as connection:
        second_factor.take_away(context.parts, connection, staff.name, by(staff))
        connection.commit()


def _confirmed(context: Context, staff: Staff, password: str) -> User:
    """A terminal that nobody watches changes nothing of whose it is. Raises `NotYourPassword`."""
    try:
        return known(context, staff.name, password, staff.origin)
    except WrongCredentials:
        raise NotYourPassword from None
