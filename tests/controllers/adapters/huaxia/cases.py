"""Huaxia through the suite of all devices."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from controllers.adapters.port import FittedLane, Posted, Reply
from controllers.adapters.reading import id_of
from controllers.commands import Action, Reason, Receipt
from controllers.events import DeviceStatus
from tests.controllers.conformance.cases import (
    EXPECTED,
    Cases,
    Noise,
    Replied,
    Sample,
    Told,
    a_command,
    a_fitting,
    a_list,
    as_json,
    sample_bytes,
    sample_json,
)

CAM = "aabbccddeeff"
PLAIN = a_fitting(serial=CAM)
LOWERS = a_fitting(FittedLane(id="in-1", inward=True, close_relay=1), serial=CAM)
ONLINE = "http_mode5_online_form.txt"
FIELDS = dict(parse_qsl(sample_bytes("huaxia", ONLINE).decode(), keep_blank_values=True))
EVENT = id_of("1793260800", "粤B7K2M9")


def posted(body: bytes, content_type: str = "application/x-www-form-urlencoded", method: str = "POST") -> Posted:
    return Posted(method=method, path="/", body=body, headers={"content-type": content_type})


def form(**fields: Any) -> Posted:
    return posted(urlencode(FIELDS | fields).encode())


def reply(**told: Any) -> Reply:
    document = {"error_num": 0, "error_str": "noerror", "gpio_data": []} | told
    return Reply(headers=(("Content-Type", "application/json; charset=utf-8"),), body=as_json(document))


READ = posted(sample_bytes("huaxia", ONLINE))
HISTORY = form(type="offline", start_time="1793260700")
HEARTBEAT = posted(sample_bytes("huaxia", "http_mode5_heartbeat_form.txt"))
OPENED = reply(gpio_data=sample_json("huaxia", "http_reply_open.json")["gpio_data"])
DENIED = reply(**sample_json("huaxia", "http_reply_deny.json"))

CASES = Cases(
    vendor="huaxia",
    samples=(
        Sample(
            name="a read",
            message=READ,
            fitting=PLAIN,
            expected=EXPECTED[f"huaxia/{ONLINE}"] | {"captured_at": "2026-10-29T16:00:00+08:00"},
        ),
        Sample(
            name="undeclared, and cut off in a picture",
            message=posted(
                urlencode(FIELDS | {"start_time": "1793260801", "picture": "/9j/" * 40}).encode()[:-100], ""
            ),
            fitting=PLAIN,
            expected={"plate": "粤B7K2M9", "colour": "blue", "live": True},
        ),
        Sample(
            name="in GBK",
            message=posted(urlencode(FIELDS | {"start_time": "1793260802"}, encoding="gbk").encode()),
            fitting=PLAIN,
            expected={"plate": "粤B7K2M9", "colour": "blue", "live": True},
        ),
        Sample(name="history", message=HISTORY, fitting=PLAIN, expected={"plate": "粤B7K2M9", "live": False}),
        Sample(name="a heartbeat", message=HEARTBEAT, fitting=PLAIN, said=(DeviceStatus(online=True),)),
        Sample(name="something else", message=form(type="ioinput"), fitting=PLAIN),
    ),
    told=(
        Told(order=a_command(Action.OPEN), fitting=PLAIN, sent="only_in_answer"),
        Told(order=a_list("粤B7K2M9"), fitting=LOWERS, sent="not_supported"),
        Told(order=Receipt(events=(EVENT,)), fitting=PLAIN, sent=()),
    ),
    replied=(
        Replied(
            name="decided: open",
            message=READ,
            fitting=PLAIN,
            orders=(a_command(Action.OPEN, event=EVENT),),
            reply=OPENED,
        ),
        Replied(
            name="decided: pay first",
            message=READ,
            fitting=PLAIN,
            orders=(a_command(Action.SHOW, event=EVENT, show=("请缴费",), reason=Reason.PAYMENT_DUE),),
            reply=DENIED,
        ),
        Replied(name="not decided in time", message=READ, fitting=PLAIN, reply=DENIED),
        Replied(
            name="an opening for another read does not ride",
            message=READ,
            fitting=PLAIN,
            orders=(a_command(Action.OPEN, event="another"),),
            reply=DENIED,
        ),
        Replied(name="an idle heartbeat", message=HEARTBEAT, fitting=PLAIN, reply=DENIED),
        Replied(
            name="an opening rides on a heartbeat",
            message=HEARTBEAT,
            fitting=PLAIN,
            orders=(a_command(Action.OPEN, event="another"),),
            reply=OPENED,
        ),
        Replied(
            name="lowered",
            message=HEARTBEAT,
            fitting=LOWERS,
            orders=(a_command(Action.CLOSE),),
            reply=reply(gpio_data=[{"ionum": "io2", "action": "on"}]),
        ),
        Replied(name="garbage", message=posted(b"{"), fitting=PLAIN, reply=DENIED, quarantined=True),
    ),
    noise=(
        Noise(name="fetched", message=posted(b"", method="GET"), fitting=PLAIN, code="bad_path"),
        Noise(name="another camera", message=form(cam_id="another"), fitting=PLAIN, code="other_device"),
        Noise(name="no instant", message=form(start_time=""), fitting=PLAIN, code="not_in_schema"),
        Noise(name="a clock that was never set", message=form(start_time="1000"), fitting=PLAIN, code="not_in_schema"),
        Noise(name="no type", message=posted(b"a=b"), fitting=PLAIN, code="not_in_schema"),
        Noise(name="no form", message=posted("浙".encode("gbk")), fitting=PLAIN, code="not_form"),
    ),
    unread=lambda word: Sample(name=word, message=form(plate_num=word), fitting=PLAIN),
    coloured=lambda word: Sample(name=word, message=form(plate_color=word), fitting=PLAIN),
    colours={
        "蓝色": "blue",
        "黄色": "yellow",
        "绿色": "green",
        "黄绿色": "yellow_green",
        "白色": "white",
        "黑色": "black",
        "": None,
    },
)
