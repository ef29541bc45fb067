"""Qianyi through the suite of all devices."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from controllers.adapters import ledboard
from controllers.adapters.port import Accepted, FittedLane, Hello, Publish, Published
from controllers.commands import Action, Receipt
from controllers.events import CommandResult, DeviceStatus, Outcome
from tests.controllers.conformance.cases import (
    EXPECTED,
    IN,
    NOW,
    OUT,
    Cases,
    Noise,
    Sample,
    Told,
    a_command,
    a_fitting,
    a_list,
    as_json,
    sample_json,
)

SN = "1b7e812009cad088"
PLAIN = a_fitting(serial=SN)
BOTH = a_fitting(IN, OUT, serial=SN)
RICH = a_fitting(FittedLane(id="in-1", inward=True, relay=0, close_relay=2), serial=SN, features={"led_board"})


def up(document: Any, topic: str = f"aiot/plate/{SN}", *, retained: bool = False) -> Published:
    return Published(topic=topic, payload=as_json(document), retained=retained)


def read(file: str, fitting=BOTH) -> Sample:
    return Sample(
        name=file,
        message=up(sample_json("qianyi", file)),
        fitting=fitting,
        expected=EXPECTED[f"qianyi/{file}"],
    )


def a_read(**fields: Any) -> Published:
    return up(sample_json("qianyi", "up_result_online.json") | fields)


def down(document: Any) -> Publish:
    return Publish(topic=f"device/plate/{SN}", payload=as_json(document))


def outdated(document: Any, **fields: Any) -> Any:
    """A sample under our command's id and our clock."""
    return document | {"msg_id": "c1"} | fields


REGISTER = sample_json("qianyi", "up_camera_register.json")
FRAME = ledboard.frame(("粤B7K2M9",), "欢迎光临")
assert FRAME is not None
SHOWN = {"encode_type": "base64", "rs485ch1_data": [{"data": b64encode(FRAME).decode()}]}
OPEN = outdated(sample_json("qianyi", "down_iooutput_open.json"), utc_ts=int(NOW.timestamp()))
KEEP_OPEN = outdated(sample_json("qianyi", "down_barrierKeepOpen.json"))

CASES = Cases(
    vendor="qianyi",
    samples=(
        read("up_result_online.json"),
        read("up_result_offline.json"),
        read("up_result_noplate.json"),
        Sample(
            name="kept by the broker",
            message=up(
                sample_json("qianyi", "up_result_online.json") | {"msg_id": "1793260800361402b699"}, retained=True
            ),
            fitting=PLAIN,
            expected={"plate": "粤B7K2M9", "live": False},
        ),
        Sample(
            name="registers",
            message=up(REGISTER, "/serverAll"),
            fitting=PLAIN,
            said=(Hello(serial=SN, at=NOW, firmware="4.23", upward=f"aiot/plate/{SN}", downward=f"device/plate/{SN}"),),
        ),
        Sample(
            name="a heartbeat",
            message=up(sample_json("qianyi", "up_mqtt_herat.json")),
            fitting=PLAIN,
            said=(DeviceStatus(online=True),),
        ),
        Sample(
            name="its last will",
            message=up(sample_json("qianyi", "up_offline_lwt.json")),
            fitting=PLAIN,
            said=(DeviceStatus(online=False),),
        ),
        Sample(
            name="accepted",
            message=up(sample_json("qianyi", "up_iooutput_rsp.json")),
            fitting=PLAIN,
            said=(Accepted(command="1793260801000aB3dE5f", at=NOW),),
        ),
        Sample(
            name="refused",
            message=up(sample_json("qianyi", "up_iooutput_rsp.json") | {"status": "unfound"}),
            fitting=PLAIN,
            said=(CommandResult(command="1793260801000aB3dE5f", outcome=Outcome.REFUSED, at=NOW, detail="unfound"),),
        ),
        Sample(
            name="the display's answer", message=up({"cmd": "rs485_rsp", "msg_id": "c1/show", "sn": SN}), fitting=PLAIN
        ),
    ),
    told=(
        Told(order=a_command(Action.OPEN), fitting=PLAIN, sent=(down(OPEN),)),
        Told(order=a_command(Action.CLOSE), fitting=RICH, sent=(down(OPEN | {"ionum": 2}),)),
        Told(order=a_command(Action.CLOSE), fitting=PLAIN, sent="not_supported"),
        Told(order=a_command(Action.HOLD_OPEN), fitting=PLAIN, sent=(down(KEEP_OPEN),)),
        Told(order=a_command(Action.RELEASE), fitting=PLAIN, sent=(down(KEEP_OPEN | {"isKeepOpen": 0}),)),
        Told(
            order=a_command(Action.OPEN, show=("粤B7K2M9",), say="欢迎光临"),
            fitting=RICH,
            sent=(down(OPEN), down({"cmd": "rs485", "msg_id": "c1/show"} | SHOWN)),
        ),
        Told(
            order=a_command(Action.SHOW, say="欢迎光临"),
            fitting=RICH,
            sent=(down(outdated(sample_json("qianyi", "down_rs485.json"))),),
        ),
        Told(order=a_command(Action.SHOW, show=("满",)), fitting=PLAIN, sent="not_supported"),
        Told(order=a_command(Action.OPEN), fitting=a_fitting(), sent="not_supported"),
        Told(order=a_list("粤B7K2M9"), fitting=PLAIN, sent="not_supported"),
        Told(order=Receipt(events=("1793260800361402b681",)), fitting=PLAIN, sent=()),
    ),
    noise=(
        Noise(name="a foreign topic", message=up(REGISTER, "a/b"), fitting=PLAIN, code="bad_topic"),
        Noise(
            name="a read where all register",
            message=up(REGISTER | {"cmd": "result"}, "/serverAll"),
            fitting=PLAIN,
            code="bad_topic",
        ),
        Noise(name="the payload names another", message=a_read(sn="another"), fitting=PLAIN, code="other_device"),
        Noise(name="no number", message=a_read(msg_id=""), fitting=PLAIN, code="not_in_schema"),
        Noise(
            name="history without an instant",
            message=a_read(type="offline", utc_ts=0),
            fitting=PLAIN,
            code="not_in_schema",
        ),
        Noise(name="two lanes and no direction", message=a_read(inout=""), fitting=BOTH, code="unknown_lane"),
        Noise(
            name="registers as nobody",
            message=up(REGISTER | {"sn": ""}, "/serverAll"),
            fitting=a_fitting(),
            code="not_in_schema",
        ),
    ),
    unread=lambda word: Sample(name=word, message=a_read(plate_num=word), fitting=BOTH),
    coloured=lambda word: Sample(name=word, message=a_read(plate_color=word), fitting=BOTH),
    colours={
        "蓝色": "blue",
        "黄色": "yellow",
        "绿色": "green",
        "黄绿色": "yellow_green",
        "白色": "white",
        "黑色": "black",
        "其他": None,
    },
)
