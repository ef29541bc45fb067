"""The native protocol through the suite of all devices. Its own sentences are tried in `tests/simulators` and `tests/gateway`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from controllers.adapters import native
from controllers.adapters.port import Publish, Published
from controllers.commands import Action, Reason, Receipt
from controllers.events import BarrierState, CommandResult, DeviceStatus, Outcome, PlateColour
from tests.controllers.conformance.cases import (
    IN,
    OUT,
    Cases,
    Noise,
    Sample,
    Told,
    a_command,
    a_delta,
    a_fitting,
    a_list,
    as_json,
)

FITTED = a_fitting(IN, OUT, serial="xinyi.d1")
AT = datetime(2026, 10, 29, 8, 0, tzinfo=UTC)


def sent(channel: native.Channel, document: Any) -> Published:
    return Published(topic=native.topic("xinyi", "d1", channel), payload=as_json(document))


def an_event(**fields: Any) -> dict[str, Any]:
    return {
        "id": "e1",
        "at": "2026-10-29T16:00:00+08:00",
        "lane": "in-1",
        "kind": "plate",
        "plate": "粤B7K2M9",
        **fields,
    }


def a_read(name: str, expected: dict[str, Any] | None, **fields: Any) -> Sample:
    return Sample(name=name, message=sent("event", an_event(**fields)), fitting=FITTED, expected=expected)


LIVE = {"plate": "粤B7K2M9", "live": True, "device": "xinyi.d1", "captured_at": "2026-10-29T16:00:00+08:00"}
RESULT = {"command": "c1", "outcome": "done", "at": "2026-10-29T16:00:03+08:00"}
STATUS = {"online": True, "at": "2026-10-29T16:00:00+08:00", "barrier": {"in-1": "open"}, "list_version": 7}

CASES = Cases(
    vendor="native",
    samples=(
        a_read("live", LIVE | {"direction": "in"}, plate_colour="blue", confidence=0.98),
        a_read("out", {"plate": "粤B7K2M9", "live": True, "direction": "out"}, id="e2", lane="out-1"),
        a_read("buffered", {"plate": "粤B7K2M9", "live": False}, id="e3", buffered=True),
        a_read("by its list", {"plate": "粤B7K2M9", "live": True, "device_opened": True}, id="e4", opening="list"),
        Sample(
            name="result",
            message=sent("result", RESULT),
            fitting=FITTED,
            said=(CommandResult(command="c1", outcome=Outcome.DONE, at=AT.replace(second=3)),),
        ),
        Sample(
            name="status",
            message=sent("status", STATUS),
            fitting=FITTED,
            said=(DeviceStatus(online=True, at=AT, barrier={"in-1": BarrierState.OPEN}, list_version=7),),
        ),
        Sample(
            name="last will",
            message=Published(topic=native.topic("xinyi", "d1", "status"), payload=b'{"online":false}', retained=True),
            fitting=FITTED,
            said=(DeviceStatus(online=False),),
        ),
    ),
    told=(
        *(
            Told(
                order=a_command(action, reason=Reason.STAFF, event="e1", show=("浙A12345",), say="请通行"),
                fitting=FITTED,
                sent=(
                    Publish(
                        topic="parkgate/v1/xinyi/d1/command",
                        payload=as_json(
                            {
                                "id": "c1",
                                "action": action.value,
                                "lane": "in-1",
                                "reason": "staff",
                                "event": "e1",
                                "pay": None,
                                "expires_at": "2026-10-29T08:00:10Z",
                                "ttl_ms": 8000,
                                "show": ["浙A12345"],
                                "say": "请通行",
                            }
                        ),
                    ),
                ),
            )
            for action in Action
        ),
        Told(
            order=Receipt(events=("e1",), results=("c1",)),
            fitting=FITTED,
            sent=(
                Publish(topic="parkgate/v1/xinyi/d1/receipt", payload=as_json({"events": ["e1"], "results": ["c1"]})),
            ),
        ),
        Told(
            order=a_list("粤B7K2M9"),
            fitting=FITTED,
            sent=(
                Publish(
                    topic="parkgate/v1/xinyi/d1/list",
                    payload=as_json(
                        {
                            "version": 7,
                            "full": True,
                            "entries": [{"plate": "粤B7K2M9", "until": "2026-12-31T15:59:59Z"}],
                        }
                    ),
                    retain=True,
                ),
            ),
        ),
        Told(
            order=a_delta(remove=("粤B7K2M9",)),
            fitting=FITTED,
            sent=(
                Publish(
                    topic="parkgate/v1/xinyi/d1/list/delta",
                    payload=as_json({"version": 8, "from": 7, "add": [], "remove": ["粤B7K2M9"]}),
                ),
            ),
        ),
    ),
    noise=(
        Noise(name="a foreign topic", message=Published(topic="x/y", payload=b"{}"), fitting=FITTED, code="bad_topic"),
        Noise(
            name="its payload names another",
            message=sent("event", an_event(device="d9")),
            fitting=FITTED,
            code="other_device",
        ),
        Noise(
            name="a lane of nobody", message=sent("event", an_event(lane="in-9")), fitting=FITTED, code="unknown_lane"
        ),
        Noise(
            name="no offset",
            message=sent("event", an_event(at="2026-10-29T16:00:00")),
            fitting=FITTED,
            code="not_in_schema",
        ),
    ),
    unread=lambda word: a_read("unread", None, plate=word),
    coloured=lambda word: a_read("coloured", None, plate_colour=word),
    colours={colour.value: colour.value for colour in PlateColour} | {None: None},
)
