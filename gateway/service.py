"""A running service: an embedded broker where the settings ask for one, a bridge, jobs; `parkgate serve` adds the web."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gateway.bridge.bridge import Bridge
from gateway.bridge.embedded import BrokerDidNotStart, EmbeddedBroker
from gateway.flows import device_watch, zombies
from gateway.flows.calendar_watch import watch_calendar
from gateway.flows.clock_watch import watch_clocks
from gateway.flows.invoices import sending as invoices
from gateway.flows.matching import match_waiting
from gateway.flows.orders.tending import tend as tend_orders
from gateway.flows.outcome import Outcome
from gateway.flows.pass_income import earn_due
from gateway.flows.retention import retire_daily
from gateway.flows.sums import keeping as sums
from gateway.flows.sweep import sweep
from gateway.flows.vouchers.daily import tend
from gateway.flows.vouchers.offline import match_queued
from gateway.runtime.logs import logger
from gateway.store.checkpoint import Checkpointer
from gateway.wiring import Parts

if TYPE_CHECKING:
    from gateway.jobs.runner import Jobs, Periodic

_log = logger(__name__)
_UP_WITHIN_SECONDS = 15.0
# A thread that waits for the interpreter gets it after this long, not after the default 5 ms: the network thread and the worker
# hand each event to one another, and each hand-over would cost as much as the whole decision.
_SWITCH_SECONDS = 0.000_5
SWEEP_SECONDS = 15.0
MATCHING_SECONDS = 5.0
# More deaths than this have a reason that a fresh start of the whole process, by whoever supervises it, may take away.
_MENDED_MAX = 20
RETENTION_SECONDS = 3600.0
COLLECTED_SECONDS = 60.0
VOUCHERS_SECONDS = 3600.0
PASS_INCOME_SECONDS = 3600.0
CALENDAR_SECONDS = 3600.0
CLOCKS_SECONDS = 60.0
ORDERS_SECONDS = 15.0
STATEMENTS_SECONDS = 300.0
RECONCILE_SECONDS = 300.0
EXPORTS_SECONDS = 300.0
OVERDUE_SECONDS = 300.0
INVOICES_SECONDS = 15.0
DEVICES_SECONDS = 30.0
ZOMBIES_SECONDS = 3600.0
RED_INVOICES_SECONDS = 300.0
SUMS_SECONDS = 300.0


def periodic(parts: Parts) -> list[Periodic]:
    """What the elected process does over and over, besides the daily close."""
    from gateway.jobs.exporting import hand_on  # noqa: PLC0415 - a bridge alone schedules nothing
    from gateway.jobs.overdue import watch_closes  # noqa: PLC0415
    from gateway.jobs.reconciling import Reconciling  # noqa: PLC0415
    from gateway.jobs.statements import Statements  # noqa: PLC0415

    return [
        ("sweep", SWEEP_SECONDS, lambda: sweep(parts)),
        ("matching", MATCHING_SECONDS, lambda: match_waiting(parts) or ""),
        ("vouchers-collected", COLLECTED_SECONDS, lambda: match_queued(parts) or ""),
        ("payment-orders", ORDERS_SECONDS, lambda: tend_orders(parts)),
        ("invoices", INVOICES_SECONDS, lambda: invoices.tend(parts)),
        ("red-invoices", RED_INVOICES_SECONDS, lambda: invoices.watch(parts)),
        ("statements", STATEMENTS_SECONDS, Statements(parts).run),
        ("reconcile", RECONCILE_SECONDS, Reconciling(parts).run),
        ("exports", EXPORTS_SECONDS, lambda: hand_on(parts)),
        ("days-overdue", OVERDUE_SECONDS, lambda: watch_closes(parts)),
        ("device-watch", DEVICES_SECONDS, lambda: device_watch.watch(parts)),
        ("zombie-vehicles", ZOMBIES_SECONDS, lambda: zombies.look(parts)),
        ("vouchers", VOUCHERS_SECONDS, lambda: tend(parts)),
        ("clocks", CLOCKS_SECONDS, lambda: watch_clocks(parts)),
        ("calendar", CALENDAR_SECONDS, lambda: watch_calendar(parts)),
        ("pass-income", PASS_INCOME_SECONDS, lambda: earn_due(parts)),
        ("sums", SUMS_SECONDS, lambda: sums.keep(parts)),
        ("retention", RETENTION_SECONDS, lambda: retire_daily(parts)),
    ]


class Service:
    """Starts in order, stops in reverse, and knows whether it is well.

    `jobs=False` where another process (or a simulated clock) does the scheduled work.
    """

    def __init__(
        self, parts: Parts, *, jobs: bool = True, on_outcome: Callable[[Outcome], None] = lambda _: None
    ) -> None:
        self._parts = parts
        self._broker = EmbeddedBroker(parts.settings) if parts.settings.broker.embedded else None
        self.bridge = Bridge(parts, self._broker.for_bridge() if self._broker else None, on_outcome=on_outcome)
        if self._broker is not None:
            self._broker.refused = self.bridge.refusals.count
        self._checkpoints = Checkpointer(parts.store)
        self._with_jobs = jobs
        self._jobs: Jobs | None = None
        self._mended = 0

    def start(self) -> None:
        """Raises `BrokerDidNotStart`, `DoorDidNotOpen`. A broker elsewhere may still be away: the bridge goes on trying."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        if self._broker is not None:
            self._broker.start()
        self._checkpoints.start()
        self.bridge.start()
        if self._with_jobs:
            from gateway.jobs.runner import start_jobs  # noqa: PLC0415 - a bridge alone schedules nothing

            self._jobs = start_jobs(self._parts, periodic(self._parts))
        if not self.bridge.link.wait_until_up(_UP_WITHIN_SECONDS):
            _log.warning("not connected to the broker yet; trying on", broker=str(self._parts.settings.broker))

    def stop(self) -> None:
        """No more jobs; what has arrived is decided, published and acknowledged; then the broker ends."""
        if self._jobs is not None:
            self._jobs.stop()
        self.bridge.stop()
        self._checkpoints.stop()
        if self._broker is not None:
            self._broker.stop()

    def mend(self) -> None:
        """Start an embedded broker that has died again, a few times: bridge and devices come back to it by themselves.

        And tell staff, now and then, what devices were refused.
        """
        self.bridge.refusals.tell()
        self.bridge.losses.tell()
        if self._broker is None or self._broker.alive() or self._mended >= _MENDED_MAX:
            return
        self._mended += 1
        _log.error("the embedded broker has died and is started again", time=self._mended, at_most=_MENDED_MAX)
        self._broker.stop()
        try:
            self._broker.start()
        except BrokerDidNotStart as problem:
            _log.error("the embedded broker did not come back", problem=str(problem))

    def well(self) -> bool:
        """False when a thread or the embedded broker has died: then the process ends, to be started again."""
        return self.bridge.healthy() and (self._broker is None or self._broker.alive())

    def health(self) -> dict[str, Any]:
        """For `/readyz`."""
        return self.bridge.health()
