"""Shuts a flooding device out at Mosquitto for a while, where this bridge may administer it.

Mosquitto has no limit for who publishes: it drops what the bridges cannot take, whoever sent it. One device can send
faster than a bridge reads, so what counts is how soon it is out: this is told by the bridge's network thread after the first thousand messages
beyond its allowance, before the broker's queue for the bridge is full. Each time that it is let in again and goes on, others wait for it for a second or two:
so it stays outside five times as long as the time before.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from gateway.bridge.dynamic_security import BrokerDoesNotAnswer, administered
from gateway.flows.device_access import accounts
from gateway.runtime.clock import SystemPace
from gateway.runtime.logs import logger
from gateway.runtime.settings import Broker
from gateway.wiring import Parts

_log = logger(__name__)

SHUT_OUT_SECONDS: Final = 60.0
LONGER: Final = 5
SHUT_OUT_SECONDS_MAX: Final = 3_600.0
# Whoever keeps quiet for so long after it was let in begins anew.
REMEMBERED_SECONDS: Final = 600.0
_WAITING_MAX: Final = 1_000
_TURN_SECONDS: Final = 1.0


class _Term(NamedTuple):
    """`seconds`: how long; `until`: when it is over. Seconds of a clock that only goes on."""

    seconds: float
    until: float


class Outside:
    """Who is shut out, and for how long."""

    def __init__(self) -> None:
        self._out: dict[str, _Term] = {}
        self._before: dict[str, _Term] = {}

    @property
    def names(self) -> Collection[str]:
        return self._out.keys()

    def put(self, name: str, now: float) -> float:
        """Returns for how many seconds it stays."""
        self._before = {one: term for one, term in self._before.items() if now < term.until + REMEMBERED_SECONDS}
        before = self._before.get(name)
        seconds = SHUT_OUT_SECONDS if before is None else min(before.seconds * LONGER, SHUT_OUT_SECONDS_MAX)
        self._out[name] = self._before[name] = _Term(seconds, now + seconds)
        return seconds

    def over(self, now: float) -> set[str]:
        return {one for one, term in self._out.items() if term.until <= now}

    def let_in(self, name: str) -> None:
        self._out.pop(name, None)


class FloodGuard:
    """A thread of its own, as the broker takes its time. Without `broker_admin_url` it does nothing."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._url = parts.settings.broker_admin_url
        self._pace = SystemPace()
        self._asked: queue.Queue[str | None] = queue.Queue(_WAITING_MAX)
        self._outside = Outside()
        self._known: frozenset[str] = frozenset()
        self._thread = threading.Thread(target=self._run, name="flood-guard", daemon=True)

    def start(self) -> None:
        if self._url:
            self._thread.start()

    def stop(self) -> None:
        if self._thread.ident is not None:
            self._asked.put(None)
            self._thread.join(10)

    def shut_out(self, site: str, device: str) -> None:
        """From any thread; returns at once."""
        if self._url and not self._asked.full():
            self._asked.put_nowait(f"{site}.{device}")

    def _run(self) -> None:
        # Known before the first flood: while one is looked up, it fills the broker's queue.
        self._known = self._may_log_in() or frozenset()
        self._let_in(self._known)  # whom a bridge that was killed left outside
        while (asked := self._next()) is not None:
            try:
                self._turn(asked)
            except Exception:
                _log.exception("who shuts floods out goes on")
        self._let_in(set(self._outside.names))

    def _turn(self, asked: set[str]) -> None:
        self._shut_out(asked - set(self._outside.names))
        over = self._outside.over(self._pace.monotonic())
        if self._let_in(over):
            for one in over:
                self._outside.let_in(one)

    def _next(self) -> set[str] | None:
        """Who is to be shut out, perhaps nobody; None when it is to stop."""
        asked: list[str | None] = []
        try:
            asked.append(self._asked.get(timeout=_TURN_SECONDS))
            while True:
                asked.append(self._asked.get_nowait())
        except queue.Empty:
            return None if None in asked else {one for one in asked if one is not None}

    def _shut_out(self, names: set[str]) -> None:
        """At once, without asking the broker what it knows: that takes it seconds where there are thousands of devices."""
        if names - self._known:
            self._known = self._may_log_in() or self._known
        names &= self._known  # who is no device of the broker's floods elsewhere
        if not names:
            return
        try:
            with administered(Broker(self._url)) as broker:
                for name in sorted(names):
                    broker.tell([{"command": "disableClient", "username": name}])
                    seconds = self._outside.put(name, self._pace.monotonic())
                    _log.warning("a device floods and is shut out", device=name, seconds=seconds)
        except BrokerDoesNotAnswer as problem:
            _log.warning("the broker was not told whom to shut out", problem=str(problem))

    def _may_log_in(self) -> frozenset[str] | None:
        try:
            found = accounts(self._parts.store, self._parts.settings.zone)
        except SQLAlchemyError:
            return None
        return frozenset(one.username for one in found if one.serves)

    def _let_in(self, names: AbstractSet[str]) -> bool:
        """Those that may log in at all: who was revoked meanwhile stays out. False: it is tried again."""
        if not names:
            return True
        serving = self._may_log_in()
        if serving is None:
            return False
        try:
            with administered(Broker(self._url)) as broker:
                outside = {name for name, client in broker.clients().items() if not client.enabled}
                wanted = sorted(names & serving & outside)
                broker.tell([{"command": "enableClient", "username": name} for name in wanted])
        except BrokerDoesNotAnswer as problem:
            _log.warning("the broker was not told whom to let in again", problem=str(problem))
            return False
        return True
