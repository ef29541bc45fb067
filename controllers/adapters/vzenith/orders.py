"""What Vzenith devices are told: over MQTT as envelopes, over HTTP (and legacy MQTT) as the response to a read.

A message that belongs to a command but is not the command itself (what it shows, the pulse after a release) has the command's id
with `/` and a word behind it, so that its reply is not taken for the command's.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from controllers.adapters import ledboard
from controllers.adapters.listing import id_of_part, parts_of_list
from controllers.adapters.port import (
    CannotCarryOut,
    Fitting,
    Heard,
    ListPart,
    Order,
    Publish,
    Reply,
    Riding,
    Sent,
)
from controllers.adapters.riding import may_ride
from controllers.adapters.vzenith.topics import HTTP, LEGACY, downward
from controllers.commands import Action, Command, ListEntry, Reason, Receipt
from controllers.events import PlateEvent

DIRECT_OPEN = "direct_open"
"""Firmware that has `gate_direct_open` (not `bv` 16771)."""
OLD_IO_LOCK = "io_lock"
"""Firmware that calls `set_io_lock_status` so."""
LED_BOARD = "led_board"
"""A board of the `ledboard` kind hangs on its serial port."""
SPEAKER = "speaker"
"""The camera has a voice of its own (over HTTP)."""

LIST_PART_ENTRIES = 20

_PULSE = 2
_PULSE_MS = 500
_OFF, _ON = 0, 1
_UNLOCK, _LOCK_HIGH = 0, 1

_json = msgspec.json.Encoder().encode


def order_over_mqtt(order: Order, fitting: Fitting, now: datetime) -> tuple[Sent, ...]:
    if isinstance(order, Receipt):
        return ()
    if HTTP in fitting.features:
        raise CannotCarryOut("only_in_answer", "it is told in answers to what it pushes")
    if LEGACY in fitting.features:
        return _legacy(order, fitting)
    if isinstance(order, Command):
        return _command(order, fitting, now)
    return tuple(
        message for part in parts_of_list(order, LIST_PART_ENTRIES) for message in _list_part(part, fitting, now)
    )


def response(heard: Heard, orders: Sequence[Riding], fitting: Fitting, now: datetime) -> Reply:
    """The answer to a push: what is decided, what is shown, a piece of the list."""
    reads = [one for one in heard.said if isinstance(one, PlateEvent)]
    told: dict[str, Any] = {}
    for order in orders:
        if isinstance(order, ListPart):
            told |= _list_in_response(order, fitting, now)
        elif may_ride(order, reads):
            told |= _command_in_response(order, fitting)
    if not reads and not told:
        return _reply({"status": "ok"})
    told = {"info": "no", "is_pay": "false", "content": "retransfer_stop"} | told
    if reads and heard.ticket:
        told["plateid"] = int(heard.ticket)
        if any(read.buffered for read in reads):
            told["ContinuePushOffline"] = {"plateid": int(heard.ticket), "continue": 1}
    return _reply({"Response_AlarmInfoPlate": told})


def tell_time(fitting: Fitting, now: datetime) -> tuple[Publish, ...]:
    """Local time, in text by its parts."""
    if HTTP in fitting.features or LEGACY in fitting.features:
        return ()
    at = now.astimezone(fitting.zone)
    parts = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H", "min": "%M", "sec": "%S"}
    body = {name: at.strftime(part) for name, part in parts.items()}
    return (_envelope("clock", "set_time", body, fitting, now),)


def nothing_to_say() -> Reply:
    """Taken note of; it need not come again."""
    return _reply({"status": "ok"})


def can(fitting: Fitting) -> frozenset[Action]:
    """What the device can be told to do, at whichever lane can do most."""
    actions = {Action.OPEN}
    if LEGACY not in fitting.features:
        actions |= {Action.HOLD_OPEN, Action.RELEASE}
        if any(lane.close_relay is not None for lane in fitting.lanes):
            actions.add(Action.CLOSE)
    if LED_BOARD in fitting.features and LEGACY not in fitting.features:
        actions.add(Action.SHOW)
    return frozenset(actions)


def _command(command: Command, fitting: Fitting, now: datetime) -> tuple[Sent, ...]:
    lane = fitting.lane_named(command.lane)
    _refuse_what_it_cannot(command, fitting)
    sent: list[Sent] = []
    match command.action:
        case Action.OPEN if DIRECT_OPEN in fitting.features:
            sent.append(_envelope(command.id, "gate_direct_open", None, fitting, now))
        case Action.OPEN:
            sent.append(_pulse(command.id, lane.relay, fitting, now))
        case Action.CLOSE:
            if lane.close_relay is None:
                raise CannotCarryOut("not_supported", f"no relay lowers the barrier of lane {lane.id}")
            sent.append(_pulse(command.id, lane.close_relay, fitting, now))
        case Action.HOLD_OPEN:
            sent.append(_lock(command.id, lane.relay, _LOCK_HIGH, fitting, now))
        case Action.RELEASE:
            # Unlocked it stays up until its next pulse: that raises what is up, and lets the gate's own control lower it.
            sent.append(_lock(command.id, lane.relay, _UNLOCK, fitting, now))
            sent.append(_pulse(f"{command.id}/reset", lane.relay, fitting, now))
        case Action.SHOW:
            pass
    if (serial := _serial_data(command, fitting)) is not None:
        body = {"interval": 50, "serialData": serial}
        id_ = command.id if command.action is Action.SHOW else f"{command.id}/show"
        sent.append(_envelope(id_, "serial_data", body, fitting, now))
    return tuple(sent)


def _pulse(id_: str, relay: int, fitting: Fitting, now: datetime) -> Publish:
    body = {"io": relay, "value": _PULSE, "delay": _PULSE_MS}
    return _envelope(id_, "gpio_out", body, fitting, now)


def _lock(id_: str, relay: int, status: int, fitting: Fitting, now: datetime) -> Publish:
    body = {"ioout": relay, "status": status}
    if OLD_IO_LOCK in fitting.features:
        return _envelope(id_, "io_lock", [body], fitting, now)
    return _envelope(id_, "set_io_lock_status", body, fitting, now)


def _envelope(id_: str, name: str, body: Any, fitting: Fitting, now: datetime) -> Publish:
    payload = None if body is None else {"type": name, "body": body}
    envelope = {
        "id": id_,
        "sn": fitting.serial,
        "name": name,
        "version": "1.0",
        "timestamp": int(now.timestamp()),
        "payload": payload,
    }
    return Publish(topic=downward(fitting, name), payload=_json(envelope))


def _list_part(part: ListPart, fitting: Fitting, now: datetime) -> list[Sent]:
    if part.remove:
        # One plate a message is all that it takes; the last one's answer is the part's.
        ids = [f"{id_of_part(part)}/{number}" for number in range(1, len(part.remove))] + [id_of_part(part)]
        bodies = [{"operator_type": "delete", "plate": plate} for plate in part.remove]
        return [
            _envelope(id_, "white_list_operator", body, fitting, now) for id_, body in zip(ids, bodies, strict=True)
        ]
    records = [
        _record(entry, fitting, now)
        | {"time_seg_enable": 0, "seg_time_start": "00:00:00", "seg_time_end": "00:00:00", "context": ""}
        for entry in part.add
    ]
    body = {"operator_type": "update_or_add", "dldb_rec": records}
    return [_envelope(id_of_part(part), "white_list_operator", body, fitting, now)]


def _record(entry: ListEntry, fitting: Fitting, now: datetime) -> dict[str, Any]:
    return {
        "plate": entry.plate,
        "enable": 1,
        "need_alarm": 0,
        "enable_time": f"{now.astimezone(fitting.zone):%Y-%m-%d %H:%M:%S}",
        "overdue_time": f"{entry.until.astimezone(fitting.zone):%Y-%m-%d %H:%M:%S}",
    }


def _legacy(order: Order, fitting: Fitting) -> tuple[Sent, ...]:
    """The response of HTTP, published: of its fields only the opening is seen in drivers."""
    if not isinstance(order, Command) or order.action is not Action.OPEN:
        raise CannotCarryOut("not_supported", "legacy firmware can be told to open, and nothing else")
    told = {"info": "ok", "channelNum": fitting.lane_named(order.lane).relay, "delay": _PULSE_MS, "msgId": order.id}
    return (Publish(topic=downward(fitting, "command"), payload=_json({"Response_AlarmInfoPlate": told})),)


def _command_in_response(command: Command, fitting: Fitting) -> dict[str, Any]:
    lane = fitting.lane_named(command.lane)
    told: dict[str, Any] = {}
    if command.show:
        told["content"] = " ".join(command.show)
    match command.action:
        case Action.OPEN:
            told |= {"info": "ok", "channelNum": lane.relay, "is_pay": "true"}
        case Action.SHOW:
            told["info"] = "wait" if command.reason is Reason.PAYMENT_DUE else "no"
        case Action.CLOSE if lane.close_relay is not None:
            told["ivs_ioctrl"] = {"io": lane.close_relay, "value": _PULSE, "delay": _PULSE_MS}
        case Action.CLOSE:
            raise CannotCarryOut("not_supported", f"no relay lowers the barrier of lane {lane.id}")
        case Action.HOLD_OPEN | Action.RELEASE:
            held = _ON if command.action is Action.HOLD_OPEN else _OFF
            told["ivs_ioctrl"] = {"io": lane.relay, "value": held, "delay": 0}
    if (serial := _serial_data(command, fitting)) is not None:
        told["serialData"] = serial
    elif SPEAKER in fitting.features and command.say:
        told["playserver_json_request"] = {
            "type": "ps_voice_play",
            "voice": b64encode(command.say.encode()).decode(),
            "voice_interval": 0,
            "voice_volume": 100,
            "voice_male": 1,
        }
    return told


def _list_in_response(part: ListPart, fitting: Fitting, now: datetime) -> dict[str, Any]:
    if part.remove:
        # 0 adds, 1 removes (memory).
        return {
            "white_list_operate": {"operate_type": 1, "white_list_data": [{"plate": plate} for plate in part.remove]}
        }
    records = [_record(entry, fitting, now) for entry in part.add]
    return {"white_list_operate": {"operate_type": 0, "white_list_data": records}} if records else {}


def _serial_data(command: Command, fitting: Fitting) -> list[dict[str, Any]] | None:
    frame = ledboard.frame(command.show, command.say) if LED_BOARD in fitting.features else None
    if frame is None:
        return None
    return [{"serialChannel": 0, "data": b64encode(frame).decode(), "dataLen": len(frame)}]


def _refuse_what_it_cannot(command: Command, fitting: Fitting) -> None:
    if command.action not in can(fitting) and command.action is not Action.CLOSE:
        raise CannotCarryOut("not_supported", f"{command.action} is nothing that it can do")


def _reply(document: dict[str, Any]) -> Reply:
    return Reply(headers=(("Content-Type", "application/json; charset=utf-8"),), body=_json(document))
