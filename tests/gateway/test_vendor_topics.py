"""Other vendors' cameras at the broker: decided like any other, told in their own bytes, and never late."""

from __future__ import annotations

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import delete

from controllers.commands import Action
from controllers.events import BarrierState
from gateway.flows import estate, list_versions, staff_commands
from gateway.flows.charges_books import By
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.transport import Key
from tests.gateway.mqtt_street import MqttStreet, cameras_of, mqtt_street
from tests.servers import Mosquitto

PLATE = "浙B77777"
KINDS = {
    "vzenith": ("vzenith",),
    "vzenith, serial first": ("vzenith", "serial_first", "direct_open"),
    "vzenith, legacy": ("vzenith", "legacy"),
    "qianyi": ("qianyi",),
    "xinlutong": ("xinlutong",),
    "frigate and a relay": ("frigate", "shelly_relay"),
}
SEES_ITS_BARRIER = ("vzenith", "position_1_open")
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
each_vendor = pytest.mark.parametrize("kind", ["vzenith", "qianyi", "xinlutong"])


def confirmed(street: MqttStreet) -> list[tuple[str, str]]:
    return [(one.plate, one.state) for one in street.street.stays()]


@on_one_database
@every_kind
def test_a_vehicle_comes_and_goes_and_what_is_said_twice_counts_once(parts: Parts, kind: tuple[str, ...]) -> None:
    with mqtt_street(parts, *kind) as street:
        street.sees("in-1", PLATE, twice=True)
        street.until(lambda: street.commands() == [("open", "accepted")])
        street.until(lambda: len(street.raised("in-1")) == 1)
        assert confirmed(street) == [(PLATE, "inside")]
        street.goes("in-1")
        street.later(minutes=5)
        street.sees("out-1", PLATE)
        street.until(lambda: len(street.raised("out-1")) == 1)
        street.until(lambda: street.commands() == [("open", "accepted")] * 2)
        assert confirmed(street) == [(PLATE, "left")]
        (stay,) = street.street.stays()
        assert (stay.confirmed, stay.payable_fen) == (True, 0)
        assert len(street.rows(t.PlateEventRow)) == 2
        assert [len(street.raised(lane)) for lane in ("in-1", "out-1")] == [1, 1]
        assert street.rows(t.ExceptionItem) == street.rows(t.Quarantine) == []


@on_one_database
@each_vendor
def test_history_opens_nothing(parts: Parts, kind: str) -> None:
    with mqtt_street(parts, kind) as street:
        key = Key("xinyi", "cam-in-1")
        street.yard.cut(key)
        street.camera("in-1").vehicle_arrives("in-1", street.clock.now(), plate=PLATE)
        street.camera("in-1").vehicle_reverses("in-1", street.clock.now())
        street.later(minutes=1)
        street.yard.restore(key)
        street.until(lambda: len(street.rows(t.PlateEventRow)) == 1)
        (event,) = street.rows(t.PlateEventRow)
        assert (event.plate, event.buffered) == (PLATE, True)
        street.sees("out-1", "浙B77778")  # whatever was told before it has arrived
        street.until(lambda: len(street.rows(t.PlateEventRow)) == 2)
        assert (street.raised("in-1"), [one for one in street.rows(t.CommandRow) if one.lane_id == "in-1"]) == ([], [])


@on_one_database
@each_vendor
def test_an_order_for_a_camera_that_is_away_never_opens_when_it_is_back(parts: Parts, kind: str) -> None:
    with mqtt_street(parts, kind) as street:
        key = Key("xinyi", "cam-out-1")
        street.yard.cut(key)
        asked = staff_commands.Asked(action=Action.OPEN, reason="stuck")
        street.clock.advance(seconds=1)
        try:
            staff_commands.command(street.parts, "xinyi.out-1", asked, By(operator="li", role="console"))
        except staff_commands.DeviceAway:
            assert kind == "qianyi"  # the broker has said so for it
        else:
            street.until(lambda: street.commands()[0][1] in {"sent", "accepted"})
        street.later(seconds=30)
        street.yard.restore(key)
        street.sees("in-1", PLATE)
        street.until(lambda: len(street.raised("in-1")) == 1)
        assert street.raised("out-1") == []


@on_one_database
def test_no_order_waits_at_the_broker_for_a_camera_that_asks_it_to(parts: Parts) -> None:
    with mqtt_street(parts, "xinlutong") as street:
        street.yard.cut(Key("xinyi", "cam-in-1"))
        heard: list[bytes] = []
        lasting(street, heard).disconnect()
        asked = staff_commands.Asked(action=Action.OPEN, reason="stuck")
        staff_commands.command(street.parts, "xinyi.in-1", asked, By(operator="li", role="console"))
        street.until(lambda: street.commands() == [("open", "sent")])
        back = lasting(street, heard)
        street.bridge.link.publish("download/SN-in-1", b"now")
        street.bridge.link.flush()
        street.until(lambda: bool(back.loop(0.01)) or b"now" in heard)
        # How the camera is to be set up may wait for it: it is told so as soon as the bridge is there, whenever that is.
        assert [one for one in heard if b'"Config"' not in one] == [b"now"]
        back.disconnect()


def test_two_bridges_that_share_what_comes_are_one(parts: Parts, mosquitto: Mosquitto) -> None:
    """Each hears one part of a read. The order goes out once, and its broker keeps it for no longer than it is fresh."""
    with mqtt_street(parts, "vzenith", "position_1_open", mosquitto=mosquitto.url) as street:
        kept: list[int] = []
        watcher = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        watcher.on_message = lambda _client, _data, message: kept.append(message.properties.MessageExpiryInterval)
        watcher.on_connect = lambda client, *_: client.subscribe("device/SN-in-1/message/down/gpio_out", 1)
        granted: list[int] = []
        watcher.on_subscribe = lambda _client, _data, mid, *_: granted.append(mid)
        watcher.connect(street.broker.host, street.broker.port)
        street.until(lambda: bool(watcher.loop(0.01) or granted))
        for number in range(5):
            street.sees("in-1", f"浙B7777{number}")
            street.until(lambda upto=number + 1: len(street.raised("in-1")) == upto)  # type: ignore[misc]
            street.later(seconds=2)
            street.until(lambda upto=number + 1: street.commands() == [("open", "done")] * upto)  # type: ignore[misc]
            street.goes("in-1")
            street.later(seconds=61)
        street.until(lambda: bool(watcher.loop(0.01)) or len(kept) == 5)
        assert all(1 <= seconds <= 8 for seconds in kept)
        assert len(street.rows(t.PlateEventRow)) == 5
        assert street.rows(t.Quarantine) == street.rows(t.ExceptionItem) == []
        watcher.disconnect()


def lasting(street: MqttStreet, heard: list[bytes]) -> Client:
    """The camera in another's hands: subscribed, with a session that is to outlive its connection."""
    granted: list[int] = []
    client = Client(CallbackAPIVersion.VERSION2, client_id="SN-in-1", clean_session=False)
    client.username_pw_set("xinyi.cam-in-1", "not a secret")
    client.on_subscribe = lambda _client, _data, mid, *_: granted.append(mid)
    client.on_message = lambda _client, _data, message: heard.append(message.payload)
    client.connect(street.broker.host, street.broker.port)
    client.loop(0.2)
    client.subscribe("download/SN-in-1", 1)
    street.until(lambda: bool(client.loop(0.01) or granted))
    return client


@on_one_database
@each_vendor
def test_a_busy_camera_refuses_and_staff_hear_of_it(parts: Parts, kind: str) -> None:
    with mqtt_street(parts, kind) as street:
        street.dialect("in-1").busy = True
        street.sees("in-1", PLATE)
        street.until(lambda: street.commands() == [("open", "refused")])
        assert street.raised("in-1") == []
        assert [one.kind for one in street.rows(t.ExceptionItem)] == ["command_not_confirmed"]


@on_one_database
def test_accepted_is_not_moved_where_the_barrier_is_seen(parts: Parts) -> None:
    with mqtt_street(parts, *SEES_ITS_BARRIER) as street:
        street.sees("in-1", PLATE)
        street.until(lambda: street.commands() == [("open", "accepted")])
        assert not street.street.stays()[0].confirmed
        assert street.camera("in-1").lanes["in-1"].barrier.state(street.clock.now()) is BarrierState.MOVING
        street.later(seconds=2)
        street.until(lambda: street.commands() == [("open", "done")])
        street.later(seconds=20)
        street.sees("out-1", PLATE)
        street.until(lambda: len(street.raised("out-1")) == 1)
        assert street.rows(t.ExceptionItem) == []


@on_one_database
def test_accepted_and_never_moved_is_a_fault(parts: Parts) -> None:
    with mqtt_street(parts, *SEES_ITS_BARRIER) as street:
        street.sees("in-1", PLATE)
        street.until(lambda: street.commands() == [("open", "accepted")])
        street.clock.advance(seconds=11)  # and the camera says nothing of its barrier
        street.until(lambda: street.commands() == [("open", "fault")])
        assert [one.kind for one in street.rows(t.ExceptionItem)] == ["barrier_fault"]


def test_a_white_list_follows_the_register_and_opens_while_nobody_answers(parts: Parts) -> None:
    with mqtt_street(parts, "vzenith") as street:
        cars = [f"浙A0000{number}" for number in range(3)]
        street.street.register("households", {"household": "3-201", "name": "张三", "area_m2": "60"})
        street.street.register("passes", *(a_pass(plate) for plate in cars[:2]))
        street.brings_lists()
        listed = street.dialect("in-1").listed
        street.until(lambda: sorted(listed) == cars[:2])
        street.street.register("passes", a_pass(cars[2]))
        with parts.store.writing() as connection:
            connection.execute(delete(t.PassHeld).where(t.PassHeld.plate == cars[0]))
            connection.commit()
        street.brings_lists()
        street.until(lambda: sorted(listed) == cars[1:])
        wanted = street.bridge.lists.current("xinyi")
        assert wanted is not None
        street.until(lambda: {one.list_version for one in street.rows(t.DeviceState)} == {wanted.version})
        key = Key("xinyi", "cam-in-1")
        street.yard.cut(key)
        street.camera("in-1").vehicle_arrives("in-1", street.clock.now(), plate=cars[2])
        assert street.raised("in-1") == [None]
        street.goes("in-1")
        street.later(minutes=1)
        street.yard.restore(key)
        street.until(lambda: len(street.rows(t.PlateEventRow)) == 1)
        (event,) = street.rows(t.PlateEventRow)
        assert (event.plate, event.opening, event.buffered) == (cars[2], "list", True)


@on_one_database
def test_a_camera_that_was_set_back_or_exchanged_is_brought_the_whole_list(parts: Parts) -> None:
    """It says nothing of its list: having been away, a night, or another serial number in the site file is what tells."""
    with mqtt_street(parts, "vzenith") as street:
        car = "浙A00001"
        street.street.register("households", {"household": "3-201", "name": "张三", "area_m2": "60"})
        street.street.register("passes", a_pass(car))
        listed = street.dialect("in-1").listed

        def is_brought() -> None:
            street.brings_lists()
            street.until(lambda: list(listed) == [car])

        street.later(seconds=30)
        street.until(lambda: len(street.rows(t.DeviceState)) == 2)
        is_brought()
        wanted = street.bridge.lists.current("xinyi")
        assert wanted is not None
        street.until(lambda: {one.list_version for one in street.rows(t.DeviceState)} == {wanted.version})
        listed.clear()
        street.clock.advance(minutes=4)
        street.bridge.vendors.lists.look()
        street.until(lambda: all(kept.away for kept in street.bridge.vendors.lists._kept.values()))
        street.later(seconds=1)
        street.until(lambda: all(one.seen_at == street.clock.now() for one in street.rows(t.DeviceState)))
        is_brought()
        listed.clear()
        street.later(hours=20)
        street.until(lambda: all(one.seen_at == street.clock.now() for one in street.rows(t.DeviceState)))
        is_brought()
        street.until(lambda: {one.list_version for one in street.rows(t.DeviceState)} == {wanted.version})
        estate.apply(street.parts, cameras_of("vzenith").replace("SN-in-1", "SN-another"))
        assert {one.device_id: one.list_version for one in street.rows(t.DeviceState)} == {
            "cam-in-1": list_versions.UNKNOWN, "cam-out-1": wanted.version
        }  # fmt: skip


def a_pass(plate: str) -> dict[str, str]:
    return {"plate": plate, "pass": "resident-monthly", "valid_from": "2026-01-01", "valid_to": "2026-12-31"}


@on_one_database
def test_what_cannot_be_done_is_its_commands_result(parts: Parts) -> None:
    with mqtt_street(parts, "xinlutong") as street:
        asked = staff_commands.Asked(action=Action.HOLD_OPEN, reason="moving van")
        given = staff_commands.command(street.parts, "xinyi.in-1", asked, By(operator="li", role="console"))
        street.until(lambda: street.commands() == [("hold_open", "refused")])
        assert "not_supported" in str(staff_commands.given(street.parts, "xinyi.in-1", given.id).detail)


@on_one_database
def test_nobody_speaks_for_another(parts: Parts) -> None:
    """The topic says who speaks; a payload that names another camera is kept and believed by nobody."""
    with mqtt_street(parts, "qianyi") as street:
        street.dialect("in-1").serial, its = "SN-out-1", street.dialect("in-1").serial
        wire = street.dialect("in-1")._up("result", "m1", type="online", plate_num=PLATE, utc_ts=1, inout="in")
        street.dialect("in-1").serial = its
        connection = street.yard.transport._connections[Key("xinyi", "cam-in-1")]
        assert connection.client is not None
        connection.client.publish("aiot/plate/SN-in-1", wire.payload, qos=1)
        street.yard.transport._dirty[connection.key] = connection
        street.until(lambda: [one.code for one in street.rows(t.Quarantine)] == ["other_device"])
        assert [(one.site_id, one.device_id) for one in street.rows(t.Quarantine)] == [("xinyi", "cam-in-1")]
        assert street.rows(t.PlateEventRow) == []
