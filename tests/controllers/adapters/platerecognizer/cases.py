"""Plate Recognizer through the suite of all devices."""

from __future__ import annotations

from typing import Any

from controllers.adapters.port import Posted, Reply
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

CAMERA = "camera-1"
PLAIN = a_fitting(serial=CAMERA)
FILE = "stream_webhook.json"
EXPECTS = EXPECTED[f"platerecognizer/{FILE}"]
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\xff\xd9"


def posted(body: bytes, content_type: str = "application/json", method: str = "POST") -> Posted:
    return Posted(method=method, path="/", body=body, headers={"content-type": content_type})


def webhook(results: Any = None, **fields: Any) -> Posted:
    return posted(as_json(document(results, **fields)))


def document(results: Any = None, **fields: Any) -> Any:
    made = sample_json("platerecognizer", FILE)
    made["data"] |= fields
    if results is not None:
        made["data"]["results"] = [made["data"]["results"][0] | result for result in results]
    return made


def with_picture(made: Any) -> Posted:
    head = b'--b\r\nContent-Disposition: form-data; name="json"\r\n\r\n'
    upload = b'\r\n--b\r\nContent-Disposition: form-data; name="upload"; filename="x.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    return posted(head + as_json(made) + upload + JPEG + b"\r\n--b--\r\n", "multipart/form-data; boundary=b")


SMALL = {"xmin": 0, "ymin": 0, "xmax": 20, "ymax": 5}
CASES = Cases(
    vendor="platerecognizer",
    samples=(
        Sample(name=FILE, message=webhook(), fitting=PLAIN, expected=EXPECTS | {"dedupe": "a"}),
        Sample(
            name="with its picture", message=with_picture(document()), fitting=PLAIN, expected=EXPECTS | {"dedupe": "a"}
        ),
        Sample(
            name="another vehicle farther away",
            message=webhook([{"plate": "xyz9999", "box": SMALL, "score": 0.99}, {}], timestamp="2026-10-29T08:00:01Z"),
            fitting=PLAIN,
            expected={"plate": "ABC1234", "live": True, "confidence": 84},
        ),
        Sample(name="nothing in the picture", message=webhook([]), fitting=PLAIN),
        *relay_samples(CAMERA),
    ),
    told=relay_told(CAMERA),
    replied=(
        Replied(name="a read", message=webhook(), fitting=PLAIN, reply=Reply()),
        Replied(name="garbage", message=posted(b"{"), fitting=PLAIN, reply=Reply(), quarantined=True),
    ),
    noise=(
        Noise(name="fetched", message=posted(b"", method="GET"), fitting=PLAIN, code="bad_path"),
        Noise(name="no instant", message=webhook(timestamp=""), fitting=PLAIN, code="not_in_schema"),
        Noise(name="no boundary", message=posted(b"x", "multipart/form-data"), fitting=PLAIN, code="not_multipart"),
        Noise(
            name="a picture alone",
            message=posted(b"--b\r\n\r\nx\r\n--b--", "multipart/form-data; boundary=b"),
            fitting=PLAIN,
            code="not_json",
        ),
        *relay_noise(CAMERA),
    ),
    unread=lambda word: Sample(name=word, message=webhook([{"plate": word}]), fitting=PLAIN),
)
