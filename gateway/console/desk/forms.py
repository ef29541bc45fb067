"""What the pages with forms share: what a form said, amounts in yuan, doing what it asks, and showing it again with what was wrong.

A form's fields have the names of the API's, so that a refusal finds its field; what the API takes as a document is read by its shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection

from billing.money import NotAnAmount, fen_of_yuan
from billing.statements import CHANNELS
from gateway.api.context import Context, Staff
from gateway.api.passes import by
from gateway.console.desk import door
from gateway.console.rendering import language_of
from gateway.console.words import word
from gateway.flows import reading
from gateway.flows.charges_books import By
from gateway.flows.refusals import Invalid, Refused
from gateway.runtime.ids import random_token

Shape = TypeVar("Shape", bound=BaseModel)
_FIELDS_MAX = 200
_SITES_MAX = 200


@dataclass(frozen=True)
class Entered:
    """What a form said. A field that is not there is empty."""

    fields: Mapping[str, list[str]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.every(name)[-1].strip() if self.every(name) else ""

    def every(self, name: str) -> list[str]:
        return list(self.fields.get(name, ()))

    def or_none(self, name: str) -> str | None:
        return self[name] or None

    @property
    def once(self) -> str | None:
        """The page's own key: a form that is sent twice is one change."""
        return self.or_none("once")


async def _entered(request: Request) -> Entered:
    async with request.form(max_files=0, max_fields=_FIELDS_MAX) as form:
        found: dict[str, list[str]] = {}
        for name, value in form.multi_items():
            if isinstance(value, str):
                found.setdefault(name, []).append(value)
        return Entered(found)


Said = Annotated[Entered, Depends(_entered)]


def shaped(shape: type[Shape], **said: Any) -> Shape:
    """What a form said, as the API's document. Raises `Invalid`, beginning with the field's name."""
    try:
        return shape.model_validate({name: value for name, value in said.items() if value is not None})
    except ValidationError as why:
        first = why.errors(include_url=False)[0]
        raise Invalid(f"{first['loc'][0]}: {first['msg']}") from None


def fen(name: str, text: str) -> int:
    """An amount of yuan as somebody types it. Raises `Invalid`."""
    try:
        return fen_of_yuan(text.replace(",", "").replace("，", "").lstrip("¥￥ "))
    except NotAnAmount as why:
        raise Invalid(f"{name}: {why}") from None


def fen_or_none(name: str, text: str) -> int | None:
    return fen(name, text) if text else None


def number(name: str, text: str) -> int:
    """A count. Raises `Invalid`."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Invalid(f"{name}: {text[:20]!r} is no whole number")
    return int(text)


def sites(connection: Connection, staff: Staff) -> list[dict[str, Any]]:
    """Those that the reader may choose from."""
    return reading.sites(connection, staff.sites, reading.Slice(None, _SITES_MAX), disabled=False)


def site_choices(context: Context, staff: Staff) -> list[tuple[str, str]]:
    """The same with their names, for a choice."""
    with context.parts.store.reading() as connection:
        return [(one["id"], one["name"]) for one in sites(connection, staff)]


def channels(request: Request) -> list[tuple[str, str]]:
    """What money is taken or handed out through, cash first, for a choice."""
    lang = language_of(request)
    return [(one, word(lang, "channel", one)) for one in sorted(CHANNELS, key=lambda one: one != "cash")]


def step(
    staff: Staff,
    said: Entered,
    work: Callable[[By], str | None],
    shown: Callable[[Refused], Response] | None,
    where: str,
    done: str,
) -> Response:
    """Do what a form asks, once: then to a page by GET that says so, or the form again with what was wrong at its field.

    Without `shown` there is no form to show again: what is refused is raised. `work` may say where else it leads, and what else is said there.
    """
    door.own_form(staff, said["csrf"], where)
    try:
        onward = work(by(staff))
    except Refused as why:
        if shown is None:
            raise
        return shown(why)
    path, _, query = (onward or where).partition("?")
    told = dict(parse_qsl(query))
    return door.back_to(path, told | {"said": told.get("said", done)})


def form(
    request: Request,
    staff: Staff,
    template: str,
    *,
    here: str,
    said: Entered | None = None,
    why: Refused | None = None,
    fields: tuple[str, ...] = (),
    **values: Any,
) -> Response:
    """A page with a form: empty, or as it was sent, with what was refused at the field that it is about."""
    errors = {} if why is None else door.at_fields(why, fields)
    status = 200 if why is None else why.status
    return door.page(
        request,
        staff,
        template,
        status,
        here=here,
        entered=said or Entered(),
        errors=errors,
        once=random_token(18),
        **values,
    )
