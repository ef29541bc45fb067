"""Where the pictures of the docs are taken: the tests' street, and the demo's at its busiest and on the morning after.

Everything in them is invented and seeded, and their clocks stand still: a picture taken again shows the same.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import insert, select, update

from gateway.cli.demo import run
from gateway.cli.ports import free_port
from gateway.cli.web import WebServer
from gateway.flows import users
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.store import schema
from gateway.store import tables as t
from gateway.store.engine import open_engine
from gateway.wiring import Parts
from simulators.channels.provider import Provider
from simulators.world import FIRST_DAY
from tests import cheap
from tests.browser.street import Console
from tests.conftest import FakeClock
from tests.gateway.channel_house import Callers
from tests.gateway.house import PASSWORD
from tests.gateway.trade import local

SEED = 1
# A sixth of the demo's: every gate has traffic, and the day is over in a minute.
HOUSEHOLDS = 2400
BUSY = local("2026-03-02 17:36")
MORNING = local("2026-03-03 08:05")
# One gate of the demo is away when it is looked at: what that looks like belongs to the picture.
_AWAY = "maiyuqiao"
_NEWEST = 300

Drawn = Callable[[str], bytes]


class World(NamedTuple):
    """A service that answers at `url`; its staff are called like their roles, with the tests' password."""

    url: str
    parts: Parts


@contextmanager
def street(folder: Path, drawn: Drawn) -> Iterator[tuple[World, Console]]:
    path = folder / "street.db"
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)
    engine = open_engine(f"sqlite:///{path}")
    schema.upgrade(engine)
    engine.dispose()
    with _parts(path, local("2026-03-01 12:00")) as parts:
        console = Console(parts)
        _photographed(parts, drawn)
        with _served(parts) as url:
            yield World(url, parts), console.at(url)


@contextmanager
def demo(path: Path, now: datetime, drawn: Drawn) -> Iterator[World]:
    """The demo's street as `a_demo` left it in a file."""
    with _parts(path, now) as plain, _by_phone(plain, path.parent / "channels", now) as parts:
        for role in users.ROLES:
            users.reset(parts, role, PASSWORD, operator="demo")
        state = t.DeviceState
        with parts.store.writing() as connection:
            # Nobody tells how the gates are while the clock stands: as far as the pictures go they told just now.
            connection.execute(update(state).where(state.site_id != _AWAY).values(seen_at=now, online=True))
            connection.execute(update(state).where(state.site_id == _AWAY).values(online=False))
            connection.commit()
        _photographed(parts, drawn)
        with _served(parts) as url:
            yield World(url, parts)


def a_demo(folder: Path) -> tuple[Path, Path]:
    """The demo's databases at its busiest and on the morning after; lived through once, then found where they were put."""
    busy, morning = folder / "busy.db", folder / "morning.db"
    if not (busy.is_file() and morning.is_file()):
        port, stop = free_port(), threading.Event()
        living = run.Street(folder / "out", SEED, speed=None, port=port, stop=stop, households=HOUSEHOLDS)
        try:
            living.plan(FIRST_DAY)
            living.open()
            living.conductor.run(BUSY)
            _copy(living.house.out / "parkgate.db", busy)
            living.live_through(FIRST_DAY)
            living.night(FIRST_DAY)
            _copy(living.house.out / "parkgate.db", morning)
        finally:
            living.close()
    return busy, morning


def _copy(database: Path, to: Path) -> None:
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)


@contextmanager
def _parts(path: Path, now: datetime) -> Iterator[Parts]:
    store = cheap.open_store(f"sqlite:///{path}")
    # The page of the settings shows no folder of whoever takes the pictures; the store is open already.
    settings = Settings(
        database_url="sqlite:///parkgate.db",
        secret_key="a secret of the tests only",
        test=True,
        http_port=0,
        public_url="http://127.0.0.1:8080",
    )
    try:
        yield Parts(settings=settings, clock=FakeClock(now), store=store, metrics=Metrics())
    finally:
        store.close()


@contextmanager
def _by_phone(parts: Parts, keys: Path, now: datetime) -> Iterator[Parts]:
    """Whose drivers are offered the simulated channels."""
    provider = Provider(lambda: now, wallets=True)
    provider.open()
    try:
        yield Callers.with_channels(parts, provider, keys)
    finally:
        provider.close()


@contextmanager
def _served(parts: Parts) -> Iterator[str]:
    server = WebServer(parts)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def _photographed(parts: Parts, drawn: Drawn) -> None:
    """The newest reads have a picture; no device of the simulators has a camera."""
    read, image = t.PlateEventRow, t.Image
    with parts.store.writing() as connection:
        newest = connection.execute(
            select(read.site_id, read.device_id, read.event_id, read.plate, read.at)
            .where(read.plate.is_not(None))
            .order_by(read.at.desc(), read.event_id)
            .limit(_NEWEST)
        ).all()
        for one in newest:
            key = (
                image.site_id == one.site_id,
                image.device_id == one.device_id,
                image.event_id == one.event_id,
            )
            jpeg = drawn(one.plate)
            if not connection.execute(update(image).where(*key).values(jpeg=jpeg)).rowcount:
                connection.execute(
                    insert(image).values(
                        site_id=one.site_id,
                        device_id=one.device_id,
                        event_id=one.event_id,
                        jpeg=jpeg,
                        received_at=one.at,
                    )
                )
        connection.commit()
