"""Mosquitto's dynamic-security plugin, spoken to while the broker runs: `$CONTROL/dynamic-security/v1`, by its administrator.

Source: Mosquitto's documentation of the plugin, "Dynamic Security Plugin"; measured on 2.0.11 that answers come in the order of the commands, without anything that
names them, and that a role, a password or a client that is changed throws its connections out.
"""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from gateway.bridge.broker_accounts import Client, Command, Known
from gateway.runtime.settings import Broker

_TOPIC = "$CONTROL/dynamic-security/v1"
_WITHIN_SECONDS = 10.0
_AT_ONCE = 50
"""Commands in a message, and entries in an answer: a role of every topic of a camera is two kilobytes."""
_PAGES_MAX = 4_000


class BrokerDoesNotAnswer(Exception):
    """The broker cannot be administered: why, and what to look at, on one line."""


class DynamicSecurity:
    """One conversation: a request at a time, each with its answer."""

    def __init__(self, client: mqtt.Client, answers: queue.Queue[Any], where: str) -> None:
        self._client, self._answers, self._where = client, answers, where

    def tell(self, commands: Sequence[Command]) -> None:
        """Raises `BrokerDoesNotAnswer` with the first that was refused; those before it stand."""
        for first in range(0, len(commands), _AT_ONCE):
            some = commands[first : first + _AT_ONCE]
            for command, answer in zip(some, self._ask(some), strict=False):
                if "error" in answer:
                    name = command.get("username") or command.get("rolename") or ""
                    raise BrokerDoesNotAnswer(
                        f"{self._where} refused {command['command']} {name}: {answer['error']}; "
                        "run it again, it goes on where it stopped"
                    )

    def known(self) -> Known:
        """All roles and clients."""
        roles = {
            one["rolename"]: frozenset((acl["acltype"], acl["topic"]) for acl in one["acls"] if acl["allow"])
            for one in self._list("listRoles", "roles")
        }
        return Known(roles, self.clients())

    def clients(self) -> dict[str, Client]:
        """By user name."""
        return {
            one["username"]: Client(
                frozenset(role["rolename"] for role in one["roles"]),
                one.get("clientid"),
                not one.get("disabled", False),
            )
            for one in self._list("listClients", "clients")
        }

    def _list(self, command: str, what: str) -> Iterator[Any]:
        seen = 0
        for _ in range(_PAGES_MAX):
            (answer,) = self._ask([{"command": command, "verbose": True, "count": _AT_ONCE, "offset": seen}])
            if "error" in answer:
                raise BrokerDoesNotAnswer(f"{self._where} refused {command}: {answer['error']}")
            yield from answer["data"][what]
            seen += len(answer["data"][what])
            if seen >= answer["data"]["totalCount"] or not answer["data"][what]:
                return

    def _ask(self, commands: Sequence[Command]) -> list[Any]:
        self._client.publish(_TOPIC, json.dumps({"commands": list(commands)}), qos=1)
        try:
            answers = self._answers.get(timeout=_WITHIN_SECONDS)["responses"]
        except queue.Empty:
            raise BrokerDoesNotAnswer(
                f"{self._where} does not answer on {_TOPIC}; is the dynamic-security plugin loaded, "
                "and this the account that administers it?"
            ) from None
        except (KeyError, TypeError):
            raise BrokerDoesNotAnswer(f"{self._where} answers something that is not the plugin's") from None
        return list(answers)


@contextmanager
def administered(broker: Broker) -> Iterator[DynamicSecurity]:
    """Connected as the administrator whom the URL names. Raises `BrokerDoesNotAnswer`."""
    answers: queue.Queue[Any] = queue.Queue()
    ready: queue.Queue[str] = queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=broker.username or "", protocol=mqtt.MQTTv5)
    client.username_pw_set(broker.username or "", broker.password)
    if broker.tls:
        client.tls_set()

    def connected(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            ready.put(str(reason))
        else:
            client.subscribe(f"{_TOPIC}/response", 1)

    def subscribed(_client: Any, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        ready.put("it is not the administrator" if any(one.is_failure for one in reasons) else "")

    client.on_connect, client.on_subscribe = connected, subscribed
    client.on_message = lambda _client, _data, message: answers.put(_document(message.payload))
    try:
        client.connect(broker.host, broker.port)
    except (OSError, ValueError) as problem:
        raise BrokerDoesNotAnswer(f"cannot reach {broker}: {problem}; is PARKGATE_BROKER_ADMIN_URL right?") from None
    client.loop_start()
    try:
        try:
            refused = ready.get(timeout=_WITHIN_SECONDS)
        except queue.Empty:
            refused = "no answer in time"
        if refused:
            raise BrokerDoesNotAnswer(f"{broker} does not let its administrator in: {refused}")
        yield DynamicSecurity(client, answers, str(broker))
    finally:
        client.disconnect()
        client.loop_stop()


def _document(payload: bytes | bytearray) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return None
