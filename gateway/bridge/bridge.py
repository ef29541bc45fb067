"""A bridge: link, queue, worker and the keeper of offline lists, started and stopped together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from gateway.bridge.broker_refusals import REFUSED_TOPIC, BrokerRefusals
from gateway.bridge.fittings import Fittings
from gateway.bridge.flood_guard import FloodGuard
from gateway.bridge.http_devices import HttpDevices
from gateway.bridge.inbox import Inbox
from gateway.bridge.intake import shared_prefix, topics
from gateway.bridge.link import Link, Raw
from gateway.bridge.lists import ListKeeper
from gateway.bridge.porch import Porch
from gateway.bridge.riding import Riding
from gateway.bridge.riding_lists import RidingLists
from gateway.bridge.vendor_topics import VendorTopics
from gateway.bridge.worker import Worker
from gateway.flows import emergencies
from gateway.flows.device_refusals import Refusals
from gateway.flows.inbound import StatusIn
from gateway.flows.losses import Losses
from gateway.flows.outcome import Outcome
from gateway.runtime.logs import logger
from gateway.runtime.settings import Broker
from gateway.wiring import Parts

if TYPE_CHECKING:
    from gateway.bridge.door_server import DoorServer

_log = logger(__name__)


class Bridge:
    """Serves the gates of every site. `broker` may carry other credentials than the settings (the embedded one's)."""

    def __init__(
        self, parts: Parts, broker: Broker | None = None, *, on_outcome: Callable[[Outcome], None] = lambda _: None
    ) -> None:
        settings = parts.settings
        self._parts = parts
        inbox: Inbox[Raw | None] = Inbox(settings.queue_max, rate=settings.device_rate, burst=settings.device_burst)
        name = f"bridge-{settings.bridge_id}"
        self.lists = ListKeeper(parts)
        self.riding_lists = RidingLists(parts, self.lists.current)
        self._riding = Riding()
        self.refusals = Refusals(parts)
        self.losses = Losses(parts)
        self._on_outcome = on_outcome
        self._fittings = Fittings(parts)
        porch, current = Porch(inbox, self._left_behind), self.lists.current
        where = broker or settings.broker
        self.asked = HttpDevices(parts, porch, holder=name, lists=current, fittings=self._fittings)
        self.vendors = VendorTopics(
            parts,
            inbox,
            holder=name,
            current=current,
            fittings=self._fittings,
            lost=self.losses.count,
            broker_keeps=not where.embedded,
        )
        self.worker = Worker(
            parts,
            inbox=inbox,
            planner=name,
            on_status=self._heard,
            on_outcome=self._decided,
            riding=self._riding,
            asked=self.asked,
            vendors=self.vendors,
        )
        self.link = Link(
            where,
            client_id=f"parkgate.{name}",
            topics=topics(settings.share_group),
            inbox=inbox,
            clock=parts.clock,
            acknowledged=self.worker.acknowledged,
            elsewhere=BrokerRefusals(self.vendors, self.refusals.count, self.worker.load.is_device),
            share=shared_prefix(settings.share_group),
            besides=frozenset() if where.embedded else frozenset({REFUSED_TOPIC}),
        )
        self.worker.load.told = self.refusals.flooded
        self.guard = FloodGuard(parts)
        inbox.floods = self.guard.shut_out
        self.door = self._door(inbox)
        parts.outbox.listen(self.worker.look_at_outbox)

    def _door(self, inbox: Inbox[Raw | None]) -> DoorServer | None:
        """Where devices that speak HTTP come in, if anywhere."""
        where = self._parts.settings.devices_address
        if where is None:
            return None
        # Imported late: a bridge of MQTT alone starts without a web server.
        from gateway.bridge.door import Door  # noqa: PLC0415
        from gateway.bridge.door_server import DoorServer  # noqa: PLC0415

        door = Door(
            self._parts,
            inbox,
            self._riding,
            left_behind=self.link.leave,
            refused=self.refusals.count,
            fittings=self._fittings,
            lists=self.riding_lists,
        )
        return DoorServer(door.app, *where)

    def start(self) -> None:
        """Raises `DoorDidNotOpen`."""
        self.worker.start(self.link)
        self.vendors.start(self.link)
        self.link.start()
        self.lists.start(self.link)
        self.asked.start()
        self.guard.start()
        if self.door is not None:
            self.door.start()

    def stop(self) -> None:
        """What has arrived is decided, published and acknowledged; then the connection is closed."""
        if self.door is not None:
            self.door.stop()
        self.guard.stop()
        self.asked.stop()
        self.lists.stop()
        self.vendors.drain()
        self.worker.stop()
        self.vendors.stop()
        self.link.stop()

    def _left_behind(self, left: Sequence[Raw]) -> None:
        self.link.leave(left)

    def _decided(self, outcome: Outcome) -> None:
        for one in outcome.rejected:
            if one.code == "other_device":
                self.refusals.count(f"{one.site}.{one.device}", one.code)
        self._on_outcome(outcome)

    def _heard(self, statuses: Sequence[StatusIn]) -> None:
        self.lists.reported(statuses)
        try:
            emergencies.renew(self._parts, statuses)
        except SQLAlchemyError as problem:
            # The batch itself is stored: its receipts and acknowledgements do not wait. A status comes every 30 s.
            _log.warning(
                "barriers of an emergency are told again with their devices' next status",
                problem=str(problem).split("\n", 1)[0],
            )

    def healthy(self) -> bool:
        threads = (self.link, self.worker, self.vendors, self.asked, *((self.door,) if self.door is not None else ()))
        return all(one.healthy() for one in threads)

    def health(self) -> dict[str, Any]:
        """For `/readyz`: what is wrong is false. An overload is not: gates are served."""
        connected = self.link.connected
        self._parts.metrics.broker_connected.set(connected)
        return {
            "broker": connected,
            "bridge_threads": self.healthy(),
            "storing": self.worker.watch.well,
            "load": "overloaded" if self.worker.load.overloaded else "normal",
        }
