"""A relay of its own beside a camera that has none: Shelly relays of the second generation and later, over MQTT.

Source: Shelly's API documentation, "RPC Protocol" and "RPC Channels": a request goes to `{prefix}/rpc` and names its `src`, the answer comes on
`{src}/rpc` under the request's `id` with `result` or `error`; `Switch.Set` takes `toggle_after` in seconds, and answers `was_on`.

The relay's MQTT prefix is set to `{site}.{device}.relay`, where the device is the camera: so it needs no name in the site file, and one account
reads and writes nothing of another's.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from controllers.adapters.port import Accepted, CannotCarryOut, Fitting, Heard, Publish, Published
from controllers.adapters.reading import from_json, text_of
from controllers.commands import Action, Command
from controllers.events import CommandResult, Outcome, Undecodable

RELAY = "shelly_relay"
"""Such a relay is wired to the barrier."""

PAYLOAD_BYTES_MAX = 16 * 1024
_PULSE_SECONDS = 0.5
_ROOT = "parkgate/relay"


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Switched(msgspec.Struct):
    was_on: bool


class _Response(msgspec.Struct):
    id: str | int | None = None
    error: _Error | None = None
    result: _Switched | None = None


_response = msgspec.json.Decoder(_Response)
_json = msgspec.json.Encoder().encode


def actions(fitting: Fitting) -> frozenset[Action]:
    """Nothing without a relay: then nobody opens but by hand."""
    if RELAY not in fitting.features:
        return frozenset()
    lowers = any(lane.close_relay is not None for lane in fitting.lanes)
    return frozenset({Action.OPEN, Action.HOLD_OPEN, Action.RELEASE} | ({Action.CLOSE} if lowers else set()))


def topics(fitting: Fitting) -> tuple[str, ...]:
    """Where its answers come."""
    return (f"{_source(fitting)}/rpc",) if RELAY in fitting.features else ()


def told(fitting: Fitting) -> tuple[str, ...]:
    """Where it is told, by its own account: its prefix is set to this."""
    return (f"{fitting.site}.{fitting.device}.relay/rpc",) if RELAY in fitting.features else ()


def order(command: Command, fitting: Fitting) -> Publish:
    """Raises `CannotCarryOut`."""
    if command.action not in actions(fitting):
        raise CannotCarryOut(
            "not_supported", f"{command.action} is nothing that {fitting.site}.{fitting.device} can do"
        )
    lane = fitting.lane_named(command.lane)
    output: int | None = lane.relay
    params: dict[str, object] = {"on": command.action is not Action.RELEASE}
    if command.action is Action.CLOSE:
        output = lane.close_relay
    if output is None:
        raise CannotCarryOut("not_supported", f"no relay lowers the barrier of lane {lane.id}")
    if command.action in {Action.OPEN, Action.CLOSE}:
        params["toggle_after"] = _PULSE_SECONDS
    request = {"id": command.id, "src": _source(fitting), "method": "Switch.Set", "params": {"id": output, **params}}
    return Publish(topic=told(fitting)[0], payload=_json(request))


def is_answer(topic: str) -> bool:
    """Whether a relay's answers come on it, whosever."""
    return topic.startswith(f"{_ROOT}/")


def heard(message: Published, fitting: Fitting, now: datetime) -> Heard:
    """What the relay answered. It has switched: of the barrier it knows nothing. Raises `Undecodable`."""
    if message.topic not in topics(fitting):
        raise Undecodable("other_device", f"not the relay of {fitting.site}.{fitting.device}: {message.topic[:200]!r}")
    said = from_json(_response, message.payload, PAYLOAD_BYTES_MAX)
    id_ = text_of(said.id, "id") if isinstance(said.id, str) else ""
    if not 1 <= len(id_) <= 64:
        raise Undecodable("not_in_schema", "an answer to nothing that was asked")
    if said.error is None and said.result is not None:
        return Heard(said=(Accepted(command=id_, at=now),))
    detail = text_of(said.error.message, "message") if said.error is not None else ""
    outcome = CommandResult(command=id_, outcome=Outcome.REFUSED, at=now, detail=detail or "no result")
    return Heard(said=(outcome,))


def _source(fitting: Fitting) -> str:
    return f"{_ROOT}/{fitting.site}.{fitting.device}"
