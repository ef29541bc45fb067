"""What repeats: the breaks of a month by kind and by where they come from. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, or_, select

from billing.breaks import UNSETTLED
from gateway.flows.breaks_books import BREAK
from gateway.flows.posting import month_bounds
from gateway.flows.reading import Sites, at_each
from gateway.store import tables as t

REPEATS = 2
_ROWS_AT_A_TIME = 500
BY = ("channel", "lane", "shift", "operator")


class Repeat(msgspec.Struct, frozen=True, kw_only=True):
    """Breaks of one kind that have something in common: `by` channel, lane, shift or operator, and which.

    `amount_fen` sums what was in question (0 of vouchers), `days` counts business days, `unsettled` what nobody has settled yet;
    `written_off` those that two people gave up.
    """

    site: str
    kind: str
    by: str
    value: str
    count: int
    days: int
    amount_fen: int
    unsettled: int
    written_off: int


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """`kinds`: all of the month's by kind, `by` the site itself. `items`: what came at least twice, the most frequent first."""

    month: str
    kinds: list[Repeat]
    items: list[Repeat]


class _Sum:
    def __init__(self) -> None:
        self.count = self.amount_fen = self.unsettled = self.written_off = 0
        self.days: set[date] = set()

    def add(self, row: Any) -> None:
        self.count += 1
        self.days.add(row.day)
        self.amount_fen += 0 if row.kind == "voucher_count" else row.amount_fen
        self.unsettled += row.state in UNSETTLED
        self.written_off += row.resolution == "written_off"


_Key = tuple[str, str, str, str]


def month_of(connection: Connection, allowed: Sites, month: str, zone: ZoneInfo) -> Month:
    """By the breaks' days. What cleared by itself is left out: it was no trouble. Raises `Invalid` for what is no month."""
    first, after = (at.astimezone(zone).date() for at in month_bounds(month, zone))
    sums: dict[_Key, _Sum] = {}
    query = (
        select(*BREAK)
        .where(
            at_each(t.ReconciliationBreak.site_id, allowed),
            BREAK.day >= first,
            BREAK.day < after,
            BREAK.state != "cleared",
        )
        .order_by(BREAK.site_id, BREAK.id)
        .execution_options(yield_per=_ROWS_AT_A_TIME)
    )
    for rows in connection.execute(query).partitions(_ROWS_AT_A_TIME):
        for row, by, value in _places(connection, rows):
            sums.setdefault((row.site_id, row.kind, by, value), _Sum()).add(row)
    found = [_repeat(key, one) for key, one in sums.items()]
    found.sort(key=lambda one: (-one.count, -one.amount_fen, one.site, one.kind, one.by, one.value))
    return Month(
        month=month,
        kinds=[one for one in found if one.by == "site"],
        items=[one for one in found if one.by != "site" and one.count >= REPEATS],
    )


def _places(connection: Connection, rows: Sequence[Any]) -> Iterator[tuple[Any, str, str]]:
    """Each break with everything that it may have in common with others."""
    stays, rises = _stays(connection, rows), _rises(connection, rows)
    shifts, operators = _shifts(connection, rows), _operators(connection, rows)
    for row in rows:
        yield row, "site", row.site_id
        if row.channel:
            yield row, "channel", row.channel
        for lane in stays.get((row.site_id, row.stay_id), ()) or rises.get((row.site_id, row.subject), ()):
            yield row, "lane", f"{row.site_id}.{lane}"
        if row.shift_id:
            yield row, "shift", row.shift_id
        names = {shifts.get((row.site_id, row.shift_id))} | {
            operators.get((row.site_id, payment)) for payment in _booked(row)
        }
        for name in sorted(name for name in names if name):
            yield row, "operator", name


def _booked(row: Any) -> Sequence[str]:
    """The payments that it is about; a drawer's are those of its whole shift, and say nothing."""
    found: Sequence[str] = () if row.about == "shift" else row.evidence.get("books", ())
    return found


def _stays(connection: Connection, rows: Sequence[Any]) -> dict[tuple[str, str], tuple[str, ...]]:
    """By (site, stay) the lane out; of one that never left the lane in."""
    stay = t.Stay.__table__.c
    wanted = {row.stay_id for row in rows if row.stay_id}
    found = connection.execute(
        select(stay.site_id, stay.id, stay.entry_lane, stay.exit_lane).where(
            stay.site_id.in_({row.site_id for row in rows}), stay.id.in_(sorted(wanted))
        )
    )
    return {(row.site_id, row.id): tuple(one for one in (row.exit_lane or row.entry_lane,) if one) for row in found}


def _rises(connection: Connection, rows: Sequence[Any]) -> dict[tuple[str, str], tuple[str, ...]]:
    """By (site, subject) the lane whose barrier rose."""
    item = t.ExceptionItem.__table__.c
    wanted = sorted({row.subject for row in rows if row.about == "opening"})
    found = connection.execute(
        select(item.site_id, item.id, item.event_id, item.lane_id).where(
            item.site_id.in_({row.site_id for row in rows}),
            item.kind == "opened_without_event",
            or_(item.event_id.in_(wanted), item.id.in_(wanted)),
        )
    )
    return {(row.site_id, row.event_id or row.id): (row.lane_id,) for row in found if row.lane_id}


def _shifts(connection: Connection, rows: Sequence[Any]) -> dict[tuple[str, str], str]:
    """Whose they are, by (site, shift)."""
    shift = t.Shift.__table__.c
    wanted = {row.shift_id for row in rows if row.shift_id}
    found = connection.execute(
        select(shift.site_id, shift.id, shift.cashier).where(
            shift.site_id.in_({row.site_id for row in rows}), shift.id.in_(sorted(wanted))
        )
    )
    return {(row.site_id, row.id): row.cashier for row in found}


def _operators(connection: Connection, rows: Sequence[Any]) -> dict[tuple[str, str], str]:
    """Who took them, by (site, payment); a channel's own have nobody."""
    wanted = sorted({payment for row in rows for payment in _booked(row)})
    sites = {row.site_id for row in rows}
    found: dict[tuple[str, str], str] = {}
    for model in (t.Payment, t.ChargePayment):
        paid = model.__table__.c
        for place in range(0, len(wanted), _ROWS_AT_A_TIME):
            chunk = wanted[place : place + _ROWS_AT_A_TIME]
            query = select(paid.site_id, paid.id, paid.operator).where(paid.site_id.in_(sites), paid.id.in_(chunk))
            found |= {(row.site_id, row.id): row.operator for row in connection.execute(query) if row.operator}
    return found


def _repeat(key: _Key, one: _Sum) -> Repeat:
    site, kind, by, value = key
    return Repeat(
        site=site,
        kind=kind,
        by=by,
        value=value,
        count=one.count,
        days=len(one.days),
        amount_fen=one.amount_fen,
        unsettled=one.unsettled,
        written_off=one.written_off,
    )
