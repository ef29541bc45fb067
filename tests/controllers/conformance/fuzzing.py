"""Damaged messages: bytes flipped, cut, doubled and spliced, JSON with other values in it, topics and headers of nobody."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import msgspec

from controllers.adapters.port import Adapter, Message, Posted, Published
from tests.controllers.conformance.cases import Cases, Sample
from tests.controllers.conformance.checks import body_of, encoding_of, survives, with_body

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 0.5, -1e308, "", " ", "x" * 400, "\x00", "\ud83d\ude00", "5YWl5Y+jMQ==",
    "浙A12345", "2026-02-30 25:61:61", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+14:00", [], {}, [[]], {"": {}}, "a/b", "+", "#",
)  # fmt: skip
_SPLICES = (
    b"\x00", b"\xff", b"<", b">", b"&", b"=", b"%", b"{", b"}", b"[", b"]", b'"', b"\\u", b"--", b"\r\n\r\n", b"<!DOCTYPE a>", b"&amp;",
    b"99999999999999999999", b"-1", b"NaN", b"\xe6\xb5\x99", b"1e400",
)  # fmt: skip


def try_damaged(adapter: Adapter, cases: Cases, random: Random) -> bool:
    """False: what was done to it left it as it was, which tries nothing."""
    sample = random.choice(cases.samples)
    message = damaged(sample, cases, random)
    survives(adapter, message, sample.fitting)
    return message != sample.message


def damaged(sample: Sample, cases: Cases, random: Random) -> Message:
    message = sample.message
    body = body_of(message)
    if random.random() < 0.5 and (other := other_json(body, random)) is not None:
        body = other
    else:
        for _ in range(random.randint(1, 4)):
            body = other_bytes(body, random)
    message = with_body(message, body)
    if random.random() < 0.1:
        message = misdirected(message, random.choice(cases.samples).message, random)
    return message


def other_bytes(body: bytes, random: Random) -> bytes:
    at = random.randint(0, len(body))
    match random.randint(0, 4):
        case 0:
            return body[:at] + bytes([random.randint(0, 255)]) + body[at + 1 :]
        case 1:
            return body[:at]
        case 2:
            to = min(len(body), at + random.randint(1, 60))
            return body[:to] + body[at:to] + body[to:]
        case 3:
            return body[:at] + random.choice(_SPLICES) + body[at:]
        case _:
            return body[:at] + body[at + random.randint(1, 40) :]


def other_json(body: bytes, random: Random) -> bytes | None:
    """One value in the document is another, missing, or one level up. None where it is no JSON."""
    encoding = encoding_of(body)
    try:
        document = json.loads(body.decode(encoding))
    except ValueError:
        return None
    places = list(_places(document))
    if not places:
        return None
    holder, key = random.choice(places)
    if random.random() < 0.15 and isinstance(holder, dict):
        del holder[key]
    elif random.random() < 0.1:
        return json.dumps(holder[key]).encode()
    else:
        holder[key] = random.choice(_VALUES)
    return json.dumps(document, ensure_ascii=random.random() < 0.5).encode(
        encoding, "surrogatepass" if encoding == "utf-8" else "replace"
    )


def _places(document: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    keys = document if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    for key in keys:
        found.append((document, key))
        found += _places(document[key])
    return found


def misdirected(message: Message, other: Message, random: Random) -> Message:
    if isinstance(message, Published):
        topics = [other.topic if isinstance(other, Published) else "x", "", "a/" * 20, "$SYS/x", f"{message.topic}/x"]
        return msgspec.structs.replace(message, topic=random.choice(topics))
    if isinstance(message, Posted):
        headers = {
            "content-type": random.choice(["", "multipart/form-data", "multipart/x; boundary=a", "text/xml", "x"])
        }
        return msgspec.structs.replace(
            message,
            path=random.choice(["", "/", "/a/b", "/../..", message.path]),
            method=random.choice(["GET", "POST", "DELETE", ""]),
            headers=headers if random.random() < 0.7 else {},
        )
    return message
