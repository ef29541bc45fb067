"""`parkgate bench console`: every page of the console over a year of stays: how long the server takes, beside a page that reads nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from time import perf_counter, process_time
from typing import Any, Final
from urllib.parse import urlsplit

import click
from sqlalchemy import insert, select, update

from gateway.api import access
from gateway.api.app import create_app
from gateway.api.sessions import COOKIE, Tokens
from gateway.cli.bench import live, paint
from gateway.cli.bench.fill import fill
from gateway.cli.bench.fill import rows as rows_in
from gateway.cli.bench.growth import visit
from gateway.cli.bench.options import DATABASES, common, databases_at_hand, measuring
from gateway.cli.bench.report import percentile, progress, table
from gateway.cli.bench.stand import Databases, settings_for, settings_of, settle
from gateway.cli.bench.street import PLATES, Layout, furnish, plate
from gateway.cli.bench.traffic import Vehicle
from gateway.console.desk.sections import PAGES
from gateway.flows import help_calls, users
from gateway.flows.event_path import EventPath
from gateway.flows.reading import STAY_STATES
from gateway.flows.reports.asking import DAYS_MAX, HOURLY, HOURS_MAX_DAYS
from gateway.flows.reports.catalogue import REPORTS
from gateway.flows.sums.keeping import keep
from gateway.runtime.clock import SystemClock
from gateway.store.tables import AllowanceBalance, AllowanceDraw, ExceptionItem, SiteBooks, Stay
from gateway.wiring import Parts

_STAYS, _QUICK_STAYS = 1_000_000, 5_000
_TIMES: Final = 7
_QUICK_TIMES: Final = 2
_STAYS_A_VEHICLE: Final = 50
_DRIVER: Final = Vehicle(plate(PLATES - 1), "visitor")
_LAYOUT: Final = Layout(sites=30, devices=1, lanes=2, residents=20, relatives=5, deliveries=5)
_QUICK_LAYOUT: Final = replace(_LAYOUT, sites=4)
_LIMIT_MS: Final = 150
_MINUTES: Final = {"limit_minutes": 3600, "drawn_minutes": 365}
FLOOR: Final = "/login"
# Who looks: the first of these that may see a page.
_WHO: Final = ("finance", "manager", "registrar", "console", "cashier")

Asgi = Callable[..., Any]


@click.command()
@click.option("--stays", type=click.IntRange(1_000, 20_000_000), default=None, help="How many; default 1,000,000.")
@click.option("--database", type=click.Choice(DATABASES), default="sqlite", help="Default: sqlite.")
@click.option("--defer", is_flag=True, hidden=True, help="Return the document instead of printing it.")
@common
def console(*, stays: int | None, database: str, defer: bool, folder: Any, quick: bool, as_json: bool) -> Any:
    """The server's time for each page with a million stays of 30 sites, seven times each: the first, the middle one and the slowest.

    In this process, without a socket: what a page costs is what the server does. `cpu`: its processor time, which other work on the machine
    does not change; of PostgreSQL's it knows nothing. `login` reads nothing, and is the floor.
    """
    databases_at_hand(database)
    with measuring(folder) as made:
        found = _measure(made, database, stays or (_QUICK_STAYS if quick else _STAYS), quick=quick)
    if not defer:
        click.echo(json.dumps(found) if as_json else text(found))
    return found


def _measure(made: Databases, database: str, stays: int, *, quick: bool) -> dict[str, Any]:
    layout = _QUICK_LAYOUT if quick else _LAYOUT
    values = settings_for(made.make(database))
    parts, _ = furnish(settings_of(values), layout)
    try:
        vehicles = max(stays // _STAYS_A_VEHICLE, 100)
        until = parts.clock.now() - timedelta(hours=1)
        with progress(stays, "stays") as bar:
            fill(parts, layout, stays, vehicles, until=until, step_done=bar.step)
        # One through the event path: its decisions and its bill can be told as a story.
        came = parts.clock.now() - timedelta(minutes=30)
        EventPath(parts, planner="bench").run(visit(parts, layout.site(0), _DRIVER, came, "told"))
        _desk_has_work(parts, layout)
        with progress(stays, "summed") as bar:
            _days_are_over(parts)
            bar.step(stays)
        settle(parts)
        for role in _WHO:
            users.add(parts, role, role, [], operator="bench")
        times = _QUICK_TIMES if quick else _TIMES
        pages = [_timed(parts, name, where, role, times) for name, where, role in _asked(parts, layout)]
        why = paint.absent()
        token = _token(parts, "console")
        painted = [] if why else paint.measure(values, token, made.folder, times)
        watched = [] if why else live.measure(parts, layout, values, token, made.folder, quick=quick)
        rows = sum(rows_in(parts).values())
        return {
            "database": database,
            "stays": stays,
            "rows": rows,
            "pages": pages,
            "paint": painted,
            "live": watched,
            "paint_left_out": why,
        }
    finally:
        parts.store.close()


def _asked(parts: Parts, layout: Layout) -> list[tuple[str, str, str]]:
    """Every page that the navigation names, and those that one comes to from there: name, address, who looks."""
    with parts.store.reading() as connection:
        stay = connection.execute(select(Stay.id).where(Stay.plate == _DRIVER.plate)).scalar_one()
        call = connection.execute(select(ExceptionItem.id).where(ExceptionItem.kind == help_calls.KIND)).scalar_one()
    today = parts.clock.now().astimezone(parts.settings.zone).date()
    found = [("login", FLOOR, "")]
    for page in PAGES:
        role = next((one for one in _WHO if access.allowed(one, *page.call)), None)
        if role is not None:
            found.append((page.name, page.where, role))
    site = layout.site(0)
    return [
        *found,
        ("stays, a plate", f"/stays?plate={plate(7)[-5:]}&site={site}", "finance"),
        ("stays, a part of a plate", "/stays?plate=0007", "finance"),
        ("stays, two figures of a plate", "/stays?plate=77", "finance"),
        *((f"stays, {state}", f"/stays?state={state}", "finance") for state in STAY_STATES),
        ("a stay", f"/stays/{stay}", "finance"),
        ("a read, and why", f"/events/{site}/d0/told-in", "finance"),
        ("a lane", f"/lanes/{layout.lanes_of_all()[0].key.site}.{layout.lanes_of_all()[0].lane}", "console"),
        ("whose call it is", f"/queue/{call}/stay", "console"),
        ("a household's free hours", f"/allowances/of?site={site}&household=h0", "finance"),
        ("voucher stock", "/vouchers/stock", "finance"),
        ("a site", f"/admin/sites/{site}", "manager"),
        *_balances(today),
        *_reports(today),
    ]


def _balances(today: date) -> Iterator[tuple[str, str, str]]:
    """The trial balance, of as many days as it may be asked for, and at instants of this year and of the one before."""
    year = f"from={today - timedelta(days=DAYS_MAX - 1)}&to={today}"
    yield "trial balance, yesterday, with balances", "/money/trial-balance?balances=yes", "finance"
    for by, more in (("total", "&balances=yes"), ("site", "&balances=yes"), ("day", ""), ("month", "")):
        name = f"trial balance by {by}, {DAYS_MAX} days{', with balances' if more else ''}"
        yield name, f"/money/trial-balance?by={by}&{year}{more}", "finance"
    for name, day in (("now", today), ("half a year ago", today - timedelta(days=183))):
        yield f"trial balance at an instant, {name}", f"/api/v1/reports/trial-balance?at={day}", "finance"


def _desk_has_work(parts: Parts, layout: Layout) -> None:
    """A call that waits, and a year of free hours: of every household each month, of one as many draws as it has days."""
    site = layout.site(0)
    help_calls.call_from_lane(parts, site, layout.lanes_of_all()[1].lane)
    today = parts.clock.now().astimezone(parts.settings.zone).date()
    months = sorted({(today - timedelta(days=days)).isoformat()[:7] for days in range(365)})
    drawn = [
        {"site_id": layout.site(place), "holder": f"household:h{home}", "month": month, **_MINUTES}
        for place in range(layout.sites)
        for home in range(layout.residents)
        for month in months
    ]
    with parts.store.writing() as connection:
        stays = connection.execute(select(Stay.id).where(Stay.site_id == site).limit(365)).scalars()
        one = {"site_id": site, "sequence": 1, "holder": "household:h0", "month": months[-1], "minutes": 1}
        connection.execute(insert(AllowanceBalance), drawn)
        connection.execute(insert(AllowanceDraw), [{**one, "stay_id": stay, "at": parts.clock.now()} for stay in stays])
        connection.commit()


def _days_are_over(parts: Parts) -> None:
    """What the jobs of a year have done: days are closed (of their seals nothing is asked here), and summed."""
    today = parts.clock.now().astimezone(parts.settings.zone).date()
    with parts.store.writing() as connection:
        connection.execute(update(SiteBooks).values(closed_through=today - timedelta(days=1)))
        connection.commit()
    while keep(parts):
        pass


def _reports(today: date) -> Iterator[tuple[str, str, str]]:
    """Every report as long as it may be asked for, broken down in every way, and beside the year before where it can be."""
    for report in REPORTS.values():
        role = next(one for one in _WHO if access.allowed(one, "GET", f"/reports/{report.name}"))
        for by in report.by or ("",):
            days = HOURS_MAX_DAYS if report.steps(by) == HOURLY else DAYS_MAX
            asked = f"/reports/{report.name}?by={by}&from={today - timedelta(days=days - 1)}&to={today}"
            name = f"{report.name}{f' by {by}' if by else ''}, {days} days"
            yield name, asked, role
            if report.beside:
                yield f"{name}, and a year before", f"{asked}&compare=year", role


def _timed(parts: Parts, name: str, where: str, role: str, times: int) -> dict[str, Any]:
    """Raises `RuntimeError` for a page that is none."""
    app = create_app(parts)
    cookie = f"{COOKIE}={_token(parts, role)}" if role else ""
    took: list[float] = []
    worked: list[float] = []
    with asyncio.Runner() as runner:
        for _ in range(times):
            began, working = perf_counter(), process_time()
            status, size = runner.run(_get(app, where, cookie))
            took.append(perf_counter() - began)
            worked.append(process_time() - working)
            if status != 200:
                raise RuntimeError(f"{where} for {role} answered {status}")
    return {
        "page": name,
        "first_ms": percentile(took[:1], 0.5),
        "p50_ms": percentile(took, 0.5),
        "max_ms": percentile(took[1:], 1.0),
        "cpu_ms": percentile(worked, 0.5),
        "bytes": size,
        "within": percentile(took, 0.5) <= _LIMIT_MS,
    }


def _token(parts: Parts, name: str) -> str:
    with parts.store.reading() as connection:
        user = users.find(connection, name)
    assert user is not None
    return Tokens(parts.settings.secret()).issue(user, "console", SystemClock().now())


async def _get(app: Asgi, where: str, cookie: str) -> tuple[int, int]:
    """The status of a page, and how long it is, without a socket."""
    address = urlsplit(where)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": address.path,
        "raw_path": address.path.encode(),
        "query_string": address.query.encode(),
        "root_path": "",
        "headers": [(b"host", b"bench"), (b"cookie", cookie.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("bench", 80),
        "state": {},
    }
    status = size = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, size
        status = message.get("status", status)
        size += len(message.get("body", b""))

    await app(scope, receive, send)
    return status, size


def text(found: dict[str, Any]) -> str:
    heads = ("page", "first ms", "p50 ms", "max ms", "cpu ms", "KiB", f"p50 up to {_LIMIT_MS} ms")
    rows = [
        (
            one["page"],
            one["first_ms"],
            one["p50_ms"],
            one["max_ms"],
            one["cpu_ms"],
            round(one["bytes"] / 1024, 1),
            "yes" if one["within"] else "no",
        )
        for one in found["pages"]
    ]
    said = f"{found['database']}, {found['stays']:,} stays, {found['rows']:,} rows"
    painted = paint.text(found["paint"]) if found["paint"] else f"first paint left out: {found['paint_left_out']}"
    watched = ["", live.text(found["live"])] if found["live"] else []
    return "\n".join([said, "", table(heads, rows), "", painted, *watched])
