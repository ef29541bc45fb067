"""OpenALPR through the suite of all devices."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from controllers.adapters.port import Posted, Reply
from controllers.events import DeviceStatus
from tests.controllers.adapters.relay_cases import relay_noise, relay_samples, relay_told
from tests.controllers.conformance.cases import (
    EXPECTED,
    Cases,
    Noise,
    Replied,
    Sample,
    a_fitting,
    as_json,
    sample_json,
)

CAMERA = "1414799424"
PLAIN = a_fitting(serial=CAMERA)
FILE = "alpr_group.json"


def posted(body: bytes, method: str = "POST") -> Posted:
    return Posted(method=method, path="/", body=body, headers={"content-type": "application/json"})


def group(**fields: Any) -> Posted:
    return posted(as_json(sample_json("openalpr", FILE) | fields))


CASES = Cases(
    vendor="openalpr",
    samples=(
        Sample(
            name=FILE,
            message=group(),
            fitting=PLAIN,
            expected=EXPECTED[f"openalpr/{FILE}"] | {"captured_at": "2026-10-29T16:00:00+08:00"},
        ),
        Sample(name="a preview", message=group(is_preview=True), fitting=PLAIN),
        Sample(
            name="a heartbeat",
            message=posted(as_json(sample_json("openalpr", "heartbeat.json"))),
            fitting=PLAIN,
            said=(DeviceStatus(online=True, at=datetime(2026, 10, 29, 8, tzinfo=UTC)),),
        ),
        Sample(name="single frames", message=group(data_type="alpr_results"), fitting=PLAIN),
        *relay_samples(CAMERA),
    ),
    told=relay_told(CAMERA),
    replied=(
        Replied(name="a read", message=group(), fitting=PLAIN, reply=Reply()),
        Replied(name="garbage", message=posted(b"{"), fitting=PLAIN, reply=Reply(), quarantined=True),
    ),
    noise=(
        Noise(name="fetched", message=posted(b"", method="GET"), fitting=PLAIN, code="bad_path"),
        Noise(name="another camera", message=group(camera_id=7), fitting=PLAIN, code="other_device"),
        Noise(name="no number", message=group(best_uuid=""), fitting=PLAIN, code="not_in_schema"),
        Noise(
            name="no instant",
            message=group(best_uuid_epoch_ms=None, epoch_start=None),
            fitting=PLAIN,
            code="not_in_schema",
        ),
        *relay_noise(CAMERA),
    ),
    unread=lambda word: Sample(name=word, message=group(best_plate_number=word), fitting=PLAIN),
)
