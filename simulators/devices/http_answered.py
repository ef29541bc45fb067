"""Simulated cameras that are told only in the answers to what they post: Vzenith by HTTP, Huaxia.

Source: `tests/controllers/adapters/vzenith/samples`, `tests/controllers/adapters/huaxia/samples`.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from simulators.devices.colours import COLOUR_NUMBERS, COLOUR_WORDS
from simulators.devices.http_camera import HttpCamera, Push, Seen

_REMOVES = 1
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Vzenith(HttpCamera):
    """Raises its barrier when its answer says `info: ok`, whether to a read or to a poll."""

    serial = "5e1f0a2b-7c3d4e5f"

    def read(self, seen: Seen) -> Push:
        result = {
            "license": seen.plate or "_无_",
            "plateid": seen.number,
            "colorType": 0 if seen.colour is None else COLOUR_NUMBERS[seen.colour],
            "confidence": 97,
            "isoffline": int(seen.history),
            "triggerType": 1,
            "timeStamp": {"Timeval": {"sec": int(seen.at.timestamp()), "usec": seen.at.microsecond}},
        }
        document = {"AlarmInfoPlate": {"serialno": self.serial, "channel": 0, "result": {"PlateResult": result}}}
        return Push("/", json.dumps(document, ensure_ascii=False).encode(), {"Content-Type": "application/json"})

    def polls(self) -> bool:
        """Whether anything answered. What it is told is done at once."""
        return self._push(Push("/", urlencode({"serialno": self.serial, "device_name": "ivs"}).encode(), _FORM))

    def taken(self, answer: bytes) -> bool:
        told: dict[str, Any] = json.loads(answer).get("Response_AlarmInfoPlate", {})
        if told.get("info") == "ok":
            self.up()
        if (operation := told.get("white_list_operate")) is not None:
            self._list(operation["operate_type"] == _REMOVES, operation["white_list_data"])
        return True

    def _list(self, removes: bool, records: list[dict[str, str]]) -> None:
        for one in records:
            if removes:
                self.listed.pop(one["plate"], None)
            else:
                self.listed[one["plate"]] = one["overdue_time"]


class Huaxia(HttpCamera):
    """Switches the relays that its answer names; the first raises its barrier."""

    serial = "aabbccddeeff"

    def read(self, seen: Seen) -> Push:
        fields = {
            "type": "offline" if seen.history else "online",
            "cam_id": self.serial,
            "plate_num": seen.plate or "无牌车",
            "plate_color": "" if seen.colour is None else COLOUR_WORDS[seen.colour],
            "start_time": int(seen.at.timestamp()),
            "confidence": 97,
        }
        return Push("/", urlencode(fields).encode(), _FORM)

    def polls(self) -> bool:
        return self._push(Push("/", urlencode({"type": "heartbeat", "cam_id": self.serial}).encode(), _FORM))

    def taken(self, answer: bytes) -> bool:
        told = json.loads(answer)
        if any(one == {"ionum": "io1", "action": "on"} for one in told["gpio_data"]):
            self.up()
        return bool(told["error_num"] == 0)
