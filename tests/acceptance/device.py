"""A gate controller on the native protocol: publishes, keeps what has no receipt, answers commands, hears everything."""

import json
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.acceptance.deployment import eventually

ZONE = ZoneInfo("Asia/Shanghai")
RESEND_SECONDS = 5


def now() -> datetime:
    return datetime.now(ZONE)


def minutes_ago(minutes: float) -> datetime:
    return now() - timedelta(minutes=minutes)


def rfc3339(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


class Device:
    """One device's account and connection. Everything that reaches it is kept in order of arrival."""

    def __init__(self, broker_port: int, site: str, device: str, password: str | None) -> None:
        self.site, self.device = site, device
        self.topic = f"parkgate/v1/{site}/{device}"
        self.obeys = True
        self.heard: list[tuple[str, bytes, bool]] = []
        self.lock = threading.Lock()
        self.sent = 0
        self.subscribed = threading.Event()
        name = f"{site}.{device}"
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=True)
        if password is not None:
            self.client.username_pw_set(name, password)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_disconnect = lambda *_: self.subscribed.clear()
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", broker_port, keepalive=30)
        self.client.loop_start()
        self.is_connected()

    def is_connected(self) -> None:
        """Waits until it is, so that no event of ours grows late in the client's own queue."""
        assert self.subscribed.wait(90), f"{self.site}.{self.device} could not connect and subscribe"

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not reason.is_failure:
            client.subscribe([(f"{self.topic}/{end}", 1) for end in ("command", "receipt", "list", "list/delta")])
            self.publish("status", self.status(), retain=True)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        with self.lock:
            self.heard.append((message.topic.removeprefix(f"{self.topic}/"), bytes(message.payload), message.retain))
        if self.obeys and message.topic.endswith("/command"):
            command = json.loads(message.payload)
            answer = {"command": command["id"], "outcome": "done", "at": rfc3339(now()), "detail": None}
            self.publish("result", answer)

    # --- what it says -----------------------------------------------------------------------------------------

    def publish(self, end: str, document: Any, *, retain: bool = False) -> None:
        payload = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
        self.client.publish(f"{self.topic}/{end}", payload, qos=1, retain=retain)

    def status(self, list_version: int = 0) -> dict[str, Any]:
        document = {"online": True, "at": rfc3339(now()), "barrier": {}, "buffered": 0}
        return document | {"list_version": list_version, "firmware": "acceptance 1"}

    def event(self, lane: str, kind: str, at: datetime | None = None, **fields: Any) -> dict[str, Any]:
        """An event as the protocol has it; `for_` stands for the field `for`."""
        self.sent += 1
        document = {"id": f"{self.device}-{self.sent}-{time.time_ns()}", "at": rfc3339(at or now())}
        fields = {key.rstrip("_"): value for key, value in fields.items()}
        return document | {"lane": lane, "kind": kind} | fields

    def plate(self, lane: str, plate: str | None, at: datetime | None = None, **fields: Any) -> dict[str, Any]:
        known = {"plate": plate, "plate_colour": "blue", "confidence": 0.98, "vehicle": "small"}
        return self.event(lane, "plate", at, **(known | fields))

    def send(self, *events: dict[str, Any]) -> None:
        for event in events:
            self.publish("event", event)

    def deliver(self, *events: dict[str, Any], seconds: float = 180) -> None:
        """Send, and send again every 5 s what has no receipt, as a journal does, until all have one."""
        deadline = time.monotonic() + seconds
        missing = list(events)
        while missing and time.monotonic() < deadline:
            self.send(*missing)
            pause = time.monotonic() + RESEND_SECONDS
            while missing and time.monotonic() < min(pause, deadline):
                receipted = self.receipted()
                missing = [event for event in missing if event["id"] not in receipted]
                time.sleep(0.02)
        assert not missing, f"no receipt within {seconds} s: {missing[:3]} and {len(missing)} in all"

    # --- what it heard ----------------------------------------------------------------------------------------

    def messages(self, end: str) -> list[dict[str, Any]]:
        with self.lock:
            return [json.loads(payload) for topic, payload, _ in self.heard if topic == end]

    def receipted(self) -> set[str]:
        return {event for receipt in self.messages("receipt") for event in receipt.get("events", [])}

    def times_receipted(self, event_id: str) -> int:
        return sum(receipt.get("events", []).count(event_id) for receipt in self.messages("receipt"))

    def receipted_results(self) -> set[str]:
        return {result for receipt in self.messages("receipt") for result in receipt.get("results", [])}

    def commands(self, event_id: str | None = None) -> list[dict[str, Any]]:
        """Commands heard, those that one event led to where its id is given; a repeat of an id is one command."""
        distinct = {command["id"]: command for command in self.messages("command")}
        return [command for command in distinct.values() if event_id is None or command.get("event") == event_id]

    def awaits(self, event_id: str, action: str, seconds: float = 90) -> dict[str, Any]:
        """The command that this event led to; fails showing what came instead."""
        try:
            return eventually(
                lambda: next((found for found in self.commands(event_id) if found["action"] == action), None),
                f"a command `{action}` for {event_id}",
                seconds,
            )
        except AssertionError as late:
            raise AssertionError(f"{late}; came: {self.commands(event_id)}") from None

    def awaits_list(self, holds: Callable[[dict[str, str]], bool], seconds: float = 90) -> dict[str, str]:
        """The offline list, plate → until, once it `holds`; whole lists and changes in the order they came."""
        try:
            return eventually(lambda: (found := self.offline_list()) and holds(found) and found, "the list", seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}; it is {self.offline_list()}") from None

    def offline_list(self) -> dict[str, str]:
        plates: dict[str, str] = {}
        with self.lock:
            heard = [(topic, json.loads(payload)) for topic, payload, _ in self.heard if topic.startswith("list")]
        for topic, document in heard:
            if topic == "list":
                plates = {entry["plate"]: entry["until"] for entry in document["entries"]}
            else:
                plates |= {entry["plate"]: entry["until"] for entry in document["add"]}
                plates = {plate: until for plate, until in plates.items() if plate not in document["remove"]}
        return plates
