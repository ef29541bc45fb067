"""Registers as documents: lists by site, plate, household and moment; one entry; what is due for review. Writes nothing."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from cryptography.fernet import InvalidToken
from sqlalchemy import ColumnElement, Connection, and_, false, func, or_, select, true

from billing.policy import Policy
from gateway.flows.reading import Sites, Slice
from gateway.flows.refusals import NotFound
from gateway.flows.registers_kinds import REGISTERS, Register, Row
from gateway.flows.registers_known import policies_in_force
from gateway.flows.secrecy import CertificateNumbers
from gateway.store.tables.base import Instant
from gateway.wiring import Parts

_SHOWN_DIGITS = 4
MASK = "····"


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries. `plate` is a part of a normalised plate; `valid_at`: those that hold then.

    `ends_by`: those whose end is then or before; `due`: certificates that hold now and are to be reviewed on this local day or
    before it.
    """

    site: str | None = None
    plate: str | None = None
    household: str | None = None
    class_: str | None = None
    valid_at: datetime | None = None
    ends_by: datetime | None = None
    due: date | None = None


class Shown(msgspec.Struct, frozen=True):
    """What documents are made with: the moment for `valid`, the zone for days, the policies for reviews, the key of numbers."""

    now: datetime
    zone: ZoneInfo
    policies: Mapping[str, Policy]
    numbers: CertificateNumbers | None


def shown(connection: Connection, parts: Parts, kind: str) -> Shown:
    """For the documents of one answer."""
    now = parts.clock.now()
    sealed = kind == "certificates"
    return Shown(
        now,
        parts.settings.zone,
        policies_in_force(connection, now) if sealed else {},
        CertificateNumbers(parts.settings.secret()) if sealed else None,
    )


def listed(
    connection: Connection, kind: str, allowed: Sites, wanted: Filter, page: Slice, how: Shown
) -> list[tuple[tuple[Any, ...], Row]]:
    """Entries in the order of their sites and keys, each with its key for paging. Raises `NotFound` for a cursor of another list."""
    register = REGISTERS[kind]
    table = register.table.c
    conditions = [true() if allowed is None else table.site_id.in_(sorted(allowed)), *_conditions(register, wanted)]
    if wanted.due is not None:
        conditions += [_holds(register, how.now), _due(table, wanted.due, how)]
    order = [table.site_id, *(table[name] for name in register.address)]
    if page.after is not None:
        after = [page.after[0], *register.address_of(str(page.after[1]))]
        # Written out: not every database compares whole rows as these columns are ordered.
        conditions.append(
            or_(
                *(
                    and_(
                        *(one == value for one, value in zip(order[:place], after[:place], strict=True)),
                        order[place] > after[place],
                    )
                    for place in range(len(order))
                )
            )
        )
    rows = connection.execute(
        select(register.table).where(and_(*conditions)).order_by(*order).limit(page.limit + 1)
    ).mappings()
    found = []
    for row in rows:
        one = document(register, dict(row), how)
        found.append(((row["site_id"], one["id"].partition(".")[2]), one))
    return found


def _conditions(register: Register, wanted: Filter) -> list[ColumnElement[bool]]:
    """A filter that the register has no column for finds nothing."""
    table = register.table.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.site is not None:
        conditions.append(table.site_id == wanted.site)
    if wanted.plate:
        conditions.append(table.plate.contains(wanted.plate, autoescape=True) if "plate" in table else false())
    if wanted.household is not None:
        name = "id" if register.kind == "households" else "household_id"
        conditions.append(table[name] == wanted.household if name in table else false())
    if wanted.class_ is not None:
        conditions.append(table.class_id == wanted.class_ if "class_id" in table else false())
    if wanted.valid_at is not None:
        conditions.append(_holds(register, wanted.valid_at))
    if wanted.ends_by is not None:
        conditions.append(table.valid_to <= wanted.ends_by)
    return conditions


def _holds(register: Register, at: datetime) -> ColumnElement[bool]:
    table = register.table.c
    holds = and_(
        or_(table.valid_from.is_(None), table.valid_from <= at), or_(table.valid_to.is_(None), table.valid_to > at)
    )
    return and_(holds, ~table.lifted) if "lifted" in table else holds


def holds(row: Mapping[str, Any], at: datetime) -> bool:
    """Whether an entry, by its columns, holds at an instant."""
    begun = row["valid_from"] is None or row["valid_from"] <= at
    return begun and (row["valid_to"] is None or row["valid_to"] > at) and not row.get("lifted", False)


def find(connection: Connection, kind: str, entry_id: str, allowed: Sites) -> Row:
    """One entry's row. Raises `NotFound`, also where it is somebody else's."""
    register = REGISTERS[kind]
    site, _, token = entry_id.partition(".")
    if allowed is not None and site not in allowed:
        raise NotFound("there is no such entry, or not for you")
    here = [register.table.c.site_id == site]
    for name, part in zip(register.address, register.address_of(token), strict=True):
        here.append(register.table.c[name] == part)
    row = connection.execute(select(register.table).where(and_(*here))).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such entry, or not for you")
    return dict(row)


def document(register: Register, row: Row, how: Shown) -> Row:
    """An entry as the API has it. `valid`: it holds now."""
    found = {"id": register.id_of(row), **register.fields(row), "valid": holds(row, how.now)}
    if register.kind == "certificates":
        found["number"] = masked(row["number_encrypted"], how.numbers)
        due = review_due(row, how)
        found["review_due"] = due.isoformat() if due is not None else None
    return found


def masked(sealed: bytes, numbers: CertificateNumbers | None) -> str:
    """The end of a certificate's number, by which two can be told apart. Never more than half of it."""
    assert numbers is not None
    try:
        number = numbers.decrypt(bytes(sealed))
    except InvalidToken:
        return MASK  # the secret has changed since; the row still stands
    return MASK + number[max(len(number) - _SHOWN_DIGITS, (len(number) + 1) // 2) :]


def review_due(row: Mapping[str, Any], how: Shown) -> date | None:
    """The local day by which a certificate is to be looked at again; None if the site's policy asks for no reviews."""
    months = _review_months(how, row["site_id"])
    if months is None:
        return None
    since: datetime = row["reviewed_at"] or row["valid_from"] or row["registered_at"]
    return later(since.astimezone(how.zone).date(), months)


def _review_months(how: Shown, site: str) -> int | None:
    policy = how.policies.get(site)
    return policy.low_income.review_months if policy is not None and policy.low_income is not None else None


def _due(table: Any, due: date, how: Shown) -> ColumnElement[bool]:
    """Site by site, since each has its policy's months: looked at so long ago that the review is due by that day."""
    looked_at = func.coalesce(table.reviewed_at, table.valid_from, table.registered_at, type_=Instant())
    each: list[ColumnElement[bool]] = []
    for site in how.policies:
        months = _review_months(how, site)
        if months is not None:
            last = newest_due(due, months)
            midnight = datetime(last.year, last.month, last.day, tzinfo=how.zone)
            end = (midnight + timedelta(days=1)).astimezone(how.now.tzinfo)
            each.append(and_(table.site_id == site, looked_at < end))
    return or_(*each) if each else false()


def later(day: date, months: int) -> date:
    """The same day so many months later, or the last of its month (31 August and six months: 28 February)."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def newest_due(due: date, months: int) -> date:
    """The last day from which `later` gives `due` or an earlier day."""
    first = later(due, -months)
    ends = due.day == calendar.monthrange(due.year, due.month)[1]
    return first.replace(day=calendar.monthrange(first.year, first.month)[1]) if ends else first
