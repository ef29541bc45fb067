"""Runs the street: opens the gates, lets days pass, closes each at the simulated night, and says what came of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select, text

from gateway.cli.demo import figures, house, mixed, morning, small_gates
from gateway.cli.demo.invariants import Check
from gateway.cli.demo.purse import Purse
from gateway.cli.demo.service_process import ServiceProcess, SharedClock
from gateway.cli.demo.wire import Wire
from gateway.cli.ports import free_port
from gateway.flows.close import close_day
from gateway.flows.export import FORMATS, export_day
from gateway.flows.orders.tending import tend as tend_orders
from gateway.flows.posting import day_bounds
from gateway.flows.sweep import sweep
from gateway.runtime import collector
from gateway.store import tables as t
from gateway.store.prepared import find
from simulators.channels.provider import Provider
from simulators.clock import monotonic
from simulators.conductor import Conductor
from simulators.population import HOUSEHOLDS
from simulators.street import parse_street
from simulators.transport import Key
from simulators.world import FIRST_DAY, World
from simulators.yard import Yard

_STATUS_AT_MOST_EVERY_SECONDS = 0.2
_SWEEP_EVERY = timedelta(minutes=15)
_CLOSE_AFTER_MIDNIGHT = timedelta(hours=2)
# With less than a whole second left nobody tells a device of another vendor.
_STILL_TOLD = timedelta(seconds=1)
_EVENT, _COMMAND = t.PlateEventRow, t.CommandRow
_STORED = select(_EVENT.event_id).where(
    _EVENT.site_id == bindparam("site"),
    _EVENT.device_id == bindparam("device"),
    _EVENT.event_id == bindparam("event"),
)
_UNDER_WAY = select(_COMMAND.id).where(
    text("state IN ('planned', 'sent')"),  # as the index of what is unfinished has it
    _COMMAND.site_id == bindparam("site"),
    _COMMAND.device_id == bindparam("device"),
    _COMMAND.action != "show",
    _COMMAND.expires_at > bindparam("at"),
)
_ZONE_NAME = "Asia/Shanghai"


class Street:
    """A demo from its furnishing to its end."""

    def __init__(
        self,
        out: Path,
        seed: int,
        *,
        speed: float | None,
        port: int,
        stop: threading.Event,
        households: int = HOUSEHOLDS,
    ) -> None:
        """`households` scales the street and its traffic."""
        house.clear(out)
        site_file = small_gates.site_file(mixed.site_file(house.rule_file("hushu-street.toml"), free_port))
        house.write_private(out / "street.toml", site_file)
        street = parse_street(site_file)
        self.seed = seed
        self.stop = stop
        self.world = World(street, seed, timezone=_ZONE_NAME, households=households)
        start, _ = day_bounds(FIRST_DAY, ZoneInfo(_ZONE_NAME))
        self.clock = SharedClock(start, out)
        # Whoever watches can play the driver who pays; the street's own drivers pay without a network between.
        self.channels = Provider(self.clock.now, wallets=True) if speed is not None else None
        accounts = self.channels.accounts(out / "keys") if self.channels else None
        settings = house.settings_file(
            out,
            http_port=port,
            broker_port=free_port(),
            devices_http=f"127.0.0.1:{free_port()}",
            channels=accounts,
        )
        self.house = house.furnish(
            out, settings, self.clock, site_file, house.rule_file("hushu.toml"), self.world.registers()
        )
        self.parts = self.house.parts
        self._holders = small_gates.furnish(self.parts, seed)
        self.wire = Wire()
        self.service = ServiceProcess(self.parts, self.clock)
        self._swept_at = start
        self._live = speed is not None
        self.said: dict[str, int] = {}
        self._told_at = 0.0
        broker = settings.broker
        self.yard = Yard(
            street.with_gates(),
            self.clock,
            broker.host,
            broker.port,
            boot=f"{seed}",
            passwords=self.house.passwords,
            offsets=self.world.clock_offsets(),
            heard=self.wire.heard,
            door=f"http://{settings.devices_http}",
            stored=self._stored,
        )
        self.purse = Purse(self.parts)
        self.conductor = Conductor(
            self.yard,
            seed=str(seed),
            payer=self.purse,
            steps=self,
            stop=stop,
            speed=speed,
            seen_online=self._online,
            booth=self.purse,
        )

    def open(self) -> None:
        """Broker, bridge and gates. Raises `BrokerDidNotStart`."""
        if self.channels is not None:
            self.channels.open()
        self.service.start()
        self.conductor.open()

    def close(self) -> None:
        """The gates first, then the service, which drains what they said last."""
        if self.channels is not None:
            self.channels.close()
        self.yard.close()
        self.service.stop()
        self.parts.store.close()

    def plan(self, day: date) -> None:
        self.conductor.add(self.world.plan(day))
        self.conductor.add_visits(small_gates.a_day(self._holders, self.seed, day, self.parts.settings.zone))

    def live_through(self, day: date) -> bool:
        """To the close of a day, two hours after its midnight. False if a stop was asked for."""
        _, midnight = day_bounds(day, self.parts.settings.zone)
        return self.conductor.run(midnight + _CLOSE_AFTER_MIDNIGHT)

    def night(self, day: date) -> dict[str, Any]:
        """Close the day, reconcile it with what the channels say, export it, and reckon its figures."""
        sweep(self.parts)
        closed = close_day(self.parts, day, operator="demo")
        deals = self.purse.deals(day)
        for channel, more in (morning.phones(self.channels, day) if self.channels else {}).items():
            deals[channel] = [*deals.get(channel, ()), *more]
        self.said = {channel: morning.received(told) for channel, told in deals.items()}
        morning.reconcile(self.parts, day, deals)
        for form in FORMATS:
            for name, content in export_day(self.parts, day, form):
                (self.house.out / "exports" / name).write_bytes(content)
        return {
            "seed": self.seed,
            "day": day.isoformat(),
            **figures.of_day(self.parts, day),
            "close_hash": _hex(closed.street_hash),
        }

    def invariants(self, day: date) -> dict[str, str]:
        return Check(self.parts, self.conductor, self.yard, day, self.wire, self.said).all()

    # ------------------------------------------------------------------ what the conductor calls

    def advanced(self, now: datetime) -> None:
        """The service's own work that time brings about, at instants that no speed changes."""
        if self._live:
            self._tell_how_the_gates_are()
        while self._swept_at + _SWEEP_EVERY <= now:
            self._swept_at += _SWEEP_EVERY
            sweep(self.parts)
            tend_orders(self.parts)

    def _tell_how_the_gates_are(self) -> None:
        """For those who watch: a gate that has not said so for a while is shown as stale. It changes no figure."""
        if monotonic() - self._told_at < _STATUS_AT_MOST_EVERY_SECONDS:
            return
        self._told_at = monotonic()
        for key, gate in self.yard.gates.items():
            gate.want_status()
            self.yard.send(key)

    def _stored(self, key: Key, events: frozenset[str]) -> bool:
        """Whether these are in the books, and nothing that could still open for them is under way. What only shows something changes no day."""
        at = self.clock.now() + _STILL_TOLD
        with self.parts.store.reading() as connection:
            return all(
                find(connection, _STORED, site=key.site, device=key.device, event=event) for event in events
            ) and not find(connection, _UNDER_WAY, site=key.site, device=key.device, at=at)

    def _online(self, site: str, device: str) -> bool:
        state = t.DeviceState
        with self.parts.store.reading() as connection:
            return bool(
                connection.execute(
                    select(state.online).where(state.site_id == site, state.device_id == device)
                ).scalar_one_or_none()
            )


def once(street: Street) -> dict[str, Any]:
    """One day as fast as it goes: its figures and the invariants. Empty if it was stopped."""
    day = FIRST_DAY
    street.plan(day)
    street.open()
    collector.started_up()
    if not street.live_through(day):
        return {}
    found = street.night(day)
    return {**found, "invariants": street.invariants(day)}


def day_after_day(street: Street, say: Callable[[str], None]) -> None:
    """Until it is stopped."""
    day = FIRST_DAY
    street.plan(day)
    while not street.stop.is_set():
        street.plan(day + timedelta(days=1))
        if not street.live_through(day):
            return
        say(table(street.night(day)))
        day += timedelta(days=1)


def table(found: dict[str, Any]) -> str:
    """A day's figures for people."""
    zone_day = f"{found['day']} 湖墅街道 · seed {found['seed']}"
    rows = [
        ("stays 停车", f"{found['stays']:,}"),
        ("events 事件", f"{found['events']:,}"),
        ("openings 抬杆", f"{found['opened']:,}"),
        ("small gate 小门", f"{found['doors']['opened']:,} let through, {found['doors']['refused']:,} not"),
        ("earned 应收", _yuan(found["gross_fen"])),
        *((f"  waived 优免 {name}", _yuan(fen)) for name, fen in found["waived_fen"].items()),
        ("received 实收", _yuan(found["received_fen"])),
        ("owed 欠费", _yuan(found["receivable_fen"])),
        ("close 日结", found["close_hash"]),
    ]
    lines = [zone_day, *(f"  {name:<34} {value}" for name, value in rows)]
    for number, verdict in found.get("invariants", {}).items():
        lines.append(f"  invariant {number:<24} {verdict}")
    return "\n".join(lines)


def document(found: dict[str, Any]) -> str:
    return json.dumps(found, ensure_ascii=False)


def _yuan(fen: int) -> str:
    sign = "-" if fen < 0 else ""
    return f"{sign}¥{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def _hex(value: bytes | str) -> str:
    return value.hex() if isinstance(value, bytes) else value
