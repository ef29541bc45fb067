"""What is sold of passes, and which end soon. For registrar and finance: who sees all passes sees who has none. Writes nothing."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from billing.passes import earned
from billing.policy import Policy
from gateway.flows import passes_refund
from gateway.flows.charges_books import By, Desk
from gateway.flows.passes_records import SoldPass, SoldPeriod, load
from gateway.flows.reading import Sites, Slice, older, within
from gateway.flows.refusals import NotFound
from gateway.store import tables as t
from gateway.wiring import Parts

_SOLD, _PERIOD, _VEHICLE = t.ParkingPass.__table__.c, t.PassPeriod.__table__.c, t.PassVehicle.__table__.c
REMINDER_DAYS_MAX = 90
_REMINDERS_MAX = 1_000
# A pass that ended longer ago than this is not renewed by a reminder.
_ENDED_DAYS_MAX = 31


class SoldFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which passes. `plate` is a whole normalised one, now or before."""

    plate: str | None = None
    household: str | None = None
    offer: str | None = None
    state: str | None = None


def sold_passes(
    parts: Parts, connection: Connection, allowed: Sites, wanted: SoldFilter, page: Slice
) -> list[tuple[tuple[datetime, str], dict[str, Any]]]:
    """Passes as sold, newest first, each with its key for paging."""
    conditions = [within(t.ParkingPass.site_id, allowed)]
    for column, value in (
        (_SOLD.household_id, wanted.household),
        (_SOLD.offer_id, wanted.offer),
        (_SOLD.state, wanted.state),
    ):
        if value is not None:
            conditions.append(column == value)
    if wanted.plate is not None:
        conditions.append(
            select(_VEHICLE.plate)
            .where(_VEHICLE.site_id == _SOLD.site_id, _VEHICLE.pass_id == _SOLD.id, _VEHICLE.plate == wanted.plate)
            .correlate(t.ParkingPass)
            .exists()
        )
    conditions += older(page.after, _SOLD.created_at, _SOLD.id)
    rows = connection.execute(
        select(_SOLD.site_id, _SOLD.id, _SOLD.created_at)
        .where(*conditions)
        .order_by(_SOLD.created_at.desc(), _SOLD.id.desc())
        .limit(page.limit + 1)
    ).all()
    today = parts.clock.now().astimezone(parts.settings.zone).date()
    return [((row.created_at, row.id), _summary(load(connection, row.site_id, row.id), today)) for row in rows]


def sold_pass(parts: Parts, connection: Connection, allowed: Sites, pass_id: str) -> dict[str, Any]:
    """One pass with its periods, its vehicles and its refunds. Raises `NotFound`."""
    site = pass_id.partition(".")[0]
    if allowed is not None and site not in allowed:
        raise NotFound("there is no such pass, or not for you")
    sold = load(connection, site, pass_id)
    desk = Desk(parts, connection, site, By(operator=""), parts.clock.now())
    return {
        **_summary(sold, desk.today),
        "periods": [_period(period) for period in sold.periods],
        "vehicles": [{"plate": one.plate, "since": one.since, "until": one.until} for one in sold.vehicles],
        "refunds": [
            msgspec.to_builtins(one, builtin_types=(datetime,)) for one in passes_refund.refunds_of(desk, sold)
        ],
    }


def ending(parts: Parts, connection: Connection, allowed: Sites, days: int) -> list[dict[str, Any]]:
    """Passes that end within so many days, or have ended and were not renewed: the soonest first, with their days of grace.

    At most a thousand. `days_left` is negative for one that has ended.
    """
    today = parts.clock.now().astimezone(parts.settings.zone).date()
    estate = parts.estates.known(connection)
    last = func.max(_PERIOD.end_day)
    rows = connection.execute(
        select(_SOLD.site_id, _SOLD.id, last.label("end_day"))
        .join(t.PassPeriod, (_PERIOD.site_id == _SOLD.site_id) & (_PERIOD.pass_id == _SOLD.id))
        .where(
            within(t.ParkingPass.site_id, allowed),
            _SOLD.state == "active",
            _SOLD.billed == "counter",
            # By the index: a pass without a period that ends in these days is none of them.
            _PERIOD.end_day >= today - timedelta(days=_ENDED_DAYS_MAX),
        )
        .group_by(_SOLD.site_id, _SOLD.id)
        .having(last <= today + timedelta(days=days))
        .order_by(last, _SOLD.site_id, _SOLD.id)
        .limit(_REMINDERS_MAX)
    ).all()
    found = []
    for row in rows:
        sold = load(connection, row.site_id, row.id)
        versions = estate.policies.get(estate.sites[row.site_id].policy_id, []) if row.site_id in estate.sites else []
        grace = _grace(versions, sold.offer_id)
        found.append(
            {
                "pass": sold.id,
                "site": sold.site,
                "offer": sold.offer_id,
                "household": sold.household,
                "plates": sold.plates(),
                "last_day": (sold.end - timedelta(days=1)).isoformat(),
                "days_left": (sold.end - today).days,
                "grace_until": (sold.end + timedelta(days=grace - 1)).isoformat() if grace else None,
            }
        )
    return found


def _grace(versions: list[Policy], offer_id: str) -> int:
    offers = [offer for policy in versions if (offer := policy.pass_offer(offer_id)) is not None]
    return offers[-1].grace_days if offers else 0


def _summary(sold: SoldPass, today: date) -> dict[str, Any]:
    return {
        "id": sold.id,
        "site": sold.site,
        "offer": sold.offer_id,
        "household": sold.household,
        "billed": sold.billed,
        "state": sold.state,
        "valid": sold.holds_on(today),
        "plates": sold.plates(),
        "first_day": min(period.first_day for period in sold.periods).isoformat(),
        "last_day": (sold.end - timedelta(days=1)).isoformat(),
    }


def _period(period: SoldPeriod) -> dict[str, Any]:
    """A period with what of it is income already; what is waived is a line of its own, gross beside it."""
    income = earned(period.gross(), period.next_day)
    waived = earned(period.waived(), period.next_day)
    return {
        "id": period.id,
        "first_day": period.first_day.isoformat(),
        "last_day": (period.end_day - timedelta(days=1)).isoformat(),
        "ended_on": period.ended_day.isoformat() if period.ended_day is not None else None,
        "gross_fen": period.gross_fen,
        "waived_fen": period.waived_fen,
        "paid_fen": period.gross_fen - period.waived_fen,
        "earned_fen": income,
        "earned_waived_fen": waived,
        "earned_through": (period.next_day - timedelta(days=1)).isoformat(),
    }
