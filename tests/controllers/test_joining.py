"""One event from several messages of one read: what came first stands, nothing is swallowed, the memory is bounded."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from controllers.adapters.joining import WAIT, Joiner
from controllers.adapters.port import Heard, Picture
from controllers.events import DeviceStatus, Kind, PlateEvent
from tests.controllers.conformance.cases import NOW

D1 = ("xinyi", "d1")
JPEG = b"\xff\xd8\xff"


def read(plate="浙A12345", **fields):
    return PlateEvent(**({"id": "e1", "at": NOW, "lane": "in-1", "kind": Kind.PLATE, "plate": plate} | fields))


def part(event, *, more=False, pictures=(), of="r1"):
    return Heard(said=(event, *pictures), read=of, more_follows=more)


def after(seconds):
    return NOW + timedelta(seconds=seconds)


def handed_on(joined):
    return [one for each in joined for one in each.said]


def test_the_fuller_message_is_a_repeat_of_the_first_and_brings_its_pictures():
    joiner = Joiner()
    first = read(confidence=0.9)
    picture = Picture(event="e1-later", jpeg=JPEG)
    assert handed_on(joiner.take(D1, part(first, more=True), NOW)) == [first]
    second = read(id="e1-later", at=after(0.1), confidence=0.97)
    assert handed_on(joiner.take(D1, part(second, pictures=(picture,)), after(0.1))) == [
        first,
        replace(picture, event="e1"),
    ]


def test_a_first_message_without_plate_waits_for_the_fuller_one():
    joiner = Joiner()
    assert joiner.take(D1, part(read(None), more=True), NOW) == ()
    assert joiner.next_due() == NOW + WAIT
    assert handed_on(joiner.take(D1, part(read()), after(0.1))) == [read()]
    assert joiner.next_due() is None
    assert joiner.due(after(60)) == ()


def test_and_goes_on_alone_where_none_comes():
    joiner = Joiner()
    joiner.take(D1, part(read(None), more=True), NOW)
    assert joiner.due(NOW + WAIT - timedelta(milliseconds=1)) == ()
    assert handed_on(joiner.due(NOW + WAIT)) == [read(None)]
    assert joiner.due(NOW + WAIT) == ()
    assert handed_on(joiner.take(D1, part(read()), after(3))) == [read()], "a plate after all: decided by the database"


def test_a_message_without_plate_that_nothing_follows_does_not_wait():
    assert handed_on(Joiner().take(D1, part(read(None)), NOW)) == [read(None)]


def test_history_does_not_wait():
    late = read(None, buffered=True)
    assert handed_on(Joiner().take(D1, part(late, more=True), NOW)) == [late]


def test_another_plate_under_the_same_read_goes_on_as_it_is():
    joiner = Joiner()
    joiner.take(D1, part(read(), more=True), NOW)
    other = read("浙B99999", id="e1-later")
    assert handed_on(joiner.take(D1, part(other), after(0.1))) == [replace(other, id="e1")]


def test_the_same_number_at_another_device_is_another_read():
    joiner = Joiner()
    joiner.take(D1, part(read(), more=True), NOW)
    other = read("浙B99999")
    assert handed_on(joiner.take(("xinyi", "d2"), part(other), NOW)) == [other]


def test_the_same_number_much_later_is_another_read():
    joiner = Joiner(keep=timedelta(minutes=5))
    joiner.take(D1, part(read()), NOW)
    later = read("浙B99999", id="e9", at=after(301))
    assert handed_on(joiner.take(D1, part(later), after(301))) == [later]


@pytest.mark.parametrize(
    ("back", "completes"),
    [
        (read(id="e2", kind=Kind.REVERSED, at=after(20)), "e1"),
        (read(None, id="e2", kind=Kind.REVERSED, at=after(20)), "e1"),
        (read("浙B99999", id="e2", kind=Kind.REVERSED, at=after(20)), None),
        (read(id="e2", kind=Kind.REVERSED, at=after(20), lane="out-1"), None),
        (read(id="e2", kind=Kind.REVERSED, at=after(301)), None),
        (read(id="e2", kind=Kind.REVERSED, at=after(-1)), None),
        (read(id="e2", kind=Kind.REVERSED, at=after(20), for_event="e0"), "e0"),
    ],
)
def test_who_turned_back_completes_the_newest_read_of_the_lane(back, completes):
    joiner = Joiner()
    joiner.take(D1, part(read()), NOW)
    told = handed_on(joiner.take(D1, Heard(said=(back,)), after(20)))
    assert [one.for_event for one in told] == ([completes] if completes else [])


def test_what_is_no_read_goes_through():
    alive = DeviceStatus(online=True)
    assert handed_on(Joiner().take(D1, Heard(said=(alive,)), NOW)) == [alive]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans(), st.integers(0, 2000)), max_size=40),
    st.integers(1, 4),
)
def test_nothing_is_swallowed_and_nothing_grows(messages, reads_max):
    joiner = Joiner(reads_max=reads_max)
    told, out, now = set(), [], NOW
    for number, readable, more, wait_ms in messages:
        now += timedelta(milliseconds=wait_ms)
        event = read("浙A12345" if readable else None, id=f"e{number}")
        told.add(event.id)
        out += handed_on(joiner.take(D1, part(event, more=more, of=f"r{number}"), now))
        assert len(joiner) <= reads_max
    out += handed_on(joiner.due(now + WAIT))
    assert {event.id for event in out} == told
