"""A run of recorded stays on embedded parts of its own: broker, SQLite, one site with one gate, a simulated clock."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self

from sqlalchemy import select

from billing.policy import Policy
from controllers.passages import State
from gateway.cli.demo import house
from gateway.cli.demo.purse import Purse
from gateway.cli.demo.service_process import ServiceProcess, SharedClock, spare_the_disk
from gateway.cli.ports import free_port
from gateway.flows import estate, policies
from gateway.flows.sweep import sweep
from gateway.store import schema
from gateway.store import tables as t
from gateway.wiring import Parts, build
from simulators.replay import LANE_IN, LANE_OUT, Replay, ReplayedStay, replay_site
from simulators.traffic import Turn
from simulators.yard import Unanswered, Yard

CAPACITY = 1_000_000
# Every recorded vehicle drives on, so a sweep finds nothing: it is run as a deployment would, but not for every quiet quarter of an hour.
_SWEEP_EVERY = timedelta(hours=6)
_MERCHANT = "replay"


class Came(NamedTuple):
    """What became of a recorded stay. `stay` is empty where its entry became none."""

    stay: str
    gross_fen: int
    payable_fen: int
    state: State


class Run:
    """Use as a context manager: nothing of it outlives it but what it returned."""

    def __init__(
        self,
        replay: Replay,
        folder: Path,
        policy: Policy,
        policy_text: str,
        *,
        speed: float | None = None,
        stop: threading.Event | None = None,
        on_read: Callable[[Turn], None] = lambda _: None,
    ) -> None:
        """`folder` is an empty one. Raises `billing.policy.PolicyError`."""
        self._replay = replay
        settings = house.settings_file(folder, http_port=0, broker_port=free_port())
        settings = settings.model_copy(update={"timezone": policy.timezone})
        clock = SharedClock(replay.start, folder)
        self._swept_at = replay.start
        self.parts: Parts = build(settings, clock=clock)
        spare_the_disk(self.parts)
        schema.upgrade(self.parts.store.engine)
        policies.apply(self.parts, policy_text, operator="replay")
        applied = estate.apply(self.parts, site_file(replay.site, policy.id), operator="replay")
        site = replay_site(replay.site, capacity=CAPACITY)
        self._yard = Yard(
            [site],
            clock,
            settings.broker.host,
            settings.broker.port,
            boot="replay",
            passwords={one.username: one.password for one in applied.credentials},
        )
        self._service = ServiceProcess(self.parts, clock)
        self._conductor = replay.conductor(
            self._yard, Purse(self.parts), self, speed=speed, stop=stop, seen_online=self._online
        )
        self._conductor.traffic.listeners.append(on_read)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The gate first, then the service, which drains what it said last."""
        self._yard.close()
        self._service.stop()
        self.parts.store.close()

    def conduct(self) -> bool:
        """Every read at its time; False if a stop was asked for. Raises `BrokerDidNotStart`, `Unanswered`."""
        self._service.start()
        try:
            self._conductor.open()
            return self._conductor.run(self._replay.end)
        except Unanswered as problem:
            raise problem if self._service.well() else Unanswered("the embedded broker has ended") from None

    def results(self) -> Iterator[tuple[ReplayedStay, Came]]:
        """What became of each recorded stay, in the order of the file."""
        book = _Book(self.parts, self._replay.site)
        for one in self._replay.results():
            yield one, book.what_became_of(one)

    def advanced(self, now: datetime) -> None:
        """Called by the conductor when the clock has moved."""
        if now - self._swept_at >= _SWEEP_EVERY:
            self._swept_at = now
            sweep(self.parts)

    def _online(self, site: str, device: str) -> bool:
        state = t.DeviceState
        statement = select(state.online).where(state.site_id == site, state.device_id == device)
        with self.parts.store.reading() as connection:
            return bool(connection.execute(statement).scalar_one_or_none())


class _Book:
    """The stays that the event path made, by the reads that they came from."""

    def __init__(self, parts: Parts, site: str) -> None:
        stay = t.Stay
        statement = (
            select(
                stay.id, stay.plate, stay.state, stay.entry_at, stay.exit_at, stay.entry_event, stay.exit_event,
                stay.gross_fen, stay.payable_fen,
            )
            .where(stay.site_id == site, stay.state != State.VOID)
            .order_by(stay.started_at, stay.id)
        )  # fmt: skip
        with parts.store.reading() as connection:
            rows = connection.execute(statement).fetchall()
        self._by_entry = {row.entry_event: row for row in rows if row.entry_event is not None}
        self._by_exit = {row.exit_event: row for row in rows if row.exit_event is not None}
        self._by_plate: dict[str, list[Any]] = {}
        for row in rows:
            self._by_plate.setdefault(row.plate, []).append(row)

    def what_became_of(self, one: ReplayedStay) -> Came:
        """A recorded stay is the one that its entry began, or continued; else the one that only its exit is known of."""
        row = self._by_entry.get(one.entry_event) or self._around(one) or self._by_exit.get(one.exit_event)
        if row is None:
            return Came("", 0, 0, State.NO_ENTRY)
        # Nobody is inside after the last recorded exit; a vehicle that were, would have no exit.
        state = State.MISSING_EXIT if row.state == State.INSIDE else State(row.state)
        return Came(row.id, row.gross_fen or 0, row.payable_fen or 0, state)

    def _around(self, one: ReplayedStay) -> Any | None:
        """The vehicle's stay at the instant of an entry that began none: its read belongs to an earlier passage."""
        at = one.stay.entry
        for row in reversed(self._by_plate.get(one.stay.plate, [])):
            if row.entry_at is not None and row.entry_at <= at:
                return row if row.exit_at is None or at <= row.exit_at else None
        return None


def site_file(site: str, policy: str) -> str:
    """The one gate of `simulators.replay.replay_site`, as a site file."""
    lanes = "".join(
        f'[[site.gate.lane]]\nid = "{lane}"\ndirection = "{direction}"\ndevice = "d1"\noffline_exit = false\n'
        for lane, direction in ((LANE_IN, "in"), (LANE_OUT, "out"))
    )
    return (
        f'[[merchant]]\nid = "{_MERCHANT}"\nname = "replay"\n'
        f'[[site]]\nid = "{site}"\nname = "{site}"\ncapacity = {CAPACITY}\npolicy = {json.dumps(policy)}\nmerchant = "{_MERCHANT}"\n'
        f'[[site.gate]]\nid = "main"\ntier = "main"\n{lanes}'
        '[[site.device]]\nid = "d1"\nvendor = "native"\n'
    )
