"""`parkgate simulate gates`: virtual gates against any broker or deployment, in real time."""

from __future__ import annotations

import json
import signal
import ssl
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec.structs import replace

from controllers.commands import Action
from controllers.events import Outcome
from gateway.cli.main import CheckFailed, Refusal
from gateway.cli.plain import read_text
from gateway.runtime.settings import Broker
from simulators.clock import WallClock
from simulators.conductor import Conductor
from simulators.errands import errands
from simulators.gate import Answered
from simulators.street import SiteSpec, parse_street
from simulators.traffic import Turn
from simulators.transport import Key
from simulators.yard import Unanswered, Yard

# A command lives 8 s, and never more than 12 s after its read.
ANSWERED_WITHIN = timedelta(seconds=12)


@click.command()
@click.option("--site", "site_file", type=click.Path(path_type=Path), required=True, help="The estate's site file.")
@click.option(
    "--credentials",
    type=click.Path(path_type=Path),
    required=True,
    help='JSON: {"broker": URL, "devices": {"site.device": password}}, as `demo` writes it.',
)
@click.option("--broker", help="mqtt://host:port or mqtts://host:port; default: what the credentials name.")
@click.option("--minutes", type=click.FloatRange(1, 1440), default=5.0, show_default=True, help="How long, in all.")
@click.option("--per-hour", type=click.FloatRange(1, 3600), default=60.0, show_default=True, help="Vehicles a site.")
@click.option(
    "--stay", type=click.FloatRange(5, 3600), default=30.0, show_default=True, help="Seconds inside, on average."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed, the same vehicles.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def gates(
    *,
    site_file: Path,
    credentials: Path,
    broker: str | None,
    minutes: float,
    per_hour: float,
    stay: float,
    seed: int,
    as_json: bool,
) -> None:
    """Virtual gates that connect to a deployment as its devices, each in its vendor's bytes over MQTT, and let invented vehicles through.

    Every device of the site file whose password the credentials have; devices that speak HTTP are left out. Nobody pays: who stays beyond the free
    minutes is let out by hand. What the vehicles did is in that deployment's books afterwards: point it at one that is for trying.
    Exit 1 if a read was not answered within 12 s.
    """
    known = _credentials(credentials)
    where = _broker(broker or known.broker)
    sites = _sites(site_file, known.devices)
    stop = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stop.set())
    clock = WallClock()
    start = clock.now()
    end = start + timedelta(minutes=minutes)
    yard = Yard(
        sites,
        clock,
        where.host,
        where.port,
        boot=f"{start:%y%m%d%H%M%S}",
        passwords=known.devices,
        tls=ssl.create_default_context() if where.tls else None,
        live=True,
    )
    tally = Tally(yard)
    conductor = Conductor(yard, seed=str(seed), payer=None, stop=stop)
    conductor.traffic.listeners.append(tally.read)
    conductor.traffic.watchers.append(tally.answered)
    for journey in errands(sites, seed, start, end, per_hour=per_hour, stay=timedelta(seconds=stay)):
        conductor.add_journey(journey)
    try:
        if not yard.gates:
            raise Refusal(f"{credentials} has no password of any device in {site_file} that speaks over MQTT")
        yard.open()
        conductor.run_live(end)
    except Unanswered as problem:
        raise Refusal(f"{where}: {problem}; check address and credentials") from None
    finally:
        yard.close()
    found = tally.figures(clock.now())
    click.echo(json.dumps(found) if as_json else _line(found))
    if found["unanswered"]:
        raise CheckFailed(f"{found['unanswered']} of {found['reads']} reads were not answered within 12 s")


class _Credentials(msgspec.Struct, frozen=True):
    """Where the broker is, and the devices' passwords by user name."""

    devices: dict[str, str]
    broker: str = ""


class Tally:
    """What became of each vehicle's first read at a lane."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard
        self._waiting: dict[tuple[Key, str], datetime] = {}
        self._milliseconds: list[float] = []
        self._reads = self._silent = self._raised = self._shown = self._not_done = 0

    def read(self, turn: Turn) -> None:
        assert turn.first is not None
        assert turn.read_at is not None
        self._reads += 1
        self._waiting[turn.key, turn.first.id] = turn.read_at

    def answered(self, key: Key, one: Answered) -> None:
        if one.outcome is not Outcome.DONE:
            self._not_done += 1
        elif one.command.action is Action.OPEN:
            self._raised += 1
        else:
            self._shown += 1
        if (read_at := self._waiting.pop((key, one.command.event or ""), None)) is not None:
            self._milliseconds.append((one.at - read_at) / timedelta(milliseconds=1))

    def figures(self, now: datetime) -> dict[str, Any]:
        """`silent`: reads at gates without a display, which are told nothing where they must not open."""
        late = [key for (key, _), read_at in self._waiting.items() if read_at + ANSWERED_WITHIN < now]
        silent = sum(not self._yard.dialects[key].shows for key in late)
        ordered = sorted(self._milliseconds)
        return {
            "gates": len(self._yard.gates),
            "reads": self._reads,
            "raised": self._raised,
            "shown": self._shown,
            "not_done": self._not_done,
            "silent": silent,
            "unanswered": len(late) - silent,
            "answer_ms": {"p50": _at(ordered, 0.5), "p99": _at(ordered, 0.99)},
        }


def _at(ordered: list[float], share: float) -> float | None:
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)], 1) if ordered else None


def _line(found: dict[str, Any]) -> str:
    spread = found["answer_ms"]
    return (
        f"{found['gates']} gates, {found['reads']} reads: {found['raised']} openings, {found['shown']} shown, "
        f"{found['not_done']} not carried out, {found['silent']} without a display; unanswered {found['unanswered']}; "
        f"answered in {spread['p50']} ms (p50), {spread['p99']} ms (p99)"
    )


def _credentials(path: Path) -> _Credentials:
    try:
        return msgspec.json.decode(read_text(path), type=_Credentials)
    except msgspec.MsgspecError as problem:
        raise Refusal(f"{path}: no credentials as `demo` writes them: {problem}") from None


def _broker(url: str) -> Broker:
    try:
        return Broker(url)
    except ValueError as problem:
        raise Refusal(f"--broker: {problem}") from None


def _sites(path: Path, passwords: dict[str, str]) -> list[SiteSpec]:
    """With those devices whose passwords are known, and no others."""
    try:
        street = parse_street(read_text(path))
    except ValueError as problem:
        raise Refusal(f"{path}: {problem}") from None
    return [
        replace(site, device=tuple(one for one in site.device if f"{site.id}.{one.id}" in passwords))
        for site in street.with_gates()
    ]
