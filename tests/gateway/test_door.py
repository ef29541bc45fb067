"""Devices that speak HTTP: decided like any other, answered when it is stored, in their own words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select

from controllers.adapters import native
from controllers.adapters.port import Posted
from controllers.commands import Action
from gateway.bridge.bridge import Bridge
from gateway.bridge.door import Door
from gateway.bridge.door_server import DoorDidNotOpen, DoorServer
from gateway.bridge.inbox import Inbox
from gateway.bridge.lists import ListKeeper
from gateway.bridge.riding import Riding
from gateway.bridge.worker import Worker
from gateway.cli.ports import free_port
from gateway.flows import estate
from gateway.publish.outbox import Waiting, claim
from gateway.runtime.settings import Settings
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.controllers.adapters.dahua import cases as dahua
from tests.controllers.adapters.hikvision import cases as hikvision
from tests.controllers.adapters.vzenith import said as vzenith
from tests.controllers.conformance.cases import a_command, as_json
from tests.gateway.one_gate import site_of
from tests.gateway.test_worker import WireTap
from tests.gateway.trade import Street
from tests.servers import PATIENCE_SECONDS

NOW = datetime(2026, 10, 29, 8, 0, 2, tzinfo=UTC)
"""A moment after the samples' reads."""
LANES = {
    "in-1": ("cam-in", "vzenith"),
    "out-1": ("cam-out", "vzenith"),
    "in-2": ("hik", "hikvision"),
    "in-3": ("dah", "dahua"),
    "in-4": ("ours", "native"),
}
SITE = site_of({lane: device for lane, (device, _) in LANES.items()}, dict(LANES.values()))


# What the database has to do with it is tried on both; the rest once.
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Bench:
    """A door on a socket, the worker behind it, and no broker."""

    def __init__(self, parts: Parts, *, answer_within_seconds: float = 20, rate: float = 0, burst: float = 0) -> None:
        self.street = Street(parts)
        self.parts = parts
        estate.apply(parts, SITE)
        self.street.clock.set(NOW)
        self.inbox: Inbox[Any] = Inbox(1_000, rate=rate, burst=burst)
        self.riding = Riding()
        self.tap = WireTap()
        self.statuses: list[Any] = []
        self.worker = Worker(
            parts, inbox=self.inbox, planner="bridge-1", riding=self.riding, on_status=self.statuses.extend
        )
        self.door = Door(parts, self.inbox, self.riding, answer_within_seconds=answer_within_seconds)
        self.server = DoorServer(self.door.app, "127.0.0.1", 0)
        self.server.start()

    def work(self) -> None:
        """From now on requests wait for as long as it takes."""
        self.door._answer_within = 20
        self.worker.start(self.tap)  # type: ignore[arg-type]

    def send(
        self, device: str, vendor: str, message: Posted, *, account: tuple[str, str] | None = None, path: str = ""
    ) -> httpx.Response:
        return httpx.request(
            message.method,
            f"http://127.0.0.1:{self.server.port}/devices/{vendor}{path}{message.path}",
            content=message.body,
            headers=dict(message.headers),
            auth=account or (f"xinyi.{device}", "not a secret"),
            timeout=30,
        )

    def rows(self, table: Any) -> list[Any]:
        with self.parts.store.reading() as connection:
            return list(connection.execute(select(table.__table__)))

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < end, "it did not come to that"
            time.sleep(0.01)

    def close(self) -> None:
        self.server.stop()
        self.worker.stop()


@pytest.fixture
def bench(parts: Parts) -> Iterator[Bench]:
    made = Bench(parts)
    made.work()
    yield made
    made.close()


@pytest.fixture
def asleep(parts: Parts) -> Iterator[Bench]:
    """Its worker does not work yet, and nobody waits long for it."""
    made = Bench(parts, answer_within_seconds=0.05)
    yield made
    made.close()


def told(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200
    said: dict[str, Any] = answer.json()["Response_AlarmInfoPlate"]
    return said


def told_nothing(answer: httpx.Response) -> bool:
    return answer.status_code == 200 and answer.json() == {"status": "ok"}


def test_the_decision_is_in_the_answer(bench: Bench) -> None:
    answer = bench.send("cam-in", "vzenith", vzenith.PUSH)
    assert told(answer) | {"content": ""} == {
        "info": "ok", "channelNum": 0, "is_pay": "true", "content": "", "plateid": 594785,
    }  # fmt: skip
    assert "content-length" in answer.headers
    assert "transfer-encoding" not in answer.headers
    bench.until(lambda: [(one.action, one.state) for one in bench.rows(t.CommandRow)] == [("open", "accepted")])
    (stay,) = bench.street.stays()
    assert (stay.plate, stay.state, stay.entry_at) == (
        "粤B7K2M9",
        "inside",
        datetime(2026, 10, 29, 8, 0, 0, 539956, tzinfo=UTC),
    )
    assert [topic for topic, _ in bench.tap.published if topic.endswith("command")] == []


@on_one_database
def test_who_is_not_let_out_is_told_so(bench: Bench) -> None:
    said = told(bench.send("cam-out", "vzenith", vzenith.PUSH))
    assert (said["info"], said["is_pay"]) == ("no", "false")
    assert "请联系值班人员" in said["content"]


def test_a_read_that_is_sent_again_is_the_same_and_opens_once(bench: Bench) -> None:
    assert told(bench.send("cam-in", "vzenith", vzenith.PUSH))["info"] == "ok"
    assert told(bench.send("cam-in", "vzenith", vzenith.PUSH))["info"] == "no"
    assert len(bench.rows(t.PlateEventRow)) == 1
    assert len(bench.rows(t.CommandRow)) == 1


@on_one_database
def test_history_is_stored_and_opens_nothing(bench: Bench) -> None:
    said = told(bench.send("cam-in", "vzenith", vzenith.posted(as_json(vzenith.HISTORY_PUSHED))))
    assert said["info"] == "no"
    assert said["ContinuePushOffline"] == {"plateid": 594786, "continue": 1}
    (event,) = bench.rows(t.PlateEventRow)
    assert event.buffered
    assert bench.rows(t.CommandRow) == []


@on_one_database
def test_what_is_not_stored_in_time_is_sent_again(asleep: Bench) -> None:
    assert asleep.send("cam-in", "vzenith", vzenith.PUSH).status_code == 503
    asleep.work()
    asleep.until(lambda: len(asleep.rows(t.PlateEventRow)) == 1)
    assert asleep.send("cam-in", "vzenith", vzenith.PUSH).status_code == 200
    assert len(asleep.rows(t.PlateEventRow)) == 1


@on_one_database
def test_an_opening_that_came_too_late_for_its_answer_rides_on_the_next_while_it_is_fresh(asleep: Bench) -> None:
    assert asleep.send("cam-in", "vzenith", vzenith.PUSH).status_code == 503
    asleep.work()
    asleep.until(lambda: len(asleep.rows(t.CommandRow)) == 1)
    assert told(asleep.send("cam-in", "vzenith", vzenith.PUSH))["info"] == "ok"
    assert asleep.send("cam-in", "vzenith", vzenith.POLL).json() == {"status": "ok"}


def an_offer(id_: str, expires_at: datetime, device: str = "cam-in") -> Waiting:
    command = a_command(Action.OPEN)
    payload = native.encode(command)
    return Waiting("xinyi", id_, device, "", payload, "open", expires_at)


def planned(bench: Bench, one: Waiting) -> Waiting:
    """In the outbox, by another bridge a moment ago."""
    row = {"lane_id": "in-1", "reason": "staff", "true_reason": "staff", "state": "planned", "planner": "another"}
    keys = {"site_id": one.site, "id": one.id, "device_id": one.device, "payload": one.payload, "action": one.action}
    with bench.parts.store.writing() as connection:
        connection.execute(insert(t.CommandRow).values(**keys, **row, planned_at=NOW, expires_at=one.expires_at))
        connection.commit()
    return one


@on_one_database
def test_a_command_rides_once_on_a_poll_and_never_late(bench: Bench) -> None:
    assert bench.send("cam-in", "vzenith", vzenith.POLL).json() == {"status": "ok"}
    assert bench.riding.offer(planned(bench, an_offer("late", NOW)))
    assert bench.send("cam-in", "vzenith", vzenith.POLL).json() == {"status": "ok"}
    assert bench.riding.offer(planned(bench, an_offer("c1", NOW + timedelta(seconds=8))))
    assert told(bench.send("cam-in", "vzenith", vzenith.POLL_IN_PARTS))["info"] == "ok"
    assert bench.riding.offer(an_offer("c1", NOW + timedelta(seconds=8))), "the outbox had not heard of it yet"
    assert bench.send("cam-in", "vzenith", vzenith.POLL).json() == {"status": "ok"}
    assert not bench.riding.offer(an_offer("c2", NOW + timedelta(seconds=8), device="ours"))


@on_one_database
def test_what_another_bridge_has_told_is_not_told_again(bench: Bench) -> None:
    offered = planned(bench, an_offer("c1", NOW + timedelta(seconds=8)))
    assert claim(bench.parts.store, "xinyi", "c1", NOW)
    bench.until(lambda: bench.riding.serves("xinyi", "cam-in"))
    assert bench.riding.offer(offered)
    assert bench.send("cam-in", "vzenith", vzenith.POLL).json() == {"status": "ok"}


@on_one_database
@pytest.mark.parametrize(
    ("account", "vendor", "status"),
    [
        (("xinyi.cam-in", "wrong"), "vzenith", 401),
        (("xinyi.nobody", "not a secret"), "vzenith", 401),
        (("xinyi.cam-in", "not a secret"), "hikvision", 404),
        (("xinyi.ours", "not a secret"), "native", 404),
        (("xinyi.cam-in", "not a secret"), "acme", 404),
    ],
)
def test_only_a_device_with_its_own_account_comes_in(
    bench: Bench, account: tuple[str, str], vendor: str, status: int
) -> None:
    assert bench.send("", vendor, vzenith.PUSH, account=account).status_code == status
    assert bench.rows(t.PlateEventRow) == []


@on_one_database
def test_an_account_may_stand_in_the_address(bench: Bench) -> None:
    where = f"http://127.0.0.1:{bench.server.port}/devices/vzenith/xinyi.cam-in"
    assert httpx.post(f"{where}/wrong/push", content=vzenith.PUSH.body).status_code == 401
    assert told(httpx.post(f"{where}/not%20a%20secret/push", content=vzenith.PUSH.body, timeout=30))["info"] == "ok"


def test_garbage_goes_to_quarantine_without_the_devices_password_and_is_answered(bench: Bench) -> None:
    garbage = vzenith.posted(b'{"pass_wd": "s3cret-word", ')
    assert bench.send("cam-in", "vzenith", garbage).json() == {"status": "ok"}
    (row,) = bench.rows(t.Quarantine)
    assert (row.code, row.site_id, row.device_id, row.topic) == ("not_json", "xinyi", "cam-in", "/devices/vzenith/")
    assert b"s3cret" not in row.payload
    assert told(bench.send("cam-in", "vzenith", vzenith.PUSH))["info"] == "ok"


@on_one_database
def test_a_payload_without_end_is_not_read(bench: Bench) -> None:
    huge = vzenith.posted(b" " * (7 * 1024 * 1024))
    assert bench.send("cam-in", "vzenith", huge).status_code == 413


@on_one_database
def test_who_floods_is_turned_away(parts: Parts) -> None:
    bench = Bench(parts, rate=0.001, burst=2)
    bench.work()
    try:
        statuses = [bench.send("cam-in", "vzenith", vzenith.POLL).status_code for _ in range(6)]
        assert (statuses[:2], statuses[-2:]) == ([200, 200], [429, 429])
        assert bench.send("cam-out", "vzenith", vzenith.POLL).status_code == 200
    finally:
        bench.close()


@on_one_database
def test_two_messages_of_one_read_are_one_event_and_its_picture_is_kept(bench: Bench) -> None:
    first = hikvision.with_word("licensePlate", "unknown").replace(
        "<listType>", "<hasMoreData>true</hasMoreData><listType>"
    )
    answer = bench.send("hik", "hikvision", hikvision.pushed(first))
    assert (answer.status_code, answer.content) == (200, b"")
    assert bench.send("hik", "hikvision", hikvision.a_form(hikvision.BLUE)).status_code == 200
    (event,) = bench.rows(t.PlateEventRow)
    assert (event.plate, event.lane_id) == ("粤B7K2M9", "in-2")
    bench.until(lambda: [bytes(one.jpeg) for one in bench.rows(t.Image)] == [hikvision.JPEG])


@on_one_database
def test_a_first_message_without_a_second_goes_on_alone(bench: Bench) -> None:
    first = hikvision.with_word("licensePlate", "unknown").replace(
        "<listType>", "<hasMoreData>true</hasMoreData><listType>"
    )
    assert bench.send("hik", "hikvision", hikvision.pushed(first)).status_code == 200
    assert bench.rows(t.PlateEventRow) == []
    bench.street.clock.advance(seconds=2)
    bench.until(lambda: [one.plate for one in bench.rows(t.PlateEventRow)] == [None])


def test_a_device_that_says_nothing_of_lists_is_not_behind(bench: Bench) -> None:
    answer = bench.send("dah", "dahua", dahua.pushed({}, "/NotificationInfo/KeepAlive"))
    assert answer.json() == {"Result": True, "result": "true"}
    bench.until(lambda: len(bench.statuses) == 1)
    keeper = ListKeeper(bench.parts)
    keeper.reported(bench.statuses)
    assert keeper.behind() == []
    (state,) = bench.rows(t.DeviceState)
    assert (state.device_id, state.online, state.list_version) == ("dah", True, 0)


@on_one_database
def test_the_site_file_says_what_the_device_is_and_can(parts: Parts) -> None:
    bench = Bench(parts)
    told_more = SITE.replace('id = "cam-in"', 'id = "cam-in"\n  serial = "{}"\n  features = ["http", "led_board"]')
    estate.apply(parts, told_more.format(vzenith.SN))
    bench.door.look()
    bench.work()
    try:
        said = told(bench.send("cam-in", "vzenith", vzenith.PUSH))
        assert said["info"] == "ok"
        assert len(said["serialData"]) == 1
        estate.apply(parts, told_more.format("another"))
        bench.door.look()
        assert told_nothing(bench.send("cam-in", "vzenith", vzenith.PUSH))
        assert bench.street.quarantine() == ["other_device"]
    finally:
        bench.close()


@on_one_database
def test_an_address_that_is_taken_is_said(bench: Bench) -> None:
    with pytest.raises(DoorDidNotOpen, match="cannot listen for devices"):
        DoorServer(Door(bench.parts, bench.inbox, bench.riding).app, "127.0.0.1", bench.server.port).start()


@pytest.mark.parametrize(
    ("given", "address"),
    [("", None), ("0.0.0.0:8090", ("0.0.0.0", 8090)), ("[::1]:8090", ("::1", 8090)), ("door:0", ("door", 0))],
)
def test_where_the_door_is(given: str, address: tuple[str, int] | None) -> None:
    assert Settings(devices_http=given).devices_address == address


@pytest.mark.parametrize("given", ["8090", "host", "host:", "host:99999", "a b:1", "[::1]"])
def test_an_address_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="devices_http"):
        Settings(devices_http=given)


@on_one_database
def test_a_bridge_opens_the_door_also_while_its_broker_is_away(parts: Parts) -> None:
    address = {"devices_http": "127.0.0.1:0", "broker_url": f"mqtt://127.0.0.1:{free_port()}"}
    made = Parts(
        settings=parts.settings.model_copy(update=address), clock=parts.clock, store=parts.store, metrics=parts.metrics
    )
    street = Street(made)
    estate.apply(made, SITE)
    street.clock.set(NOW)
    bridge = Bridge(made)
    bridge.start()
    try:
        assert bridge.door is not None
        where = f"http://127.0.0.1:{bridge.door.port}/devices/vzenith/"
        answer = httpx.post(where, content=vzenith.PUSH.body, auth=("xinyi.cam-in", "not a secret"), timeout=30)
        assert told(answer)["info"] == "ok"
        assert bridge.healthy()
    finally:
        bridge.stop()
    assert not bridge.door.healthy()
