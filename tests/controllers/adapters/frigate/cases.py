"""Frigate through the suite of all devices."""

from __future__ import annotations

from typing import Any

from controllers.adapters.port import Published
from tests.controllers.adapters.relay_cases import relay_noise, relay_samples, relay_told
from tests.controllers.conformance.cases import EXPECTED, Cases, Noise, Sample, a_fitting, as_json, sample_json

CAMERA = "gate_in"
UPDATES = a_fitting(serial=CAMERA)
EVENTS = a_fitting(serial=CAMERA, features={"events"})
LPR, EVENT = "tracked_object_update_lpr.json", "events_update.json"
OBJECT = EXPECTED[f"frigate/{LPR}"]["dedupe"]


def update(**fields: Any) -> Published:
    document = sample_json("frigate", LPR) | fields
    return Published(topic="frigate/tracked_object_update", payload=as_json(document))


def event(**fields: Any) -> Published:
    document = sample_json("frigate", EVENT)
    document["after"] |= fields
    return Published(topic="frigate/events", payload=as_json(document))


CASES = Cases(
    vendor="frigate",
    samples=(
        Sample(
            name=LPR,
            message=update(),
            fitting=UPDATES,
            expected=EXPECTED[f"frigate/{LPR}"] | {"captured_at": "2026-10-29T16:00:00.748393+08:00"},
        ),
        Sample(
            name=EVENT,
            message=event(),
            fitting=EVENTS,
            expected=EXPECTED[f"frigate/{EVENT}"] | {"dedupe": OBJECT, "confidence": 95},
        ),
        Sample(
            name="kept by the broker",
            message=Published(
                topic="frigate/tracked_object_update",
                payload=as_json(sample_json("frigate", LPR) | {"id": "1793260700.1-a"}),
                retained=True,
            ),
            fitting=UPDATES,
            expected={"plate": "ABC1234", "live": False},
        ),
        Sample(name="a description", message=update(type="description"), fitting=UPDATES),
        Sample(name="an object without a plate", message=event(recognized_license_plate=None), fitting=EVENTS),
        Sample(name="no object after all", message=event(false_positive=True), fitting=EVENTS),
        *relay_samples(CAMERA),
    ),
    told=relay_told(CAMERA),
    noise=(
        Noise(
            name="a foreign topic",
            message=Published(topic="frigate/x", payload=b"{}"),
            fitting=UPDATES,
            code="bad_topic",
        ),
        Noise(name="no object", message=update(id=""), fitting=UPDATES, code="not_in_schema"),
        Noise(name="a clock that was never set", message=update(timestamp=12.5), fitting=UPDATES, code="not_in_schema"),
        *relay_noise(CAMERA),
    ),
    unread=lambda word: Sample(name=word, message=update(plate=word), fitting=UPDATES),
)
