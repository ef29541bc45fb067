"""Vzenith through the suite of all devices."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from controllers.adapters import ledboard
from controllers.adapters.port import Accepted, FittedLane, ListPart, ListTaken, Posted, Publish, Published, Reply
from controllers.commands import Action, Reason, Receipt
from controllers.events import BarrierState, CommandResult, DeviceStatus, Outcome
from tests.controllers.conformance.cases import (
    EXPECTED,
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

ENVELOPE_AT = datetime(2026, 10, 29, 8, 0, 1, tzinfo=UTC)
ALIVE = DeviceStatus(online=True, at=ENVELOPE_AT)


def up(document: Any, name: str = "ivs_result", layout: str = "device/{sn}/message/up/{name}") -> Published:
    return Published(topic=layout.format(sn=SN, name=name), payload=as_json(document))


def reply(name: str, document: Any) -> Published:
    return up(document, name, "device/{sn}/message/down/{name}/reply")


def posted(body: bytes, content_type: str = "application/json") -> Posted:
    return Posted(method="POST", path="/", body=body, headers={"content-type": content_type})


def read(file: str, fitting=MQTT, **more: Any) -> Sample:
    return Sample(
        name=file,
        message=up(sample_json("vzenith", file)),
        fitting=fitting,
        expected=EXPECTED[f"vzenith/{file}"],
        **more,
    )


def a_read(**fields: Any) -> Published:
    document = sample_json("vzenith", "mqtt_up_ivs_result_blue.json")
    document["payload"]["AlarmInfoPlate"]["result"]["PlateResult"] |= fields
    return up(document)


def without_picture(document: Any) -> Any:
    result = document["payload"]["AlarmInfoPlate"]["result"]["PlateResult"]
    del result["full_image_content"], result["small_image_content"]
    return document


def unread(word: str) -> Sample:
    return Sample(name=word, message=a_read(license=b64encode(word.encode()).decode()), fitting=MQTT)


def envelope(id_: str, name: str, body: Any) -> bytes:
    payload = None if body is None else {"type": name, "body": body}
    return as_json({"id": id_, "sn": SN, "name": name, "version": "1.0", "timestamp": 1793260802, "payload": payload})


def down(id_: str, name: str, body: Any, layout: str = "device/{sn}/message/down/{name}") -> Publish:
    return Publish(topic=layout.format(sn=SN, name=name), payload=envelope(id_, name, body))


def serial(rows: tuple[str, ...], voice: str | None) -> list[dict[str, Any]]:
    frame = ledboard.frame(rows, voice)
    assert frame is not None
    return [{"serialChannel": 0, "data": b64encode(frame).decode(), "dataLen": len(frame)}]


def response(**told: Any) -> Reply:
    return Reply(
        headers=(("Content-Type", "application/json; charset=utf-8"),),
        body=as_json(
            {"Response_AlarmInfoPlate": {"info": "no", "is_pay": "false", "content": "retransfer_stop"} | told}
        ),
    )


IDLE = Reply(headers=(("Content-Type", "application/json; charset=utf-8"),), body=b'{"status":"ok"}')
PULSE = {"io": 0, "value": 2, "delay": 500}
BLUE = "mqtt_up_ivs_result_blue.json"
QUICK = Sample(
    name="quick",
    message=up(without_picture(sample_json("vzenith", BLUE)), "quick_ivs_result"),
    fitting=MQTT,
    expected=EXPECTED[f"vzenith/{BLUE}"],
)
HISTORY_PUSHED = sample_json("vzenith", "http_push_AlarmInfoPlate.json")
HISTORY_PUSHED["AlarmInfoPlate"]["result"]["PlateResult"] |= {"isoffline": 1, "plateid": 594786}
PUSH = posted(sample_bytes("vzenith", "http_push_AlarmInfoPlate.json"))
PUSH_EVENT = "594785-1793260800"
POLL_FIELDS = sample_json("vzenith", "http_comet_poll.json") | {"pass_wd": "s3cret-word"}
POLL = posted(urlencode(POLL_FIELDS).encode(), "application/x-www-form-urlencoded")
BOUNDARY = "------------------------caa771fe4a61f3d9"
POLL_IN_PARTS = posted(
    "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in POLL_FIELDS.items()
    ).encode()
    + f"--{BOUNDARY}--\r\n".encode(),
    f"multipart/form-data; boundary={BOUNDARY}",
)
RECORD = {
    "plate": "粤B7K2M9", "enable": 1, "need_alarm": 0,
    "enable_time": "2026-10-29 16:00:02", "overdue_time": "2026-12-31 23:59:59",
}  # fmt: skip
SEGMENTS = {"time_seg_enable": 0, "seg_time_start": "00:00:00", "seg_time_end": "00:00:00", "context": ""}

SAMPLES = (
    read(BLUE),
    read("mqtt_up_ivs_result_newenergy_offline.json"),
    read("mqtt_up_ivs_result_noplate.json"),
    QUICK,
    Sample(
        name="serial first",
        message=up(sample_json("vzenith", BLUE), layout="{sn}/device/message/up/{name}"),
        fitting=SERIAL_FIRST,
        expected=EXPECTED[f"vzenith/{BLUE}"],
    ),
    Sample(
        name="wrapped in a body",
        message=up(
            sample_json("vzenith", BLUE)
            | {"payload": {"type": "ivs_result", "body": sample_json("vzenith", BLUE)["payload"]}}
        ),
        fitting=MQTT,
        expected=EXPECTED[f"vzenith/{BLUE}"],
    ),
    Sample(
        name="legacy",
        message=Published(topic="/device/push/result", payload=sample_bytes("vzenith", "mqtt_old_push_result.json")),
        fitting=LEGACY,
        expected=EXPECTED["vzenith/mqtt_old_push_result.json"] | {"captured_at": "2026-10-29T16:00:00.361+08:00"},
    ),
    Sample(name="http push", message=PUSH, fitting=HTTP, expected=EXPECTED["vzenith/http_push_AlarmInfoPlate.json"]),
    Sample(
        name="http history",
        message=posted(as_json(HISTORY_PUSHED)),
        fitting=HTTP,
        expected={"plate": "粤B7K2M9", "live": False, "dedupe": [SN, 594786]},
    ),
    Sample(
        name="opened by its own list while offline",
        message=a_read(plateid=594788, isoffline=1, gioouts=[{"ionum": 0, "ctrltype": 2}]),
        fitting=MQTT,
        expected={"plate": "粤B7K2M9", "live": False, "device_opened": True},
    ),
    Sample(
        name="a picture of a plate",
        message=a_read(plateid=594789, is_fake_plate=1),
        fitting=MQTT,
        expected={"plate": None, "live": True},
    ),
    Sample(name="no longer lingers", message=a_read(triggerType=65), fitting=MQTT),
    Sample(
        name="keep alive",
        message=up(sample_json("vzenith", "mqtt_up_keep_alive.json"), "keep_alive"),
        fitting=MQTT,
        said=(DeviceStatus(online=True, at=ENVELOPE_AT.replace(second=10)),),
    ),
    Sample(
        name="keep alive of the other kind",
        message=up(sample_json("vzenith", "mqtt_up_keep_alive.json"), "keep_alive", "$/device/{sn}/message/up/{name}"),
        fitting=MQTT,
        said=(DeviceStatus(online=True, at=ENVELOPE_AT.replace(second=10)),),
    ),
    Sample(
        name="legacy heartbeat",
        message=Published(
            topic="/device/push/result", payload=as_json({"AlarmInfoPlate": {"serialno": SN, "heartbeat": 1}})
        ),
        fitting=LEGACY,
        said=(DeviceStatus(online=True),),
    ),
    Sample(
        name="an input that nobody has wired to a switch",
        message=up(sample_json("vzenith", "mqtt_up_gpio_in.json"), "gpio_in"),
        fitting=MQTT,
        said=(ALIVE,),
    ),
    Sample(
        name="an input wired to the switch at the bottom",
        message=up(sample_json("vzenith", "mqtt_up_gpio_in.json"), "gpio_in"),
        fitting=RICH,
        said=(DeviceStatus(online=True, at=ENVELOPE_AT, barrier={"in-1": BarrierState.CLOSED}),),
    ),
    Sample(
        name="a barrier state that nobody has tried out",
        message=up(sample_json("vzenith", "mqtt_up_barr_gate_status.json"), "barr_gate_status"),
        fitting=MQTT,
        said=(ALIVE,),
    ),
    Sample(
        name="a barrier state",
        message=up(sample_json("vzenith", "mqtt_up_barr_gate_status.json"), "barr_gate_status"),
        fitting=RICH,
        said=(DeviceStatus(online=True, at=ENVELOPE_AT, barrier={"in-1": BarrierState.OPEN}),),
    ),
    Sample(
        name="accepted",
        message=reply("gpio_out", sample_json("vzenith", "mqtt_down_gpio_out_reply.json")),
        fitting=MQTT,
        said=(Accepted(command="c0ffee00-0001", at=ENVELOPE_AT),),
    ),
    Sample(
        name="refused",
        message=reply("gpio_out", sample_json("vzenith", "mqtt_down_gpio_out_reply.json") | {"code": 404}),
        fitting=MQTT,
        said=(CommandResult(command="c0ffee00-0001", outcome=Outcome.REFUSED, at=ENVELOPE_AT, detail="code 404"),),
    ),
    Sample(
        name="the display's reply", message=reply("serial_data", {"id": "c1/show", "sn": SN, "code": 200}), fitting=MQTT
    ),
    Sample(
        name="a part of a list is taken",
        message=reply("white_list_operator", {"id": "list.7.1.2", "sn": SN, "code": 200}),
        fitting=MQTT,
        said=(ListTaken(version=7, number=1, of=2, taken=True),),
    ),
    Sample(name="a poll", message=POLL, fitting=HTTP, said=(DeviceStatus(online=True),)),
    Sample(name="a poll in parts", message=POLL_IN_PARTS, fitting=HTTP, said=(DeviceStatus(online=True),)),
    Sample(
        name="a poll in JSON", message=posted(as_json(POLL_FIELDS)), fitting=HTTP, said=(DeviceStatus(online=True),)
    ),
)

TOLD = (
    Told(order=a_command(Action.OPEN), fitting=MQTT, sent=(down("c1", "gpio_out", PULSE),)),
    Told(
        order=a_command(Action.OPEN),
        fitting=SERIAL_FIRST,
        sent=(down("c1", "gpio_out", PULSE, "{sn}/device/message/down/{name}"),),
    ),
    Told(order=a_command(Action.OPEN), fitting=DIRECT, sent=(down("c1", "gate_direct_open", None),)),
    Told(
        order=a_command(Action.OPEN, show=("粤B7K2M9", "欢迎光临"), say="欢迎光临"),
        fitting=RICH,
        sent=(
            down("c1", "gpio_out", PULSE),
            down(
                "c1/show", "serial_data", {"interval": 50, "serialData": serial(("粤B7K2M9", "欢迎光临"), "欢迎光临")}
            ),
        ),
    ),
    Told(
        order=a_command(Action.SHOW, say="欢迎光临"),
        fitting=RICH,
        sent=(
            down("c1", "serial_data", sample_json("vzenith", "mqtt_down_serial_data_voice.json")["payload"]["body"]),
        ),
    ),
    Told(
        order=a_command(Action.HOLD_OPEN),
        fitting=MQTT,
        sent=(
            down(
                "c1",
                "set_io_lock_status",
                sample_json("vzenith", "mqtt_down_set_io_lock_status.json")["payload"]["body"],
            ),
        ),
    ),
    Told(
        order=a_command(Action.RELEASE),
        fitting=DIRECT,
        sent=(down("c1", "io_lock", [{"ioout": 0, "status": 0}]), down("c1/reset", "gpio_out", PULSE)),
    ),
    Told(order=a_command(Action.CLOSE), fitting=RICH, sent=(down("c1", "gpio_out", PULSE | {"io": 1}),)),
    Told(order=a_command(Action.CLOSE), fitting=MQTT, sent="not_supported"),
    Told(order=a_command(Action.SHOW, show=("满",)), fitting=MQTT, sent="not_supported"),
    Told(
        order=a_command(Action.OPEN),
        fitting=LEGACY,
        sent=(
            Publish(
                topic=f"/device/{SN}/command",
                payload=as_json(
                    {"Response_AlarmInfoPlate": {"info": "ok", "channelNum": 0, "delay": 500, "msgId": "c1"}}
                ),
            ),
        ),
    ),
    Told(order=a_command(Action.HOLD_OPEN), fitting=LEGACY, sent="not_supported"),
    Told(order=a_command(Action.OPEN), fitting=HTTP, sent="only_in_answer"),
    Told(order=a_command(Action.OPEN), fitting=a_fitting(), sent="not_supported"),
    Told(order=Receipt(events=("594785-1793260800",)), fitting=MQTT, sent=()),
    Told(
        order=a_list("粤B7K2M9"),
        fitting=MQTT,
        sent=(
            down(
                "list.7.1.1", "white_list_operator", {"operator_type": "update_or_add", "dldb_rec": [RECORD | SEGMENTS]}
            ),
        ),
    ),
    Told(
        order=a_delta(remove=("粤B7K2M9", "沪AD12345")),
        fitting=MQTT,
        sent=(
            down("list.8.1.1/1", "white_list_operator", {"operator_type": "delete", "plate": "粤B7K2M9"}),
            down("list.8.1.1", "white_list_operator", {"operator_type": "delete", "plate": "沪AD12345"}),
        ),
    ),
)

OPEN_FOR_PUSH = a_command(Action.OPEN, event=PUSH_EVENT, show=("粤B7K2M9", "欢迎光临"), say="欢迎光临")
REPLIED = (
    Replied(
        name="decided: open",
        message=PUSH,
        fitting=HTTP_BOARD,
        orders=(OPEN_FOR_PUSH,),
        reply=response(
            info="ok",
            channelNum=0,
            is_pay="true",
            content="粤B7K2M9 欢迎光临",
            serialData=serial(("粤B7K2M9", "欢迎光临"), "欢迎光临"),
            plateid=594785,
        ),
    ),
    Replied(
        name="decided: pay first",
        message=PUSH,
        fitting=HTTP,
        orders=(a_command(Action.SHOW, event=PUSH_EVENT, show=("请缴费",), reason=Reason.PAYMENT_DUE),),
        reply=response(info="wait", content="请缴费", plateid=594785),
    ),
    Replied(
        name="decided: not registered",
        message=PUSH,
        fitting=HTTP,
        orders=(a_command(Action.SHOW, event=PUSH_EVENT, reason=Reason.NOT_REGISTERED),),
        reply=response(plateid=594785),
    ),
    Replied(name="not decided in time", message=PUSH, fitting=HTTP, reply=response(plateid=594785)),
    Replied(
        name="an opening for another read does not ride",
        message=PUSH,
        fitting=HTTP,
        orders=(a_command(Action.OPEN, event="another"),),
        reply=response(plateid=594785),
    ),
    Replied(
        name="history goes on",
        message=posted(as_json(HISTORY_PUSHED)),
        fitting=HTTP,
        reply=response(plateid=594786, ContinuePushOffline={"plateid": 594786, "continue": 1}),
    ),
    Replied(name="an idle poll", message=POLL, fitting=HTTP, reply=IDLE),
    Replied(
        name="an opening rides on a poll",
        message=POLL,
        fitting=HTTP_SPEAKER,
        orders=(a_command(Action.OPEN, event="another", say="请通行"),),
        reply=response(
            info="ok",
            channelNum=0,
            is_pay="true",
            playserver_json_request={
                "type": "ps_voice_play",
                "voice": b64encode("请通行".encode()).decode(),
                "voice_interval": 0,
                "voice_volume": 100,
                "voice_male": 1,
            },
        ),
    ),
    Replied(
        name="held open",
        message=POLL,
        fitting=HTTP,
        orders=(a_command(Action.HOLD_OPEN),),
        reply=response(ivs_ioctrl={"io": 0, "value": 1, "delay": 0}),
    ),
    Replied(
        name="released",
        message=POLL,
        fitting=HTTP,
        orders=(a_command(Action.RELEASE),),
        reply=response(ivs_ioctrl={"io": 0, "value": 0, "delay": 0}),
    ),
    Replied(
        name="lowered",
        message=POLL,
        fitting=HTTP_BOARD,
        orders=(a_command(Action.CLOSE),),
        reply=response(
            ivs_ioctrl=sample_json("vzenith", "http_reply_close_via_io.json")["Response_AlarmInfoPlate"]["ivs_ioctrl"]
        ),
    ),
    Replied(
        name="a piece of the list",
        message=POLL,
        fitting=HTTP,
        orders=(ListPart(version=7, number=1, of=1, add=a_list("粤B7K2M9").entries),),
        reply=response(white_list_operate={"operate_type": 0, "white_list_data": [RECORD]}),
    ),
    Replied(name="garbage", message=posted(b"{"), fitting=HTTP, reply=IDLE, quarantined=True),
)

CASES = Cases(
    vendor="vzenith",
    samples=SAMPLES,
    told=TOLD,
    replied=REPLIED,
    noise=(
        Noise(name="a foreign topic", message=Published(topic="a/b", payload=b"{}"), fitting=MQTT, code="bad_topic"),
        Noise(
            name="the payload names another",
            message=up(sample_json("vzenith", BLUE) | {"sn": "another"}),
            fitting=MQTT,
            code="other_device",
        ),
        Noise(
            name="the shared topic without being legacy",
            message=Published(topic="/device/push/result", payload=b"{}"),
            fitting=MQTT,
            code="bad_topic",
        ),
        Noise(name="no number", message=a_read(plateid=None), fitting=MQTT, code="not_in_schema"),
        Noise(name="not base64", message=a_read(license="!"), fitting=MQTT, code="not_in_schema"),
        Noise(
            name="a clock that was never set",
            message=a_read(timeStamp={"Timeval": {"sec": 1000, "usec": 0}}),
            fitting=MQTT,
            code="not_in_schema",
        ),
        Noise(
            name="history without an instant",
            message=a_read(isoffline=1, timeStamp=None),
            fitting=MQTT,
            code="not_in_schema",
        ),
        Noise(
            name="a channel of nobody",
            message=a_read(),
            fitting=a_fitting(FittedLane(id="in-1", inward=True, channel=3), serial=SN),
            code="unknown_lane",
        ),
        Noise(name="fetched", message=Posted(method="GET", path="/", body=b""), fitting=HTTP, code="bad_path"),
    ),
    unread=unread,
    coloured=lambda number: Sample(name=str(number), message=a_read(colorType=number), fitting=MQTT),
    colours={0: None, 1: "blue", 2: "yellow", 3: "white", 4: "black", 5: "green", 6: "yellow_green", 99: None},
    two_parts=((QUICK, read(BLUE)),),
    secrets=(b"s3cret-word",),
)
