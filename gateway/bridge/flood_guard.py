"""Shuts a flooding device out at Mosquitto for a while, where this bridge may administer it.

Mosquitto has no limit for who publishes: it drops what the bridges cannot take, whoever sent it, so that one device that floods its own topics
keeps every gate waiting (measured: 94 of 100 messages dropped). What the bridge leaves with a device it has had to read; only the broker can stop it.
"""

from __future__ import annotations

import queue
import threading
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from gateway.bridge.broker_accounts import Command
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
        self._let_in(self._serving() or set())  # whom a bridge that was killed left outside
        while True:
            try:
                name = self._asked.get(timeout=_TURN_SECONDS)
            except queue.Empty:
                name = ""
            if name is None:
                break
            if name and name not in self._out and self._tell([{"command": "disableClient", "username": name}]):
                self._out[name] = self._pace.monotonic() + SHUT_OUT_SECONDS
                _log.warning("a device floods and is shut out for a minute", device=name)
            over = {one for one, until in self._out.items() if until <= self._pace.monotonic()}
            if over and self._let_in(over):
                for one in over:
                    del self._out[one]
        self._let_in(set(self._out))

    def _serving(self) -> set[str] | None:
        try:
            return {one.username for one in accounts(self._parts.store, self._parts.settings.zone) if one.serves}
        except SQLAlchemyError:
            return None

    def _let_in(self, names: set[str]) -> bool:
        """Those that may log in at all: who was revoked meanwhile stays out. False: it is tried again."""
        serving = self._serving() if names else set()
        if serving is None:
            return False
        return self._tell([{"command": "enableClient", "username": one} for one in sorted(names & serving)])

    def _tell(self, commands: list[Command]) -> bool:
        if not commands:
            return True
        try:
            with administered(Broker(self._url)) as broker:
                known = broker.known().clients
                # Only what differs: whoever is touched is thrown out.
                broker.tell(
                    [
                        one
                        for one in commands
                        if one["username"] in known
                        and known[one["username"]].enabled is (one["command"] == "disableClient")
                    ]
                )
        except BrokerDoesNotAnswer as problem:
            _log.warning("the broker was not told whom to shut out", problem=str(problem))
            return False
        return True
