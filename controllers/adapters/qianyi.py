"""Qianyi 芊熠 over MQTT: a camera registers, names its topics, and sends each read until it is told that it was taken.

Source: the vendor's baseline MQTT protocol V4.23 as public drivers cite it, with the relays' numbers tried on a device; beside the samples under
`tests/controllers/adapters/qianyi/samples` stands what of it nobody has verified. Only the default topics are served: what a
camera claims to want is not believed, for with it one could have us publish on another's.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from controllers.adapters import ledboard
from controllers.adapters.port import (
    PICTURE_PAYLOAD_BYTES_MAX,
    Accepted,
    CannotCarryOut,
    Capabilities,
    Delivery,
    Fitting,
    Heard,
    Hello,
    Listens,
    Message,
    Order,
    Posted,
    Publish,
    Published,
    Reply,
    Riding,
    Said,
    Sent,
)
from controllers.adapters.reading import colour_of, from_json, id_of, instant_of_epoch, storable, text_of
from controllers.commands import Action, Command, Receipt
from controllers.events import CommandResult, DeviceStatus, Kind, Outcome, PlateEvent, Undecodable
from controllers.plate import normalise

LED_BOARD = "led_board"
"""A board of the `ledboard` kind hangs on its serial port."""

REGISTRATION = "/serverAll"
_UPWARD = re.compile(r"aiot/plate/(?P<serial>[0-9A-Za-z_-]{1,40})", re.ASCII)
_SERIAL = re.compile(r"[0-9A-Za-z_-]{1,40}", re.ASCII)
_LIVE = "online"
_TOLD = {"iooutput_rsp", "barrierKeepOpen_rsp"}


class _Message(msgspec.Struct):
    """Every message of a camera: `cmd` says which of the fields it has."""

    cmd: str = ""
    msg_id: str = ""
    sn: str = ""
    type: str = ""
    status: str = ""
    plate_num: str | None = None
    plate_color: str | None = None
    utc_ts: int = 0
    inout: str = ""
    full_pic_path: str | None = None
    subtopic: str | None = None
    pubtopic: str | None = None
    soft_version: str = msgspec.field(name="softVersion", default="")


_message = msgspec.json.Decoder(_Message, strict=False)
_json = msgspec.json.Encoder().encode


class Qianyi:
    """Cameras with relays. A device is named by its serial number."""

    vendor = "qianyi"
    features = frozenset({LED_BOARD})
    payload_bytes_max = PICTURE_PAYLOAD_BYTES_MAX

    def capabilities(self, fitting: Fitting) -> Capabilities:
        board = LED_BOARD in fitting.features
        actions = {Action.OPEN, Action.HOLD_OPEN, Action.RELEASE}
        if any(lane.close_relay is not None for lane in fitting.lanes):
            actions.add(Action.CLOSE)
        if board:
            actions.add(Action.SHOW)
        return Capabilities(
            delivery=Delivery.PUBLISH, actions=frozenset(actions), display=board, voice=board, resends=True
        )

    def listens(self, fitting: Fitting) -> Listens:
        if not fitting.serial:
            return Listens(topics=(REGISTRATION,))
        return Listens(topics=(REGISTRATION, f"aiot/plate/{fitting.serial}"), told=(f"device/plate/{fitting.serial}",))

    def speaker(self, message: Message) -> str:
        published = _published(message)
        named = _serial_of_topic(published.topic)
        return named or text_of(from_json(_message, published.payload, self.payload_bytes_max).sn, "sn")

    def decode(self, message: Message, fitting: Fitting, now: datetime) -> Heard:
        published = _published(message)
        named = _serial_of_topic(published.topic)
        said = from_json(_message, published.payload, self.payload_bytes_max)
        serial = named or said.sn
        if (said.sn and said.sn != serial) or (fitting.serial and serial != fitting.serial):
            raise Undecodable("other_device", f"{(said.sn or serial)[:64]!r} speaks, {fitting.serial!r} is fitted here")
        if not named and said.cmd != "camera_register":
            raise Undecodable("bad_topic", f"{REGISTRATION} is for registering, not for {said.cmd[:40]!r}")
        if said.cmd == "result":
            return _read(said, published, fitting, now)
        return Heard(said=_heard(said, now), ticket=text_of(said.msg_id, "msg_id"))

    def answer(
        self,
        message: Posted | Published,
        heard: Heard | None,
        orders: Sequence[Riding],
        fitting: Fitting,
        now: datetime,
    ) -> tuple[Reply | Publish, ...]:
        """A registration and a read are repeated until they are answered; so is a read that went to quarantine."""
        del heard, orders, now
        if isinstance(message, Posted):
            return (Reply(status=404),)
        try:
            said = from_json(_message, message.payload, self.payload_bytes_max)
        except Undecodable:
            return ()
        if said.cmd not in {"camera_register", "result"} or not fitting.serial or not storable(said.msg_id):
            return ()
        return (_down(fitting, f"{said.cmd}_rsp", said.msg_id, {"status": "ok"}),)

    def encode(self, order: Order, fitting: Fitting, now: datetime) -> tuple[Sent, ...]:
        if isinstance(order, Receipt):
            return ()
        if not isinstance(order, Command):
            raise CannotCarryOut("not_supported", "its list is not known to be set over MQTT")
        return _command(order, fitting, now, self.capabilities(fitting).actions)

    def position(self, lane: str, fitting: Fitting) -> tuple[Sent, ...]:
        """Nothing: it does not know where the barrier is."""
        fitting.lane_named(lane)
        return ()

    def redacted(self, message: Message) -> bytes:
        return message.payload if isinstance(message, Published) else message.body


def _published(message: Message) -> Published:
    if not isinstance(message, Published):
        raise Undecodable("bad_path", "qianyi is spoken over MQTT")
    return message


def _serial_of_topic(topic: str) -> str:
    """Empty for the topic on which all register. Raises `Undecodable` (`bad_topic`)."""
    if topic == REGISTRATION:
        return ""
    found = _UPWARD.fullmatch(topic)
    if found is None:
        raise Undecodable("bad_topic", f"not a topic of qianyi: {topic[:200]!r}")
    return found["serial"]


def _read(said: _Message, published: Published, fitting: Fitting, now: datetime) -> Heard:
    """`type` is `online` for what happens now; anything else was kept. The scale of `confidence` is not known: 28 is a good plate."""
    if not said.msg_id:
        raise Undecodable("not_in_schema", "a read without msg_id")
    event_id = id_of(text_of(said.msg_id, "msg_id"))
    buffered = said.type != _LIVE or published.retained
    if buffered and not said.utc_ts:
        raise Undecodable("not_in_schema", "history without an instant", event_id)
    raw = None if said.plate_num is None else text_of(said.plate_num, "plate_num", event_id)
    picture = text_of(said.full_pic_path or "", "full_pic_path", event_id)
    inward = {"in": True, "out": False}.get(said.inout)
    event = PlateEvent(
        id=event_id,
        at=instant_of_epoch(said.utc_ts * 1_000_000, event_id) if said.utc_ts else now,
        lane=fitting.lane_of(inward=inward).id,
        kind=Kind.PLATE,
        plate=normalise(raw),
        plate_raw=raw,
        plate_colour=colour_of(said.plate_color),
        image=picture or None,
        buffered=buffered,
    )
    return Heard(said=(event,), ticket=said.msg_id)


def _heard(said: _Message, now: datetime) -> tuple[Said, ...]:
    id_ = text_of(said.msg_id, "msg_id")
    match said.cmd:
        case "camera_register":
            if _SERIAL.fullmatch(said.sn) is None:
                raise Undecodable("not_in_schema", "a registration without a serial number")
            hello = Hello(
                serial=said.sn,
                at=now,
                firmware=text_of(said.soft_version, "softVersion"),
                upward=said.pubtopic,
                downward=said.subtopic,
            )
            return (hello,)  # on a topic that all share: nothing but a claim, not even that it is online
        case "mqtt_herat":  # so spelt
            return (DeviceStatus(online=True),)
        case "offline":
            return (DeviceStatus(online=False),)
        case cmd if cmd in _TOLD and 1 <= len(id_) <= 64:
            if said.status == "ok":
                return (Accepted(command=id_, at=now),)
            detail = text_of(said.status, "status") or "no status"
            return (CommandResult(command=id_, outcome=Outcome.REFUSED, at=now, detail=detail),)
    return ()


def _command(command: Command, fitting: Fitting, now: datetime, can: frozenset[Action]) -> tuple[Sent, ...]:
    lane = fitting.lane_named(command.lane)
    sent: list[Sent] = []
    match command.action:
        case Action.OPEN:
            sent.append(_output(fitting, command.id, lane.relay, now))
        case Action.CLOSE if lane.close_relay is not None:
            sent.append(_output(fitting, command.id, lane.close_relay, now))
        case Action.HOLD_OPEN | Action.RELEASE:
            keep = int(command.action is Action.HOLD_OPEN)
            sent.append(_down(fitting, "barrierKeepOpen", command.id, {"isKeepOpen": keep}))
        case Action.SHOW if Action.SHOW in can:
            pass
        case _:
            raise CannotCarryOut("not_supported", f"{command.action} is nothing that lane {lane.id} can do")
    frame = ledboard.frame(command.show, command.say) if LED_BOARD in fitting.features else None
    if frame is not None:
        data = {"encode_type": "base64", "rs485ch1_data": [{"data": b64encode(frame).decode()}]}
        id_ = command.id if command.action is Action.SHOW else f"{command.id}/show"
        sent.append(_down(fitting, "rs485", id_, data))
    return tuple(sent)


def _output(fitting: Fitting, id_: str, relay: int, now: datetime) -> Publish:
    return _down(fitting, "iooutput", id_, {"ionum": relay, "action": "on", "utc_ts": int(now.timestamp())})


def _down(fitting: Fitting, cmd: str, id_: str, fields: dict[str, Any]) -> Publish:
    """Raises `CannotCarryOut` (`not_supported`) where the serial number is not known."""
    if not fitting.serial:
        raise CannotCarryOut("not_supported", f"{fitting.site}.{fitting.device} has no serial number to address it by")
    return Publish(topic=f"device/plate/{fitting.serial}", payload=_json({"cmd": cmd, "msg_id": id_, **fields}))
