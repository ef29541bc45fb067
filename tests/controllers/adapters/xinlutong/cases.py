"""Xinlutong through the suite of all devices."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from controllers.adapters.port import Accepted, Hello, Publish, Published
from controllers.commands import Action, Receipt
from controllers.events import CommandResult, DeviceStatus, Outcome
from tests.controllers.conformance.cases import (
    EXPECTED,
    NOW,
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

SN = "XLT-01-TEST-001"
PLAIN = a_fitting(serial=SN)
AT = NOW - timedelta(seconds=2)
REPLY = sample_json("xinlutong", "up_Open_reply.json")


def up(document: Any, topic: str = f"upload/{SN}", *, retained: bool = False) -> Published:
    return Published(topic=topic, payload=as_json(document), retained=retained)


def sent(file: str, **fields: Any) -> Published:
    return up(sample_json("xinlutong", file) | fields)


def a_read(plate: str, **fields: Any) -> Published:
    return sent("up_Image.json", data=as_json({"plateNo": plate}).decode(), **fields)


OPEN = sample_json("xinlutong", "down_Open.json") | {"requestId": "c1", "time": "2026-10-29 16:00:02"}

CASES = Cases(
    vendor="xinlutong",
    samples=(
        Sample(
            name="a read",
            message=sent("up_Image.json"),
            fitting=PLAIN,
            expected=EXPECTED["xinlutong/up_Image.json"] | {"captured_at": "2026-10-29T16:00:00+08:00"},
        ),
        Sample(
            name="a read without a number",
            message=a_read("粤B7K2M9", requestId=""),
            fitting=PLAIN,
            expected={"plate": "粤B7K2M9", "live": True},
        ),
        Sample(
            name="kept by the broker",
            message=up(sample_json("xinlutong", "up_Image.json") | {"requestId": "r3"}, retained=True),
            fitting=PLAIN,
            expected={"plate": "粤B7K2M9", "live": False},
        ),
        Sample(
            name="connects",
            message=sent("up_Conn.json"),
            fitting=PLAIN,
            said=(
                Hello(serial=SN, at=AT, firmware="XLT-01 v1.0"),
                DeviceStatus(online=True, at=AT, firmware="XLT-01 v1.0"),
            ),
        ),
        Sample(
            name="a heartbeat",
            message=sent("up_Rtd.json"),
            fitting=PLAIN,
            said=(DeviceStatus(online=True, at=AT.replace(second=10)),),
        ),
        Sample(
            name="accepted",
            message=up(REPLY),
            fitting=PLAIN,
            said=(Accepted(command="7d0d6f1e-0000-4000-8000-000000000003", at=AT.replace(second=1)),),
        ),
        Sample(
            name="refused",
            message=up(REPLY | {"requestId": "c1", "data": '{"errCode":3,"errInfo":"locked"}'}),
            fitting=PLAIN,
            said=(CommandResult(command="c1", outcome=Outcome.REFUSED, at=AT.replace(second=1), detail="locked"),),
        ),
        Sample(
            name="an answer that says nothing is no yes",
            message=up(REPLY | {"requestId": "c1", "data": ""}),
            fitting=PLAIN,
            said=(
                CommandResult(command="c1", outcome=Outcome.REFUSED, at=AT.replace(second=1), detail="errCode None"),
            ),
        ),
    ),
    told=(
        Told(
            order=a_command(Action.OPEN),
            fitting=PLAIN,
            sent=(Publish(topic=f"download/{SN}", payload=as_json(OPEN)),),
        ),
        Told(order=a_command(Action.HOLD_OPEN), fitting=PLAIN, sent="not_supported"),
        Told(order=a_command(Action.OPEN), fitting=a_fitting(), sent="not_supported"),
        Told(order=a_list("粤B7K2M9"), fitting=PLAIN, sent="not_supported"),
        Told(order=Receipt(events=("r1",)), fitting=PLAIN, sent=()),
    ),
    noise=(
        Noise(name="a foreign topic", message=up({}, "a/b"), fitting=PLAIN, code="bad_topic"),
        Noise(
            name="the payload names another", message=sent("up_Rtd.json", sn="x"), fitting=PLAIN, code="other_device"
        ),
        Noise(name="no JSON inside", message=sent("up_Image.json", data="{"), fitting=PLAIN, code="not_json"),
        Noise(
            name="neither number nor time",
            message=a_read("粤B7K2M9", requestId="", time=""),
            fitting=PLAIN,
            code="not_in_schema",
        ),
        Noise(name="no instant", message=sent("up_Image.json", time="soon"), fitting=PLAIN, code="not_in_schema"),
    ),
    unread=lambda word: Sample(name=word, message=a_read(word), fitting=PLAIN),
)
