"""Shuts a flooding device out at Mosquitto for a while, where this bridge may administer it.

Mosquitto has no limit for who publishes: it drops what the bridges cannot take, whoever sent it. One device can send
faster than a bridge reads, so what counts is how soon it is out: this is told by the bridge's network thread after the first thousand messages
beyond its allowance, before the broker's queue for the bridge is full.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Set as AbstractSet
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from gateway.bridge.dynamic_security import BrokerDoesNotAnswer, administered
from gateway.flows.device_access import accounts
from gateway.runtime.clock import SystemPace
from gateway.runtime.logs import logger
from gateway.runtime.settings import Broker
from gateway.wiring import Parts

_log = logger(__name__)

SHUT_OUT_SECONDS: Final = 60.0
_WAITING_MAX: Final = 1_000
_TURN_SECONDS: Final = 1.0


class FloodGuard:
    """A thread of its own, as the broker takes its time. Without `broker_admin_url` it does nothing."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._url = parts.settings.broker_admin_url
        self._pace = SystemPace()
        self._asked: queue.Queue[str | None] = queue.Queue(_WAITING_MAX)
        # Until when, in seconds of a clock that only goes on.
        self._out: dict[str, float] = {}
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
        self._let_in(self._may_log_in() or frozenset())  # whom a bridge that was killed left outside
        while (asked := self._next()) is not None:
            try:
                self._turn(asked)
            except Exception:
                _log.exception("who shuts floods out goes on")
        self._let_in(self._out.keys())

    def _turn(self, asked: set[str]) -> None:
        self._shut_out(asked - self._out.keys())
        over = {one for one, until in self._out.items() if until <= self._pace.monotonic()}
        if self._let_in(over):
            for one in over:
                del self._out[one]

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
                    self._out[name] = self._pace.monotonic() + SHUT_OUT_SECONDS
                    _log.warning("a device floods and is shut out for a minute", device=name)
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
