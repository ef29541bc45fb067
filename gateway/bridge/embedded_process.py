"""The embedded broker's own process: amqtt, with every device held to its own account and topics.

Its first line on standard input says what it needs; when standard input ends, so does it (its parent has gone).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, ClassVar

from amqtt.broker import Broker
from amqtt.contexts import Action
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin

from controllers.adapters import native
from gateway.flows.credentials import DeviceCredentials
from gateway.store.engine import Store, open_engine

_SAYS = frozenset({"event", "status", "result"})
_REFUSED = 0x80
_SHUTDOWN_SECONDS = 1.0
_HEARS = frozenset({"command", "receipt", "list", "list/delta"})


class Accounts:
    """Who may connect: the bridge with the secret of this run, devices with the passwords that `site apply` made."""

    bridge: ClassVar[tuple[str, str]] = ("", "")
    devices: ClassVar[DeviceCredentials | None] = None

    @classmethod
    def admit(cls, username: str | None, password: str | None, client_id: str | None) -> bool:
        if username == cls.bridge[0]:
            return password == cls.bridge[1]
        # A device that took the bridge's client id would throw the bridge out: its client id is its user name.
        return client_id == username and cls.devices is not None and cls.devices.verify(username, password) is not None

    @classmethod
    def may(cls, username: str | None, topic: str | None, action: Action) -> bool:
        """A device's account may publish and subscribe only below its own topics."""
        if not username or not topic:
            return False
        if username == cls.bridge[0]:
            return True
        site, _, device = username.partition(".")
        prefix = f"{native.ROOT}/{site}/{device}/"
        if not topic.startswith(prefix):
            return False
        return topic[len(prefix) :] in (_SAYS if action == Action.PUBLISH else _HEARS)


class AccountPlugin(BaseAuthPlugin):  # type: ignore[misc]
    async def authenticate(self, *, session: Any) -> bool:
        # Checking a hash takes tens of milliseconds: not on the broker's loop.
        return await asyncio.to_thread(Accounts.admit, session.username, session.password, session.client_id)

    @dataclass
    class Config:
        """Nothing to configure."""

        name: str = field(default="accounts")


class TopicPlugin(BaseTopicPlugin):  # type: ignore[misc]
    async def topic_filtering(self, *, session: Any = None, topic: str | None = None, action: Any = None) -> bool:
        return session is not None and Accounts.may(session.username, topic, action)

    @dataclass
    class Config:
        """Nothing to configure."""

        name: str = field(default="topics")


class QuietBroker(Broker):  # type: ignore[misc]
    """amqtt asks every plugin in a task of its own for each message; these answers need no waiting."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._patterns: set[str] = set()  # filters with wildcards that were granted: the bridge's few, nobody else may

    async def add_subscription(self, subscription: tuple[str, int], session: Any) -> int:
        granted: int = await super().add_subscription(subscription, session)
        if granted != _REFUSED and not {"+", "#"}.isdisjoint(subscription[0]):
            self._patterns.add(subscription[0])
        return granted

    async def _topic_filtering(self, session: Any, topic: str, action: Any) -> bool:
        return Accounts.may(session.username, topic, action)

    async def _run_broadcast(self, running_tasks: deque[asyncio.Task[Any]]) -> None:
        """As inherited, but tries only the filters that can match: of thousands of exact ones, the one in question."""
        broadcast = await self._broadcast_queue.get()
        topic = broadcast["topic"]
        for a_filter in (topic, *(one for one in self._patterns if self._matches(topic, one))):
            for session, subscribed_qos in tuple(self._subscriptions.get(a_filter, ())):
                if not Accounts.may(session.username, topic, Action.RECEIVE):
                    continue
                qos = broadcast.get("qos", subscribed_qos)
                if session.transitions.state == "connected":
                    if (handler := self._get_handler(session)) is not None:
                        sending = handler.mqtt_publish(topic, broadcast["data"], qos, retain=False)
                        running_tasks.append(asyncio.ensure_future(sending))
                elif not session.clean_session and qos in (1, 2):
                    await self._retain_broadcast_message(broadcast, qos, session)


async def _serve(host: str, port: int) -> None:
    plugins: dict[str, dict[str, Any]] = {f"{__name__}.AccountPlugin": {}, f"{__name__}.TopicPlugin": {}}
    listener = {"type": "tcp", "bind": f"{host}:{port}", "max_connections": 2_000}
    broker = QuietBroker({"listeners": {"default": listener}, "plugins": plugins})
    await broker.start()
    ending = asyncio.Event()
    threading.Thread(target=_end_with_parent, args=(asyncio.get_running_loop(), ending), daemon=True).start()
    sys.stdout.write("READY\n")
    sys.stdout.flush()
    await ending.wait()
    await broker.shutdown()


def _end_with_parent(loop: asyncio.AbstractEventLoop, ending: asyncio.Event) -> None:
    """A shutdown that waits for devices which do not hang up would keep the port from the next run: it has a second."""
    sys.stdin.read()
    loop.call_soon_threadsafe(ending.set)
    time.sleep(_SHUTDOWN_SECONDS)
    os._exit(0)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """On uvloop where there is one: this broker's speed is its event loop's."""
    if sys.platform == "win32":
        asyncio.run(work)
        return
    import uvloop  # noqa: PLC0415 - there is none on Windows

    uvloop.run(work)


def main() -> None:
    logging.disable(logging.ERROR)
    told = json.loads(sys.stdin.readline())
    store = Store(open_engine(told["database_url"]))
    Accounts.bridge = (told["bridge_username"], told["bridge_password"])
    Accounts.devices = DeviceCredentials(store)
    try:
        _run(_serve(told["host"], told["port"]))
    except KeyboardInterrupt:
        pass  # the parent ends us in its own time
    except OSError as problem:
        sys.stderr.write(f"{problem.strerror or problem}\n")
        sys.exit(1)
