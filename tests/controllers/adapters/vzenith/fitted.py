"""How cameras of Vzenith are fitted in the tables, and what is written alike to all of them."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from controllers.adapters import ledboard
from controllers.adapters.port import FittedLane
from tests.controllers.conformance.cases import a_fitting

SN = "5e1f0a2b-7c3d4e5f"
MQTT = a_fitting(serial=SN)
SERIAL_FIRST = a_fitting(serial=SN, features={"serial_first"})
LEGACY = a_fitting(serial=SN, features={"legacy"})
HTTP = a_fitting(serial=SN, features={"http"})
HTTP_BOARD = a_fitting(FittedLane(id="in-1", inward=True, close_relay=0), serial=SN, features={"http", "led_board"})
HTTP_SPEAKER = a_fitting(serial=SN, features={"http", "speaker"})
RICH = a_fitting(
    FittedLane(id="in-1", inward=True, relay=0, close_relay=1),
    serial=SN,
    features={"led_board", "position_1_open", "input_closed"},
)
DIRECT = a_fitting(serial=SN, features={"direct_open", "io_lock"})


def serial(rows: tuple[str, ...], voice: str | None) -> list[dict[str, Any]]:
    frame = ledboard.frame(rows, voice)
    assert frame is not None
    return [{"serialChannel": 0, "data": b64encode(frame).decode(), "dataLen": len(frame)}]


RECORD = {
    "plate": "粤B7K2M9", "enable": 1, "need_alarm": 0,
    "enable_time": "2026-10-29 16:00:02", "overdue_time": "2026-12-31 23:59:59",
}  # fmt: skip
