"""What is sent to a camera of Vzenith through its broker."""

from __future__ import annotations

from typing import Any

from controllers.adapters.port import Publish
from controllers.commands import Action, Receipt
from tests.controllers.adapters.vzenith.fitted import DIRECT, HTTP, LEGACY, MQTT, RECORD, RICH, SERIAL_FIRST, SN, serial
from tests.controllers.conformance.cases import Told, a_command, a_delta, a_fitting, a_list, as_json, sample_json


def envelope(id_: str, name: str, body: Any) -> bytes:
    payload = None if body is None else {"type": name, "body": body}
    return as_json({"id": id_, "sn": SN, "name": name, "version": "1.0", "timestamp": 1793260802, "payload": payload})


def down(id_: str, name: str, body: Any, layout: str = "device/{sn}/message/down/{name}") -> Publish:
    return Publish(topic=layout.format(sn=SN, name=name), payload=envelope(id_, name, body))


PULSE = {"io": 0, "value": 2, "delay": 500}
SEGMENTS = {"time_seg_enable": 0, "seg_time_start": "00:00:00", "seg_time_end": "00:00:00", "context": ""}

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
