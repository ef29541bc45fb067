"""Devices that are told by requests or in answers, from the vehicle in front of the camera to the stay that is over."""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from controllers.commands import Action
from controllers.events import BarrierState
from gateway.flows import emergencies, staff_commands
from gateway.flows.charges_books import By
from gateway.publish.outbox import claim
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.devices.http_answered import Huaxia, Vzenith
from simulators.devices.http_camera import AskedCamera, Seen
from simulators.devices.http_dahua import Dahua
from simulators.devices.http_hikvision import Hikvision
from tests.gateway.http_street import NOW, Fit, HttpStreet, http_street

PLATE = "粤B7K2M9"
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HIKVISION = (Fit("in-1", "hikvision", Hikvision),)
DAHUA = (Fit("in-1", "dahua", Dahua),)

KINDS: dict[str, tuple[str, type[Any], str]] = {
    "hikvision pushes": ("hikvision", Hikvision, ""),
    "hikvision is listened to": ("hikvision", Hikvision, "alert_stream"),
    "dahua pushes": ("dahua", Dahua, ""),
    "dahua is listened to": ("dahua", Dahua, "event_stream"),
    "vzenith by http": ("vzenith", Vzenith, ""),
    "huaxia": ("huaxia", Huaxia, ""),
}


def shown(street: HttpStreet, lane: str, features: str, plate: str = PLATE) -> None:
    """A vehicle stands in front of the camera, which says so as it does."""
    camera = street.cameras[lane]
    if features:
        street.until(lambda: len(camera.listeners) == 1)
        camera.tells(plate, number=1)
    else:
        camera.sees(plate)
        assert camera.deliver() == 1


def commands(street: HttpStreet) -> list[tuple[str, str | None]]:
    return [(one.state, one.detail) for one in street.rows(t.CommandRow)]


def opened(street: HttpStreet, lane: str) -> None:
    """The barrier has been told once, and a second later it is up."""
    camera = street.cameras[lane]
    street.until(lambda: len(camera.openings) == 1)
    street.clock.advance(seconds=1)


@on_one_database
@pytest.mark.parametrize("kind", KINDS)
def test_a_vehicle_comes_and_goes(parts: Parts, kind: str) -> None:
    vendor, camera, features = KINDS[kind]
    fits = [Fit(lane, vendor, camera, features=features) for lane in ("in-1", "out-1")]
    with http_street(parts, *fits) as street:
        shown(street, "in-1", features)
        opened(street, "in-1")
        street.until(lambda: [one.state for one in street.street.stays()] == ["inside"])
        street.until(lambda: commands(street)[0][0] in {"done", "accepted"})
        street.clock.advance(minutes=5)
        shown(street, "out-1", features)
        opened(street, "out-1")
        street.until(lambda: [one.confirmed for one in street.street.stays()] == [True])
        (stay,) = street.street.stays()
        assert (stay.plate, stay.state, stay.payable_fen) == (PLATE, "left", 0)
        became = {
            "hikvision": ("done", "moved"),
            "dahua": ("accepted", "accepted"),
            "vzenith": ("accepted", "in_answer"),
            "huaxia": ("accepted", "in_answer"),
        }
        street.until(lambda: set(commands(street)) == {became[vendor]})
        assert [len(one.openings) for one in street.cameras.values()] == [1, 1]
        assert street.rows(t.ExceptionItem) == []


@on_one_database
@pytest.mark.parametrize("kind", KINDS)
def test_a_read_that_comes_again_opens_once(parts: Parts, kind: str) -> None:
    vendor, camera, features = KINDS[kind]
    with http_street(parts, Fit("in-1", vendor, camera, features=features)) as street:
        shown(street, "in-1", features)
        opened(street, "in-1")
        camera = street.cameras["in-1"]
        if features:
            camera.tells(PLATE, number=1, at=NOW)
            camera.tells("粤B7K2M8", number=2)
        else:
            camera.kept.append(camera.read(Seen(PLATE, NOW, 1)))
            camera.sees("粤B7K2M8")
            assert camera.deliver() == 2
        street.until(lambda: len(street.rows(t.PlateEventRow)) == 2)
        street.until(lambda: len(camera.openings) == 2)
        assert len(commands(street)) == 2


@on_one_database
def test_what_was_kept_while_nobody_answered_opens_nothing(parts: Parts) -> None:
    with http_street(parts, *HIKVISION) as street:
        camera = street.cameras["in-1"]
        camera.sees(PLATE, at=NOW - timedelta(minutes=10))
        assert camera.deliver() == 1
        (event,) = street.rows(t.PlateEventRow)
        assert event.buffered
        assert (commands(street), camera.openings) == ([], [])


@on_one_database
def test_a_command_that_could_not_be_told_in_time_is_never_told(parts: Parts) -> None:
    with http_street(parts, *HIKVISION) as street:
        camera = street.cameras["in-1"]
        street.until(lambda: len(street.rows(t.DeviceState)) == 1)  # it has asked who we are once
        camera.mute = True
        camera.sees(PLATE)
        camera.deliver()
        street.until(lambda: commands(street) == [("sent", None)])
        street.clock.advance(seconds=9)
        camera.mute = False
        street.until(lambda: commands(street) == [("expired", "unreachable")])
        assert [one for one in camera.told if one.method == "PUT"] == []
        assert [one.kind for one in street.rows(t.ExceptionItem)] == ["command_not_confirmed"]


@on_one_database
def test_a_command_that_grew_stale_while_the_device_asked_who_we_are_is_not_told(parts: Parts) -> None:
    with http_street(parts, *DAHUA) as street:
        camera = street.cameras["in-1"]
        allows = camera.digest.allows

        def slowly(method: str, uri: str, header: str) -> bool:
            if "trafficSnap" in uri and not header:
                street.clock.advance(seconds=9)
            return bool(allows(method, uri, header))

        camera.digest.allows = slowly
        shown(street, "in-1", "")
        street.until(lambda: commands(street) == [("expired", "unreachable")])
        assert [one for one in camera.told if "openStrobe" in one.query] == []
        assert camera.openings == []


@on_one_database
def test_a_device_that_is_away_is_told_when_it_is_back_while_the_command_is_fresh(parts: Parts) -> None:
    with http_street(parts, *HIKVISION) as street:
        camera = street.cameras["in-1"]
        street.until(lambda: len(street.rows(t.DeviceState)) == 1)  # it has asked who we are once
        camera.mute = True
        camera.sees(PLATE)
        camera.deliver()
        street.until(lambda: commands(street) == [("sent", None)])
        assert camera.openings == []
        camera.mute = False
        opened(street, "in-1")
        street.until(lambda: commands(street) == [("done", "moved")])
        assert len(camera.openings) == 1


@on_one_database
def test_who_is_busy_is_asked_again_and_opens_once(parts: Parts) -> None:
    with http_street(parts, *HIKVISION) as street:
        street.cameras["in-1"].busy = 2
        shown(street, "in-1", "")
        opened(street, "in-1")
        street.until(lambda: commands(street) == [("done", "moved")])
        told = [one for one in street.cameras["in-1"].told if b"ctrlMode" in one.body]
        assert (len(told), len(street.cameras["in-1"].openings)) == (3, 1)


@on_one_database
def test_a_locked_barrier_answers_well_and_is_put_before_staff(parts: Parts) -> None:
    with http_street(parts, *HIKVISION) as street:
        street.cameras["in-1"].locked = True
        shown(street, "in-1", "")
        street.until(lambda: commands(street) == [("fault", "not_moved")])
        assert [one.kind for one in street.rows(t.ExceptionItem)] == ["barrier_fault"]
        assert [one.confirmed for one in street.street.stays()] in ([], [False])


@on_one_database
@pytest.mark.parametrize(("fit", "word"), [(*HIKVISION, "Invalid Operation"), (*DAHUA, "Error Bad Request!")])
def test_what_a_device_refuses_is_put_before_staff(parts: Parts, fit: Fit, word: str) -> None:
    with http_street(parts, fit) as street:
        street.cameras["in-1"].refuses = True
        shown(street, "in-1", "")
        street.until(lambda: commands(street) == [("refused", word)])
        assert [one.kind for one in street.rows(t.ExceptionItem)] == ["command_not_confirmed"]
        assert street.cameras["in-1"].openings == []


@on_one_database
def test_an_answer_that_is_lost_is_not_a_reason_to_tell_it_again(parts: Parts) -> None:
    with http_street(parts, *HIKVISION) as street:
        street.bridge.asked._moves_within = 5
        street.cameras["in-1"].lost = True
        shown(street, "in-1", "")
        opened(street, "in-1")
        street.until(lambda: commands(street) == [("done", "moved")])
        assert len(street.cameras["in-1"].openings) == 1


@on_one_database
def test_where_nobody_knows_whether_it_moved_it_is_a_fault_and_not_told_again(parts: Parts) -> None:
    with http_street(parts, *HIKVISION) as street:
        camera = street.cameras["in-1"]
        camera.lost, camera.signal = True, False
        shown(street, "in-1", "")
        street.until(lambda: commands(street) == [("fault", "no_answer")])
        assert len(camera.openings) == 1


@on_one_database
def test_an_account_that_is_not_taken_is_not_tried_again(parts: Parts) -> None:
    """What looks at the device, what looks after it and the order may have been under way together: each tried once."""
    with http_street(parts, *DAHUA, password="another") as street:
        camera = street.cameras["in-1"]
        shown(street, "in-1", "")
        street.until(lambda: commands(street) == [("fault", "credentials_refused")])
        street.clock.advance(minutes=1)
        camera.sees("粤B7K2M8")
        camera.deliver()
        street.until(lambda: commands(street) == [("fault", "credentials_refused")] * 2)
        assert camera.digest.refused <= 3
        assert camera.openings == []


@on_one_database
def test_a_dead_device_holds_up_nobody(parts: Parts) -> None:
    with socket.create_server(("127.0.0.1", 0)) as dead:
        where = f"http://127.0.0.1:{dead.getsockname()[1]}"
        fits = [Fit("in-1", "dahua", Dahua, address=where), Fit("in-2", "dahua", Dahua)]
        with http_street(parts, *fits) as street:
            for number in range(3):
                street.cameras["in-1"].sees(f"粤B7K2M{number}")
            assert street.cameras["in-1"].deliver() == 3
            street.cameras["in-2"].sees(PLATE)
            assert street.cameras["in-2"].deliver() == 1
            street.until(lambda: len(street.cameras["in-2"].openings) == 1)
            states = [state for state, _ in commands(street)]
            assert "planned" in states or "sent" in states
            assert "fault" not in states
            street.clock.advance(seconds=20)


@on_one_database
def test_a_device_without_an_address_is_a_fault_at_once(parts: Parts) -> None:
    with http_street(parts, Fit("in-1", "dahua", Dahua, address="none")) as street:
        shown(street, "in-1", "")
        street.until(lambda: commands(street) == [("fault", "no_address")])
        assert street.cameras["in-1"].openings == []


@on_one_database
def test_who_lets_in_anybody_is_told_once_as_well(parts: Parts) -> None:
    """Nothing was challenged: the first request may have been carried out, and no answer is no reason to tell it again."""
    with http_street(parts, *HIKVISION) as street:
        camera = street.cameras["in-1"]
        camera.digest.allows = lambda *_: True
        camera.signal, camera.lost = False, True
        shown(street, "in-1", "")
        street.until(lambda: [state for state, _ in commands(street)] == ["fault"])
        assert len(camera.openings) == 1


def test_a_command_is_claimed_once_and_never_late(parts: Parts) -> None:
    with http_street(parts, Fit("in-1", "dahua", Dahua, address="none")) as street:
        shown(street, "in-1", "")
        street.until(lambda: commands(street) == [("fault", "no_address")])
        with parts.store.writing() as connection:
            connection.execute(update(t.CommandRow).values(state="planned", planner="another"))
            connection.commit()
        (one,) = street.rows(t.CommandRow)
        assert not claim(parts.store, one.site_id, one.id, one.expires_at)
        assert claim(parts.store, one.site_id, one.id, NOW)
        assert not claim(parts.store, one.site_id, one.id, NOW)


@on_one_database
def test_a_stream_that_ends_is_taken_up_again(parts: Parts) -> None:
    with http_street(parts, Fit("in-1", "hikvision", Hikvision, features="alert_stream")) as street:
        camera = street.cameras["in-1"]
        street.until(lambda: [one.online for one in street.rows(t.DeviceState)] == [True])
        street.until(lambda: len(camera.listeners) == 1)
        camera.mute = True  # so that whoever looks seldom sees it away as well
        camera.hang_up()
        street.until(lambda: [one.online for one in street.rows(t.DeviceState)] == [False])
        camera.mute = False
        street.until(lambda: [one.online for one in street.rows(t.DeviceState)] == [True])
        shown(street, "in-1", "alert_stream")
        opened(street, "in-1")


@on_one_database
def test_two_messages_of_one_read_in_a_stream_are_one_event(parts: Parts) -> None:
    with http_street(parts, Fit("in-1", "hikvision", Hikvision, features="alert_stream")) as street:
        camera = street.cameras["in-1"]
        street.until(lambda: len(camera.listeners) == 1)
        camera.tells(None, number=1, more=True)
        camera.tells(PLATE, number=1)
        street.until(lambda: [one.plate for one in street.rows(t.PlateEventRow)] == [PLATE])
        opened(street, "in-1")
        assert len(commands(street)) == 1


@on_one_database
def test_garbage_in_a_stream_goes_to_quarantine_and_the_stream_goes_on(parts: Parts) -> None:
    with http_street(parts, Fit("in-1", "dahua", Dahua, features="event_stream")) as street:
        camera: AskedCamera = street.cameras["in-1"]
        street.until(lambda: len(camera.listeners) == 1)
        camera.say(b"--myboundary\r\nContent-Type: text/plain\r\n\r\nCode=garbage\r\n--myboundary\r\n")
        street.until(lambda: street.street.quarantine() == ["not_in_schema"])
        shown(street, "in-1", "event_stream")
        opened(street, "in-1")


@on_one_database
def test_no_password_is_in_the_log(parts: Parts, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    with http_street(parts, *DAHUA, password="a-word-of-its-own") as street:
        shown(street, "in-1", "")
        street.until(lambda: commands(street) == [("fault", "credentials_refused")])
    told = capfd.readouterr()
    assert "a-word-of-its-own" not in caplog.text + told.out + told.err
    assert "does not take our account" in caplog.text + told.out + told.err


def held(street: HttpStreet) -> None:
    emergencies.declare(street.parts, ["xinyi"], "fire", By(operator="wang", role="manager"))


@on_one_database
def test_a_barrier_is_up_before_it_is_locked(parts: Parts) -> None:
    with http_street(parts, *HIKVISION) as street:
        street.bridge.asked._moves_within = 5
        camera = street.cameras["in-1"]
        held(street)
        opened(street, "in-1")
        street.until(lambda: camera.locked)
        assert camera.state() is BarrierState.OPEN
        street.until(lambda: ("done", "moved") in commands(street))


@on_one_database
def test_what_does_not_rise_is_not_locked(parts: Parts) -> None:
    with http_street(parts, *HIKVISION) as street:
        camera = street.cameras["in-1"]
        held(street)
        street.until(lambda: ("fault", "not_moved") in commands(street))
        assert not camera.locked


@on_one_database
def test_in_an_emergency_what_cannot_hold_its_barrier_opens_it(parts: Parts) -> None:
    with http_street(parts, *DAHUA) as street:
        held(street)
        opened(street, "in-1")
        street.until(lambda: ("accepted", "accepted") in commands(street))


@on_one_database
def test_a_camera_that_is_told_in_answers_opens_in_an_emergency_too(parts: Parts) -> None:
    with http_street(parts, Fit("in-1", "huaxia", Huaxia)) as street:
        camera = street.cameras["in-1"]
        assert camera.polls()
        held(street)
        street.until(lambda: camera.polls() and camera.openings != [])
        street.until(lambda: ("accepted", "in_answer") in commands(street))


@on_one_database
def test_what_cannot_be_told_in_an_answer_is_refused_and_the_camera_still_answered(parts: Parts) -> None:
    with http_street(parts, Fit("in-1", "vzenith", Vzenith)) as street:
        camera = street.cameras["in-1"]
        assert camera.polls()
        asked = staff_commands.Asked(action=Action.CLOSE, reason="he watches")
        staff_commands.command(street.parts, "xinyi.in-1", asked, By(operator="wang", role="manager"))
        street.until(lambda: camera.polls() and commands(street) == [("refused", "not_supported")])
