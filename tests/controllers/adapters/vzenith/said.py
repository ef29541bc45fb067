"""What a camera of Vzenith says, by broker and by HTTP: reads, heartbeats, replies, polls, and what is none of these."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from controllers.adapters.port import Accepted, FittedLane, ListTaken, Posted, Published
from controllers.events import BarrierState, CommandResult, DeviceStatus, Outcome
from tests.controllers.adapters.vzenith.fitted import HTTP, LEGACY, MQTT, RICH, SERIAL_FIRST, SN
from tests.controllers.conformance.cases import EXPECTED, Noise, Sample, a_fitting, as_json, sample_bytes, sample_json

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


NOISE = (
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
)
