"""More of other vendors' messages than there is room for: reads before pictures, left at the broker before lost, and every loss is said."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from gateway.bridge import vendor_room
from gateway.bridge.link import Raw
from gateway.bridge.vendor_room import without_pictures
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.mqtt_street import mqtt_street
from tests.gateway.test_vendor_thread import PLATE, Thread, a_read, a_vzenith_read
from tests.servers import Mosquitto

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
JPEG = b"\xff\xd8\xff" + bytes(range(256)) * 40
BASE64 = b64encode(JPEG).decode()


def bare(document: Any) -> Any:
    return json.loads(without_pictures(json.dumps(document).encode()).payload or b"null")


def test_pictures_are_taken_out_and_nothing_else() -> None:
    said = {"plate": PLATE, "n": [1, {"pic": BASE64}], "text": "a b " * 3_000, "path": "/a/b"}
    assert bare(said) == said | {"n": [1, {"pic": ""}]}
    assert bare({"data": json.dumps({"pic": BASE64, "plateNo": PLATE})}) == {
        "data": json.dumps({"pic": "", "plateNo": PLATE})
    }
    escaped = json.dumps({"pic": BASE64, "lines": "A" * 76 + "\r\n" + BASE64}).replace("/", "\\/").encode()
    assert json.loads(without_pictures(escaped).payload or b"") == {"pic": "", "lines": ""}
    assert without_pictures(JPEG) == (None, 1)
    assert without_pictures(b"\xffnonsense" * 1_000).pictures == 0


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.just(BASE64),
        lambda of: st.lists(of) | st.dictionaries(st.text(), of),
    )
)
def test_what_is_left_is_the_same_document(document: Any) -> None:
    def emptied(one: Any) -> Any:
        if isinstance(one, dict):
            return {key: emptied(value) for key, value in one.items()}
        return [emptied(value) for value in one] if isinstance(one, list) else "" if one == BASE64 else one

    assert bare(document) == emptied(document)


def raw_of(thread: Thread, topic: str, document: Any, mid: int) -> Raw:
    return Raw(topic, json.dumps(document).encode(), False, thread.clock.now(), float(mid), mid, thread.tap)  # type: ignore[arg-type]


def a_xinlutong_read(name: str) -> tuple[str, dict[str, Any]]:
    said = {
        "command": "Image",
        "requestId": name,
        "data": json.dumps({"plateNo": PLATE}),
        "time": "2026-10-29 16:00:02",
    }
    return "upload/SN-in-1", said


def lost(thread: Thread, what: str) -> float:
    names = {"site": "xinyi", "device": "cam-in-1", "what": what}
    return thread.parts.metrics.registry.get_sample_value("parkgate_lost_total", names) or 0


def told(thread: Thread) -> list[tuple[str, str, str]]:
    thread.losses.tell()
    items = thread.rows(t.ExceptionItem)
    return [(one.kind, one.subject, one.detail) for one in items if one.kind == "messages_lost"]


@on_one_database
def test_a_read_gives_up_its_picture_and_is_stored(parts: Parts) -> None:
    thread = Thread(parts, "vzenith")
    thread.vendors.room._bytes_max = 4_000
    topic, said = a_vzenith_read("ivs_result", PLATE, full_image_content=BASE64)
    assert thread.vendors.take(raw_of(thread, topic, said, 1))
    thread.vendors.turn()
    thread.works()
    assert [(one.plate, one.decision) for one in thread.rows(t.PlateEventRow)] == [(PLATE, "open")]
    assert (thread.tap.acknowledged, thread.rows(t.Image), lost(thread, "picture")) == ([1], [], 1)
    assert told(thread) == [("messages_lost", "cam-in-1", "lost: 0 reads, 1 pictures, 0 messages beyond its allowance")]


@on_one_database
def test_what_has_no_room_stays_at_the_broker_and_is_asked_for_when_there_is(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vendor_room, "TAKEN_BACK_EVERY_SECONDS", 0)
    thread = Thread(parts, "xinlutong")
    thread.vendors.room._messages_max = 1
    waiting = [raw_of(thread, *a_xinlutong_read(f"e{number}"), number) for number in (1, 2)]
    assert [thread.vendors.take(one) for one in waiting] == [True, True]  # the network thread acknowledges neither
    thread.vendors.turn()
    assert thread.tap.renewed == 0, "the first is not stored yet"
    thread.works()
    assert (thread.tap.acknowledged, thread.tap.renewed) == ([1], 1)
    assert thread.vendors.take(waiting[1])
    thread.vendors.turn()
    thread.works()
    assert (thread.tap.acknowledged, thread.tap.renewed) == ([1, 2], 1)
    assert len(thread.rows(t.PlateEventRow)) == 2
    assert (lost(thread, "read"), told(thread)) == (0, [])


unkept = pytest.mark.parametrize(("mid", "broker_keeps"), [(0, True), (1, False)], ids=["QoS 0", "embedded"])


@on_one_database
@unkept
def test_what_no_broker_keeps_is_kept_here_without_its_picture(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, mid: int, broker_keeps: bool
) -> None:
    monkeypatch.setattr(vendor_room, "TAKEN_BACK_EVERY_SECONDS", 0)
    thread = Thread(parts, "xinlutong")
    thread.vendors.room._messages_max, thread.vendors.room._broker_keeps = 1, broker_keeps
    topic, said = a_xinlutong_read("e2")
    waiting = [raw_of(thread, *a_xinlutong_read("e1"), mid), raw_of(thread, topic, said | {"pic": BASE64}, mid)]
    assert [thread.vendors.take(one) for one in waiting] == [True, False]
    for _ in range(2):
        thread.vendors.turn()
        thread.works()
    assert len(thread.rows(t.PlateEventRow)) == 2
    assert (thread.vendors.room.left, thread.tap.renewed, lost(thread, "read"), lost(thread, "picture")) == (0, 0, 0, 1)


@on_one_database
def test_what_the_inbox_gives_up_and_no_broker_keeps_is_decided_when_there_is_room(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vendor_room, "TAKEN_BACK_EVERY_SECONDS", 0)
    thread = Thread(parts, "xinlutong", inbox_max=3)
    thread.vendors.room._broker_keeps = False
    mids = [thread.comes(*a_xinlutong_read(f"e{number}")) for number in range(1, 6)]
    assert thread.vendors.room.left == 2
    for _ in range(3):
        thread.works()
    assert len(thread.rows(t.PlateEventRow)) == 5
    assert sorted(thread.tap.acknowledged) == mids
    assert (thread.vendors.room.left, lost(thread, "read"), told(thread)) == (0, 0, [])


@on_one_database
@unkept
def test_what_nobody_keeps_is_lost_and_that_is_said(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, mid: int, broker_keeps: bool
) -> None:
    monkeypatch.setattr(vendor_room, "LEFT_MAX", 1)
    thread = Thread(parts, "xinlutong")
    thread.vendors.room._messages_max, thread.vendors.room._broker_keeps = 1, broker_keeps
    waiting = [raw_of(thread, *a_xinlutong_read(f"e{number}"), mid) for number in range(4)]
    assert [thread.vendors.take(one) for one in waiting] == [True, False, False, False]
    assert lost(thread, "read") == 2
    assert told(thread) == [("messages_lost", "cam-in-1", "lost: 2 reads, 0 pictures, 0 messages beyond its allowance")]


@on_one_database
def test_who_sends_again_is_left_with_it(parts: Parts) -> None:
    thread = Thread(parts, "qianyi")
    thread.vendors.room._messages_max = 0
    assert not thread.vendors.take(raw_of(thread, "aiot/plate/SN-in-1", a_read(), 1))
    assert (thread.vendors.room.left, lost(thread, "read")) == (0, 0)


@on_one_database
def test_what_the_inbox_gives_up_stays_at_the_broker(parts: Parts) -> None:
    """Behind a database that takes nothing: what was decoded is not acknowledged either."""
    thread = Thread(parts, "xinlutong", inbox_max=3)
    for number in range(1, 6):
        thread.comes(*a_xinlutong_read(f"e{number}"))
    assert thread.vendors.room.left == 2
    thread.works()
    stored = {one.event_id for one in thread.rows(t.PlateEventRow)}
    assert (len(stored), len(thread.tap.acknowledged), lost(thread, "read")) == (3, 3, 0)
    assert thread.tap.renewed == 0


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.mosquitto
@on_one_database
def test_at_mosquitto_every_read_of_a_burst_is_stored_though_there_is_room_for_one(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vendor_room, "TAKEN_BACK_EVERY_SECONDS", 0.1)
    broker = Mosquitto()
    try:
        with mqtt_street(parts, "xinlutong", mosquitto=broker.url) as street:
            street.bridge.vendors.room._messages_max = 1
            camera = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="burst")
            camera.connect("127.0.0.1", broker.port)
            camera.loop_start()
            for number in range(8):
                topic, said = a_xinlutong_read(f"burst-{number}")
                camera.publish(topic, json.dumps(said), qos=1).wait_for_publish(10)
            until(lambda: len(street.rows(t.PlateEventRow)) == 8)
            camera.disconnect()
            camera.loop_stop()
            assert not [one for one in street.rows(t.ExceptionItem) if one.kind == "messages_lost"]
    finally:
        broker.close()
