"""The ideal bridge: the same messages over the same road into as many durable rows, with nothing decided and nothing priced.

Every read is stored with a stay, one at an exit with a bill and its postings as well, and answered with an open command that is an outbox
row first; every `passed` completes its read, every result its command; all that has come is one transaction; commands and receipts
leave after its commit, acknowledgements last. What a bridge could be if the trade asked nothing of it: the distance to it is what
decisions, prices and what they have to know cost.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec
from paho.mqtt import client as mqtt

from gateway.cli.bench import beside
from gateway.cli.bench.child import Child, told
from gateway.cli.bench.ideal_store import Completed, Read, Rows, Said, open_store
from gateway.runtime.clock import Clock, SystemClock
from gateway.runtime.settings import Broker

_LIFE = timedelta(seconds=8)


class _Event(msgspec.Struct, rename={"for_": "for"}):
    """Of an `event`, what is stored in columns of its own; the rest is in its payload."""

    id: str
    at: datetime
    lane: str
    kind: str
    plate: str | None = None
    for_: str | None = None


class _Result(msgspec.Struct):
    """Of a `result`, which command it is of."""

    command: str


_event = msgspec.json.Decoder(_Event).decode
_result = msgspec.json.Decoder(_Result).decode


def start(broker: Broker, database_url: str, inward: set[str], *, number: int = 1, share_group: str = "") -> Child:
    """One of perhaps several on an empty database of their own. `inward`: the lanes that lead in. Raises `DidNotStart`."""
    where = beside.at(broker, f"ideal-{number}", share_group)
    return Child("gateway.cli.bench.ideal", [where, database_url, sorted(inward)])


class Client(Protocol):
    """What it needs of one at the broker."""

    def publish(self, topic: str, payload: bytes, qos: int) -> Any: ...
    def ack(self, mid: int, qos: int) -> Any: ...


class Ideal:
    """Hears, and does everything at once when all that had come was heard. `inward`: the lanes that lead in."""

    def __init__(self, store: Rows, inward: Collection[str], clock: Clock) -> None:
        self._store, self._inward, self._clock = store, frozenset(inward), clock
        self._heard: list[mqtt.MQTTMessage] = []

    def heard(self, message: mqtt.MQTTMessage) -> None:
        self._heard.append(message)

    def work(self, client: Client) -> None:
        heard = self._heard
        if not heard:
            return
        reads: list[Read] = []
        completed: list[Completed] = []
        said: list[Said] = []
        receipts: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
        expires_at = (self._clock.now() + _LIFE).isoformat()
        for message in heard:
            _, _, site, device, channel = message.topic.split("/")
            payload = bytes(message.payload)
            if channel == "event":
                event = _event(payload)
                receipts.setdefault((site, device), ([], []))[0].append(event.id)
                if event.plate is not None:
                    reads.append(self._read(site, device, event, payload, expires_at))
                else:
                    completed.append(Completed(site, device, event.id, event.at, event.for_ or "", payload))
            elif channel == "result":
                command = _result(payload).command
                receipts.setdefault((site, device), ([], []))[1].append(command)
                said.append(Said(site, command))
        planned = self._store.store(reads, completed, said)
        for read in reads:
            if (read.site, read.id) in planned:
                client.publish(read.topic, read.command, qos=1)
        for (site, device), (events, results) in receipts.items():
            receipt = msgspec.json.encode({"events": events, "results": results})
            client.publish(f"parkgate/v1/{site}/{device}/receipt", receipt, qos=1)
        for message in heard:
            client.ack(message.mid, message.qos)
        heard.clear()

    def _read(self, site: str, device: str, event: _Event, payload: bytes, expires_at: str) -> Read:
        command: dict[str, Any] = {
            "id": f"c-{device}-{event.id}", "action": "open", "lane": event.lane, "reason": "temporary",
            "expires_at": expires_at, "ttl_ms": 8000, "event": event.id,
        }  # fmt: skip
        return Read(
            site=site,
            device=device,
            event=event.id,
            at=event.at,
            plate=event.plate or "",
            inward=event.lane in self._inward,
            payload=payload,
            id=command["id"],
            topic=f"parkgate/v1/{site}/{device}/command",
            command=msgspec.json.encode(command),
        )


def main() -> None:
    """The process that `start` starts. It ends with its standard input."""
    where, database_url, inward = told()
    with closing(open_store(database_url)) as store:
        ideal = Ideal(store, inward, SystemClock())
        client = beside.client_at(beside.Where(*where), ideal.heard, acknowledges=True)
        beside.serve(client, lambda: ideal.work(client))
