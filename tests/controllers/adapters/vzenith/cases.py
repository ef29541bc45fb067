"""Vzenith through the suite of all devices."""

from __future__ import annotations

from tests.controllers.adapters.vzenith.fitted import MQTT
from tests.controllers.adapters.vzenith.replied import REPLIED
from tests.controllers.adapters.vzenith.said import BLUE, NOISE, QUICK, SAMPLES, a_read, read, unread
from tests.controllers.adapters.vzenith.told import TOLD
from tests.controllers.conformance.cases import Cases, Sample

CASES = Cases(
    vendor="vzenith",
    samples=SAMPLES,
    told=TOLD,
    replied=REPLIED,
    noise=NOISE,
    unread=unread,
    coloured=lambda number: Sample(name=str(number), message=a_read(colorType=number), fitting=MQTT),
    colours={0: None, 1: "blue", 2: "yellow", 3: "white", 4: "black", 5: "green", 6: "yellow_green", 99: None},
    two_parts=((QUICK, read(BLUE)),),
    secrets=(b"s3cret-word",),
)
