"""亲属免费时长: what a household (or a vehicle) has left of a month, and every minute that was drawn or given back."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, tuple_

from billing.policy import Policy, RelativeAllowance, in_force
from gateway.flows.posting import month_bounds
from gateway.flows.reading import Slice
from gateway.flows.refusals import Invalid
from gateway.store import tables as t
from gateway.store.records import Estate
from gateway.wiring import Parts

_BALANCE = t.AllowanceBalance.__table__.c
_DRAW = t.AllowanceDraw.__table__.c
_STAY = t.Stay.__table__.c
_ID_MAX = 64
_SEQUENCE = re.compile(r"[0-9]{1,9}")
# Several a day, all month long.
_STAYS_OF_A_VEHICLE_MAX = 100
_VEHICLES_OF_A_MONTH_MAX = 50

Found = list[tuple[tuple[Any, ...], dict[str, Any]]]


def holder_of(household: str | None, plate: str | None) -> str | None:
    """The holder's name in the books; None for all of them. Raises `Invalid`."""
    if household is not None and plate is not None:
        raise Invalid("household and plate: an allowance is one's or the other's; give one of them")
    if household is not None:
        return f"household:{household[:_ID_MAX]}"
    return None if plate is None else f"vehicle:{plate[:_ID_MAX]}"


def one_holder(household: str | None, plate: str | None) -> str:
    """The same, of one of them. Raises `Invalid`."""
    holder = holder_of(household, plate)
    if holder is None:
        raise Invalid("household or plate: whose allowance?")
    return holder


def month_of(text: str | None, parts: Parts) -> str:
    """A local calendar month, this one by default. Raises `Invalid`."""
    if text is None:
        return f"{parts.clock.now().astimezone(parts.settings.zone):%Y-%m}"
    month_bounds(text, parts.settings.zone)
    return text


def balances(
    parts: Parts, connection: Connection, sites: Collection[str] | None, holder: str | None, month: str, page: Slice
) -> Found:
    """Who has drawn from a month, with what is left, by site and holder. One holder is answered even if it has drawn nothing."""
    conditions: list[ColumnElement[bool]] = [_BALANCE.month == month]
    if sites is not None:
        conditions.append(_BALANCE.site_id.in_(sites))
    # Where nothing was drawn a row may stand all the same: whoever might draw holds it.
    conditions.append(_BALANCE.holder == holder if holder is not None else _BALANCE.drawn_minutes > 0)
    if page.after is not None:
        conditions.append(tuple_(_BALANCE.site_id, _BALANCE.holder) > tuple_(*page.after))
    rows = connection.execute(
        select(*_BALANCE).where(*conditions).order_by(_BALANCE.site_id, _BALANCE.holder).limit(page.limit + 1)
    ).all()
    limits = _limits(parts, connection, month)
    drawn = {(row.site_id, row.holder): row.drawn_minutes for row in rows}
    if holder is not None and page.after is None:
        households = t.Household.__table__.c
        known = select(households.site_id).where(households.id == holder.partition(":")[2]).order_by(households.site_id)
        if sites is not None:
            known = known.where(households.site_id.in_(sites))
        for (site,) in connection.execute(known) if holder.startswith("household:") else ():
            drawn.setdefault((site, holder), 0)
    return [
        ((site, name), _balance(site, name, month, minutes, limits)) for (site, name), minutes in sorted(drawn.items())
    ]


def _balance(site: str, holder: str, month: str, drawn: int, limits: dict[str, int]) -> dict[str, Any]:
    limit = max(limits.get(site, 0), drawn)
    return {
        "site": site,
        **_named(holder),
        "month": month,
        "limit_minutes": limit,
        "drawn_minutes": drawn,
        "left_minutes": limit - drawn,
    }


def _named(holder: str) -> dict[str, str | None]:
    kind, _, name = holder.partition(":")
    return {"household": name if kind == "household" else None, "plate": name if kind == "vehicle" else None}


def months(parts: Parts, connection: Connection, site: str, holder: str, page: Slice) -> Found:
    """A holder's months, the newest first: those of which something was drawn, and on the first page this one."""
    conditions: list[ColumnElement[bool]] = [
        _BALANCE.site_id == site,
        _BALANCE.holder == holder,
        _BALANCE.drawn_minutes > 0,
    ]
    if page.after is not None:
        conditions.append(_BALANCE.month < str(page.after[0]))
    rows = connection.execute(
        select(_BALANCE.month, _BALANCE.drawn_minutes)
        .where(*conditions)
        .order_by(_BALANCE.month.desc())
        .limit(page.limit + 1)
    )
    drawn: dict[str, int] = {row.month: row.drawn_minutes for row in rows}
    if page.after is None:
        drawn.setdefault(month_of(None, parts), 0)
    estate = parts.estates.known(connection)
    found: Found = []
    for month in sorted(drawn, reverse=True)[: page.limit + 1]:
        limits = _given(site, _rule(parts, estate, site, month))
        found.append(((month, holder), _balance(site, holder, month, drawn[month], limits)))
    return found


def balance(parts: Parts, connection: Connection, site: str, holder: str, month: str) -> dict[str, Any]:
    """One holder's month, also if nothing was drawn of it."""
    own = (_BALANCE.site_id == site, _BALANCE.holder == holder, _BALANCE.month == month)
    drawn = connection.execute(select(_BALANCE.drawn_minutes).where(*own)).scalar() or 0
    return _balance(site, holder, month, drawn, _given(site, rule_of(parts, connection, site, month)))


def _limits(parts: Parts, connection: Connection, month: str) -> dict[str, int]:
    """What each site's policy gives in a month."""
    estate = parts.estates.known(connection)
    rules = {site: _rule(parts, estate, site, month) for site in estate.sites}
    return {site: rule.minutes_per_month for site, rule in rules.items() if rule is not None}


def _given(site: str, rule: RelativeAllowance | None) -> dict[str, int]:
    return {} if rule is None else {site: rule.minutes_per_month}


def rule_of(parts: Parts, connection: Connection, site: str, month: str) -> RelativeAllowance | None:
    """What a site's policy says of free hours in a month; None if it gives none."""
    return _rule(parts, parts.estates.known(connection), site, month)


def _rule(parts: Parts, estate: Estate, site: str, month: str) -> RelativeAllowance | None:
    """By the version in force now, or when the month ended."""
    at = min(parts.clock.now(), month_bounds(month, parts.settings.zone)[1])
    found = estate.sites.get(site)
    versions: list[Policy] = estate.policies.get(found.policy_id, []) if found is not None else []
    return in_force(versions, at).relative_allowance if versions else None


def movements(connection: Connection, site: str, holder: str, month: str, page: Slice) -> Found:
    """Every bill that drew from a month (minutes positive) or gave back to it, the newest first."""
    conditions: list[ColumnElement[bool]] = [_DRAW.site_id == site, _DRAW.holder == holder, _DRAW.month == month]
    if page.after is not None:
        at, name = page.after
        stay, _, sequence = str(name).rpartition(":")
        if not _SEQUENCE.fullmatch(sequence):
            raise Invalid("cursor: not one that this list gave; start without one")
        later = and_(_DRAW.at == at, tuple_(_DRAW.stay_id, _DRAW.sequence) < tuple_(stay, int(sequence)))
        conditions.append(or_(_DRAW.at < at, later))
    rows = connection.execute(
        select(*_DRAW)
        .where(*conditions)
        .order_by(_DRAW.at.desc(), _DRAW.stay_id.desc(), _DRAW.sequence.desc())
        .limit(page.limit + 1)
    ).all()
    return [
        (
            (row.at, f"{row.stay_id}:{row.sequence}"),
            {
                "site": row.site_id,
                **_named(row.holder),
                "month": row.month,
                "stay": row.stay_id,
                "bill": row.sequence,
                "minutes": row.minutes,
                "at": row.at,
            },
        )
        for row in rows
    ]


def plates_of(connection: Connection, site: str, stays: Collection[str]) -> dict[str, str]:
    """Whose stays drew: the plate of each."""
    rows = connection.execute(select(_STAY.id, _STAY.plate).where(_STAY.site_id == site, _STAY.id.in_(sorted(stays))))
    return {row.id: row.plate for row in rows}


def vehicles_of(connection: Connection, site: str, holder: str, month: str) -> list[tuple[str, int]]:
    """Which vehicles drew from a holder's month and how many minutes each, most first; what was given back is taken off."""
    own = and_(_DRAW.site_id == _STAY.site_id, _DRAW.stay_id == _STAY.id)
    minutes = func.sum(_DRAW.minutes)
    rows = connection.execute(
        select(_STAY.plate, minutes)
        .select_from(t.AllowanceDraw)
        .join(t.Stay, own)
        .where(_DRAW.site_id == site, _DRAW.holder == holder, _DRAW.month == month)
        .group_by(_STAY.plate)
        .having(minutes > 0)
        .order_by(minutes.desc(), _STAY.plate)
        .limit(_VEHICLES_OF_A_MONTH_MAX)
    )
    return [(plate, int(count)) for plate, count in rows]


def of_vehicle(
    connection: Connection, vehicle: tuple[str, str], month: str, *, other_than: str
) -> list[tuple[datetime, int]]:
    """When stays of one vehicle (site and plate) last drew from a month, and how many minutes each, the newest first.

    Without the stay `other_than`, and without those that gave everything back. For whoever drives it: nothing of the holder.
    """
    drawn_at, minutes = func.max(_DRAW.at), func.sum(_DRAW.minutes)
    site, plate = vehicle
    own = and_(_DRAW.site_id == _STAY.site_id, _DRAW.stay_id == _STAY.id)
    rows = connection.execute(
        select(drawn_at, minutes)
        .select_from(t.Stay)
        .join(t.AllowanceDraw, own)
        .where(_STAY.site_id == site, _STAY.plate == plate, _STAY.id != other_than, _DRAW.month == month)
        .group_by(_DRAW.stay_id)
        .having(minutes > 0)
        .order_by(drawn_at.desc(), _DRAW.stay_id)
        .limit(_STAYS_OF_A_VEHICLE_MAX)
    )
    return [(at, int(count)) for at, count in rows]
