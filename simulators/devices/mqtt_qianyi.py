"""A virtual Qianyi camera over MQTT. It registers until it is answered, and sends each read again until it is told that it was taken.

Formats: `tests/controllers/adapters/qianyi/samples`. It says nothing of its barrier, and its clock has whole seconds.
"""

from __future__ import annotations

from typing import Any

import msgspec

from controllers.adapters import native
from controllers.commands import Action
from controllers.events import Kind, Outcome, PlateEvent
from simulators.devices.colours import COLOUR_WORDS
from simulators.devices.dialect import Dialect, Inward, Turned, Wire, ordered, receipted
from simulators.gate import Message
from simulators.street import DeviceSpec, LaneSpec

REGISTRATION = "/serverAll"
_json = msgspec.json.Encoder().encode


class QianyiDialect(Dialect):
    """`busy`: it refuses every order from now on."""

    def __init__(self, site: str, device: DeviceSpec, lanes: tuple[LaneSpec, ...]) -> None:
        self.serial, self._lanes = device.serial, lanes
        self._address = native.Address(site, device.id, "event")
        self.shows = "led_board" in device.features
        self.busy = False
        self.registered = False
        self._newest: dict[str, str] = {}
        self._read_last: tuple[str, str | None] | None = None
        self._ordered: dict[str, str] = {}  # how a command's id is answered

    @property
    def hears(self) -> tuple[str, ...]:
        return (f"device/plate/{self.serial}",)

    def will(self) -> Wire | None:
        return self._up("offline", "will")

    def connected(self) -> tuple[Wire, ...]:
        self.registered = False
        return (self._register(),)

    # ------------------------------------------------------------------ what it says

    def says(self, message: Message) -> Turned:
        if message.channel == "status":
            again = () if self.registered else (self._register(),)
            return Turned((*again, self._up("mqtt_herat", "beat")))
        if message.channel == "result":
            result = native.decode_result(message.payload)
            said = receipted(results=(result.command,))
            name = self._ordered.pop(result.command, None)
            if name is None:
                return Turned(inward=(said,))
            status = "ok" if result.outcome is Outcome.DONE else "failed"
            return Turned((self._up(name, result.command, status=status),), (said,))
        event = native.decode_event(self._address, message.payload)
        if event.kind is not Kind.PLATE:
            return Turned(inward=(receipted(events=(event.id,)),))
        self._newest[event.lane] = event.id
        self._read_last = event.lane, event.id
        return Turned((self._read(event),))

    def _read(self, event: PlateEvent) -> Wire:
        lane = next(one for one in self._lanes if one.id == event.lane)
        return self._up(
            "result",
            event.id,
            type="offline" if event.buffered else "online",
            plate_num=event.plate_raw or "null",
            plate_color="" if event.plate_colour is None else COLOUR_WORDS[event.plate_colour],
            confidence=28,
            utc_ts=int(event.at.timestamp()),
            inout=lane.direction,
            trigger_type="video",
        )

    def _register(self) -> Wire:
        said = self._up(
            "camera_register",
            "register",
            subtopic=f"device/plate/{self.serial}",
            pubtopic=f"aiot/plate/{self.serial}",
            model="S8_2",
            softVersion="4.23",
        )
        return said._replace(topic=REGISTRATION)

    def _up(self, cmd: str, id_: str, **fields: Any) -> Wire:
        return Wire(f"aiot/plate/{self.serial}", _json({"cmd": cmd, "msg_id": id_, "sn": self.serial, **fields}))

    # ------------------------------------------------------------------ what it is told

    def told(self, topic: str, payload: bytes) -> Turned:
        del topic
        said = msgspec.json.decode(payload)
        id_ = said.get("msg_id", "")
        match said.get("cmd"):
            case "camera_register_rsp":
                self.registered = True
            case "result_rsp":
                return Turned(inward=(receipted(events=(id_,)),))
            case "iooutput" | "barrierKeepOpen" as cmd if self.busy:
                return Turned((self._up(f"{cmd}_rsp", id_, status="busy"),))
            case "iooutput":
                self._ordered[id_] = "iooutput_rsp"
                return Turned(inward=(self._switched(id_, said["ionum"]),))
            case "barrierKeepOpen":
                self._ordered[id_] = "barrierKeepOpen_rsp"
                action = Action.HOLD_OPEN if said["isKeepOpen"] else Action.RELEASE
                return Turned(inward=(ordered(id_, action, self._lanes[0].id, None),))
            case "rs485" if "/" not in id_:
                lane, newest = self._read_last or (self._lanes[0].id, None)
                return Turned(inward=(ordered(id_, Action.SHOW, lane, newest),))
        return Turned()

    def _switched(self, id_: str, output: int) -> Inward:
        lowers = next((lane for lane in self._lanes if lane.close_relay == output), None)
        if lowers is not None:
            return ordered(id_, Action.CLOSE, lowers.id, None)
        lane = next((lane for lane in self._lanes if lane.relay == output), self._lanes[0])
        return ordered(id_, Action.OPEN, lane.id, self._newest.get(lane.id))
