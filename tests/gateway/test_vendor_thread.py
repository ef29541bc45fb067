"""What the thread of other vendors' devices owes to whom, and when: without a broker, one turn after the other."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from controllers.adapters import native
from controllers.commands import Action
from controllers.events import PlateEvent
from gateway.bridge.inbox import Inbox
from gateway.bridge.link import Raw
from gateway.bridge.vendor_topics import VendorTopics
from gateway.bridge.worker import Worker
from gateway.flows import emergencies, estate, staff_commands
from gateway.flows.charges_books import By
from gateway.flows.losses import Losses
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.mqtt_street import NOW, cameras_of
from tests.gateway.test_worker import WireTap
from tests.gateway.trade import Street

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PLATE = "浙B77777"


class Tap(WireTap):
    """Stands in for the link."""

    def __init__(self) -> None:
        super().__init__()
        self.topics: frozenset[str] = frozenset()
        self.fresh: list[int | None] = []
        self.renewed = 0

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, fresh_seconds: int | None = None
    ) -> int | None:
        self.fresh.append(fresh_seconds)
        return super().publish(topic, payload, retain=retain)

    def also(self, topics: frozenset[str]) -> None:
        self.topics = topics

    def renew(self) -> None:
        self.renewed += 1

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for _, payload in self.published]


class Thread:
    """The vendors' thread and the worker, each turned by hand."""

    def __init__(self, parts: Parts, vendor: str, *features: str, inbox_max: int = 1_000) -> None:
        self.parts, self.street = parts, Street(parts)
        estate.apply(parts, cameras_of(vendor, *features))
        self.clock = self.street.clock
        self.clock.set(NOW)
        inbox: Inbox[Any] = Inbox(inbox_max)
        self.tap = Tap()
        self.losses = Losses(parts)
        self.vendors = VendorTopics(parts, inbox, lost=self.losses.count)
        self.vendors.attach(self.tap)  # type: ignore[arg-type]
        self.worker = Worker(parts, inbox=inbox, planner="bridge-1", vendors=self.vendors)
        self.worker.attach(self.tap)  # type: ignore[arg-type]
        self._mid = 0

    def comes(self, topic: str, document: Any) -> int:
        """A message of a camera; its number at the broker."""
        self._mid += 1
        payload = document if isinstance(document, bytes) else json.dumps(document).encode()
        raw = Raw(topic, payload, False, self.clock.now(), self._mid, self._mid, self.tap)  # type: ignore[arg-type]
        assert self.vendors.take(raw)
        self.vendors.turn()
        return self._mid

    def works(self) -> None:
        """The worker decides and stores; what it made due leaves."""
        self.worker.turn()
        self.vendors.turn()

    def rows(self, table: Any) -> list[Any]:
        with self.parts.store.reading() as connection:
            return list(connection.execute(select(table.__table__)))


def a_read(**more: Any) -> dict[str, Any]:
    read = {"cmd": "result", "msg_id": "m1", "type": "online", "plate_num": PLATE, "inout": "in", "sn": "SN-in-1"}
    return read | {"utc_ts": int(NOW.timestamp())} | more


def a_vzenith_read(name: str, plate: str | None, **more: Any) -> tuple[str, dict[str, Any]]:
    result = {
        "license": b64encode((plate or "").encode()).decode(), "plateid": 7, "isoffline": 0,
        "timeStamp": {"Timeval": {"sec": int(NOW.timestamp()), "usec": 0}},
    }  # fmt: skip
    body = {"AlarmInfoPlate": {"result": {"PlateResult": result | more}, "serialno": "SN-in-1"}}
    return f"device/SN-in-1/message/up/{name}", {"sn": "SN-in-1", "name": name, "payload": {"body": body}}


def test_nothing_is_acknowledged_or_answered_before_it_is_stored(parts: Parts) -> None:
    thread = Thread(parts, "qianyi")
    mid = thread.comes("aiot/plate/SN-in-1", a_read())
    assert (thread.tap.acknowledged, thread.tap.published) == ([], [])
    thread.works()
    assert thread.tap.acknowledged == [mid]
    assert [one["cmd"] for one in thread.tap.told()] == ["iooutput", "result_rsp"]
    assert len(thread.rows(t.PlateEventRow)) == 1
    again = thread.comes("aiot/plate/SN-in-1", a_read())
    thread.works()
    assert thread.tap.acknowledged == [mid, again]
    assert [one["cmd"] for one in thread.tap.told()] == ["iooutput", "result_rsp", "result_rsp"]


def test_a_registration_is_answered_at_once_and_believed_in_nothing(parts: Parts) -> None:
    thread = Thread(parts, "qianyi")
    thread.comes(
        "/serverAll", {"cmd": "camera_register", "msg_id": "r", "sn": "SN-in-1", "subtopic": "device/plate/SN-out-1"}
    )
    assert [(topic, json.loads(payload)["cmd"]) for topic, payload in thread.tap.published] == [
        ("device/plate/SN-in-1", "camera_register_rsp")
    ]
    assert thread.tap.acknowledged == [1]
    thread.comes("/serverAll", {"cmd": "camera_register", "msg_id": "r", "sn": "stranger"})
    for _ in range(50):
        if not thread.rows(t.Quarantine):
            thread.works()
    assert len(thread.tap.published) == 1
    assert [(one.site_id, one.code) for one in thread.rows(t.Quarantine)] == [("", "other_device")]
    assert thread.rows(t.DeviceState) == []


def test_who_connected_before_anybody_listened_is_greeted_once(parts: Parts) -> None:
    thread = Thread(parts, "xinlutong")
    read = {
        "command": "Image",
        "requestId": "e1",
        "data": json.dumps({"plateNo": PLATE}),
        "time": "2026-10-29 16:00:02",
    }
    thread.comes("upload/SN-in-1", read)
    for _ in range(2):
        thread.comes("upload/SN-in-1", {"command": "Rtd", "data": "{}"})
    assert [(one["command"], one["data"]) for one in thread.tap.told()] == [("Config", '{"enableReply":1}')]


def test_a_first_message_without_its_plate_waits_and_is_acknowledged_with_the_fuller(parts: Parts) -> None:
    thread = Thread(parts, "vzenith")
    thread.comes(*a_vzenith_read("quick_ivs_result", None))
    thread.works()
    assert (thread.tap.acknowledged, thread.rows(t.PlateEventRow)) == ([], [])
    thread.comes(*a_vzenith_read("ivs_result", PLATE, colorType=1))
    thread.works()
    assert sorted(thread.tap.acknowledged) == [1, 2]
    assert [(one.plate, one.decision) for one in thread.rows(t.PlateEventRow)] == [(PLATE, "open")]
    assert [one["name"] for one in thread.tap.told()] == ["gpio_out"]


def test_a_first_message_whose_fuller_never_comes_is_decided_as_it_is(parts: Parts) -> None:
    thread = Thread(parts, "vzenith")
    thread.comes(*a_vzenith_read("quick_ivs_result", None))
    thread.clock.advance(seconds=2)
    thread.vendors.turn()
    thread.works()
    assert thread.tap.acknowledged == [1]
    assert [(one.plate, one.decision) for one in thread.rows(t.PlateEventRow)] == [(None, "refuse")]


def test_what_cannot_be_read_is_kept_and_answered_so_that_it_does_not_come_again(parts: Parts) -> None:
    thread = Thread(parts, "qianyi")
    thread.comes("aiot/plate/SN-in-1", a_read(utc_ts=10**30))
    thread.comes("aiot/plate/SN-in-1", b"\xff")
    thread.comes("aiot/plate/nobody", a_read())
    assert thread.tap.acknowledged == []
    for _ in range(50):  # nobody hurries for a stranger
        if len(thread.tap.acknowledged) < 3:
            thread.works()
    assert sorted(thread.tap.acknowledged) == [1, 2, 3]
    assert [one["cmd"] for one in thread.tap.told()] == ["result_rsp"]
    assert sorted((one.device_id, one.code) for one in thread.rows(t.Quarantine)) == [
        ("", "bad_topic"), ("cam-in-1", "not_in_schema"), ("cam-in-1", "not_utf8"),
    ]  # fmt: skip


def test_a_command_leaves_once_and_only_while_it_is_fresh_and_somebody_is_there(parts: Parts) -> None:
    thread = Thread(parts, "xinlutong")
    asked = staff_commands.Asked(action=Action.OPEN, reason="stuck")
    by = By(operator="li", role="console")
    thread.tap.connected = False
    staff_commands.command(parts, "xinyi.in-1", asked, by)
    thread.worker.look_at_outbox()
    thread.works()
    assert [one.state for one in thread.rows(t.CommandRow)] == ["planned"]
    thread.tap.connected = True
    for _ in range(3):  # the outbox offers it again until it has looked
        thread.worker.look_at_outbox()
        thread.works()
    assert [(one["command"], fresh) for one, fresh in zip(thread.tap.told(), thread.tap.fresh[-1:], strict=True)] == [
        ("Open", 8)
    ]
    assert [one.state for one in thread.rows(t.CommandRow)] == ["sent"]
    thread.clock.advance(seconds=60)
    thread.tap.connected = False
    staff_commands.command(parts, "xinyi.in-1", asked, by)
    thread.worker.look_at_outbox()
    thread.works()
    thread.clock.advance(seconds=8)
    thread.tap.connected = True
    thread.worker.look_at_outbox()
    thread.works()
    thread.works()
    assert len(thread.tap.published) == 1
    assert sorted(one.state for one in thread.rows(t.CommandRow)) == ["expired", "sent"]


def test_what_has_no_display_has_shown_it_and_what_cannot_hold_opens_in_an_emergency(parts: Parts) -> None:
    thread = Thread(parts, "xinlutong")
    by = By(operator="li", role="console")
    shown = staff_commands.Asked(action=Action.SHOW, reason="closed today", show=("今日封闭",))
    staff_commands.command(parts, "xinyi.in-1", shown, by)
    emergencies.declare(parts, ["xinyi"], "fire", by)
    for _ in range(3):
        thread.worker.look_at_outbox()
        thread.works()
    became = sorted((one.action, one.state, one.detail) for one in thread.rows(t.CommandRow))
    assert became == [("hold_open", "sent", None), ("hold_open", "sent", None), ("show", "done", "no_display")]
    assert sorted((topic, json.loads(payload)["command"]) for topic, payload in thread.tap.published) == [
        ("download/SN-in-1", "Open"),
        ("download/SN-out-1", "Open"),
    ]


def test_topics_follow_the_site_file(parts: Parts) -> None:
    thread = Thread(parts, "xinlutong")
    assert thread.tap.topics == {"upload/SN-in-1", "upload/SN-out-1"}
    estate.apply(parts, cameras_of("qianyi"))
    thread.vendors.look()
    assert thread.tap.topics == {"/serverAll", "aiot/plate/SN-in-1", "aiot/plate/SN-out-1"}
    estate.apply(parts, cameras_of("native"))
    thread.vendors.look()
    assert thread.tap.topics == frozenset()


def test_a_read_is_native_to_whoever_looks_at_the_quarantine(parts: Parts) -> None:
    """The same id with another plate: the first stands, and what is kept can be replayed."""
    thread = Thread(parts, "xinlutong")
    said = {"command": "Image", "requestId": "e1", "time": f"{NOW + timedelta(hours=8):%Y-%m-%d %H:%M:%S}"}
    for plate in (PLATE, "浙B77778"):
        thread.comes("upload/SN-in-1", said | {"data": json.dumps({"plateNo": plate})})
    thread.works()
    (kept,) = thread.rows(t.Quarantine)
    read = native.decode_event(native.Address("xinyi", "cam-in-1", "event"), bytes(kept.payload))
    assert isinstance(read, PlateEvent)
    assert (kept.code, read.plate) == ("other_content", "浙B77778")


def test_a_clock_that_is_off_is_put_right_where_the_vendor_has_an_order_for_it(parts: Parts) -> None:
    """In its own time zone, at once or not at all, and not again before it can have had an effect."""
    thread = Thread(parts, "vzenith")

    def beats(seconds: int) -> list[dict[str, Any]]:
        before = len(thread.tap.published)
        at = int(thread.clock.now().timestamp()) + seconds
        said = {
            "id": "k",
            "sn": "SN-in-1",
            "name": "keep_alive",
            "timestamp": at,
            "payload": {"body": {"timestamp": at}},
        }
        thread.comes("device/SN-in-1/message/up/keep_alive", said)
        return thread.tap.told()[before:]

    assert beats(0) == beats(-1) == []
    (told,) = beats(-90)
    local = thread.clock.now().astimezone(parts.settings.zone)
    body = {name: f"{getattr(local, part):02}" for name, part in _PARTS.items()}
    assert (told["name"], told["payload"]) == ("set_time", {"type": "set_time", "body": body})
    assert thread.tap.published[-1][0] == "device/SN-in-1/message/down/set_time"
    assert thread.tap.fresh[-1] == 5
    assert beats(-90) == []
    thread.clock.advance(minutes=10)
    assert [one["name"] for one in beats(3)] == ["set_time"]


_PARTS = {"year": "year", "month": "month", "day": "day", "hour": "hour", "min": "minute", "sec": "second"}
