"""Huaxia 华夏智信 over HTTP, mode 5: a camera posts forms, and the answer to a read or a heartbeat switches its relays.

Source: field lists of public drivers of the vendor's HTTP POST mode 5, V1.12; beside the samples under `tests/controllers/adapters/huaxia/samples`
stands what of it nobody has verified. Bodies come undeclared and cut off behind their first fields; whatever of them is there counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec

from controllers.adapters.port import (
    PICTURE_PAYLOAD_BYTES_MAX,
    CannotCarryOut,
    Capabilities,
    Delivery,
    Fitting,
    Heard,
    Listens,
    Message,
    Order,
    Picture,
    Posted,
    Publish,
    Published,
    Reply,
    Riding,
    Said,
    Sent,
)
from controllers.adapters.reading import (
    colour_of,
    id_of,
    instant_of_epoch,
    jpeg_of,
    share_of_percent,
    small_enough,
    text_of,
)
from controllers.adapters.riding import may_ride
from controllers.commands import Action, Command, Receipt
from controllers.events import DeviceStatus, Kind, PlateEvent, Undecodable
from controllers.plate import normalise

_FIELDS_MAX = 64
_WHOLE = re.compile(r"\d{1,13}", re.ASCII)
_NUMBER = re.compile(r"\d{1,6}(\.\d{1,6})?", re.ASCII)
# `online` is happening now; `offline` is what it kept (memory, as its neighbours have it).
_READS = {"online": False, "offline": True}
_ON = "on"
_json = msgspec.json.Encoder().encode


class Huaxia:
    """Cameras with relays. A device is named by its `cam_id`."""

    vendor = "huaxia"
    features: frozenset[str] = frozenset()
    payload_bytes_max = PICTURE_PAYLOAD_BYTES_MAX

    def capabilities(self, fitting: Fitting) -> Capabilities:
        lowers = any(lane.close_relay is not None for lane in fitting.lanes)
        actions = {Action.OPEN, Action.CLOSE} if lowers else {Action.OPEN}
        return Capabilities(delivery=Delivery.ANSWER, actions=frozenset(actions))

    def listens(self, fitting: Fitting) -> Listens:
        del fitting
        return Listens()

    def speaker(self, message: Message) -> str:
        return text_of(_form(message).get("cam_id", ""), "cam_id")

    def decode(self, message: Message, fitting: Fitting, now: datetime) -> Heard:
        del now
        form = _form(message)
        serial = form.get("cam_id", "")
        if serial and fitting.serial and serial != fitting.serial:
            raise Undecodable("other_device", f"{serial[:64]!r} speaks, {fitting.serial!r} is fitted here")
        kind = form.get("type", "")
        if kind in _READS:
            return _read(form, fitting, buffered=_READS[kind])
        if kind == "heartbeat":
            return Heard(said=(DeviceStatus(online=True),), takes_orders=True)
        if not kind:
            raise Undecodable("not_in_schema", "a form without a type")
        return Heard()

    def answer(
        self,
        message: Posted | Published,
        heard: Heard | None,
        orders: Sequence[Riding],
        fitting: Fitting,
        now: datetime,
    ) -> tuple[Reply | Publish, ...]:
        del now
        if isinstance(message, Published):
            return ()
        outputs: list[dict[str, str]] = []
        if heard is not None and heard.takes_orders:
            reads = [one for one in heard.said if isinstance(one, PlateEvent)]
            commands = (order for order in orders if isinstance(order, Command) and may_ride(order, reads))
            outputs = [output for command in commands for output in _outputs(command, fitting)]
        document: dict[str, Any] = {"error_num": 0, "error_str": "noerror", "gpio_data": outputs}
        return (Reply(headers=(("Content-Type", "application/json; charset=utf-8"),), body=_json(document)),)

    def encode(self, order: Order, fitting: Fitting, now: datetime) -> tuple[Sent, ...]:
        del fitting, now
        if isinstance(order, Receipt):
            return ()
        if isinstance(order, Command):
            raise CannotCarryOut("only_in_answer", "it is told in answers to what it posts")
        raise CannotCarryOut("not_supported", "its list is not known to be set over HTTP")

    def position(self, lane: str, fitting: Fitting) -> tuple[Sent, ...]:
        """Nothing: it does not know where the barrier is."""
        fitting.lane_named(lane)
        return ()

    def redacted(self, message: Message) -> bytes:
        return message.payload if isinstance(message, Published) else message.body


def _form(message: Message) -> Mapping[str, str]:
    """The fields, whatever the content type says. Plates come in UTF-8, of some firmware in GBK."""
    if not isinstance(message, Posted) or message.method != "POST":
        raise Undecodable("bad_path", "huaxia posts")
    small_enough(message.body, PICTURE_PAYLOAD_BYTES_MAX)
    try:
        text = message.body.decode("ascii")
    except UnicodeDecodeError as error:
        raise Undecodable("not_form", str(error)[:200]) from None
    try:
        try:
            fields = parse_qs(text, keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict")
        except UnicodeDecodeError:
            fields = parse_qs(
                text, keep_blank_values=True, max_num_fields=_FIELDS_MAX, encoding="gbk", errors="replace"
            )
    except ValueError as error:
        raise Undecodable("not_form", str(error)[:200]) from None
    return {name: values[0] for name, values in fields.items()}


def _read(form: Mapping[str, str], fitting: Fitting, *, buffered: bool) -> Heard:
    """It numbers nothing: the camera, the second and the plate tell reads apart."""
    raw, start = text_of(form.get("plate_num", ""), "plate_num"), form.get("start_time", "")
    if _WHOLE.fullmatch(start) is None:
        raise Undecodable("not_in_schema", "a read without an instant")
    event_id = id_of(start, raw)
    percent = form.get("confidence", "")
    event = PlateEvent(
        id=event_id,
        at=instant_of_epoch(int(start) * 1_000_000, event_id),
        lane=fitting.lane_of(inward={"in": True, "out": False}.get(form.get("vdc_type", ""))).id,
        kind=Kind.PLATE,
        plate=normalise(raw),
        plate_raw=raw,
        plate_colour=colour_of(form.get("plate_color")),
        confidence=share_of_percent(float(percent)) if _NUMBER.fullmatch(percent) else None,
        buffered=buffered,
    )
    said: list[Said] = [event]
    for name, whole in (("picture", True), ("closeup_pic", False)):
        # Unescaped, a plus of base64 is a space in a form.
        jpeg = jpeg_of(form.get(name, "").replace(" ", "+"))
        if jpeg is not None:
            said.append(Picture(event=event_id, jpeg=jpeg, whole=whole))
    return Heard(said=tuple(said), takes_orders=True)


def _outputs(command: Command, fitting: Fitting) -> list[dict[str, str]]:
    """Relays are `io1`, `io2`, …; ours count from 0. What only shows switches nothing."""
    lane = fitting.lane_named(command.lane)
    match command.action:
        case Action.OPEN:
            relay = lane.relay
        case Action.CLOSE if lane.close_relay is not None:
            relay = lane.close_relay
        case Action.SHOW:
            return []
        case _:
            raise CannotCarryOut("not_supported", f"{command.action} is nothing that lane {lane.id} can do")
    return [{"ionum": f"io{relay + 1}", "action": _ON}]
