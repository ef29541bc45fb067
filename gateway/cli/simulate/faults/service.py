"""The service inside the simulation: the real worker, keeper of lists, payments and jobs, on a link that may fail; it can die."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar, cast

from sqlalchemy.exc import SQLAlchemyError

from controllers.adapters import native
from gateway.bridge.inbox import Inbox
from gateway.bridge.link import Raw
from gateway.bridge.lists import ListKeeper
from gateway.bridge.senders import Rank
from gateway.bridge.worker import Worker
from gateway.cli.demo.wire import SECRET_WORDS
from gateway.cli.simulate.faults.database import Disk
from gateway.cli.simulate.faults.ground import Ground
from gateway.flows.event_path import EventPath
from gateway.flows.inbound import Inbound, StatusIn
from gateway.flows.outcome import Outcome
from gateway.store.tables.base import microseconds
from gateway.wiring import Parts
from simulators.faults.mix import Mix, stream
from simulators.faults.network import Broker, Line, Packet
from simulators.faults.record import Record
from simulators.faults.schedule import Schedule

T = TypeVar("T")

PLANNER = "bridge-1"
# A service that polls turns a few more times after whatever happened, and then waits for the next thing.
_TURNS_AFTER = (0.25, 0.35, 0.9, 1.5, 3.0, 3.0, 4.0, 17.0)
_ESTATE_SECONDS_A_SECOND = 1 / 600  # it never changes during a run: loading it again is for restarts
_RIVAL_AFTER_SECONDS = 2.0
_CRASHES_MAX = 12  # a service that dies all the time shows nothing


class Died(BaseException):
    """The process ended here. Not an `Exception`: nobody may catch a kill."""


class Stuck(BaseException):
    """The service waits for something that will never come."""


class Prompt(Inbox[Raw | None]):
    """An inbox that never makes the one thread wait."""

    def wait(self, timeout: float | None = None, *, live: bool = False) -> bool:
        del timeout
        return bool(self.depth(Rank.LIVE) if live else self.qsize())


class SimulatedLink:
    """What the worker publishes with. Every message that leaves is checked on its way out."""

    def __init__(self, service: Service, broker: Broker, line: Line) -> None:
        self.connected = False
        self.connections = 0
        self._service, self._broker, self._line = service, broker, line
        self._mid = 0

    def wait_until_up(self, seconds: float) -> bool:
        del seconds
        return self.connected

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int | None:
        if not self.connected:
            return None
        self._mid += 1
        packet = Packet(topic, payload, retain, self._mid)
        channel = topic.rsplit("/", 1)[-1]
        self._service.boundary(f"before publishing a {channel}")
        self._service.watch.published(packet)
        self._line.up.send(lambda: self._broker.from_bridge(packet))
        self._service.boundary(f"after publishing a {channel}")
        return packet.mid

    def acknowledge(self, messages: Sequence[Raw]) -> None:
        self._service.boundary("before acknowledging")
        for message in messages:
            self._service.watch.acknowledged(message)
            if cast("Any", message.client) == self.connections and self.connected:
                self._line.up.send(lambda mid=message.mid: self._broker.bridge_acknowledges(mid))  # type: ignore[misc]
        self._service.boundary("after acknowledging")

    def flush(self) -> None:
        """Nothing is held back here."""


class SimulatedWorker(Worker):
    """The real one, which says what it is about to decide."""

    deciding: Callable[[Sequence[Inbound]], None] = staticmethod(lambda _: None)

    def _once(self, messages: Sequence[Inbound]) -> Outcome:
        self.deciding(messages)
        return super()._once(messages)


class Watch:
    """Looks over the service's shoulder: what may not leave is named at the moment when it does."""

    def __init__(self, ground: Ground, schedule: Schedule, record: Record) -> None:
        self._ground, self._schedule, self._record = ground, schedule, record
        self._known: set[tuple[str, str]] = set()

    def published(self, packet: Packet) -> None:
        now = self._schedule.now()
        _, _, site, device, channel = packet.topic.split("/", 4)
        if any(word in packet.payload for word in SECRET_WORDS):
            self._record.breach(now, 10, f"a {channel} to {device} names a low-income status")
        if channel == "command":
            self._command(site, packet)
        elif channel == "receipt":
            told = json.loads(packet.payload)
            for event in told["events"]:
                self._record.receipted[device, event] = now
                if not self._stored(site, device, event):
                    self._record.breach(now, 1, f"{device} is told that {event} is stored, and it is not")

    def acknowledged(self, message: Raw) -> None:
        """What the broker may forget is in the database."""
        try:
            address = native.address(message.topic)
            event = native.decode_event(address, message.payload) if address.channel == "event" else None
        except Exception:
            return
        if event is not None and not self._stored(address.site, address.device, event.id):
            self._record.breach(
                self._schedule.now(), 1, f"{event.id} of {address.device} is acknowledged and not in the database"
            )

    def _command(self, site: str, packet: Packet) -> None:
        now = self._schedule.now()
        command = native.decode_command(packet.payload)
        if packet.retained:
            self._record.breach(now, 3, f"command {command.id} is published retained")
        found = self._ground.look("SELECT expires_at FROM command WHERE site_id = ? AND id = ?", site, command.id)
        if not found:
            self._record.breach(now, 3, f"command {command.id} is published and not in the outbox")
        elif found[0][0] <= microseconds(now):
            self._record.breach(now, 3, f"command {command.id} is published after its expiry")

    def _stored(self, site: str, device: str, event: str) -> bool:
        if (device, event) not in self._known and self._ground.look(
            "SELECT 1 FROM plate_event WHERE site_id = ?1 AND device_id = ?2 AND event_id = ?3"
            " UNION ALL SELECT 1 FROM quarantine WHERE site_id = ?1 AND device_id = ?2 AND event_id = ?3",
            site,
            device,
            event,
        ):
            self._known.add((device, event))
        return (device, event) in self._known


class Service:
    """One process after the other on one database: what is in memory dies with each."""

    def __init__(
        self,
        ground: Ground,
        schedule: Schedule,
        record: Record,
        mix: Mix,
        *,
        broker: Broker,
        line: Line,
        seed: int,
        worker: type[SimulatedWorker] = SimulatedWorker,
        link: type[SimulatedLink] = SimulatedLink,
    ) -> None:
        self.calm = False
        self.alive = False
        self.watch = Watch(ground, schedule, record)
        self.disk = Disk(schedule, record, mix, stream(seed, "disk"), self.boundary)
        self._ground, self._schedule, self._record, self._mix = ground, schedule, record, mix
        self._broker, self._line = broker, line
        self._random = stream(seed, "service")
        self._worker_type, self._link_type = worker, link
        self._busy = False
        self._wakes = 0
        self._elsewhere = 0  # another process, or a caller who has its own fate, is at work
        self._network = True
        self.deadline: Any = None

    # Life and death ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """A process begins: a bridge with nothing in memory."""
        self.parts: Parts = self._ground.parts(
            self._schedule.clock, lambda: self.monotonic() * _ESTATE_SECONDS_A_SECOND
        )
        self.inbox = Prompt(self.parts.settings.queue_max)
        self.lists = ListKeeper(self.parts)
        self.worker = self._worker_type(
            self.parts, inbox=self.inbox, planner=PLANNER, on_status=self._reported, pace=self
        )
        self.worker.deciding = self._deciding
        self.link = self._link_type(self, self._broker, self._line)
        self.worker.attach(self.link)
        self.lists.attach(self.link)
        self.parts.outbox.listen(self._outbox)
        self.alive = True
        if self._network:
            self._connect()
        self.wake()

    def boundary(self, where: str) -> None:
        """Here the process may die. Raises `Died`."""
        if self._elsewhere or self.calm or not self._busy or self._record.faults["crash"] >= _CRASHES_MAX:
            return
        if self._random.random() >= self._mix.crash:
            return
        self._record.fault(self._schedule.now(), "crash", where)
        raise Died(where)

    def _dies(self) -> None:
        self.alive = False
        self.disk.held = False
        self.disk.rival = None
        self._broker.bridge_leaves()
        self._ground.process_ends()
        down = self._random.choice((0.3, 2.0, 10.0, 60.0, self._random.uniform(1, 400)))
        self._schedule.after(1.0 if self.calm else down, self.start)

    # The network ------------------------------------------------------------------------------------------------------

    def cut(self, notices_after: float) -> None:
        """Nothing goes through; link and broker notice some seconds later."""
        self._network = False
        self._line.cut()
        self._schedule.after(notices_after, self.lost)

    def lost(self) -> None:
        self.link.connected = False
        self._broker.bridge_leaves()

    def restore(self) -> None:
        self._network = True
        if self.alive and not self.link.connected:
            self._connect()

    def _connect(self) -> None:
        self._line.restore()
        self._line.end()
        self.link.connections += 1
        self.link.connected = True
        self._record.note(self._schedule.now(), "the bridge is connected")
        self._broker.bridge_connects(Peer(self, self.link, self.link.connections), self._line)
        self._schedule.after(0.05, self._look_at_lists)
        self.wake()

    # Work -------------------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something may be to do, now and a little later."""
        self._wakes += 1
        self._turn_later(self._wakes, 0)

    def _turn_later(self, wake: int, turned: int) -> None:
        """Until something else happens, which begins anew."""
        if wake != self._wakes:
            return
        self.turn()
        if turned < len(_TURNS_AFTER):
            self._schedule.after(_TURNS_AFTER[turned], lambda: self._turn_later(wake, turned + 1))

    def turn(self) -> None:
        """One round of the worker, unless it is in the middle of one or there is no process."""
        if self._busy or not self.alive:
            return
        if self.disk.held:  # another one's commit takes its time, and this one would wait for it
            self._schedule.after(0.05, self.turn)
            return
        self._busy = True
        try:
            self.worker.turn()
        except Died:
            self._dies()
        finally:
            self._busy = False
        if self.alive and self.inbox.qsize():
            self._schedule.after(0.001, self.turn)

    def monotonic(self) -> float:
        return self._schedule.now().timestamp()

    def sleep(self, seconds: float) -> None:
        """The worker waits, the world goes on."""
        if self.deadline is not None and self._schedule.now() > self.deadline:
            raise Stuck("the worker waits for its database, and nothing is wrong with it")
        self._schedule.run_until(self._schedule.now() + timedelta(seconds=seconds))

    def other_process(self, work: Callable[[Parts], Any]) -> Any:
        """Something that does not share the bridge's fate. Raises what the database raises."""
        self._elsewhere += 1
        try:
            return work(self.parts)
        finally:
            self._elsewhere -= 1

    def same_process(self, work: Callable[[Parts], T]) -> T:
        """A web request or a job of the bridge's own process. Raises what the database raises, and `Died`."""
        if self._busy:
            self._elsewhere += 1
        was, self._busy = self._busy, True
        try:
            return work(self.parts)
        except Died:
            self._dies()
            raise
        finally:
            self._busy = was
            if was:
                self._elsewhere -= 1

    def _deciding(self, messages: Sequence[Inbound]) -> None:
        self.boundary("before load")
        self._record.note(self._schedule.now(), f"decides {len(messages)}")
        if not self.calm and self._random.random() < self._mix.rival:
            self.disk.rival = lambda: self._rival(messages)

    def _rival(self, messages: Sequence[Inbound]) -> None:
        """Another bridge was given the same messages, and is the first to commit; then it dies, and publishes nothing."""
        self._record.fault(self._schedule.now(), "rival", str(len(messages)))
        events = [one for one in messages if not isinstance(one, StatusIn)]
        parts = self._ground.parts(self._schedule.clock)
        try:
            self.other_process(lambda _: EventPath(parts, planner="bridge-2").run(events))
        except SQLAlchemyError:
            self._record.note(self._schedule.now(), "the rival fails")
        self.disk.held = True
        self._schedule.after(_RIVAL_AFTER_SECONDS + 0.1, self.wake)

    def _outbox(self) -> None:
        self.worker.look_at_outbox()
        self._schedule.after(0.001, self.turn)

    def _reported(self, statuses: Sequence[StatusIn]) -> None:
        self.lists.reported(statuses)
        if self.lists.behind():
            self._schedule.after(1.0, self._look_at_lists)

    def _look_at_lists(self) -> None:
        if not self.alive or not self.link.connected:
            return
        if self.disk.held:
            self._schedule.after(1.0, self._look_at_lists)
            return
        try:
            self.other_process(lambda _: self.lists.turn())
        except SQLAlchemyError:
            self._schedule.after(10.0, self._look_at_lists)


class Peer:
    """The bridge's end of one connection: what comes on an earlier one is acknowledged to nobody."""

    def __init__(self, service: Service, link: SimulatedLink, connection: int) -> None:
        self._service, self._link, self._connection = service, link, connection

    def delivered(self, packet: Packet) -> None:
        service = self._service
        if not service.alive or self._link is not service.link:
            return
        raw = Raw(
            packet.topic,
            packet.payload,
            packet.retained,
            service.parts.clock.now(),
            0.0,
            packet.mid,
            cast("Any", self._connection),
        )
        try:
            service.inbox.put_nowait(raw)
        except queue.Full:
            return
        service._schedule.after(0.0005, service.wake)  # noqa: SLF001

    def acknowledged(self, mid: int) -> None:
        if self._link is self._service.link and self._service.alive:
            self._service.worker.acknowledged(mid)


def upward(topic: str) -> bool:
    """Whether a bridge subscribes to it."""
    return topic.rsplit("/", 1)[-1] in native.UPWARD


__all__ = ["Died", "Service", "SimulatedLink", "SimulatedWorker", "Stuck", "upward"]
