"""Hikvision through the suite of all devices."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from controllers.adapters.framing import Frames
from controllers.adapters.port import (
    CREDENTIALS_REFUSED,
    Accepted,
    Answered,
    Ask,
    Auth,
    Busy,
    FittedLane,
    ListTaken,
    Part,
    Posted,
    Published,
    Reply,
)
from controllers.commands import Action, Receipt
from controllers.events import BarrierState, CommandResult, DeviceStatus, Outcome
from tests.controllers.conformance.cases import (
    EXPECTED,
    IN,
    NOW,
    OUT,
    Cases,
    Noise,
    Replied,
    Sample,
    Told,
    a_command,
    a_delta,
    a_fitting,
    a_list,
    as_json,
    sample_bytes,
    sample_json,
)

MAC = "44:a6:42:00:00:01"
PUSHES = a_fitting(serial=MAC)
STREAM = a_fitting(serial=MAC, features={"alert_stream"})
OLD = a_fitting(serial=MAC, features={"entrance_api", "white_list"})
TWO_LANES = a_fitting(
    FittedLane(id="in-1", inward=True, channel=1), FittedLane(id="out-1", inward=False, channel=2), serial=MAC
)

BLUE = sample_bytes("hikvision", "anpr_blue_colour_prefix.xml").decode()
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\n-\r\n--\xff\xd9"
XML = (("Content-Type", "application/xml; charset=utf-8"),)
JSON = (("Content-Type", "application/json; charset=utf-8"),)
GATE = "/ISAPI/Parking/channels/1/barrierGate"


def pushed(xml: str) -> Posted:
    return Posted(
        method="POST", path="/", body=xml.encode(), headers={"content-type": 'application/xml; charset="UTF-8"'}
    )


def read(file: str, **more: Any) -> Sample:
    xml = sample_bytes("hikvision", file).decode()
    return Sample(name=file, message=pushed(xml), fitting=PUSHES, expected=EXPECTED[f"hikvision/{file}"], **more)


def a_form(xml: str) -> Posted:
    parts = (
        ('name="anpr.xml"; filename="anpr.xml"', "application/xml", xml.encode()),
        ('name="licensePlatePicture.jpg"; filename="licensePlatePicture.jpg"', "image/jpeg", JPEG),
        ('name="detectionPicture.jpg"; filename="detectionPicture.jpg"', "image/jpeg", JPEG),
    )
    body = b"".join(
        f"--boundary\r\nContent-Disposition: form-data; {name}\r\nContent-Type: {kind}\r\nContent-Length: 1\r\n\r\n".encode()
        + data
        + b"\r\n"
        for name, kind, data in parts
    )
    headers = {"content-type": "multipart/form-data; boundary=boundary"}
    return Posted(method="POST", path="/", body=body + b"--boundary--\r\n", headers=headers)


def with_word(name: str, word: str) -> str:
    """The blue sample with another word in one element."""
    start = BLUE.index(f"<{name}>") + len(name) + 2
    return BLUE[:start] + word + BLUE[BLUE.index(f"</{name}>") :]


def an_ask(order: str | None = "c1") -> Ask:
    body = b'<?xml version="1.0" encoding="UTF-8"?><BarrierGate><ctrlMode>open</ctrlMode></BarrierGate>'
    return Ask(method="PUT", path=GATE, headers=XML, body=body, auth=Auth.DIGEST, order=order)


def answered(body: bytes, status: int = 200, order: str | None = "c1", path: str = GATE) -> Answered:
    ask = Ask(method="PUT", path=path, auth=Auth.DIGEST, order=order)
    return Answered(ask=ask, status=status, body=body)


def answer(name: str, message: Answered, *said: Any, fitting=PUSHES) -> Sample:
    return Sample(name=name, message=message, fitting=fitting, said=said)


def failed(outcome: Outcome, detail: str) -> CommandResult:
    return CommandResult(command="c1", outcome=outcome, at=NOW, detail=detail)


def status(code: int, word: str) -> bytes:
    return (
        f"<ResponseStatus><statusCode>{code}</statusCode><statusString>{word}</statusString></ResponseStatus>".encode()
    )


def put(mode: str, order: str, channel: int = 1) -> Ask:
    body = f'<?xml version="1.0" encoding="UTF-8"?><BarrierGate><ctrlMode>{mode}</ctrlMode></BarrierGate>'.encode()
    path = f"/ISAPI/Parking/channels/{channel}/barrierGate"
    return Ask(method="PUT", path=path, headers=XML, body=body, auth=Auth.DIGEST, order=order)


def put_old(oper: str) -> Ask:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?><BarrierGateCtrl version="2.0" xmlns="http://www.isapi.org/ver20/XMLSchema">'
        "<barrietGateNum>1</barrietGateNum><BarrierGateCtrlList>"
        f"<barrietGateOper>{oper}</barrietGateOper></BarrierGateCtrlList></BarrierGateCtrl>"
    )
    path = "/ISAPI/ITC/Entrance/barrierGateCtrl"
    return Ask(method="PUT", path=path, headers=XML, body=body.encode(), auth=Auth.DIGEST, order="c1")


def put_list(path: str, document: Any, order: str) -> Ask:
    return Ask(
        method="PUT",
        path=f"/ISAPI/Traffic/channels/1/{path}",
        query="format=json",
        headers=JSON,
        body=as_json(document),
        auth=Auth.DIGEST,
        order=order,
    )


RECORD = {
    "LicensePlate": "粤B7K2M9",
    "listType": "allowList",
    "cardNo": "",
    "operationType": "add",
    "createTime": "2026-10-29T16:00:02",
    "effectiveStartDate": "2026-10-29T00:00:00",
    "effectiveTime": "2026-12-31T23:59:59",
    "id": "",
}
assert sample_json("hikvision", "put_licensePlateAuditData_record.json")["LicensePlateInfoList"][0].keys() - {
    "plateType", "plateColor"
} == RECORD.keys()  # fmt: skip

STREAM_PARTS = Frames(b"boundary").feed(sample_bytes("hikvision", "alertStream_part.txt") + b"\n--boundary\n")
HEARTBEAT = (
    '<EventNotificationAlert version="1.0" xmlns="urn:psialliance-org"><macAddress>44:a6:42:00:00:01</macAddress>'
    "<dateTime>2026-10-29T16:00:00+08:00</dateTime><eventType>videoloss</eventType><eventState>inactive</eventState>"
    "</EventNotificationAlert>"
)
FIRST, SECOND = read("anpr_newenergy_fast_first.xml"), read("anpr_newenergy_full_second.xml")
ALIVE = DeviceStatus(online=True, at=datetime(2026, 10, 29, 8, tzinfo=UTC))

SAMPLES = (
    read("anpr_blue_colour_prefix.xml"),
    FIRST,
    SECOND,
    read("anpr_noplate.xml"),
    read("anpr_history_camera_opened.xml"),
    Sample(
        name="a form with pictures",
        message=a_form(BLUE),
        fitting=PUSHES,
        expected=EXPECTED["hikvision/anpr_blue_colour_prefix.xml"],
    ),
    Sample(
        name="a part of the stream",
        message=STREAM_PARTS[0],
        fitting=STREAM,
        expected=EXPECTED["hikvision/anpr_blue_colour_prefix.xml"],
    ),
    Sample(name="a picture of the stream", message=STREAM_PARTS[1], fitting=STREAM),
    Sample(name="a heartbeat of the stream", message=Part(body=HEARTBEAT.encode()), fitting=STREAM, said=(ALIVE,)),
    Sample(
        name="sent again after an outage",
        message=pushed(
            with_word("isDataRetransmission", "true").replace("a0fe72d4-3652-464a-aebd", "a0fe72d4-3652-464a-aebe")
        ),
        fitting=PUSHES,
        expected={"plate": "粤B7K2M9", "live": False},
    ),
    Sample(
        name="the second lane",
        message=pushed(with_word("line", "2")),
        fitting=TWO_LANES,
        expected=EXPECTED["hikvision/anpr_blue_colour_prefix.xml"] | {"direction": "out"},
    ),
    Sample(
        name="without an offset",
        message=pushed(with_word("dateTime", "2026-10-29T16:00:00.847")),
        fitting=PUSHES,
        expected=EXPECTED["hikvision/anpr_blue_colour_prefix.xml"],
    ),
    Sample(
        name="Heilongjiang is no colour",
        message=pushed(
            with_word("licensePlate", "黑A12345").replace("a0fe72d4-3652-464a-aebd", "a0fe72d4-3652-464a-aebf")
        ),
        fitting=PUSHES,
        expected={"plate": "黑A12345", "live": True},
    ),
    Sample(
        name="a black plate of Heilongjiang",
        message=pushed(
            with_word("licensePlate", "黑黑A12345").replace("a0fe72d4-3652-464a-aebd", "a0fe72d4-3652-464a-aec0")
        ),
        fitting=PUSHES,
        expected={"plate": "黑A12345", "live": True},
    ),
    answer("accepted", answered(sample_bytes("hikvision", "response_ok.xml")), Accepted(command="c1", at=NOW)),
    answer("accepted without a word", answered(b""), Accepted(command="c1", at=NOW)),
    answer("busy", answered(status(2, "Device Busy"), 503), Busy(command="c1", at=NOW)),
    answer(
        "not of this model",
        answered(sample_bytes("hikvision", "response_notSupport.xml"), 403),
        failed(Outcome.REFUSED, "notSupport"),
    ),
    answer("a fault", answered(status(3, "Device Error"), 500), failed(Outcome.FAULT, "Device Error")),
    answer("credentials refused", answered(b"<html/>", 401), failed(Outcome.FAULT, CREDENTIALS_REFUSED)),
    answer("no word, only a number", answered(b"", 502), failed(Outcome.FAULT, "http 502")),
    answer("a step before the command went well", answered(status(1, "OK"), order="c1/open")),
    answer(
        "a step before the command did not",
        answered(status(4, "Invalid Operation"), 403, order="c1/open"),
        failed(Outcome.REFUSED, "Invalid Operation"),
    ),
    answer(
        "a part of a list",
        answered(b'{"statusCode":1,"statusString":"OK"}', order="list.7.1.2"),
        ListTaken(version=7, number=1, of=2, taken=True),
    ),
    answer(
        "a part of a list is not taken",
        answered(b'{"statusCode":6,"statusString":"Invalid Content"}', order="list.7.1.2"),
        ListTaken(version=7, number=1, of=2, taken=False, detail="Invalid Content"),
    ),
    answer(
        "where the barrier is",
        answered(sample_bytes("hikvision", "get_barrierGateStatus.xml"), order=None, path=f"{GATE}/barrierGateStatus"),
        DeviceStatus(online=True, barrier={"in-1": BarrierState.OPEN}),
    ),
    answer(
        "nothing is wired",
        answered(b"<a><barrierGateStatus>0</barrierGateStatus></a>", order=None, path=f"{GATE}/barrierGateStatus"),
    ),
)

CASES = Cases(
    vendor="hikvision",
    samples=SAMPLES,
    told=(
        Told(order=a_command(Action.OPEN, show=("浙A12345",), say="请通行"), fitting=PUSHES, sent=(an_ask(),)),
        Told(order=a_command(Action.CLOSE, lane="out-1"), fitting=TWO_LANES, sent=(put("close", "c1", channel=2),)),
        Told(order=a_command(Action.HOLD_OPEN), fitting=PUSHES, sent=(put("open", "c1/open"), put("lock", "c1"))),
        Told(order=a_command(Action.RELEASE), fitting=PUSHES, sent=(put("unlock", "c1/unlock"), put("close", "c1"))),
        Told(order=a_command(Action.SHOW), fitting=PUSHES, sent="not_supported"),
        Told(order=a_command(Action.OPEN), fitting=OLD, sent=(put_old("on"),)),
        Told(order=a_command(Action.CLOSE), fitting=OLD, sent=(put_old("off"),)),
        Told(order=a_command(Action.HOLD_OPEN), fitting=OLD, sent="not_supported"),
        Told(order=Receipt(events=("e1",)), fitting=PUSHES, sent=()),
        Told(
            order=a_list("粤B7K2M9"),
            fitting=PUSHES,
            sent=(put_list("licensePlateAuditData/record", {"LicensePlateInfoList": [RECORD]}, "list.7.1.1"),),
        ),
        Told(
            order=a_list("粤B7K2M9"),
            fitting=OLD,
            sent=(
                put_list(
                    "licensePlateAuditData/record",
                    {"LicensePlateInfoList": [RECORD | {"listType": "whiteList"}]},
                    "list.7.1.1",
                ),
            ),
        ),
        Told(
            order=a_delta(remove=("粤B7K2M9", "沪AD12345")),
            fitting=PUSHES,
            sent=(
                put_list(
                    "DelLicensePlateAuditData",
                    {"deleteAllEnabled": False, "licensePlate": ["粤B7K2M9", "沪AD12345"]},
                    "list.8.1.1",
                ),
            ),
        ),
        Told(order=a_delta(), fitting=PUSHES, sent=()),
    ),
    replied=(
        Replied(name="plain and empty", message=pushed(BLUE), fitting=PUSHES, reply=Reply()),
        Replied(name="garbage, too", message=pushed("<"), fitting=PUSHES, reply=Reply(), quarantined=True),
    ),
    noise=(
        Noise(name="MQTT", message=Published(topic="a", payload=b"{}"), fitting=PUSHES, code="bad_path"),
        Noise(name="not XML", message=pushed("<EventNotificationAlert>"), fitting=PUSHES, code="not_xml"),
        Noise(
            name="a document type",
            message=pushed(BLUE.replace("?>", '?><!DOCTYPE a [<!ENTITY b "c">]>', 1)),
            fitting=PUSHES,
            code="not_xml",
        ),
        Noise(name="another document", message=pushed("<DeviceInfo/>"), fitting=PUSHES, code="not_in_schema"),
        Noise(
            name="a lane of nobody",
            message=pushed(with_word("line", "7")),
            fitting=TWO_LANES,
            code="unknown_lane",
        ),
        Noise(name="two lanes without a number", message=pushed(BLUE), fitting=a_fitting(IN, OUT), code="unknown_lane"),
        Noise(
            name="a form without an end or a beginning",
            message=Posted(method="POST", path="/", body=b"x", headers={"content-type": "multipart/form-data; boundary=b"}),
            fitting=PUSHES,
            code="not_multipart",
        ),
    ),
    unread=lambda word: Sample(name=word, message=pushed(with_word("licensePlate", word)), fitting=PUSHES),
    words_without_plate=("蓝noPlate", "未识别"),
    coloured=lambda word: Sample(
        name=word,
        message=pushed(with_word("plateColor", word).replace("蓝粤B7K2M9", "粤B7K2M9")),
        fitting=PUSHES,
    ),
    colours={
        "blue": "blue", "yellow": "yellow", "white": "white", "black": "black", "green": "green", "newEnergyGreen": "green",
        "newEnergyYellowGreen": "yellow_green", "unknown": None, "red": None,
    },
    two_parts=((FIRST, SECOND),),
)  # fmt: skip
