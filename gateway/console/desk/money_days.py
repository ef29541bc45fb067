"""日清日对: each business day, how far it is closed and reconciled; a day at a site with its three records side by side."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from billing.close import Document, read_document
from billing.exports.audience import merge_accounts, merge_benefits, open_to_all
from gateway.api.context import Context, Staff, With
from gateway.api.days import site_meant
from gateway.api.live import in_zone
from gateway.api.passes import plain
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Said
from gateway.flows import breaks_reading, close, closes
from gateway.flows.breaks_reading import Wanted
from gateway.flows.charges_books import By
from gateway.flows.reading import Slice
from gateway.flows.reconciliation import reading as reconciled
from gateway.flows.refusals import NotFound, Refused
from gateway.store import books

router = APIRouter(include_in_schema=False)

HERE: Final = "days"
WHERE: Final = "/money/days"
_SEE: Final = ("GET", "/days/{day}")
_BREAKS: Final = ("GET", "/days/{day}/breaks")
_CALLS: Final = {"close": ("POST", "/days/{day}/close"), "reconcile": ("POST", "/days/{day}/reconcile")}
_DAYS_SHOWN: Final = 10
_BREAKS_SHOWN: Final = 50
_CASH: Final = "cash"
_SUMS: Final = ("books_fen", "books", "channel_fen", "rows", "differs", "waiting", "difference_fen")
Day = Annotated[date, Path(ge=date(2000, 1, 1), le=date(2199, 12, 31))]
Site = Annotated[str, Path(max_length=40)]
Until = Annotated[date | None, Query(ge=date(2000, 1, 1), le=date(2199, 12, 31))]


@router.get(WHERE)
def days(request: Request, context: With, until: Until = None) -> Response:
    """The last days over the reader's sites, the newest first."""
    staff = door.staff_at(request, context, _SEE)
    last = min(until or date.max, _today(context))
    with context.reports.reading() as connection:
        # Before the books were opened there is nothing to close.
        first = books.first_day(connection, [one["id"] for one in forms.sites(connection, staff)]) or last
        last = max(first, last)
        shown = [last - timedelta(days=back) for back in range(_DAYS_SHOWN)]
        found = [_summed(closes.day(connection, staff.sites, day)) for day in shown if first <= day]
    return door.page(
        request,
        staff,
        "money_days.html",
        here=HERE,
        days=found,
        today=_today(context).isoformat(),
        before=shown[-1] - timedelta(days=1) if first < shown[-1] else None,
    )


@router.get(WHERE + "/{day}")
def day_of(request: Request, context: With, day: Day) -> Response:
    """A day at each site."""
    staff = door.staff_at(request, context, _SEE)
    return _day_page(request, context, staff, day)


@router.post(WHERE + "/{day}/{what}")
def do(request: Request, context: With, day: Day, what: Literal["close", "reconcile"], said: Said) -> Response:
    """Close the day, or match its records, at a site or at all that the reader has."""
    staff = door.staff_at(request, context, _CALLS[what])
    named = said.or_none("site")
    where = f"{WHERE}/{day}/{named}" if named else f"{WHERE}/{day}"

    def work(_by: By) -> None:
        site = site_meant(staff, named)
        if what == "close":
            context.flows.close(context.parts, day, site, staff.name, staff.origin)
        else:
            with context.reports.place():
                context.flows.reconcile(context.parts, day, site, staff.name, staff.origin)

    def shown(why: Refused) -> Response:
        if named is None:
            return _day_page(request, context, staff, day, why)
        return _site_page(request, context, staff, day, named, why=why)

    return forms.step(staff, said, work, shown, where, f"day_{what}")


@router.get(WHERE + "/{day}/{site}")
def site_day(request: Request, context: With, day: Day, site: Site, *, preview: bool = False) -> Response:
    """A site's day: passages, ledger and channels side by side, and what of them does not agree. `preview`: as it would be closed now."""
    staff = door.staff_at(request, context, _SEE)
    # Whoever may close sees what it would seal; the books are held for it as for the close.
    return _site_page(request, context, staff, day, site, preview=preview and door.may(staff, *_CALLS["close"]))


def _day_page(request: Request, context: Context, staff: Staff, day: date, why: Refused | None = None) -> Response:
    with context.reports.reading() as connection:
        found = closes.day(connection, staff.sites, day)
    sums, over = _summed(found), day < _today(context)
    return forms.form(
        request,
        staff,
        "money_day.html",
        here=HERE,
        why=why,
        day=in_zone(found, context.parts.settings.zone),
        sums=sums,
        over=over,
        acts=_acts(staff, over and sums["closed"] < sums["sites"], sums["reconciled"] < sums["sites"]),
        beside=_beside(day),
    )


def _site_page(
    request: Request,
    context: Context,
    staff: Staff,
    day: date,
    site: str,
    *,
    preview: bool = False,
    why: Refused | None = None,
) -> Response:
    parts, sealed = context.parts, True
    try:
        staff.own(site)
        with context.reports.reading() as connection:
            stands = _stands(connection, site, day)
            record = books.close_of(connection, site, day)
            matched = reconciled.days(connection, [site], day)[0]
            breaks = _breaks(connection, context, staff, site, day)
        if record is None and preview:
            record, sealed = close.preview(parts, site, day), False
    except NotFound:
        raise
    except Refused as not_yet:
        why = why or not_yet
    document = None if record is None else read_document(record.canonical)
    over, still_open = day < _today(context), stands["state"] == "open"
    return forms.form(
        request,
        staff,
        "money_site_day.html",
        here=HERE,
        why=why,
        site=site,
        day=day.isoformat(),
        stands=in_zone(stands, parts.settings.zone),
        closed=None if document is None else _told(document, merged=open_to_all(staff.role)),
        sealed=sealed,
        matched=msgspec.to_builtins(matched),
        channels=_channels(matched, document),
        was_matched=matched.run > 0,
        breaks=breaks,
        over=over,
        acts=_acts(staff, over and still_open, not stands["reconciled"]),
        beside=_beside(day),
    )


def _acts(staff: Staff, to_close: bool, to_match: bool) -> list[str]:
    """What this reader may do with a day: what is sealed is neither closed nor matched again."""
    open_ways = (("close", to_close), ("reconcile", to_match))
    return [what for what, still in open_ways if still and door.may(staff, *_CALLS[what])]


def _stands(connection: Connection, site: str, day: date) -> dict[str, Any]:
    """How far a site's day is. Raises `NotFound`."""
    found: list[dict[str, Any]] = closes.day(connection, frozenset({site}), day)["sites"]
    if not found:
        raise NotFound
    return found[0]


def _breaks(
    connection: Connection, context: Context, staff: Staff, site: str, day: date
) -> list[dict[str, Any]] | None:
    """What of the day does not agree; None where that is not for the reader."""
    if not door.may(staff, *_BREAKS):
        return None
    zone = context.parts.settings.zone
    now = context.parts.clock.now().astimezone(zone)
    wanted, page = Wanted(states=None, day=day), Slice(None, _BREAKS_SHOWN)
    found = breaks_reading.breaks(connection, frozenset({site}), wanted, page, now)
    return [in_zone(plain(one), zone) for _, one in found]


def _summed(day: Mapping[str, Any]) -> dict[str, Any]:
    """A day over its sites: how many are closed and reconciled, which statements are missing, how much does not agree."""
    sites = day["sites"]
    missing = {(one["merchant"], one["channel"], one["kind"]) for at in sites for one in at["missing"]}
    return {
        "day": day["day"],
        "sites": len(sites),
        "closed": sum(one["state"] == "closed" for one in sites),
        "reconciled": sum(bool(one["reconciled"]) for one in sites),
        "missing": sorted(missing),
        "breaks": sum(one["breaks"] for one in sites),
        "street_hash": day["street_hash"],
    }


def _told(document: Document, *, merged: bool) -> dict[str, Any]:
    """What a close says, in the words of the reader's role."""
    told: dict[str, Any] = msgspec.to_builtins(document)
    totals = document.totals
    told["totals"]["accounts"] = merge_accounts(totals.accounts) if merged else totals.accounts
    told["totals"]["benefits"] = merge_benefits(totals.benefits) if merged else totals.benefits
    lanes = document.totals.lanes.values()
    for name in ("gross_fen", "payable_fen", "paid_fen"):
        told[name] = sum(getattr(lane, name) for lane in lanes)
    return told


def _channels(matched: reconciled.SiteDay, document: Document | None) -> list[dict[str, Any]]:
    """By channel: what the ledger took, what the match has of it, and what the channel says; the three must agree.

    `difference_fen`: the channel's rows that differ, less ours. `waiting`: rows whose other side has not come, a statement or a
    shift's count; `waits`: there is a statement to come.
    """
    rows: dict[str, dict[str, Any]] = {}

    def row(channel: str) -> dict[str, Any]:
        begun = {**dict.fromkeys(_SUMS, 0), "channel": channel, "ledger_fen": None, "waits": False}
        return rows.setdefault(channel, begun)

    for channel, fen in (document.totals.channels if document is not None else {}).items():
        row(channel)["ledger_fen"] = fen
    for total in matched.totals:
        one, ours = row(total["channel"]), total["side"] == "books"
        one["books_fen" if ours else "channel_fen"] += total["fen"]
        one["books" if ours else "rows"] += total["rows"]
        if total["state"] == "waiting":
            one["waiting"] += total["rows"]
        elif total["state"] == "break":
            one["differs"] += total["rows"]
            one["difference_fen"] += -total["fen"] if ours else total["fen"]
    for missing in matched.missing:
        row(missing["channel"])["waits"] = True
    return [rows[name] for name in sorted(rows, key=lambda name: (name == _CASH, name))]


def _beside(day: date) -> dict[str, str]:
    return {"yesterday": (day - timedelta(days=1)).isoformat(), "tomorrow": (day + timedelta(days=1)).isoformat()}


def _today(context: Context) -> date:
    return context.parts.clock.now().astimezone(context.parts.settings.zone).date()
