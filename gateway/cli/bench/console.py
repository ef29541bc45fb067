"""`parkgate bench console`: every page of the console over a year of stays: how long the server takes, beside a page that reads nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from time import perf_counter
from typing import Any, Final
from urllib.parse import urlsplit

import click
from sqlalchemy import select

from gateway.api import access
from gateway.api.app import create_app
from gateway.api.sessions import COOKIE, Tokens
from gateway.cli.bench.fill import fill
from gateway.cli.bench.fill import rows as rows_in
from gateway.cli.bench.growth import visit
from gateway.cli.bench.options import DATABASES, common, databases_at_hand, measuring
from gateway.cli.bench.report import percentile, progress, table
from gateway.cli.bench.stand import Databases, settings_for, settings_of, settle
from gateway.cli.bench.street import PLATES, Layout, furnish, plate
from gateway.cli.bench.traffic import Vehicle
from gateway.console.desk.sections import PAGES
from gateway.flows import users
from gateway.flows.event_path import EventPath
from gateway.runtime.clock import SystemClock
from gateway.store.tables import Stay
from gateway.wiring import Parts

_STAYS, _QUICK_STAYS = 1_000_000, 5_000
_TIMES: Final = 7
_STAYS_A_VEHICLE: Final = 50
_DRIVER: Final = Vehicle(plate(PLATES - 1), "visitor")
_LAYOUT: Final = Layout(sites=30, devices=1, lanes=2, residents=20, relatives=5, deliveries=5)
_LIMIT_MS: Final = 150
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

    In this process, without a socket: what a page costs is what the server does. `login` reads nothing, and is the floor.
    """
    databases_at_hand(database)
    with measuring(folder) as made:
        found = _measure(made, database, stays or (_QUICK_STAYS if quick else _STAYS))
    if not defer:
        click.echo(json.dumps(found) if as_json else text(found))
    return found


def _measure(made: Databases, database: str, stays: int) -> dict[str, Any]:
    parts, _ = furnish(settings_of(settings_for(made.make(database))), _LAYOUT)
    try:
        vehicles = max(stays // _STAYS_A_VEHICLE, 100)
        until = parts.clock.now() - timedelta(hours=1)
        with progress(stays, "stays") as bar:
            fill(parts, _LAYOUT, stays, vehicles, until=until, step_done=bar.step)
        # One through the event path: its decisions and its bill can be told as a story.
        came = parts.clock.now() - timedelta(minutes=30)
        EventPath(parts, planner="bench").run(visit(parts, _LAYOUT.site(0), _DRIVER, came, "told"))
        settle(parts)
        for role in _WHO:
            users.add(parts, role, role, [], operator="bench")
        pages = [_timed(parts, name, where, role) for name, where, role in _asked(parts)]
        return {"database": database, "stays": stays, "rows": sum(rows_in(parts).values()), "pages": pages}
    finally:
        parts.store.close()


def _asked(parts: Parts) -> list[tuple[str, str, str]]:
    """Every page that the navigation names, and those that one comes to from there: name, address, who looks."""
    with parts.store.reading() as connection:
        stay = connection.execute(select(Stay.id).where(Stay.plate == _DRIVER.plate)).scalar_one()
    today = parts.clock.now().astimezone(parts.settings.zone).date()
    month = f"from={today - timedelta(days=30)}&to={today}"
    year = f"from={today - timedelta(days=364)}&to={today}"
    found = [("login", FLOOR, "")]
    for page in PAGES:
        role = next((one for one in _WHO if access.allowed(one, *page.call)), None)
        if role is not None:
            found.append((page.name, page.where, role))
    site = _LAYOUT.site(0)
    return [
        *found,
        ("stays, a plate", f"/stays?plate={plate(7)[-5:]}&site={site}", "finance"),
        ("stays, a part of a plate", "/stays?plate=0007", "finance"),
        ("a stay", f"/stays/{stay}", "finance"),
        ("a lane", f"/lanes/{_LAYOUT.lanes_of_all()[0].key.site}.{_LAYOUT.lanes_of_all()[0].lane}", "console"),
        ("flow, a month", f"/reports/flow?{month}", "finance"),
        ("flow, a year by month", f"/reports/flow?by=month&{year}", "finance"),
        ("income, a year by month", f"/reports/income?by=month&{year}", "finance"),
    ]


def _timed(parts: Parts, name: str, where: str, role: str) -> dict[str, Any]:
    """Raises `RuntimeError` for a page that is none."""
    app = create_app(parts)
    cookie = _cookie(parts, role) if role else ""
    took: list[float] = []
    with asyncio.Runner() as runner:
        for _ in range(_TIMES):
            began = perf_counter()
            status, size = runner.run(_get(app, where, cookie))
            took.append(perf_counter() - began)
            if status != 200:
                raise RuntimeError(f"{where} for {role} answered {status}")
    return {
        "page": name,
        "first_ms": percentile(took[:1], 0.5),
        "p50_ms": percentile(took, 0.5),
        "max_ms": percentile(took[1:], 1.0),
        "bytes": size,
        "within": percentile(took, 0.5) <= _LIMIT_MS,
    }


def _cookie(parts: Parts, name: str) -> str:
    with parts.store.reading() as connection:
        user = users.find(connection, name)
    assert user is not None
    return f"{COOKIE}={Tokens(parts.settings.secret()).issue(user, 'console', SystemClock().now())}"


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
    heads = ("page", "first ms", "p50 ms", "max ms", "KiB", f"p50 up to {_LIMIT_MS} ms")
    rows = [
        (
            one["page"],
            one["first_ms"],
            one["p50_ms"],
            one["max_ms"],
            round(one["bytes"] / 1024, 1),
            "yes" if one["within"] else "no",
        )
        for one in found["pages"]
    ]
    said = f"{found['database']}, {found['stays']:,} stays, {found['rows']:,} rows"
    return "\n".join([said, "", table(heads, rows)])
