"""A virtual Vzenith camera over MQTT, in every layout of its topics. One lane a camera.

It tells each read twice, at once and again in full, and never again: what the broker has taken is said. It takes an order that it
cannot do with another code than 200. Formats: `tests/controllers/adapters/vzenith/samples`.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from typing import Any

import msgspec

from controllers.adapters import native
from controllers.commands import Action, ListEntry, WholeList
from controllers.events import (
    BarrierState,
    CommandResult,
    DeviceStatus,
    Kind,
    Opening,
    Outcome,
    PlateEvent,
)
from simulators.devices.colours import COLOUR_NUMBERS
from simulators.devices.dialect import Dialect, Inward, Turned, Wire, ordered, receipted
from simulators.gate import Message
from simulators.street import DeviceSpec, LaneSpec

_BY_ITSELF, _BY_LIST = 1, 2
_TURNED_BACK = 66
_TAKEN, _BUSY = 200, 500
_PULSE = 2
_GATE_STATUS = {BarrierState.OPEN: 1, BarrierState.CLOSED: 0}
_ORDERS = ("gpio_out", "gate_direct_open", "set_io_lock_status", "serial_data", "white_list_operator")
_json = msgspec.json.Encoder().encode


class VzenithDialect(Dialect):
    """`busy`: it refuses every order from now on, as a camera does whose output is locked."""

    def __init__(self, site: str, device: DeviceSpec, lane: LaneSpec) -> None:
        self.serial, self._lane = device.serial, lane
        self._address = native.Address(site, device.id, "event")
        self._legacy = "legacy" in device.features
        self.shows = "led_board" in device.features and not self._legacy
        self._tells_position = "position_1_open" in device.features
        first = "serial_first" in device.features
        self._base = f"{self.serial}/device/message" if first else f"device/{self.serial}/message"
        self.busy = False
        self.listed: dict[str, str] = {}
        """Its white list: until when, by plate."""
        self._unanswered: list[str] = []
        self._newest: str | None = None
        self._ordered: dict[str, str] = {}  # which order a command's id came with
        self._barrier: BarrierState | None = None

    @property
    def hears(self) -> tuple[str, ...]:
        if self._legacy:
            return (f"/device/{self.serial}/command",)
        return tuple(f"{self._base}/down/{name}" for name in _ORDERS)

    # ------------------------------------------------------------------ what it says

    def says(self, message: Message) -> Turned:
        if message.channel == "status":
            return Turned(self._status(native.decode_status(message.payload)))
        if message.channel == "result":
            return self._reply(native.decode_result(message.payload))
        return self._event(native.decode_event(self._address, message.payload))

    def _event(self, event: PlateEvent) -> Turned:
        said = receipted(events=(event.id,))
        if event.kind not in {Kind.PLATE, Kind.REVERSED}:
            return Turned(inward=(said,))
        wires = (
            (self._push(event),)
            if self._legacy
            else (self._read(event, "quick_ivs_result"), self._read(event, "ivs_result"))
        )
        if event.kind is Kind.PLATE:
            self._newest = event.id
        if event.buffered or event.kind is not Kind.PLATE:
            return Turned(wires, (said,))
        # A read that happens now is answered by what is ordered or shown for it: only then is it done with.
        self._unanswered.append(event.id)
        return Turned(wires)

    def _read(self, event: PlateEvent, name: str) -> Wire:
        result = self._plate_result(event, b64encode((event.plate_raw or "").encode()).decode())
        body = {
            "AlarmInfoPlate": {
                "channel": self._lane.channel or 0,
                "result": {"PlateResult": result},
                "serialno": self.serial,
            }
        }
        return self._up(name, event.at, {"type": "ivs_result", "body": body})

    def _plate_result(self, event: PlateEvent, license_: str) -> dict[str, Any]:
        number = int("".join(filter(str.isdigit, event.id.rpartition("-")[2])) or 0)
        return {
            "license": license_,
            "plateid": number,
            "colorType": 0 if event.plate_colour is None else COLOUR_NUMBERS[event.plate_colour],
            "confidence": round((event.confidence or 0) * 100),
            "isoffline": int(event.buffered),
            "triggerType": _TURNED_BACK if event.kind is Kind.REVERSED else 1,
            "timeStamp": {"Timeval": {"sec": int(event.at.timestamp()), "usec": event.at.microsecond}},
            "gioouts": [{"ctrltype": _BY_LIST if event.opening is Opening.LIST else _BY_ITSELF, "ionum": 0}],
        }

    def _push(self, event: PlateEvent) -> Wire:
        """Of legacy firmware: all on one topic, the plate plain."""
        result = self._plate_result(event, event.plate_raw or "")
        body = {"AlarmInfoPlate": {"channel": 0, "result": {"PlateResult": result}, "serialno": self.serial}}
        return Wire("/device/push/result", _json(body))

    def _status(self, status: DeviceStatus) -> tuple[Wire, ...]:
        if self._legacy:
            return ()
        sent = (
            []
            if status.at is None
            else [self._up("keep_alive", status.at, {"body": {"timestamp": int(status.at.timestamp())}})]
        )
        if status.at is None:
            sent = [
                Wire(
                    f"{self._base}/up/keep_alive",
                    _json({"id": "k", "sn": self.serial, "name": "keep_alive", "payload": {"body": {}}}),
                )
            ]
        barrier = status.barrier.get(self._lane.id)
        if self._tells_position and barrier is not None and barrier is not self._barrier and barrier in _GATE_STATUS:
            self._barrier = barrier
            body = {"gate_ctrl_id": "0", "gate_status": _GATE_STATUS[barrier], "connect_status": 1, "enable": 1}
            sent.append(self._up("barr_gate_status", status.at, {"body": body}))
        return tuple(sent)

    def _reply(self, result: CommandResult) -> Turned:
        said = receipted(results=(result.command,))
        name = self._ordered.pop(result.command, None)
        if name is None or self._legacy:
            return Turned(inward=(said,))  # shown, not switched: it says nothing of that
        code = _TAKEN if result.outcome is Outcome.DONE else _BUSY
        return Turned((self._answer(result.command, name, code, result.at),), (said,))

    def _answer(self, id_: str, name: str, code: int, at: datetime | None) -> Wire:
        envelope = {"id": id_, "sn": self.serial, "name": name, "version": "1.0", "code": code, "payload": None}
        if at is not None:
            envelope["timestamp"] = int(at.timestamp())
        return Wire(f"{self._base}/down/{name}/reply", _json(envelope))

    def _up(self, name: str, at: datetime | None, payload: dict[str, Any]) -> Wire:
        envelope: dict[str, Any] = {
            "id": "Zk3Qn8T1yWc0aB7d",
            "bv": 16772,
            "sn": self.serial,
            "name": name,
            "version": "1.0",
        }
        if at is not None:
            envelope["timestamp"] = int(at.timestamp())
        return Wire(f"{self._base}/up/{name}", _json(envelope | {"payload": payload}))

    # ------------------------------------------------------------------ what it is told

    def told(self, topic: str, payload: bytes) -> Turned:
        said = msgspec.json.decode(payload)
        if self._legacy:
            told = said["Response_AlarmInfoPlate"]
            return Turned(inward=self._does(told.get("msgId", "legacy"), Action.OPEN))
        id_, name = said["id"], said["name"]
        if topic != f"{self._base}/down/{name}" or name not in _ORDERS:
            return Turned()
        body: dict[str, Any] = (said.get("payload") or {}).get("body") or {}
        if name == "white_list_operator":
            return Turned((self._keep(id_, body),), (self._list(),))
        if name == "serial_data":
            return Turned() if "/" in id_ else Turned(inward=self._does(id_, Action.SHOW))
        if self.busy:
            return Turned((self._answer(id_, name, _BUSY, None),), self._settled())
        if "/" in id_:  # the pulse behind an unlocking
            return Turned((self._answer(id_, name, _TAKEN, None),))
        self._ordered[id_] = name
        return Turned(inward=self._does(id_, self._action(name, body)))

    def _action(self, name: str, body: dict[str, Any]) -> Action:
        if name == "set_io_lock_status":
            return Action.HOLD_OPEN if body["status"] else Action.RELEASE
        lowers = name == "gpio_out" and body["io"] == self._lane.close_relay
        return Action.CLOSE if lowers else Action.OPEN

    def _does(self, id_: str, action: Action) -> tuple[Inward, ...]:
        event = self._newest if action in {Action.OPEN, Action.SHOW} else None
        return (ordered(id_, action, self._lane.id, event), *self._settled())

    def _settled(self) -> tuple[Inward, ...]:
        answered, self._unanswered = tuple(self._unanswered), []
        return (receipted(events=answered),) if answered else ()

    def _list(self) -> Inward:
        """For the gate, which passes listed vehicles while it is alone. Its clock shows Beijing's time."""
        entries = tuple(
            ListEntry(plate=plate, until=datetime.fromisoformat(f"{until}+08:00"))
            for plate, until in self.listed.items()
        )
        return Inward("list", native.encode(WholeList(version=1, entries=entries)))

    def _keep(self, id_: str, body: dict[str, Any]) -> Wire:
        if body["operator_type"] == "delete":
            self.listed.pop(body["plate"], None)
        else:
            self.listed |= {one["plate"]: one["overdue_time"] for one in body["dldb_rec"]}
        return self._answer(id_, "white_list_operator", _TAKEN, None)
