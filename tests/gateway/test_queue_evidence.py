"""What an item of the queue is about: the read's plate and picture, on both databases; and who opens for which vehicle."""

from __future__ import annotations

import pytest

from gateway.flows import queue_evidence, reading, staff_commands
from gateway.flows.charges_books import By
from gateway.flows.reading import Slice
from gateway.flows.refusals import NotFound
from gateway.flows.staff_refusals import NotAtTheLane
from gateway.store import tables as t
from tests.gateway.house import an_exception
from tests.gateway.people import JPEG, put
from tests.gateway.trade import Street

KIM = By(operator="kim", role="console")


def test_the_plate_and_the_picture_of_the_read(street: Street) -> None:
    street.arrives("out-1", "浙D44444", "12:30")
    event = f"e{street._events}"
    street.arrives("out-2", None, "12:31")
    an_exception(street.parts, "xinyi", "about-nothing", "alarm", at=street.clock.now())
    an_exception(street.parts, "xinyi", "of-the-past", "alarm", at=street.clock.now(), event_id="gone")
    put(street, t.Image, site_id="xinyi", device_id="d1", event_id=event, jpeg=JPEG, received_at=street.clock.now())
    with street.parts.store.reading() as connection:
        items = [item for _, item in reading.exceptions(connection, frozenset({"xinyi"}), Slice(None, 100))]
        seen = queue_evidence.of_items(street.parts, connection, items)
        by_kind = {item["kind"]: item for item in items if item["id"] in seen}
        assert {kind: (seen[item["id"]].plate, seen[item["id"]].pictured) for kind, item in by_kind.items()} == {
            "no_entry": ("浙D44444", True),
            "unreadable": (None, False),
        }
        assert queue_evidence.picture(street.parts, connection, by_kind["no_entry"]) == JPEG
        for item in items:
            assert reading.exception(connection, None, item["id"]) == item
            if item["kind"] != "no_entry":
                with pytest.raises(NotFound):
                    queue_evidence.picture(street.parts, connection, item)
        with pytest.raises(NotFound):
            reading.exception(connection, frozenset({"elsewhere"}), items[0]["id"])


def test_who_followed_on_anothers_heels_is_told_by_lane_and_by_the_vehicle_in_front(street: Street) -> None:
    street.passes("in-1", "浙A12345", "09:00", id="in")
    street.goes("in-1", "09:00:09", after="in")
    put(street, t.Image, site_id="xinyi", device_id="d1", event_id="in", jpeg=JPEG, received_at=street.clock.now())
    with street.parts.store.reading() as connection:
        ((_, item),) = reading.exceptions(connection, None, Slice(None, 100), kind="tailgating")
        seen = queue_evidence.of_items(street.parts, connection, [item])[item["id"]]
        assert (item["lane"], seen.event, seen.plate, seen.pictured) == ("xinyi.in-1", "in", "浙A12345", True)
        assert queue_evidence.picture(street.parts, connection, item) == JPEG


def test_an_opening_for_one_read_is_for_no_other_vehicle(street: Street) -> None:
    street.arrives("out-1", "浙D44444", "12:30")
    event = f"e{street._events}"
    street.arrives("out-1", "浙E55555", "12:31")
    asked = staff_commands.Asked(action=staff_commands.Action.OPEN, reason="looked at", event=event)
    with pytest.raises(NotAtTheLane):
        staff_commands.command(street.parts, "xinyi.out-1", asked, KIM, "k1")
    street.arrives("out-1", "浙D44444", "12:32")
    again = staff_commands.Asked(action=staff_commands.Action.OPEN, reason="looked at", event=f"e{street._events}")
    given = staff_commands.command(street.parts, "xinyi.out-1", again, KIM, "k2")
    assert given.event == f"e{street._events}"
    assert staff_commands.command(street.parts, "xinyi.out-1", again, KIM, "k2") == given
