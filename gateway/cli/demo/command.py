"""The command `parkgate demo`."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import click

from gateway.bridge.embedded import BrokerDidNotStart
from gateway.cli.demo import house, run
from gateway.cli.main import CheckFailed, Refusal
from gateway.cli.ports import free_port
from gateway.runtime import logs
from simulators.yard import Unanswered

_HTTP_PORT = 8080
_SPEED = 240.0


@click.command()
@click.option("--once", is_flag=True, help="One day as fast as it goes; prints its figures and checks the invariants.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0.1, max=100_000),
    default=_SPEED,
    show_default=True,
    help="Simulated seconds a second.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**53), default=1, show_default=True, help="The same seed gives the same day."
)
@click.option(
    "--port", type=click.IntRange(1, 65535), default=None, help=f"HTTP port; default {_HTTP_PORT}, or a free one."
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("out"), show_default=True, help="Where everything is kept."
)
@click.option("--json", "as_json", is_flag=True, help="With --once: the figures as one JSON document.")
def demo(once: bool, speed: float, seed: int, port: int | None, out: Path, as_json: bool) -> None:
    """The whole of Hushu street on embedded parts: broker, SQLite, 26 virtual gates, traffic, payments, a live page."""
    if as_json and not once:
        raise Refusal("--json goes with --once")
    logs.configure("warning", form="text")
    stop = threading.Event()

    def leave(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, leave)
    http_port = port or free_port(_HTTP_PORT)
    if port and free_port(port) != port:
        raise Refusal(f"--port {port} is taken; choose another")
    if not as_json:
        click.echo("Preparing Hushu street (30 estates, 26 gates, 14,000 households) …")
    street = run.Street(out, seed, speed=None if once else speed, port=http_port, stop=stop)
    try:
        if once:
            _once(street, as_json=as_json)
        else:
            _live(street, speed)
    except BrokerDidNotStart as problem:
        raise Refusal(str(problem)) from None
    except Unanswered as problem:
        raise CheckFailed(f"the service does not answer; its log is above: {problem}") from None
    finally:
        street.close()


def _once(street: run.Street, *, as_json: bool) -> None:
    house.write_credentials(street.house, street.parts.settings.base_url)
    found = run.once(street)
    if not found:
        raise CheckFailed("stopped before the day was over")
    click.echo(run.document(found) if as_json else run.table(found))
    broken = {number: verdict for number, verdict in found["invariants"].items() if verdict != "ok"}
    if broken:
        number, verdict = next(iter(broken.items()))
        raise CheckFailed(f"invariant {number} does not hold: {verdict}")
    if not as_json:
        click.echo(f"Exports: {street.house.out / 'exports'}")


def _live(street: run.Street, speed: float) -> None:
    from gateway.cli.web import WebServer, broker_health

    web = WebServer(street.parts, health=broker_health(street.parts.settings))
    try:
        street.open()
        web.start()
        credentials = house.write_credentials(street.house, web.url)
        click.echo(
            f"Hushu street is open, {speed:g} times as fast as time goes by.\n"
            f"  lanes, live    {web.url}/    user console, password {street.house.users['console']}\n"
            f"  small gate     {web.url}/doors    user committee, password {street.house.users['committee']}\n"
            f"  accounts       {credentials}\n"
            f"  exports        {street.house.out / 'exports'}   after each simulated day\n"
            f"  other commands parkgate --config {street.house.out / 'parkgate.toml'} …\n"
            "Ctrl-C ends it."
        )
        run.day_after_day(street, click.echo)
    finally:
        web.stop()
    click.echo("The gates are closed. Everything is kept.")
    sys.stdout.flush()
