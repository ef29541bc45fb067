"""A simulated Hikvision camera: pushes or streams XML, takes PUTs of ISAPI. Source: `tests/controllers/adapters/hikvision/samples`."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from typing import Any

from controllers.events import BarrierState
from simulators.devices.http_camera import Answer, Asked, AskedCamera, Push, Seen

BOUNDARY = "boundary"
_ZONE = timezone(timedelta(hours=8))
_MODE = re.compile(rb"<ctrlMode>(\w+)</ctrlMode>")
_LOCAL = re.compile(rb"<localTime>([^<]+)</localTime>")
_STATUS = {1: "OK", 2: "Device Busy", 4: "Invalid Operation"}
_HEARTBEAT = "<eventType>videoloss</eventType><eventState>inactive</eventState>"


class Hikvision(AskedCamera):
    """Locked, it stays where it is, and answers well to everything. `signal`: whether it knows where its barrier is."""

    serial = "44:a6:42:00:00:01"
    signal = True

    def read(self, seen: Seen) -> Push:
        return Push("/", self.alert(seen), {"Content-Type": "application/xml"})

    def alert(self, seen: Seen, *, more: bool = False) -> bytes:
        """`more`: a fuller message of the same read follows."""
        anpr = (
            f"<eventType>ANPR</eventType><eventState>active</eventState><ANPR><licensePlate>{seen.plate or 'noPlate'}</licensePlate>"
            f"<line>1</line><confidenceLevel>97</confidenceLevel><plateColor>{seen.colour or 'unknown'}</plateColor>"
            f"<barrierGateCtrlType>1</barrierGateCtrlType><alarmDataType>{int(seen.history)}</alarmDataType>"
            f"<hasMoreData>{str(more).lower()}</hasMoreData></ANPR>"
            f"<UUID>{self.serial.replace(':', '')}-{seen.at:%Y%m%d%H%M%S}-{seen.number}</UUID>"
        )
        return self._event(anpr, seen.at)

    def _event(self, inside: str, at: datetime) -> bytes:
        local = at.astimezone(_ZONE)
        return (
            '<?xml version="1.0" encoding="UTF-8"?><EventNotificationAlert version="2.0" xmlns="http://www.isapi.org/ver20/XMLSchema">'
            f"<macAddress>{self.serial}</macAddress><channelID>1</channelID>"
            f"<dateTime>{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03}+08:00</dateTime>{inside}</EventNotificationAlert>"
        ).encode()

    def tells(self, plate: str | None, *, number: int, more: bool = False, at: datetime | None = None) -> None:
        """A read, to those who listen to its stream."""
        self.say(_part(self.alert(Seen(plate, at or self.now(), number), more=more)))

    def beats(self) -> None:
        self.say(_part(self._event(_HEARTBEAT, self.now())))

    def asked(self, asked: Asked) -> Answer:
        if asked.path == "/ISAPI/Event/notification/alertStream":
            beginning = _part(self._event(_HEARTBEAT, self.now()))
            kind = f"multipart/mixed; boundary={BOUNDARY}"
            return Answer(kind=kind, stream=self.stream(beginning))
        if asked.path == "/ISAPI/System/time" and self.tells_time:
            return self._clock(_LOCAL.search(asked.body))
        if asked.path.endswith("/barrierGateStatus"):
            where = 0 if not self.signal else 2 if self.state() is BarrierState.OPEN else 1
            return _xml(f"<BarrierGateStatus><barrierGateStatus>{where}</barrierGateStatus></BarrierGateStatus>")
        if asked.path.endswith("/barrierGate") and asked.method == "PUT":
            return self._gate(_MODE.search(asked.body))
        if "LicensePlateAuditData" in asked.path or asked.path.endswith("licensePlateAuditData/record"):
            return self._list(json.loads(asked.body))
        return _answered(4)

    def _gate(self, mode: re.Match[bytes] | None) -> Answer:
        with self._lock:
            if self.busy:
                self.busy -= 1
                return _answered(2)
            if self.refuses or mode is None or mode[1] not in {b"open", b"close", b"lock", b"unlock"}:
                return _answered(4)
            if mode[1] == b"lock":
                self.locked = True
            elif mode[1] == b"unlock":
                self.locked = False
            elif mode[1] == b"open":
                self.up()
            elif mode[1] == b"close":
                self.down()
            return _answered(1)

    def _clock(self, told: re.Match[bytes] | None) -> Answer:
        if told is not None:
            self.fast = datetime.fromisoformat(told[1].decode()) - self.now()
            return _answered(1)
        local = (self.now() + self.fast).astimezone(_ZONE)
        return _xml(
            f"<Time><timeMode>NTP</timeMode><localTime>{local.isoformat(timespec='seconds')}</localTime></Time>"
        )

    def _list(self, document: dict[str, Any]) -> Answer:
        if document.get("deleteAllEnabled"):
            self.listed.clear()
        for entry in document.get("LicensePlateInfoList", ()):
            self.listed[entry["LicensePlate"]] = entry["effectiveTime"]
        for plate in document.get("licensePlate", ()):
            self.listed.pop(str(plate), None)
        return Answer(body=b'{"statusCode": 1, "statusString": "OK"}', kind="application/json")


def _part(xml: bytes) -> bytes:
    """With the boundary behind it: who listens knows then that it is whole."""
    head = f'Content-Type: application/xml; charset="UTF-8"\r\nContent-Length: {len(xml)}\r\n\r\n'.encode()
    return f"--{BOUNDARY}\r\n".encode() + head + xml + f"\r\n--{BOUNDARY}\r\n".encode()


def _answered(code: int) -> Answer:
    return _xml(
        f"<ResponseStatus><statusCode>{code}</statusCode><statusString>{_STATUS[code]}</statusString></ResponseStatus>",
        200 if code == 1 else 503 if code == 2 else 403,
    )


def _xml(text: str, status: int = 200) -> Answer:
    return Answer(status, f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode(), "application/xml")
