"""A simulated Dahua camera: pushes ITSAPI or streams events, takes GETs of its CGI. Source: `tests/controllers/adapters/dahua/samples`."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs

from controllers.events import PlateColour
from simulators.devices.http_camera import Answer, Asked, AskedCamera, Push, Seen

BOUNDARY = "myboundary"
_ZONE = timezone(timedelta(hours=8))
_COLOURS = {one: one.value.title().replace("_", "") for one in PlateColour}
_OK = Answer(body=b"OK\r\n")


class Dahua(AskedCamera):
    """`serial`: how it calls itself."""

    serial = "ITC-IN-01"

    def read(self, seen: Seen) -> Push:
        local = seen.at.astimezone(_ZONE)  # that it kept a read it does not say: the instant alone tells
        document = {
            "Picture": {
                "Plate": {
                    "PlateNumber": seen.plate or "",
                    "PlateColor": "" if seen.colour is None else _COLOURS[seen.colour],
                    "Confidence": 93,
                    "IsExist": seen.plate is not None,
                },
                "SnapInfo": {
                    "DeviceID": self.serial,
                    "AccurateTime": f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03}",
                    "DefenceCode": f"sim{seen.number}",
                    "LanNo": 1,
                    "OpenStrobe": False,
                },
            }
        }
        body = json.dumps(document, ensure_ascii=False).encode()
        return Push("/NotificationInfo/TollgateInfo", body, {"Content-Type": "application/json"})

    def taken(self, answer: bytes) -> bool:
        return json.loads(answer).get("Result") is True

    def tells(self, plate: str | None, *, number: int, at: datetime | None = None) -> None:
        """A read, to those who listen to its stream: JSON over several lines, and a length of 0."""
        moment = at or self.now()
        document = {
            "EventID": number,
            "GroupID": number,
            "Lane": 1,
            "Object": {"ObjectType": "Plate", "Text": plate or "", "Confidence": 93},
            "TrafficCar": {"PlateNumber": plate or "", "PlateColor": "Blue", "Lane": 1},
            "UTC": int(moment.timestamp()),
            "UTCMS": moment.microsecond // 1000,
        }
        text = json.dumps(document, ensure_ascii=False, indent=3)
        self.say(_part(f"Code=TrafficJunction;action=Pulse;index=0;data={text}\n"))

    def beats(self) -> None:
        self.say(_part("Heartbeat"))

    def asked(self, asked: Asked) -> Answer:
        given = {name: values[0] for name, values in parse_qs(asked.query, keep_blank_values=True).items()}
        action = given.get("action", "")
        if asked.path == "/cgi-bin/eventManager.cgi" and action == "attach":
            return Answer(
                kind=f"multipart/x-mixed-replace; boundary={BOUNDARY}", stream=self.stream(_part("Heartbeat"))
            )
        if asked.path == "/cgi-bin/global.cgi" and self.tells_time:
            return self._clock(given.get("time"))
        if asked.path == "/cgi-bin/trafficSnap.cgi" and action in {"openStrobe", "closeStrobe"}:
            if self.refuses:
                return Answer(400, b"Error\r\nBad Request!\r\n")
            with self._lock:
                (self.up if action == "openStrobe" else self.down)()
            return _OK
        if asked.path == "/cgi-bin/recordUpdater.cgi" and given.get("name") == "TrafficRedList":
            return self._list(action, given)
        return Answer(501, b"Error\r\nNot Implemented!\r\n")

    def _clock(self, told: str | None) -> Answer:
        if told is not None:
            self.fast = datetime.fromisoformat(told).replace(tzinfo=_ZONE) - self.now()
            return _OK
        local = (self.now() + self.fast).astimezone(_ZONE)
        return Answer(body=f"result={local:%Y-%m-%d %H:%M:%S}\r\n".encode())

    def _list(self, action: str, given: dict[str, str]) -> Answer:
        plate = given.get("PlateNumber", "")
        if action == "clear":
            self.listed.clear()
            return _OK
        if action == "insert":
            self.listed[plate] = given["CancelTime"]
            return Answer(body=b"RecNo=1\r\n")
        if self.listed.pop(plate, None) is None:
            return Answer(400, b"Error\r\nBad Request!\r\n")
        return _OK


def _part(text: str) -> bytes:
    return f"--{BOUNDARY}\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n{text}\r\n--{BOUNDARY}\r\n".encode()
