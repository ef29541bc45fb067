"""Dahua through the suite of all devices."""

from __future__ import annotations

from typing import Any

from controllers.adapters.framing import Frames
from controllers.adapters.port import (
    CREDENTIALS_REFUSED,
    Accepted,
    Answered,
    Ask,
    Auth,
    FittedLane,
    ListTaken,
    Part,
    Posted,
    Published,
    Reply,
)
from controllers.commands import Action, Receipt
from controllers.events import CommandResult, DeviceStatus, Outcome
from tests.controllers.conformance.cases import (
    EXPECTED,
    NOW,
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

PUSHES = a_fitting(serial="ITC-IN-01")
STREAM = a_fitting(features={"event_stream"})
LOCAL = a_fitting(features={"event_stream", "local_utc"})
TWO_LANES = a_fitting(
    FittedLane(id="in-1", inward=True, channel=1), FittedLane(id="out-1", inward=False, channel=2), serial="ITC-IN-01"
)
PUSH = sample_json("dahua", "itsapi_TollgateInfo.json")
EVENT_PARTS = Frames(b"myboundary").feed(sample_bytes("dahua", "eventManager_part.txt") + b"--myboundary\n")


def pushed(document: Any, path: str = "/NotificationInfo/TollgateInfo") -> Posted:
    return Posted(method="POST", path=path, body=as_json(document), headers={"content-type": "application/json"})


def a_push(part: str, **fields: Any) -> Posted:
    return pushed({"Picture": PUSH["Picture"] | {part: PUSH["Picture"][part] | fields}})


def answered(text: str, status: int = 200, order: str = "c1") -> Answered:
    ask = Ask(method="GET", path="/cgi-bin/trafficSnap.cgi", auth=Auth.DIGEST, order=order)
    return Answered(ask=ask, status=status, body=text.encode())


def answer(name: str, message: Answered, *said: Any) -> Sample:
    return Sample(name=name, message=message, fitting=PUSHES, said=said)


def failed(outcome: Outcome, detail: str) -> CommandResult:
    return CommandResult(command="c1", outcome=outcome, at=NOW, detail=detail)


def snap(query: str) -> Ask:
    return Ask(method="GET", path="/cgi-bin/trafficSnap.cgi", query=query, auth=Auth.DIGEST, order="c1")


def record(query: str, order: str) -> Ask:
    path = "/cgi-bin/recordUpdater.cgi"
    return Ask(method="GET", path=path, query=query, auth=Auth.DIGEST, order=order)


YUE = "%E7%B2%A4B7K2M9"
EVENT = EXPECTED["dahua/eventManager_part.txt"] | {"captured_at": "2026-10-29T16:00:00.361+08:00"}

SAMPLES = (
    Sample(
        name="push",
        message=pushed(PUSH),
        fitting=PUSHES,
        expected=EXPECTED["dahua/itsapi_TollgateInfo.json"],
    ),
    Sample(
        name="the camera has opened",
        message=a_push("SnapInfo", OpenStrobe=True, DefenceCode="another1"),
        fitting=PUSHES,
        expected={"plate": "粤B7K2M9", "live": True, "device_opened": True},
    ),
    Sample(
        name="the second lane",
        message=a_push("SnapInfo", LanNo=2, DefenceCode="another2"),
        fitting=TWO_LANES,
        expected={"plate": "粤B7K2M9", "live": True, "direction": "out"},
    ),
    Sample(
        name="no plate is there",
        message=pushed(
            {
                "Picture": PUSH["Picture"]
                | {
                    "Plate": PUSH["Picture"]["Plate"] | {"IsExist": False},
                    "SnapInfo": PUSH["Picture"]["SnapInfo"] | {"DefenceCode": "another3"},
                }
            }
        ),
        fitting=PUSHES,
        expected={"plate": None, "live": True},
    ),
    Sample(name="an event of the stream", message=EVENT_PARTS[0], fitting=STREAM, expected=EVENT),
    Sample(
        name="an event of a camera that writes its local time",
        message=Part(body=EVENT_PARTS[0].body.replace(b"1793260800", b"1793289600").replace(b"10021", b"10022")),
        fitting=LOCAL,
        expected=EVENT,
    ),
    Sample(
        name="an event in lines",
        message=Part(body=sample_bytes("dahua", "snapManager_keyvalue.txt")),
        fitting=STREAM,
        expected={"plate": "粤B7K2M9", "colour": "blue", "live": True},
        tells_time=False,
    ),
    Sample(
        name="a word on a lorry",
        message=Part(
            body=b'Code=TrafficJunction;action=Pulse;index=0;data={"EventID":9,"UTC":1793260800,'
            b'"Object":{"ObjectType":"Vehicle","Text":"SPEED123"}}'
        ),
        fitting=STREAM,
        expected={"plate": None, "live": True},
    ),
    Sample(name="a heartbeat", message=EVENT_PARTS[1], fitting=STREAM, said=(DeviceStatus(online=True),)),
    Sample(name="another event", message=Part(body=b"Code=VideoMotion;action=Start;index=0"), fitting=STREAM),
    Sample(
        name="a picture", message=Part(body=b"\xff\xd8\xff", headers={"content-type": "image/jpeg"}), fitting=STREAM
    ),
    Sample(
        name="keep alive",
        message=pushed(sample_json("dahua", "itsapi_KeepAlive.json"), "/NotificationInfo/KeepAlive"),
        fitting=PUSHES,
        said=(DeviceStatus(online=True),),
    ),
    answer("accepted", answered("OK\r\n"), Accepted(command="c1", at=NOW)),
    answer("refused", answered("Error\r\nBad Request!", 400), failed(Outcome.REFUSED, "Error Bad Request!")),
    answer("not of this model", answered("", 501), failed(Outcome.REFUSED, "http 501")),
    answer("credentials refused", answered("Invalid Authority!", 401), failed(Outcome.FAULT, CREDENTIALS_REFUSED)),
    answer("a fault", answered("", 500), failed(Outcome.FAULT, "http 500")),
    answer("listed", answered("RecNo=12", order="list.7.1.1"), ListTaken(version=7, number=1, of=1, taken=True)),
    answer(
        "not listed",
        answered("Error", 400, order="list.7.1.1"),
        ListTaken(version=7, number=1, of=1, taken=False, detail="Error"),
    ),
    answer("taken out first, whether it was there or not", answered("Error", 400, order="list.7.1.1/out")),
)

CASES = Cases(
    vendor="dahua",
    samples=SAMPLES,
    told=(
        Told(
            order=a_command(Action.OPEN, show=("浙A12345",)),
            fitting=PUSHES,
            sent=(snap("action=openStrobe&channel=1&info.openType=Normal&info.plateNumber="),),
        ),
        Told(
            order=a_command(Action.CLOSE, lane="out-1"),
            fitting=TWO_LANES,
            sent=(snap("action=closeStrobe&channel=2"),),
        ),
        Told(order=a_command(Action.HOLD_OPEN), fitting=PUSHES, sent="not_supported"),
        Told(order=Receipt(events=("e1",)), fitting=PUSHES, sent=()),
        Told(
            order=a_list("粤B7K2M9"),
            fitting=PUSHES,
            sent=(
                record(f"action=removeEx&name=TrafficRedList&PlateNumber={YUE}", "list.7.1.1/out"),
                record(
                    f"action=insert&name=TrafficRedList&PlateNumber={YUE}&MasterOfCar=-&AuthorityList.OpenGate=true"
                    "&BeginTime=2026-10-29%2016:00:02&CancelTime=2026-12-31%2023:59:59",
                    "list.7.1.1",
                ),
            ),
        ),
        Told(
            order=a_delta(remove=("粤B7K2M9",)),
            fitting=PUSHES,
            sent=(record(f"action=removeEx&name=TrafficRedList&PlateNumber={YUE}", "list.8.1.1"),),
        ),
    ),
    replied=tuple(
        Replied(
            name=name,
            message=message,
            fitting=PUSHES,
            reply=Reply(
                headers=(("Content-Type", "application/json"),),
                body=as_json(sample_json("dahua", "itsapi_reply.json") | {"result": "true"}),
            ),
            quarantined=quarantined,
        )
        for name, message, quarantined in (
            ("a push", pushed(PUSH), False),
            ("keep alive", pushed({}, "/NotificationInfo/KeepAlive"), False),
            ("garbage, too", pushed([]), True),
        )
    ),
    noise=(
        Noise(name="MQTT", message=Published(topic="a", payload=b"{}"), fitting=PUSHES, code="bad_path"),
        Noise(name="another path", message=pushed(PUSH, "/x"), fitting=PUSHES, code="bad_path"),
        Noise(name="nothing in it", message=pushed({}), fitting=PUSHES, code="not_in_schema"),
        Noise(name="no instant of this calendar", message=a_push("SnapInfo", AccurateTime="2026-02-30 10:00:00"), fitting=PUSHES, code="not_in_schema"),
        Noise(name="no event", message=Part(body=b"Hello"), fitting=STREAM, code="not_in_schema"),
        Noise(name="broken JSON", message=Part(body=b"Code=TrafficJunction;action=Pulse;index=0;data={a}"), fitting=STREAM, code="not_json"),
        Noise(name="a lane of nobody", message=a_push("SnapInfo", LanNo=9), fitting=TWO_LANES, code="unknown_lane"),
    ),
    unread=lambda word: Sample(name=word, message=a_push("Plate", PlateNumber=word), fitting=PUSHES),
    words_without_plate=("Unlicensed",),
    coloured=lambda word: Sample(name=word, message=a_push("Plate", PlateColor=word), fitting=PUSHES),
    colours={
        "Blue": "blue", "Yellow": "yellow", "White": "white", "Black": "black", "Green": "green",
        "YellowGreen": "yellow_green", "Other": None, "": None,
    },
)  # fmt: skip
