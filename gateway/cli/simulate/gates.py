"""`parkgate simulate gates`: virtual gates against any broker or deployment, in real time."""

from __future__ import annotations

import json
import signal
import ssl
import threading
from collections.abc import Iterable
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
from gateway.cli.simulate import deployed
from gateway.runtime.settings import Broker
from simulators.clock import WallClock
from simulators.conductor import Conductor
from simulators.errands import Mishaps, errands
from simulators.gate import Answered
from simulators.street import SiteSpec, parse_street
from simulators.traffic import Turn
from simulators.transport import Key
from simulators.yard import Unanswered, Yard

# A command lives 8 s, and never more than 12 s after its read.
ANSWERED_WITHIN = timedelta(seconds=12)
_NAMED_MAX = 10


@click.command()
@click.option("--site", "site_file", type=click.Path(path_type=Path), help="The estate's site file.")
@click.option(
    "--api", metavar="URL", help="Instead of a site file: the deployment's own address, which tells lanes and devices."
)
@click.option("--user", help="With --api: an account there that manages or audits; its password is asked for.")
@click.option(
    "--password-stdin",
    is_flag=True,
    help="Read that password, and then a code where one is asked for, from standard input.",
)
@click.option("--token-file", help="With --api: a file with a bearer token, instead of --user; `-` is standard input.")
@click.option(
    "--credentials",
    type=click.Path(path_type=Path),
    required=True,
    help='JSON: {"broker": URL, "devices": {"site.device": password}}, as `demo` writes it; "logins": passwords with which devices are asked.',
)
@click.option("--broker", help="mqtt://host:port or mqtts://host:port; default: what the credentials name.")
@click.option(
    "--devices-http", help="http://host:port where devices that speak HTTP come in; without it they are left out."
)
@click.option("--minutes", type=click.FloatRange(1, 1440), default=5.0, show_default=True, help="How long, in all.")
@click.option("--per-hour", type=click.FloatRange(1, 3600), default=60.0, show_default=True, help="Vehicles a site.")
@click.option(
    "--stay", type=click.FloatRange(5, 3600), default=30.0, show_default=True, help="Seconds inside, on average."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed, the same vehicles.")
@click.option(
    "--mishaps",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of the vehicles whose read is sent twice; a Hikvision camera is busy when it is asked for one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def gates(
    *,
    site_file: Path | None,
    api: str | None,
    user: str | None,
    password_stdin: bool,
    token_file: str | None,
    credentials: Path,
    broker: str | None,
    devices_http: str | None,
    minutes: float,
    per_hour: float,
    stay: float,
    seed: int,
    mishaps: float,
    as_json: bool,
) -> None:
    """Virtual gates that connect to a deployment as its devices, each in its vendor's bytes over MQTT and HTTP, and let invented vehicles through.

    Every device of the site file, or of the deployment that --api names, whose password the credentials have: passwords are shown once, when they are made, and no deployment tells them. One that is asked by HTTP listens at its address, which has to be this
    computer's. Nobody pays: who stays beyond the free minutes is let out by hand. What the vehicles did is in that deployment's books afterwards: point it at one that is for trying.
    Exit 1 if a read was not answered within 12 s.
    """
    known = _credentials(credentials)
    where = _broker(broker or known.broker)
    source = str(site_file or api)
    sites = _with_passwords(_told(site_file, api, deployed.Login(user, password_stdin, token_file)), known.devices)
    stop = _told_to_stop()
    clock = WallClock()
    start = clock.now()
    end = start + timedelta(minutes=minutes)
    try:
        yard = Yard(
            sites,
            clock,
            where.host,
            where.port,
            boot=f"{start:%y%m%d%H%M%S}",
            passwords=known.devices,
            tls=ssl.create_default_context() if where.tls else None,
            live=True,
            door=(devices_http or "").rstrip("/"),
            logins=known.logins,
        )
    except OSError as problem:
        raise Refusal(f"{source}: a device that is asked cannot listen at its address: {problem}") from None
    tally = Tally(yard, sites)
    conductor = Conductor(yard, seed=str(seed), payer=None, stop=stop)
    conductor.traffic.watchers.append(tally.answered)
    conductor.traffic.listeners += (tally.read, Mishaps(yard, seed, mishaps).read)
    stays = timedelta(seconds=stay)
    played = playable(sites, yard, f"{credentials} has no password of any device in {source} that can be played")
    for journey in errands(played, seed, start, end, per_hour=per_hour, stay=stays, twice=mishaps):
        conductor.add_journey(journey)
    try:
        yard.open()
        conductor.run_live(end)
    except Unanswered as problem:
        raise Refusal(f"{where}: {problem}; check address and credentials") from None
    finally:
        yard.close()
    found = tally.figures(clock.now())
    click.echo(json.dumps(found) if as_json else said(found))
    if found["unanswered"]:
        raise CheckFailed(f"{found['unanswered']} of {found['reads']} reads were not answered within 12 s")


class _Credentials(msgspec.Struct, frozen=True):
    """Where the broker is, the devices' passwords by user name, and those with which they are asked."""

    devices: dict[str, str]
    broker: str = ""
    logins: dict[str, str] = {}


class Count:
    """What became of each vehicle's first read at one device."""

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        self.reads = self.raised = self.shown = self.not_done = 0
        self.waiting: dict[str, datetime] = {}
        self.milliseconds: list[float] = []


class Tally:
    """By device. `silent`: reads at gates without a display, which are told nothing where they must not open."""

    def __init__(self, yard: Yard, sites: Iterable[SiteSpec]) -> None:
        self._yard = yard
        vendors = {Key(site.id, one.id): one.vendor for site in sites for one in site.device}
        self._of = {key: Count(vendors[key]) for key in yard.gates}

    def read(self, turn: Turn) -> None:
        assert turn.first is not None
        assert turn.read_at is not None
        self._of[turn.key].reads += 1
        self._of[turn.key].waiting[turn.first.id] = turn.read_at

    def answered(self, key: Key, one: Answered) -> None:
        count = self._of[key]
        if one.outcome is not Outcome.DONE:
            count.not_done += 1
        elif one.command.action is Action.OPEN:
            count.raised += 1
        else:
            count.shown += 1
        if (read_at := count.waiting.pop(one.command.event or "", None)) is not None:
            count.milliseconds.append((one.at - read_at) / timedelta(milliseconds=1))

    def figures(self, now: datetime) -> dict[str, Any]:
        devices = {key.username: self._device(key, count, now) for key, count in sorted(self._of.items())}
        summed = ("reads", "raised", "shown", "not_done", "silent", "unanswered")
        spread = sorted(one for count in self._of.values() for one in count.milliseconds)
        return {
            "gates": len(devices),
            **{name: sum(one[name] for one in devices.values()) for name in summed},
            "answer_ms": _spread(spread),
            "devices": devices,
        }

    def _device(self, key: Key, count: Count, now: datetime) -> dict[str, Any]:
        late = [event for event, read_at in count.waiting.items() if read_at + ANSWERED_WITHIN < now]
        silent = 0 if self._yard.shows(key) else sum(not self._yard.waits(key, event) for event in late)
        return {
            "vendor": count.vendor,
            "reads": count.reads,
            "raised": count.raised,
            "shown": count.shown,
            "not_done": count.not_done,
            "silent": silent,
            "unanswered": len(late) - silent,
            "answer_ms": _spread(sorted(count.milliseconds)),
        }


def _spread(ordered: list[float]) -> dict[str, float | None]:
    return {"p50": _at(ordered, 0.5), "p99": _at(ordered, 0.99)}


def _at(ordered: list[float], share: float) -> float | None:
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)], 1) if ordered else None


def said(found: dict[str, Any]) -> str:
    """A line a device, and one for all."""
    devices = [f"{name} ({one['vendor']}): {_counted(one)}" for name, one in found["devices"].items()]
    return "\n".join([*devices, f"{found['gates']} gates, {_counted(found)}"])


def _counted(found: dict[str, Any]) -> str:
    spread = found["answer_ms"]
    answered = "" if spread["p50"] is None else f"; answered in {spread['p50']} ms (p50), {spread['p99']} ms (p99)"
    return (
        f"{found['reads']} reads: {found['raised']} openings, {found['shown']} shown, "
        f"{found['not_done']} not carried out, {found['silent']} without a display; unanswered {found['unanswered']}{answered}"
    )


def _told_to_stop() -> threading.Event:
    stop = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stop.set())
    return stop


def playable(sites: list[SiteSpec], yard: Yard, nobody: str) -> list[SiteSpec]:
    """Without the devices that are not played, which are named: their vendor has no virtual device, they speak HTTP and nobody said where,
    or they have no lane or no serial number. Raises `Refusal` where none is left.
    """
    known = [(Key(site.id, one.id), one.vendor) for site in sites for one in site.device]
    left = [f"{key.username} ({vendor})" for key, vendor in known if key not in yard.gates]
    if not yard.gates:
        yard.close()
        raise Refusal(f"{nobody}; not played: {_some(left)}" if left else nobody)
    if left:
        click.echo(f"left out, such a device is not played: {_some(left)}", err=True)
    return [
        replace(site, device=tuple(one for one in site.device if Key(site.id, one.id) in yard.gates)) for site in sites
    ]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return ", ".join(names[:_NAMED_MAX]) + more


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


def _told(path: Path | None, api: str | None, login: deployed.Login) -> list[SiteSpec]:
    """By the site file or by the deployment, whichever is given."""
    if api is not None and path is None:
        return deployed.sites_of(api, login)
    if api is not None or path is None or any(login):
        raise Refusal("give --site, or --api with --user or --token-file: where lanes and devices are known from")
    try:
        return list(parse_street(read_text(path)).site)
    except ValueError as problem:
        raise Refusal(f"{path}: {problem}") from None


def _with_passwords(sites: Iterable[SiteSpec], passwords: dict[str, str]) -> list[SiteSpec]:
    """With those devices whose passwords are known, and no others. Says which passwords are of no device."""
    sites = [site for site in sites if site.gate]
    there = {f"{site.id}.{one.id}" for site in sites for one in site.device}
    if (strange := sorted(passwords.keys() - there)) and there & passwords.keys():
        click.echo(f"no such device there, left out: {_some(strange)}", err=True)
    return [
        replace(site, device=tuple(one for one in site.device if f"{site.id}.{one.id}" in passwords)) for site in sites
    ]
