"""Devices of other vendors that speak over MQTT: their topics, their bytes, their answers. A thread of its own beside the native path.

What they say becomes what the native protocol brings, in the same inbox: decided, stored and acknowledged by the worker like any other.
Behind that commit each is told what it waits for, in its own words. Commands leave from the same outbox, encoded at the last moment, only while
fresh and at most once: these devices know neither a deadline nor that they have been told before. So whoever claims a command tells it.

The network thread and the worker only put things aside here; decoding, claiming, joining and pictures never hold up a native gate.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace
from sqlalchemy.exc import SQLAlchemyError

from controllers.adapters import native
from controllers.adapters.joining import Joiner
from controllers.adapters.port import (
    Accepted,
    CannotCarryOut,
    Heard,
    Hello,
    ListTaken,
    Picture,
    Publish,
    Published,
    Said,
)
from controllers.adapters.riding import as_it_can
from controllers.commands import Action, WholeList
from controllers.events import CommandResult, Outcome, PlateEvent, Undecodable
from gateway.bridge import pictures
from gateway.bridge.carrier import Carrier
from gateway.bridge.fittings import Fittings
from gateway.bridge.inbox import Inbox
from gateway.bridge.link import Raw
from gateway.bridge.porch import Porch
from gateway.bridge.vendor_barriers import Barriers
from gateway.bridge.vendor_clocks import FRESH_SECONDS, Clocks
from gateway.bridge.vendor_debts import Debt, Debts, held_back, light_heard, without_its_pictures
from gateway.bridge.vendor_estate import Spoken, VendorEstate
from gateway.bridge.vendor_lists import VendorLists
from gateway.bridge.vendor_room import NOBODY, Room, Sender
from gateway.flows.credentials import DeviceName
from gateway.flows.inbound import EventIn, Rejected, ResultIn
from gateway.flows.losses import BEYOND, PICTURE, READ
from gateway.flows.outcome import Outcome as Decided
from gateway.flows.outcome import PlannedCommand
from gateway.publish.outbox import Waiting, claim
from gateway.runtime.logs import logger
from gateway.store.fittings import Fitted
from gateway.wiring import Parts

_log = logger(__name__)

_QUARANTINED_BYTES_MAX = 64 * 1024
_TURN_SECONDS = 0.25
_DRAINED_WITHIN_SECONDS = 2.0
_AT_ONCE = 20


class VendorTopics:
    """For one bridge. `admits`, `take`: the network thread; `serves`, `offer`, `settled`: the worker; all else its own."""

    def __init__(
        self,
        parts: Parts,
        inbox: Inbox[Raw | None],
        *,
        holder: str = "bridge",
        current: Callable[[str], WholeList | None] = lambda _: None,
        fittings: Fittings | None = None,
        lost: Callable[[str, str, int], None] = lambda *_: None,
        broker_keeps: bool = True,
    ) -> None:
        """`holder`: this bridge, as its lease knows it; `current`: a site's offline list as it is now. `lost`: see `Losses.count`; `broker_keeps`: see `Room`."""
        self._fittings = fittings or Fittings(parts)
        self._fitted: Mapping[tuple[str, str], Fitted] | None = None
        self._parts = parts
        self._inbox = inbox
        self._porch = Porch(inbox, self._left_behind)
        self._count_lost = lost
        self.room = Room(parts.metrics, self._sender, self._lost, broker_keeps=broker_keeps)
        self._link: Carrier | None = None
        self._estate: VendorEstate | None = None
        self._joiner = Joiner()
        self.lists = VendorLists(parts, holder=holder, current=current)
        self._debts = Debts()
        self._offered: deque[PlannedCommand | Waiting] = deque()
        self._begun: dict[tuple[str, str], datetime] = {}
        self._due: deque[Debt] = deque()
        self._barriers = Barriers(parts)
        self._clocks = Clocks()
        self._met: set[DeviceName] = set()
        self._bell = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="vendor-devices", daemon=True)

    def start(self, link: Carrier) -> None:
        """Before the link's own start: then it subscribes to all at once."""
        self.attach(link)
        self._thread.start()

    def attach(self, link: Carrier) -> None:
        """Without a thread: whoever attaches a link calls `turn`."""
        self._link = link
        with contextlib.suppress(SQLAlchemyError):  # looked at again with every turn
            self.look()

    def drain(self) -> None:
        """Until what has come is with the worker, which is to stop next."""
        with self._bell:
            self._bell.wait_for(lambda: not self.room, _DRAINED_WITHIN_SECONDS)

    def stop(self) -> None:
        """Behind the worker: what it has decided last is told. What came meanwhile the broker keeps for the next start."""
        with self._bell:
            self._stopping = True
            self._bell.notify()
        if self._thread.ident is not None:
            self._thread.join(10)
        self.room.close()

    def healthy(self) -> bool:
        return self._thread.is_alive()

    def look(self) -> None:
        """Which devices there are. Raises what the database raises."""
        self._follow(self._fittings.look())

    def _follow(self, fitted: Mapping[tuple[str, str], Fitted]) -> None:
        assert self._link is not None
        if fitted is not self._fitted:
            self._fitted, self._estate = fitted, VendorEstate(fitted)
            self._link.also(self._estate.topics)

    # ------------------------------------------------------------------ the network thread

    def admits(self, topic: bytes, size: int) -> bool:
        """Whether its device's allowance, which this uses up, takes one more. A picture counts as one: so does what it shows."""
        estate = self._estate
        who = None if estate is None else estate.on(str(topic, "utf-8", "replace"))
        # What several share counts for nobody's allowance: their names in it are only claims.
        if who is None:
            return self._inbox.admits(topic, b"", time.perf_counter())
        admitted = self._porch.admits(who, size)
        if not admitted and estate is not None and not estate.devices[who].resends:
            self._lost(who, BEYOND, 1)
        return admitted

    def take(self, raw: Raw) -> bool:
        """False: no room, and it is to be acknowledged: see `Room`."""
        taken = self.room.put(raw)
        with self._bell:
            self._bell.notify()
        return taken

    def leave(self, raw: Raw) -> bool:
        """By any thread: the inbox gave it up. True: the broker keeps it, and it is not acknowledged. A read of which it keeps a part is not lost."""
        found = raw.inbound
        if isinstance(found, ResultIn):
            return self.room.leave(raw)
        if not isinstance(found, EventIn) or not self.serves(found.site, found.device):
            return False
        held = self._debts.forget((found.site, found.device, found.event.id))
        self._acknowledge(given_up := [one for one in held if not self.room.leave(one)])
        return self.room.leave(raw, "" if len(given_up) < len(held) else READ)

    def _left_behind(self, messages: Sequence[Raw]) -> None:
        self._acknowledge([one for one in messages if one.inbound is None or not self.leave(one)])

    def _lost(self, who: DeviceName, what: str, times: int) -> None:
        self._count_lost(f"{who.site}.{who.device}" if who.site else "", what, times)

    def _sender(self, raw: Raw) -> Sender:
        return NOBODY if self._estate is None else self._estate.sender(raw)

    # ------------------------------------------------------------------ the worker

    def serves(self, site: str, device: str) -> bool:
        return self._estate is not None and (site, device) in self._estate.devices

    def offer(self, one: PlannedCommand | Waiting) -> bool:
        """Whether its device is one of these. Offering again what is under way changes nothing."""
        if not self.serves(one.site, one.device):
            return False
        with self._bell:
            if (one.site, one.id) not in self._begun:
                self._begun[one.site, one.id] = one.expires_at
                self._offered.append(one)
                self._bell.notify()
        return True

    def settled(self, outcome: Decided) -> None:
        """Called after a commit, and after what it planned has been offered: whoever waits for an answer gets it now."""
        due = list(self._debts.due(outcome))
        if due:
            with self._bell:
                self._due.extend(due)
                self._bell.notify()

    def _answer(self, by: Spoken, message: Published, heard: Heard | None) -> None:
        assert self._link is not None
        for told in by.adapter.answer(message, heard, (), by.fitting, self._parts.clock.now()):
            if isinstance(told, Publish):
                self._link.publish(told.topic, told.payload, retain=told.retain)

    def _acknowledge(self, messages: Sequence[Raw]) -> None:
        assert self._link is not None
        self._link.acknowledge(messages)

    # ------------------------------------------------------------------ its own thread: what leaves

    def _tell(self) -> None:
        """Commands first, then answers: whoever sees its answer has seen its command before."""
        while self._offered:
            self._command(self._offered.popleft())
        while self._due:
            debt = self._due.popleft()
            self._answer(debt.by, debt.message, debt.heard)
            if debt.held is not None:
                self._acknowledge([debt.held])
            for picture in debt.pictures:
                if not pictures.keep(self._parts, debt.by.who, picture):
                    self._lost(debt.by.who, PICTURE, 1)

    def _command(self, one: PlannedCommand | Waiting) -> None:
        """Not connected, or hardly fresh any more: it is left to the outbox, which offers it again or lets it expire."""
        assert self._link is not None
        estate, now = self._estate, self._parts.clock.now()
        with self._bell:
            self._begun = {key: until for key, until in self._begun.items() if until > now}
        by = None if estate is None else estate.devices.get((one.site, one.device))
        fresh_seconds = (one.expires_at - now) // timedelta(seconds=1)
        if by is None or fresh_seconds < 1 or not self._link.connected:
            self._begun.pop((one.site, one.id), None)
            return
        can = by.adapter.capabilities(by.fitting).actions
        command = as_it_can(native.decode_command(one.payload), can)
        if command.action is Action.SHOW and Action.SHOW not in can:
            self._became(by, one.id, Outcome.DONE, "no_display", now)
            return
        try:
            sent = by.adapter.encode(command, by.fitting, now)
        except CannotCarryOut as problem:
            self._became(by, one.id, Outcome.REFUSED, f"{problem.code}: {problem.detail}"[:200], now)
            return
        try:
            if not claim(self._parts.store, one.site, one.id, now):
                return  # told by another bridge, or answered before
        except SQLAlchemyError:
            self._begun.pop((one.site, one.id), None)
            return
        mids = [
            self._link.publish(said.topic, said.payload, fresh_seconds=fresh_seconds)
            for said in sent
            if isinstance(said, Publish)
        ]
        if not mids or mids[0] is None:
            self._became(by, one.id, Outcome.EXPIRED, "never published", now)
        elif not by.replies:
            self._porch.put(by.who, (Accepted(command=one.id, at=now, detail="sent: it replies nothing"),), now)

    def _became(self, by: Spoken, command: str, outcome: Outcome, detail: str, now: datetime) -> None:
        """In the device's place."""
        self._porch.put(by.who, (CommandResult(command=command, outcome=outcome, at=now, detail=detail),), now)

    # ------------------------------------------------------------------ its own thread: what comes

    def _run(self) -> None:
        while not self._stopping or self._offered or self._due:
            try:
                self.turn(_TURN_SECONDS)
            except SQLAlchemyError as problem:
                _log.warning("devices of other vendors wait for the database", problem=str(problem).split("\n", 1)[0])
                if self._stopping:
                    return  # the broker keeps what came for the next start
                time.sleep(_TURN_SECONDS)
            except Exception:
                _log.exception("the thread of other vendors' devices goes on")

    def turn(self, wait_seconds: float = 0) -> None:
        """What has come, and what has become due meanwhile. Raises what the database raises before it has ever been read."""
        assert self._link is not None
        with self._bell:
            if not (self.room or self._offered or self._due or self._stopping) and wait_seconds:
                self._bell.wait(wait_seconds)
        self._look_again()
        self._tell()
        for _ in range(_AT_ONCE):
            raw = self.room.pop()
            if raw is None:
                with self._bell:
                    self._bell.notify_all()  # whoever waits for that, to stop
                break
            self._came(raw)
        now = self._parts.clock.now()
        for joined in self._joiner.due(now):
            self._hand_on(DeviceName(*joined.who), joined.said, now)
        for by, result in self._barriers.overdue(now):
            self._porch.put(by.who, (result,), now)
        self._bring_lists()
        if self._link.connected and self.room.takes_back(self._inbox.qsize()):
            self._link.renew()
        self._link.flush()

    def _look_again(self) -> None:
        if self._estate is None:
            self.look()
            return
        with contextlib.suppress(SQLAlchemyError):  # what was known still stands
            self._follow(self._fittings.lately())

    def _came(self, raw: Raw) -> None:
        if raw.inbound is not None:  # decoded once, and kept for want of room in the inbox
            self._left_behind([one for one in self._inbox.put_nowait(raw) if one is not None])
            return
        message = Published(topic=raw.topic, payload=raw.payload, retained=raw.retained)
        by: Spoken | None = None
        assert self._estate is not None
        try:
            by = self._estate.of(message)
            heard = by.adapter.decode(message, by.fitting, raw.received_at)
        except Undecodable as problem:
            self._undecodable(raw, message, by, problem)
        except Exception as problem:
            self._undecodable(
                raw, message, by, Undecodable("not_in_schema", f"{type(problem).__name__}: {problem}"[:200])
            )
        else:
            self._heard(raw, message, by, heard)

    def _undecodable(self, raw: Raw, message: Published, by: Spoken | None, problem: Undecodable) -> None:
        """Into quarantine, under the name of whoever's topic it is."""
        assert self._estate is not None
        who = by.who if by is not None else self._estate.on(raw.topic) or DeviceName("", "")
        payload = raw.payload if by is None else by.adapter.redacted(message)
        rejected = Rejected(
            site=who.site,
            device=who.device,
            topic=raw.topic,
            payload=payload[:_QUARANTINED_BYTES_MAX],
            code=problem.code,
            detail=problem.detail[:500],
            received_at=raw.received_at,
            event_id=problem.event_id,
        )
        if by is not None:
            self._owe(id(rejected), Debt(by, without_its_pictures(message), None, rejected=rejected))
        self._porch.reject(who, rejected, raw.received_at, raw)

    def _heard(self, raw: Raw, message: Published, by: Spoken, heard: Heard) -> None:
        told: list[Said] = []
        for joined in self._joiner.take(by.who, heard, raw.received_at):
            if joined.who == by.who:
                told += joined.said
            else:
                self._hand_on(DeviceName(*joined.who), joined.said, raw.received_at)
        events = [one for one in told if isinstance(one, PlateEvent)]
        whole = tuple(one for one in told if isinstance(one, Picture) and one.whole)
        message, heard, light = without_its_pictures(message), light_heard(heard), raw._replace(payload=b"")
        if not events and (waits := held_back(heard)) is not None:
            self._owe((*by.who, waits.id), Debt(by, message, heard, held=light))
            return
        for event in events:
            mine = tuple(one for one in whole if one.event == event.id)
            self._owe((*by.who, event.id), Debt(by, message, heard, pictures=mine))
        if not events:
            self._answer(by, message, self._as_first(by, heard, raw.received_at))
        if not self._hand_on(by.who, told, raw.received_at, came=raw, part=bool(heard.read)):
            self._acknowledge([raw])

    def _as_first(self, by: Spoken, heard: Heard, now: datetime) -> Heard:
        """The first that is heard of a device counts as its greeting: it may have connected before anybody listened."""
        if by.who in self._met or any(isinstance(one, PlateEvent) for one in heard.said):
            return heard
        self._met.add(by.who)
        return replace(heard, said=(Hello(serial=by.fitting.serial, at=now), *heard.said))

    def _owe(self, key: tuple[str, str, str] | int, debt: Debt) -> None:
        given_up, dropped = self._debts.owe(key, debt, time.monotonic())
        if dropped:
            self._lost(debt.by.who, PICTURE, dropped)
        self._acknowledge([one for one in given_up if not self.room.leave(one, READ)])

    def _hand_on(
        self, who: DeviceName, said: Sequence[Said], now: datetime, *, came: Raw | None = None, part: bool = False
    ) -> bool:
        assert self._link is not None
        assert self._estate is not None
        by = self._estate.devices.get(who)
        handed = self._porch.put(who, said, now, came=came, part=part, moves=by is not None and by.moves)
        if by is not None:
            self._porch.put(who, self._barriers.heard(by, said, now), now)
            for told in self._clocks.put_right(by, said, now, self._parts.clock.now()):
                self._link.publish(told.topic, told.payload, fresh_seconds=FRESH_SECONDS)
        for one in said:
            if isinstance(one, ListTaken):
                with contextlib.suppress(SQLAlchemyError):  # it is brought again
                    self.lists.taken(who, one)
        return handed

    def _bring_lists(self) -> None:
        assert self._link is not None
        assert self._estate is not None
        link = self._link
        if link.connected:
            with contextlib.suppress(SQLAlchemyError):  # nothing of this hurries
                self.lists.turn(self._estate, lambda one: link.publish(one.topic, one.payload) is not None)
