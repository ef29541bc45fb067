"""What the tables of Vzenith do not say: reads in two parts, vehicles that turn back, keys that stay apart."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta

from controllers.adapters.joining import Joiner
from controllers.adapters.registry import ADAPTERS
from controllers.events import Kind, PlateEvent
from tests.controllers.adapters.vzenith.fitted import MQTT
from tests.controllers.adapters.vzenith.said import BLUE, a_read, up, without_picture
from tests.controllers.conformance.cases import NOW, sample_json

VZENITH = ADAPTERS["vzenith"]
D1 = ("xinyi", "d1")


def events(joined):
    return [one for each in joined for one in each.said if isinstance(one, PlateEvent)]


def quick(**fields):
    document = without_picture(sample_json("vzenith", BLUE))
    document["payload"]["AlarmInfoPlate"]["result"]["PlateResult"] |= fields
    return up(document, "quick_ivs_result")


def test_a_quick_result_with_another_second_is_still_the_same_event():
    joiner = Joiner()
    stamp = {"Timeval": {"sec": 1793260799, "usec": 990000}}
    first = events(joiner.take(D1, VZENITH.decode(quick(timeStamp=stamp), MQTT, NOW), NOW))
    second = events(joiner.take(D1, VZENITH.decode(a_read(), MQTT, NOW), NOW + timedelta(milliseconds=100)))
    assert first == second


def test_a_quick_result_that_read_nothing_waits_for_the_plate():
    joiner = Joiner()
    nothing = quick(license=b64encode("_无_".encode()).decode())
    assert joiner.take(D1, VZENITH.decode(nothing, MQTT, NOW), NOW) == ()
    (event,) = events(joiner.take(D1, VZENITH.decode(a_read(), MQTT, NOW), NOW))
    assert event.plate == "粤B7K2M9"


def test_a_vehicle_that_turns_back_voids_its_read():
    joiner = Joiner()
    (read,) = events(joiner.take(D1, VZENITH.decode(a_read(), MQTT, NOW), NOW))
    later = {"Timeval": {"sec": 1793260830, "usec": 0}}
    message = a_read(plateid=594790, triggerType=66, timeStamp=later)
    (back,) = events(joiner.take(D1, VZENITH.decode(message, MQTT, NOW), NOW))
    assert (back.kind, back.for_event) == (Kind.REVERSED, read.id)
    assert back.id != read.id


def test_a_number_that_comes_again_after_a_reset_is_another_event():
    first, again = (
        events(Joiner().take(D1, VZENITH.decode(a_read(timeStamp=stamp), MQTT, NOW), NOW))
        for stamp in ({"Timeval": {"sec": 1793260800}}, {"Timeval": {"sec": 1793960800}})
    )
    assert first[0].id != again[0].id
