"""What devices over MQTT expect to hear back to what they say. (Answers to requests are in the conformance suite.)"""

from __future__ import annotations

import json
from typing import Any

import pytest

from controllers.adapters.port import Publish, Published
from controllers.adapters.qianyi import Qianyi
from controllers.adapters.xinlutong import Xinlutong
from tests.controllers.adapters.qianyi import cases as qianyi
from tests.controllers.adapters.xinlutong import cases as xinlutong
from tests.controllers.conformance.cases import NOW, a_fitting, sample_json

QIANYI, XINLUTONG = Qianyi(), Xinlutong()


def answered(adapter: Any, message: Published, fitting: Any, *, quarantined: bool = False) -> list[Any]:
    heard = None if quarantined else adapter.decode(message, fitting, NOW)
    replies = adapter.answer(message, heard, (), fitting, NOW)
    assert all(isinstance(one, Publish) and not one.retain for one in replies)
    return [(one.topic, json.loads(one.payload)) for one in replies]


@pytest.mark.parametrize("quarantined", [False, True])
def test_qianyi_is_told_that_a_read_was_taken_whatever_became_of_it(quarantined: bool) -> None:
    message = qianyi.up(sample_json("qianyi", "up_result_online.json"))
    expected = sample_json("qianyi", "down_result_rsp.json")
    assert answered(QIANYI, message, qianyi.PLAIN, quarantined=quarantined) == [(f"device/plate/{qianyi.SN}", expected)]


def test_qianyi_is_told_that_it_is_registered_on_its_own_topic_only() -> None:
    claims = sample_json("qianyi", "up_camera_register.json") | {"subtopic": "parkgate/v1/xinyi/d9/command"}
    [(topic, said)] = answered(QIANYI, qianyi.up(claims, "/serverAll"), qianyi.PLAIN)
    assert topic == f"device/plate/{qianyi.SN}"
    assert said == sample_json("qianyi", "down_camera_register_rsp.json")


@pytest.mark.parametrize(
    "message",
    [
        qianyi.up(sample_json("qianyi", "up_mqtt_herat.json")),
        qianyi.up(sample_json("qianyi", "up_iooutput_rsp.json")),
    ],
)
def test_qianyi_is_told_nothing_else(message: Published) -> None:
    assert answered(QIANYI, message, qianyi.PLAIN) == []


def test_qianyi_garbage_is_not_answered() -> None:
    for payload in (b"{", b'{"cmd":"result","msg_id":"' + b"x" * 400 + b'"}'):
        message = Published(topic=f"aiot/plate/{qianyi.SN}", payload=payload)
        assert answered(QIANYI, message, qianyi.PLAIN, quarantined=True) == []
    unknown = qianyi.up(sample_json("qianyi", "up_result_online.json"))
    assert answered(QIANYI, unknown, a_fitting()) == [], "nobody knows where to"


def test_xinlutong_is_told_to_answer_when_it_connects() -> None:
    [(topic, said)] = answered(XINLUTONG, xinlutong.sent("up_Conn.json"), xinlutong.PLAIN)
    expected = sample_json("xinlutong", "down_Config_enableReply.json")
    assert topic == f"download/{xinlutong.SN}"
    changing = {"requestId": said["requestId"], "time": "2026-10-29 16:00:02"}
    assert said == expected | changing
    assert answered(XINLUTONG, xinlutong.sent("up_Image.json"), xinlutong.PLAIN) == []
