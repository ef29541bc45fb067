"""`parkgate bench events`, `memory`, `site`, `backlog` and `growth`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway.cli.bench import backlog as backlog_bench
from gateway.cli.bench import events as events_bench
from gateway.cli.bench import growth as growth_bench
from gateway.cli.bench import memory as memory_bench
from gateway.cli.bench import site as site_bench
from gateway.cli.bench.options import chosen, common, measuring, where
from gateway.cli.bench.stand import Arrangement, can_be_measured
from gateway.cli.bench.street import SMALL

F = TypeVar("F", bound=Callable[..., Any])

_EMBEDDED = Arrangement(broker="embedded", database="sqlite")
_DEPLOYED = Arrangement(broker="mosquitto", database="postgresql")
_SITE_SECONDS, _BACKLOG_SECONDS, _QUICK_SECONDS = 30.0, 30.0, 1.0
_deferred = click.option("--defer", is_flag=True, hidden=True, help="Return the document instead of printing it.")


def _tell(document: Any, text: Callable[[], str], *, as_json: bool, defer: bool) -> Any:
    if not defer:
        click.echo(json.dumps(document, ensure_ascii=False) if as_json else text())
    return document


@click.command()
@where
@click.option("--bridges", type=click.IntRange(1, 16), default=None, help="Only rows with so many bridges.")
@click.option(
    "--details", is_flag=True, help="With --json: also the ideal's figures, the echo's rate and shares by stage."
)
@_deferred
@common
def events(
    *,
    broker: str | None,
    database: str | None,
    bridges: int | None,
    details: bool,
    defer: bool,
    folder: Path | None,
    quick: bool,
    as_json: bool,
) -> Any:
    """From publishing a plate event to its command, and events a second, beside an echo, a bare commit and an ideal bridge.

    The last number in flight is saturation. A row's echo has as many messages in flight. The ideal bridge stores as durably and
    answers, but decides and prices nothing; --json leaves it out without --details.
    """
    wanted = chosen(events_bench.ARRANGEMENTS, broker, database)
    if bridges is not None:
        several = Arrangement(broker="mosquitto", database="postgresql", bridges=bridges)
        wanted = tuple(one for one in wanted if one.bridges == bridges) or (several,)
    with measuring(folder) as made:
        sizes = events_bench.QUICK if quick else events_bench.FULL
        found = events_bench.run(made, sizes, wanted, ideal=details or not as_json)
    return _tell(
        found.detailed if details else found.rows, lambda: events_bench.text(found), as_json=as_json, defer=defer
    )


@click.command()
@where
@click.option("--events", "count", type=click.IntRange(100), default=None, help="How many; default 200,000.")
@_deferred
@common
def memory(
    *,
    broker: str | None,
    database: str | None,
    count: int | None,
    defer: bool,
    folder: Path | None,
    quick: bool,
    as_json: bool,
) -> Any:
    """What broker and service hold in memory while 200,000 events pass through: it stays flat."""
    count = count or (memory_bench.QUICK_EVENTS if quick else memory_bench.EVENTS)
    wanted = can_be_measured(chosen((_EMBEDDED, _DEPLOYED), broker, database))
    with measuring(folder) as made:
        found = [memory_bench.run(made, one, count, SMALL if quick else None) for one in wanted]
    return _tell(found, lambda: memory_bench.text(found), as_json=as_json, defer=defer)


@click.command()
@where
@click.option("--seconds", type=click.FloatRange(0.5), default=None, help="How long; default 30.")
@click.option(
    "--city-events",
    type=click.FloatRange(2),
    default=site_bench.CITY_EVENTS_PER_S,
    show_default=True,
    help="The city's events a second.",
)
@_deferred
@common
def site(
    *,
    broker: str | None,
    database: str | None,
    seconds: float | None,
    city_events: float,
    defer: bool,
    folder: Path | None,
    quick: bool,
    as_json: bool,
) -> Any:
    """How much of the machine a busy site takes (10,000 vehicles a day, at its peak hour), and a whole city's peak."""
    seconds = seconds or (_QUICK_SECONDS if quick else _SITE_SECONDS)
    arrangements = chosen((_EMBEDDED, _DEPLOYED), broker, database)
    busy, city = (
        site_bench.cases(seconds, min(city_events, 40), SMALL) if quick else site_bench.cases(seconds, city_events)
    )
    wanted = [(case, one) for case in (busy, city) for one in arrangements]
    if broker is None and database is None:
        # One site is one process; nobody runs a city on SQLite.
        wanted = [(busy, _EMBEDDED), (busy, _DEPLOYED), (city, _DEPLOYED)]
        if _DEPLOYED.absent():
            wanted.append((city, _EMBEDDED))
    with measuring(folder) as made:
        found = site_bench.run(made, wanted)
    return _tell(found, lambda: site_bench.text(found), as_json=as_json, defer=defer)


@click.command()
@where
@click.option("--events", "count", type=click.IntRange(100), default=None, help="Buffered events; default 100,000.")
@click.option("--devices", type=click.IntRange(1, 90), default=backlog_bench.DEVICES, show_default=True)
@click.option(
    "--live",
    type=click.FloatRange(1),
    default=backlog_bench.LIVE_READS_PER_S,
    show_default=True,
    help="Live reads a second.",
)
@_deferred
@common
def backlog(
    *,
    broker: str | None,
    database: str | None,
    count: int | None,
    devices: int,
    live: float,
    defer: bool,
    folder: Path | None,
    quick: bool,
    as_json: bool,
) -> Any:
    """100,000 buffered events after an outage: how soon they are in, and whether live decisions wait for them."""
    count = count or (backlog_bench.QUICK_BUFFERED if quick else backlog_bench.BUFFERED)
    seconds = _QUICK_SECONDS if quick else _BACKLOG_SECONDS
    devices = min(devices, SMALL.sites) if quick else devices
    wanted = can_be_measured(chosen((_EMBEDDED, _DEPLOYED), broker, database))
    with measuring(folder) as made:
        found = [
            backlog_bench.run(made, one, events=count, reads_per_s=live, devices=devices, seconds=seconds)
            for one in wanted
        ]
    return _tell(found, lambda: backlog_bench.text(found), as_json=as_json, defer=defer)


@click.command()
@where
@click.option(
    "--stays", type=click.IntRange(2_000, 50_000_000), default=None, help="Past stays at the end; default 5,000,000."
)
@_deferred
@common
def growth(
    *,
    broker: str | None,
    database: str | None,
    stays: int | None,
    defer: bool,
    folder: Path | None,
    quick: bool,
    as_json: bool,
) -> Any:
    """The same decision with 10,000 and with 5,000,000 past stays in the database."""
    sizes = growth_bench.QUICK if quick else growth_bench.FULL
    kinds = chosen(growth_bench.ARRANGEMENTS, broker, database)
    with measuring(folder) as made:
        found = growth_bench.run(made, kinds, sizes, stays or sizes.stays)
    return _tell(found, lambda: growth_bench.text(found), as_json=as_json, defer=defer)
