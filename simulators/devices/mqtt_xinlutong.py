"""A virtual Xinlutong camera over MQTT. It answers orders only once it was told to, after each connection; nothing marks its history.

Formats: `tests/controllers/adapters/xinlutong/samples`. Its clock shows local time in whole seconds.
"""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

import msgspec

from controllers.adapters import native
from controllers.commands import Action
from controllers.events import Kind, Outcome
from simulators.devices.dialect import Dialect, Turned, Wire, ordered, receipted
from simulators.gate import Message
from simulators.street import DeviceSpec, LaneSpec

_json = msgspec.json.Encoder().encode


class XinlutongDialect(Dialect):
    """`busy`: it refuses every order from now on. `zone`: of what its clock shows."""

    shows = False

    def __init__(self, site: str, device: DeviceSpec, lane: LaneSpec, zone: tzinfo) -> None:
        self.serial, self._lane, self._zone = device.serial, lane, zone
        self._address = native.Address(site, device.id, "event")
        self.busy = False
        self.replies = False
        self._newest: str | None = None
        self._ordered: set[str] = set()

    @property
    def hears(self) -> tuple[str, ...]:
        return (f"download/{self.serial}",)

    def connected(self) -> tuple[Wire, ...]:
        self.replies = False
        return (self._up("Conn", None, {"devInfo": "XLT-01 v1.0"}),)

    # ------------------------------------------------------------------ what it says

    def says(self, message: Message) -> Turned:
        if message.channel == "status":
            return Turned((self._up("Rtd", native.decode_status(message.payload).at, {"hasCar": 0}),))
        if message.channel == "result":
            result = native.decode_result(message.payload)
            said = receipted(results=(result.command,))
            if result.command not in self._ordered:
                return Turned(inward=(said,))
            self._ordered.discard(result.command)
            return Turned(self._reply(result.command, result.at, well=result.outcome is Outcome.DONE), (said,))
        event = native.decode_event(self._address, message.payload)
        said = receipted(events=(event.id,))
        if event.kind is not Kind.PLATE:
            return Turned(inward=(said,))
        self._newest = event.id
        return Turned((self._up("Image", event.at, {"plateNo": event.plate_raw or "无牌车"}, event.id),), (said,))

    def _reply(self, id_: str, at: datetime | None, *, well: bool) -> tuple[Wire, ...]:
        data = {"errCode": 0, "errInfo": ""} if well else {"errCode": 5, "errInfo": "busy"}
        return (self._up("Open", at, data, id_),) if self.replies else ()

    def _up(self, command: str, at: datetime | None, data: dict[str, Any], id_: str = "") -> Wire:
        envelope = {
            "command": command,
            "sn": self.serial,
            "time": "" if at is None else f"{at.astimezone(self._zone):%Y-%m-%d %H:%M:%S}",
            "data": _json(data).decode(),
            "version": "1.0.1",
        }
        return Wire(f"upload/{self.serial}", _json(envelope | ({"requestId": id_} if id_ else {})))

    # ------------------------------------------------------------------ what it is told

    def told(self, topic: str, payload: bytes) -> Turned:
        del topic
        said = msgspec.json.decode(payload)
        if said.get("command") == "Config":
            self.replies = bool(msgspec.json.decode(said["data"]).get("enableReply"))
            return Turned()
        if said.get("command") != "Open":
            return Turned()
        id_ = said["requestId"]
        if self.busy:
            return Turned(self._reply(id_, None, well=False))
        self._ordered.add(id_)
        return Turned(inward=(ordered(id_, Action.OPEN, self._lane.id, self._newest),))
