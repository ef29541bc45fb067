"""A camera that only reads, by Frigate, and the relay beside it that opens: a Shelly of the second generation.

Formats: `tests/controllers/adapters/frigate/samples`, `controllers/adapters/relay.py`. Frigate says nothing of what has been, and keeps nothing;
the relay answers every request under its id.
"""

from __future__ import annotations

from typing import Any

import msgspec

from controllers.adapters import native
from controllers.adapters.frigate import UPDATES_TOPIC
from controllers.commands import Action
from controllers.events import Kind, Outcome
from simulators.devices.dialect import Turned, Wire, ordered, receipted
from simulators.gate import Message
from simulators.street import DeviceSpec, LaneSpec

_json = msgspec.json.Encoder().encode


class FrigateDialect:
    """`busy`: its relay refuses every request from now on."""

    shows = False

    def __init__(self, site: str, device: DeviceSpec, lane: LaneSpec) -> None:
        self.serial, self._lane = device.serial, lane
        self._address = native.Address(site, device.id, "event")
        self._relay = f"{site}.{device.id}.relay/rpc" if "shelly_relay" in device.features else ""
        self.busy = False
        self._newest: str | None = None
        self._ordered: dict[str, str] = {}  # where a request is answered

    @property
    def hears(self) -> tuple[str, ...]:
        return (self._relay,) if self._relay else ()

    def will(self) -> Wire | None:
        """None: nobody tells that it has gone."""
        return None

    def connected(self) -> tuple[Wire, ...]:
        return ()

    def says(self, message: Message) -> Turned:
        if message.channel == "status":
            return Turned()
        if message.channel == "result":
            result = native.decode_result(message.payload)
            said = receipted(results=(result.command,))
            where = self._ordered.pop(result.command, None)
            return Turned(() if where is None else (self._answer(where, result.command, result.outcome),), (said,))
        event = native.decode_event(self._address, message.payload)
        said = receipted(events=(event.id,))
        if event.kind is Kind.PLATE:
            self._newest = event.id
        if event.kind is not Kind.PLATE or event.plate_raw is None:
            return Turned(inward=(said,))  # an object without a plate is no vehicle at a barrier
        update = {
            "type": "lpr",
            "id": event.id,
            "camera": self.serial,
            "plate": event.plate_raw,
            "score": event.confidence,
            "timestamp": event.at.timestamp(),
        }
        return Turned((Wire(UPDATES_TOPIC, _json(update)),), (said,))

    def _answer(self, where: str, id_: str, outcome: Outcome) -> Wire:
        answer: dict[str, Any] = {"id": id_, "src": self._relay.removesuffix("/rpc")}
        if outcome is Outcome.DONE:
            return Wire(where, _json(answer | {"result": {"was_on": False}}))
        return Wire(where, _json(answer | {"error": {"code": -114, "message": "busy"}}))

    def told(self, topic: str, payload: bytes) -> Turned:
        del topic
        said = msgspec.json.decode(payload)
        id_, params, where = said["id"], said["params"], f"{said['src']}/rpc"
        if self.busy:
            return Turned((self._answer(where, id_, Outcome.REFUSED),))
        self._ordered[id_] = where
        if params["id"] == self._lane.close_relay:
            action = Action.CLOSE
        elif not params["on"]:
            action = Action.RELEASE
        else:
            action = Action.OPEN if "toggle_after" in params else Action.HOLD_OPEN
        return Turned(inward=(ordered(id_, action, self._lane.id, self._newest),))
