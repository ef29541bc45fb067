"""What Hikvision devices are told: PUT with digest, one request after the other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from controllers.adapters.listing import id_of_part, parts_of_list
from controllers.adapters.port import Ask, Auth, CannotCarryOut, FittedLane, Fitting, ListPart, Order
from controllers.commands import Action, Command, ListEntry, Receipt

ENTRANCE_API = "entrance_api"
"""Older models (DS-TCG205-E): `/ISAPI/ITC/Entrance/…` opens and lowers; neither holding nor asking for the position."""
WHITE_LIST = "white_list"
"""Older firmware that says whiteList where newer says allowList."""

LIST_PART_ENTRIES = 20
TIME = "/ISAPI/System/time"

_XML = (("Content-Type", "application/xml; charset=utf-8"),)
_JSON = (("Content-Type", "application/json; charset=utf-8"),)
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
_NAMESPACE = 'version="2.0" xmlns="http://www.isapi.org/ver20/XMLSchema"'
_json = msgspec.json.Encoder().encode

# The steps of a command, in order: what goes before must have been taken, the last one is the command.
_STEPS: dict[Action, tuple[str, ...]] = {
    Action.OPEN: ("open",),
    Action.CLOSE: ("close",),
    # Locking holds the barrier where it is; a locked one answers well to everything and does not move.
    Action.HOLD_OPEN: ("open", "lock"),
    Action.RELEASE: ("unlock", "close"),
}
_OLD_STEPS = {Action.OPEN: "on", Action.CLOSE: "off"}


def can(fitting: Fitting) -> frozenset[Action]:
    return frozenset(_OLD_STEPS if ENTRANCE_API in fitting.features else _STEPS)


def asks(order: Order, fitting: Fitting, now: datetime) -> tuple[Ask, ...]:
    if isinstance(order, Receipt):
        return ()
    if isinstance(order, Command):
        return tuple(_command(order, fitting))
    channel = _number(fitting.lanes[0]) if fitting.lanes else 1
    return tuple(_list_part(part, channel, fitting, now) for part in parts_of_list(order, LIST_PART_ENTRIES))


def ask_position(lane: FittedLane, fitting: Fitting) -> tuple[Ask, ...]:
    if ENTRANCE_API in fitting.features:
        return ()
    path = f"/ISAPI/Parking/channels/{_number(lane)}/barrierGate/barrierGateStatus"
    return (Ask(method="GET", path=path, auth=Auth.DIGEST),)


def ask_time() -> Ask:
    return Ask(method="GET", path=TIME, auth=Auth.DIGEST)


def set_time(fitting: Fitting, now: datetime) -> Ask:
    """By hand: a device whose own time server served it would not be asked to. Its zone has its sign turned round."""
    local = now.astimezone(fitting.zone)
    minutes = int((local.utcoffset() or timedelta()).total_seconds()) // 60
    sign, hours, rest = "-" if minutes >= 0 else "+", *divmod(abs(minutes), 60)
    body = (
        f"{_HEAD}<Time {_NAMESPACE}><timeMode>manual</timeMode><localTime>{local.isoformat(timespec='seconds')}</localTime>"
        f"<timeZone>CST{sign}{hours}:{rest:02}:00</timeZone></Time>"
    )
    return Ask(method="PUT", path=TIME, headers=_XML, body=body.encode(), auth=Auth.DIGEST)


def forget_list(fitting: Fitting) -> Ask:
    return Ask(
        method="PUT",
        path=f"/ISAPI/Traffic/channels/{_number(fitting.lanes[0]) if fitting.lanes else 1}/DelLicensePlateAuditData",
        query="format=json",
        headers=_JSON,
        body=_json({"deleteAllEnabled": True}),
        auth=Auth.DIGEST,
        order=id_of_part(ListPart(version=0, number=1, of=1)),
    )


def alert_stream() -> Ask:
    return Ask(method="GET", path="/ISAPI/Event/notification/alertStream", auth=Auth.DIGEST, stream=True)


def _command(command: Command, fitting: Fitting) -> Iterator[Ask]:
    lane = fitting.lane_named(command.lane)
    if command.action not in can(fitting):
        raise CannotCarryOut("not_supported", f"{command.action} is nothing that it can do")
    if ENTRANCE_API in fitting.features:
        # The vendor's spelling, on both names.
        body = (
            f"{_HEAD}<BarrierGateCtrl {_NAMESPACE}><barrietGateNum>{_number(lane)}</barrietGateNum><BarrierGateCtrlList>"
            f"<barrietGateOper>{_OLD_STEPS[command.action]}</barrietGateOper></BarrierGateCtrlList></BarrierGateCtrl>"
        )
        yield _put("/ISAPI/ITC/Entrance/barrierGateCtrl", body.encode(), command.id)
        return
    steps = _STEPS[command.action]
    for step in steps:
        body = f"{_HEAD}<BarrierGate><ctrlMode>{step}</ctrlMode></BarrierGate>"
        id_ = command.id if step == steps[-1] else f"{command.id}/{step}"
        yield _put(f"/ISAPI/Parking/channels/{_number(lane)}/barrierGate", body.encode(), id_)


def _put(path: str, body: bytes, order: str) -> Ask:
    return Ask(method="PUT", path=path, headers=_XML, body=body, auth=Auth.DIGEST, order=order)


def _list_part(part: ListPart, channel: int, fitting: Fitting, now: datetime) -> Ask:
    path = f"/ISAPI/Traffic/channels/{channel}/"
    document: dict[str, Any]
    if part.remove:
        path += "DelLicensePlateAuditData"
        document = {"deleteAllEnabled": False, "licensePlate": list(part.remove)}
    else:
        path += "licensePlateAuditData/record"
        document = {"LicensePlateInfoList": [_record(entry, fitting, now) for entry in part.add]}
    return Ask(
        method="PUT",
        path=path,
        query="format=json",
        headers=_JSON,
        body=_json(document),
        auth=Auth.DIGEST,
        order=id_of_part(part),
    )


def _record(entry: ListEntry, fitting: Fitting, now: datetime) -> dict[str, Any]:
    local = now.astimezone(fitting.zone)
    return {
        "LicensePlate": entry.plate,
        "listType": "whiteList" if WHITE_LIST in fitting.features else "allowList",
        "cardNo": "",
        "operationType": "add",
        "createTime": f"{local:%Y-%m-%dT%H:%M:%S}",
        "effectiveStartDate": f"{local:%Y-%m-%dT00:00:00}",
        "effectiveTime": f"{entry.until.astimezone(fitting.zone):%Y-%m-%dT%H:%M:%S}",
        "id": "",
    }


def _number(lane: FittedLane) -> int:
    return 1 if lane.channel is None else lane.channel
