"""The worker: drains what has queued, has it decided and stored in one transaction, publishes, then acknowledges.

Natural batching: it takes what has arrived and never waits for more. A batch of one costs one commit; a burst costs one commit for
many events.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from controllers.commands import Receipt
from controllers.decide import CONFIRM_WITHIN
from controllers.events import CommandResult, Outcome
from gateway.bridge.inbox import Inbox
from gateway.bridge.intake import decode
from gateway.bridge.link import Raw
from gateway.bridge.load_watch import LoadWatch
from gateway.bridge.riding import Offers, Riding
from gateway.bridge.senders import Rank
from gateway.bridge.store_watch import StoreWatch
from gateway.bridge.turns import Turns
from gateway.bridge.vendor_topics import VendorTopics
from gateway.flows.event_path import EventPath
from gateway.flows.inbound import EventIn, Inbound, Rejected, ResultIn, StatusIn
from gateway.flows.outcome import Outcome as Decided
from gateway.flows.outcome import PlannedCommand
from gateway.publish.outbox import Waiting, waiting
from gateway.publish.wire import receipt_message
from gateway.runtime.clock import Pace, SystemPace
from gateway.runtime.laps import IDLE, Laps
from gateway.runtime.logs import logger
from gateway.wiring import Parts

_log = logger(__name__)

_IDLE_SECONDS = 0.05
_OUTBOX_EVERY_SECONDS = 0.2
_MARK_SENT_AFTER_SECONDS = 0.5
_RETRY_SECONDS = (0.02, 0.1, 0.5, 1.0, 2.0)
_CONFLICTS_MAX = 5
_WAIT_FOR_RESULT = CONFIRM_WITHIN


class Sender(Protocol):
    """What a worker needs of a link."""

    @property
    def connected(self) -> bool: ...
    @property
    def connections(self) -> int: ...
    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int | None: ...
    def acknowledge(self, messages: Sequence[Raw]) -> None: ...
    def flush(self) -> None: ...


class Worker:
    """One thread. Everything it needs is handed to it; it never dies of a message."""

    def __init__(
        self,
        parts: Parts,
        *,
        inbox: Inbox[Raw | None],
        planner: str,
        on_status: Callable[[Sequence[StatusIn]], None] = lambda _: None,
        on_outcome: Callable[[Decided], None] = lambda _: None,
        riding: Riding | None = None,
        asked: Offers | None = None,
        vendors: VendorTopics | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._parts = parts
        self._pace: Pace = pace or SystemPace()
        self.watch = StoreWatch(parts.metrics, self._pace.monotonic)
        self.load = LoadWatch(inbox, parts.metrics, self._pace.monotonic)
        self._inbox = inbox
        self._turns = Turns(self._pace.monotonic)
        self._planner = planner
        self._laps = Laps(parts.metrics.worker_seconds)
        self._path = EventPath(parts, planner=planner, stages=self._laps)
        self._on_status = on_status
        self._on_outcome = on_outcome
        self._riding = riding or Riding()
        self._asked: Offers = asked or self._riding
        self._vendors = vendors
        self._link: Sender | None = None
        self._linger_seconds = parts.settings.linger_ms / 1000
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        # Published and not yet acknowledged by the broker, by message id; only for the present connection.
        self._flying: dict[int, tuple[str, str]] = {}
        self._flying_on = 0
        # Acknowledgements that come while a command is being handed over: perhaps that command's, whose id is not known yet.
        self._handing_over = False
        self._early: set[int] = set()
        self._sent: set[tuple[str, str]] = set()
        self._outbox_at = 0.0
        self._served_at = 0.0
        self._outbox_now = threading.Event()
        self._turned_at = self._pace.monotonic()
        self._thread = threading.Thread(target=self._run, name="bridge-worker", daemon=True)

    def start(self, link: Sender) -> None:
        self.attach(link)
        self._thread.start()

    def attach(self, link: Sender) -> None:
        """Without a thread: whoever attaches a link calls `turn`."""
        self._link = link

    def stop(self) -> None:
        """Drain what has queued, then end. What comes meanwhile is not acknowledged: the broker keeps it for the next start."""
        self._stopping.set()
        self._inbox.close()
        if self._thread.ident is not None:
            self._thread.join(30)

    def healthy(self) -> bool:
        return self._thread.is_alive() and self._pace.monotonic() - self._turned_at < 60

    def look_at_outbox(self) -> None:
        """Another flow of this process has planned a command."""
        self._outbox_now.set()
        # A worker that waits for a message wakes at once.
        self._inbox.put_nowait(None)

    def acknowledged(self, mid: int) -> None:
        """The broker has a message. Called by the network thread, for a command sometimes before `publish` has returned.

        Ids are used again after 65,535 messages: those of receipts and lists must not be remembered.
        """
        with self._lock:
            command = self._flying.pop(mid, None)
            if command is not None:
                self._sent.add(command)
            elif self._handing_over:
                self._early.add(mid)

    # ------------------------------------------------------------------ the loop

    def _run(self) -> None:
        while self.turn():
            pass
        with contextlib.suppress(SQLAlchemyError):  # then the outbox looks at them again
            self._mark_sent()

    def turn(self) -> bool:
        """One round: what has queued, then what waits in the outbox. False: it is to stop, and nothing is left."""
        self._turned_at = self._pace.monotonic()
        try:
            batch, others = self._drain()
            self._laps.done(IDLE)
            if batch:
                began = self._pace.monotonic()
                self._serve(batch)
                if others:
                    self._turns.served(began)
            elif self._stopping.is_set() and not self._inbox.qsize():
                return False
            else:
                self._idle()
            self._outbox()
            self.load.look(self._path.devices)
            self.watch.stored()
            self._laps.done("outbox")
        except SQLAlchemyError as problem:
            self.watch.refused(problem)
            self._pace.sleep(0.5)
            self._laps.done("again")
        except Exception:
            _log.exception("the worker caught an unexpected error and goes on")
            self._pace.sleep(0.1)
            self._laps.done("again")
        return True

    def _drain(self) -> tuple[list[Raw], bool]:
        """A batch, and whether others than the live may be in it."""
        if not self._stopping.is_set() and (rest := self._turns.rest()):
            self._inbox.wait(rest, live=True)
        elif not self._inbox.wait(_IDLE_SECONDS):
            return [], False
        if self._linger_seconds:
            self._pace.sleep(self._linger_seconds)
        live = self._inbox.depth(Rank.LIVE)
        others = self._inbox.qsize() > live and (self._stopping.is_set() or self._turns.others(live))
        found = self._inbox.take(self._parts.settings.batch_max, others=others)
        return [raw for raw in found if raw is not None], others

    def _serve(self, raws: Sequence[Raw]) -> None:
        messages = [decode(raw) for raw in raws]
        self._laps.done("decode")
        for outcome in self._decided(messages):
            self._publish(outcome)
        assert self._link is not None
        self._link.acknowledge([raw for raw in raws if raw.mid])
        self._link.flush()
        self._served_at = self._pace.monotonic()
        done = time.perf_counter()
        metrics = self._parts.metrics
        metrics.batch_events.observe(len(raws))
        for raw in raws:
            metrics.decision_seconds.observe(done - raw.arrived)
        self._laps.done("publish")

    def _decided(self, messages: Sequence[Inbound]) -> Iterable[Decided]:
        """Stored outcomes. Waits for a database that is away; splits a batch until what poisons it stands alone."""
        conflicts = 0
        waits = 0
        while True:
            if conflicts or waits:
                self._laps.done("again")
            try:
                yield self._once(messages)
            except DBAPIError as problem:
                self._parts.metrics.store_failures.inc()
                if isinstance(problem, IntegrityError) or not _database_is_away(problem):
                    conflicts += 1
                    if conflicts == 1:
                        _log.warning("a batch met a conflict and is decided again", problem=_first_line(problem))
                    if conflicts <= _CONFLICTS_MAX:
                        self._pace.sleep(_RETRY_SECONDS[0] * conflicts)
                        continue
                    yield from self._apart(messages, problem)
                    return
                self.watch.refused(problem)
                self._pace.sleep(_RETRY_SECONDS[min(waits, len(_RETRY_SECONDS) - 1)])
                waits += 1
                self._turned_at = self._pace.monotonic()
                self.load.look(self._path.devices)
                if self._stopping.is_set() and waits > len(_RETRY_SECONDS):
                    raise
            except Exception as problem:
                yield from self._apart(messages, problem)
                return
            else:
                return

    def _once(self, messages: Sequence[Inbound]) -> Decided:
        with self._lock:
            sent = set(self._sent)
        outcome = self._path.run(messages, sent)
        with self._lock:
            self._sent -= sent
        return outcome

    def _apart(self, messages: Sequence[Inbound], problem: Exception) -> Iterable[Decided]:
        self._laps.done("again")
        if len(messages) > 1:
            _log.warning("a batch cannot be decided as a whole and is taken apart", problem=_first_line(problem))
            middle = len(messages) // 2
            yield from self._decided(messages[:middle])
            yield from self._decided(messages[middle:])
            return
        _log.error("a message cannot be decided and goes to quarantine", problem=_first_line(problem))
        yield self._path.run([_poisoned(messages[0], problem)])

    # ------------------------------------------------------------------ what leaves

    def _publish(self, outcome: Decided) -> None:
        """Commands first, then receipts: whoever sees its receipt has seen its command before."""
        assert self._link is not None
        vendors = self._vendors
        for planned in outcome.commands:
            self._command(planned)
            self._parts.metrics.decisions.labels(planned.action, planned.reason).inc()
        for device in sorted(outcome.event_receipts.keys() | outcome.result_receipts.keys()):
            if vendors is not None and vendors.serves(*device):
                continue  # `settled` tells it in its own words
            receipt = Receipt(
                events=tuple(outcome.event_receipts.get(device, ())),
                results=tuple(outcome.result_receipts.get(device, ())),
            )
            self._link.publish(*receipt_message(*device, receipt))
        self._riding.settled(outcome)
        if vendors is not None:
            vendors.settled(outcome)
        self._count(outcome)
        if outcome.statuses:
            self._on_status(outcome.statuses)
        self._on_outcome(outcome)
        self._laps.done("publish")

    def _command(self, one: PlannedCommand | Waiting) -> None:
        """Not connected: it stays in the outbox, and goes out if it is still fresh when the connection is back.

        A commit can take its time: what is stale by now is left to the outbox, too, which puts it before staff.
        """
        assert self._link is not None
        if self._riding.offer(one) or self._asked.offer(one) or (self._vendors and self._vendors.offer(one)):
            return  # its device fetches it or is told by a request, or it expires in the outbox
        if self._flying_on != self._link.connections:
            with self._lock:
                # What flew on an earlier connection was never acknowledged: the outbox decides about it again.
                self._flying.clear()
                self._flying_on = self._link.connections
        if not self._link.connected or one.expires_at <= self._parts.clock.now():
            return
        # Not under the lock: the library calls `acknowledged` with a lock of its own held, which `publish` takes as well.
        self._handing_over = True
        mid = self._link.publish(one.topic, one.payload)
        with self._lock:
            self._handing_over = False
            if mid in self._early:
                self._sent.add((one.site, one.id))
            elif mid is not None:
                self._flying[mid] = (one.site, one.id)
            self._early.clear()

    def _idle(self) -> None:
        if self._sent and self._pace.monotonic() - self._served_at > _MARK_SENT_AFTER_SECONDS:
            self._mark_sent()

    def _mark_sent(self) -> None:
        with self._lock:
            sent = set(self._sent)
        if sent:
            self._path.mark_sent(sent)
            with self._lock:
                self._sent -= sent

    def _outbox(self) -> None:
        """Commands of other flows, and what could not be published before: still fresh, or expired and put before staff."""
        now = self._pace.monotonic()
        if not self._outbox_now.is_set() and now - self._outbox_at < _OUTBOX_EVERY_SECONDS:
            return
        assert self._link is not None
        self._outbox_now.clear()
        self._outbox_at = now
        with self._lock:
            mine = (
                set(self._flying.values()) | self._sent
                if self._flying_on == self._link.connections
                else set(self._sent)
            )
        at = self._parts.clock.now()
        found = [one for one in waiting(self._parts.store, at, self._planner) if (one.site, one.id) not in mine]
        expired = [one for one in found if one.expires_at <= at]
        for one in found:
            self._command(one)
        self._link.flush()
        self._parts.metrics.outbox_age_seconds.set(
            max(((at - one.expires_at).total_seconds() + 8 for one in found), default=0)
        )
        if expired:
            for outcome in self._decided([_expired(one, self._parts) for one in expired]):
                self._count(outcome)

    def _count(self, outcome: Decided) -> None:
        metrics = self._parts.metrics
        metrics.repeats.inc(outcome.repeats)
        for new in outcome.events:
            metrics.events.labels(new.record.kind).inc()
        for away in outcome.turned_away:
            self.load.turned_away(away.site, away.device, 1)
        for rejected in outcome.rejected:
            metrics.quarantined.labels(rejected.code).inc()
            _log.warning(
                "a payload went to quarantine",
                site=rejected.site,
                device=rejected.device,
                code=rejected.code,
                detail=rejected.detail,
            )
        for became in outcome.outcomes:
            metrics.commands.labels(became.outcome).inc()


def _expired(one: Waiting, parts: Parts) -> ResultIn:
    """A command that was never published and may not be any more is answered in the device's place."""
    now = parts.clock.now()
    return ResultIn(
        site=one.site,
        device=one.device,
        result=CommandResult(command=one.id, outcome=Outcome.EXPIRED, at=now, detail="never published"),
        received_at=now,
        topic=one.topic,
        payload=b"",
    )


def _poisoned(message: Inbound, problem: Exception) -> Rejected:
    event = message.event.id if isinstance(message, EventIn) else None
    result = message.result.command if isinstance(message, ResultIn) else None
    return Rejected(
        site=message.site,
        device=message.device,
        topic=getattr(message, "topic", ""),
        payload=getattr(message, "payload", b""),
        code="internal",
        detail=_first_line(problem),
        received_at=message.received_at,
        event_id=event,
        result_id=result,
    )


def _database_is_away(problem: DBAPIError) -> bool:
    """Connection lost, locked, full, read-only: the same batch may succeed later. Anything else is the batch's own fault."""
    kind = type(problem).__name__
    return problem.connection_invalidated or kind in {"OperationalError", "InterfaceError", "InternalError"}


def _first_line(problem: Exception) -> str:
    return f"{type(problem).__name__}: {str(problem).splitlines()[0] if str(problem) else ''}"[:300]
