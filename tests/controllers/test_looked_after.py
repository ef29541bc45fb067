"""What is done for devices beside orders: their clock, and the whole of their list."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from controllers.adapters.dahua import Dahua
from controllers.adapters.hikvision import Hikvision
from controllers.adapters.port import Answered, ListTaken, LookedAfter, Published, TellsTime
from controllers.adapters.registry import ADAPTERS
from controllers.adapters.vzenith import Vzenith
from controllers.events import DeviceStatus, Undecodable
from tests.controllers.conformance.cases import NOW, a_fitting

FITTED = a_fitting()
AT = datetime(2026, 10, 29, 8, 0, 7, tzinfo=UTC)
ADAPTER = {"hikvision": Hikvision(), "dahua": Dahua()}


def test_it_is_offered_by_those_who_can_be_asked() -> None:
    assert {name for name, one in ADAPTERS.items() if isinstance(one, LookedAfter)} == {"hikvision", "dahua"}


@pytest.mark.parametrize(
    ("vendor", "body"),
    [
        ("hikvision", b"<Time><timeMode>NTP</timeMode><localTime>2026-10-29T16:00:07+08:00</localTime></Time>"),
        ("hikvision", b"<Time><localTime>2026-10-29T16:00:07</localTime><timeZone>CST-8:00:00</timeZone></Time>"),
        ("dahua", b"result=2026-10-29 16:00:07\r\n"),
    ],
)
def test_a_device_tells_its_clock(vendor: str, body: bytes) -> None:
    adapter = ADAPTER[vendor]
    heard = adapter.decode(Answered(ask=adapter.ask_time(FITTED), status=200, body=body), FITTED, NOW)
    assert heard.said == (DeviceStatus(online=True, at=AT),)
    refused = adapter.decode(Answered(ask=adapter.ask_time(FITTED), status=501, body=body), FITTED, NOW)
    assert refused.said == ()


@pytest.mark.parametrize(("vendor", "body"), [("hikvision", b"<Time/>"), ("dahua", b"result=soon"), ("dahua", b"\xff")])
def test_a_clock_that_says_nothing_is_undecodable(vendor: str, body: bytes) -> None:
    adapter = ADAPTER[vendor]
    with pytest.raises(Undecodable):
        adapter.decode(Answered(ask=adapter.ask_time(FITTED), status=200, body=body), FITTED, NOW)


def test_hikvision_is_told_the_time_in_its_zone_turned_round() -> None:
    ask = Hikvision().set_time(FITTED, AT)
    assert (ask.method, ask.path) == ("PUT", "/ISAPI/System/time")
    assert b"<timeMode>manual</timeMode><localTime>2026-10-29T16:00:07+08:00</localTime>" in ask.body
    assert b"<timeZone>CST-8:00:00</timeZone>" in ask.body
    assert Hikvision().decode(Answered(ask=ask, status=200, body=ask.body), FITTED, NOW).said == ()


def test_dahua_is_told_the_time_of_its_place() -> None:
    ask = Dahua().set_time(FITTED, AT)
    assert ask.query == "action=setCurrentTime&time=2026-10-29%2016:00:07"
    assert Dahua().decode(Answered(ask=ask, status=200, body=b"OK"), FITTED, NOW).said == ()


def test_vzenith_is_told_the_time_of_its_place_at_the_broker() -> None:
    fitting = a_fitting(serial="SN1")
    (told,) = Vzenith().tell_time(fitting, AT)
    assert told.topic in Vzenith().listens(fitting).told
    body = {"year": "2026", "month": "10", "day": "29", "hour": "16", "min": "00", "sec": "07"}
    assert msgspec.json.decode(told.payload)["payload"] == {"type": "set_time", "body": body}
    reply = Published(
        topic=f"{told.topic}/reply", payload=b'{"id": "clock", "sn": "SN1", "name": "set_time", "code": 200}'
    )
    assert reply.topic in Vzenith().listens(fitting).topics
    assert Vzenith().decode(reply, fitting, NOW).said == ()


def test_who_has_no_order_for_it_is_told_no_time() -> None:
    assert {name for name, one in ADAPTERS.items() if isinstance(one, TellsTime)} == {"vzenith"}
    for feature in ("http", "legacy"):
        assert Vzenith().tell_time(a_fitting(serial="SN1", features=frozenset({feature})), AT) == ()


@pytest.mark.parametrize(("vendor", "body"), [("hikvision", b""), ("dahua", b"OK\r\n")])
def test_a_list_is_forgotten_whole(vendor: str, body: bytes) -> None:
    adapter = ADAPTER[vendor]
    ask = adapter.forget_list(FITTED)
    assert (b"deleteAllEnabled" in ask.body) or ask.query == "action=clear&name=TrafficRedList"
    assert not ask.body or msgspec.json.decode(ask.body) == {"deleteAllEnabled": True}
    heard = adapter.decode(Answered(ask=ask, status=200, body=body), FITTED, NOW)
    assert heard.said == (ListTaken(version=0, number=1, of=1, taken=True),)
