"""The relay beside a camera that has none: a Shelly of the second generation, which answers every request under its id.

Format: `controllers/adapters/relay.py`. Of what the camera reads it only remembers the newest, since a request names none.
"""

from __future__ import annotations

from typing import Any

import msgspec

from controllers.adapters import native
from controllers.commands import Action
from controllers.events import Kind, Outcome, PlateEvent
from simulators.devices.dialect import Dialect, Turned, Wire, ordered, receipted
from simulators.gate import Message
from simulators.street import DeviceSpec, LaneSpec

_json = msgspec.json.Encoder().encode


class RelayDialect(Dialect):
    """Of a camera that says elsewhere what it reads. `busy`: the relay refuses every request from now on."""

    shows = False

    def __init__(self, site: str, device: DeviceSpec, lane: LaneSpec) -> None:
        self.serial, self._lane = device.serial, lane
        self._address = native.Address(site, device.id, "event")
        self._relay = f"{site}.{device.id}.relay/rpc"
        self.busy = False
        self._newest: str | None = None
        self._ordered: dict[str, str] = {}  # where a request is answered

    @property
    def hears(self) -> tuple[str, ...]:
        return (self._relay,)

    def says(self, message: Message) -> Turned:
        if message.channel == "status":
            return Turned()
        if message.channel == "result":
            result = native.decode_result(message.payload)
            said = receipted(results=(result.command,))
            where = self._ordered.pop(result.command, None)
            return Turned(() if where is None else (self._answer(where, result.command, result.outcome),), (said,))
        event = native.decode_event(self._address, message.payload)
        if event.kind is Kind.PLATE:
            self._newest = event.id
        return self.read(event)

    def read(self, event: PlateEvent) -> Turned:
        """What becomes of an event at the broker."""
        del event
        return Turned()

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
