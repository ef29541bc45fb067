"""What is signed: the code printed at a lane, one scan of it, and which vehicle a phone came with.

A lane's code says where, and nothing else: whoever photographs it can ask, and is refused unless a vehicle without a plate stands there.
It is made invalid by rotating it. A scan lasts minutes and names one vehicle; what the phone keeps then lasts as long as a stay may.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import insert, select, update

from controllers.unlicensed import name_of
from gateway.flows.charges_books import By, hold, reason_of
from gateway.flows.lane_pass.refusals import Renewed
from gateway.flows.reading import Sites, within
from gateway.flows.refusals import NotFound
from gateway.runtime.ids import random_token
from gateway.store import tables as t
from gateway.wiring import Parts

SCAN_FOR = timedelta(minutes=5)
# No stay that is longer is priced without a person.
PHONE_FOR = timedelta(days=31)
_LETTERS = 10
_AHEAD_MAX = timedelta(seconds=5)
_LANES = (
    select(t.Lane.site_id, t.Lane.id, t.LaneCode.generation, t.LaneCode.rotated_at, t.LaneCode.rotated_by)
    .outerjoin(t.LaneCode, (t.LaneCode.site_id == t.Lane.site_id) & (t.LaneCode.lane_id == t.Lane.id))
    .where(t.Lane.enabled)
)


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """The code of a lane as it stands: `url` is what its QR code says."""

    lane: str
    url: str
    generation: int
    rotated_at: datetime | None = None
    rotated_by: str | None = None


class Phone(msgspec.Struct, frozen=True):
    """The vehicle without a plate with which a phone came to a site."""

    site: str
    plate: str


def code_of(parts: Parts, lane_id: str) -> Code:
    """The code to print for a lane, `{site}.{lane}`. Raises `NotFound`."""
    site, _, lane = lane_id.partition(".")
    row = _row(parts, site, lane)
    if row is None:
        raise NotFound("there is no such lane, or not for you")
    return _code(parts, row)


def codes(parts: Parts, allowed: Sites) -> dict[str, Code]:
    """The codes of all lanes in service at these sites, by `{site}.{lane}`."""
    with parts.store.reading() as connection:
        rows = connection.execute(_LANES.where(within(t.Lane.site_id, allowed)))
        return {code.lane: code for code in (_code(parts, row) for row in rows)}


def rotate(parts: Parts, lane_id: str, reason: str, by: By, seen: int | None = None) -> Code:
    """Make the printed code invalid; another has to be put up. `seen`: the generation that is to be replaced, and no newer one.

    Raises `NotFound`, `Invalid`, `Renewed`.
    """
    words = reason_of(reason)
    site, _, lane = lane_id.partition(".")
    if _row(parts, site, lane) is None:
        raise NotFound("there is no such lane, or not for you")
    with parts.store.writing() as connection:
        desk = hold(parts, connection, site, by)
        code = t.LaneCode.__table__.c
        mine = (code.site_id == site, code.lane_id == lane)
        before = connection.execute(select(code.generation).where(*mine)).scalar()
        if seen is not None and seen != (before or 1):
            raise Renewed
        said = {"generation": (before or 1) + 1, "rotated_at": desk.now, "rotated_by": by.operator}
        if before is None:
            connection.execute(insert(t.LaneCode).values(site_id=site, lane_id=lane, **said))
        else:
            connection.execute(update(t.LaneCode).where(*mine).values(**said))
        desk.audit("lane.code.rotate", lane_id, reason=words, generation=said["generation"])
        connection.commit()
    return code_of(parts, lane_id)


def lane_of(parts: Parts, token: str) -> tuple[str, str] | None:
    """The site and lane whose code this is; None if nobody signed it, or it has been rotated."""
    lane_id, _, signature = token.rpartition("~")
    site, dot, lane = lane_id.partition(".")
    row = _row(parts, site, lane) if dot else None
    if row is None:
        return None
    return (site, lane) if _same(signature, _signature(parts, "lane", lane_id, str(row.generation or 1))) else None


def new_scan(parts: Parts, site: str, lane: str) -> str:
    """What a phone is given when it scans the code of a lane."""
    said = f"{int(parts.clock.now().timestamp())}.{random_token(16)}"
    return f"{said}~{_signature(parts, 'scan', site, lane, said)}"


def scanned(parts: Parts, site: str, lane: str, scan: str) -> str | None:
    """The name of the one vehicle that this scan may let in; None if it is another lane's, too old or nobody's."""
    said, _, signature = scan.rpartition("~")
    if not _same(signature, _signature(parts, "scan", site, lane, said)):
        return None
    seconds, _, nonce = said.partition(".")
    return _named(parts, site, lane, nonce) if _lasts(parts, seconds, SCAN_FOR) else None


def phone_token(parts: Parts, phone: Phone) -> str:
    """What the phone keeps while its vehicle is inside."""
    said = f"{phone.site}.{phone.plate.encode().hex()}.{int(parts.clock.now().timestamp())}"
    return f"{said}~{_signature(parts, 'phone', said)}"


def phone_of(parts: Parts, presented: str) -> Phone | None:
    """With which vehicle a phone came; None if it did not, or too long ago."""
    said, _, signature = presented.rpartition("~")
    if not _same(signature, _signature(parts, "phone", said)):
        return None
    site, plate, seconds = said.split(".")
    return Phone(site, bytes.fromhex(plate).decode()) if _lasts(parts, seconds, PHONE_FOR) else None


def _lasts(parts: Parts, seconds: str, longest: timedelta) -> bool:
    age = parts.clock.now() - datetime.fromtimestamp(int(seconds), UTC)
    return -_AHEAD_MAX <= age < longest


def _row(parts: Parts, site: str, lane: str) -> Any:
    """A lane in service with its code; None if there is none."""
    with parts.store.reading() as connection:
        return connection.execute(_LANES.where(t.Lane.site_id == site, t.Lane.id == lane)).one_or_none()


def _code(parts: Parts, row: Any) -> Code:
    lane_id, generation = f"{row.site_id}.{row.id}", row.generation or 1
    token = f"{lane_id}~{_signature(parts, 'lane', lane_id, str(generation))}"
    return Code(
        lane=lane_id,
        url=f"{parts.settings.base_url}/lane/{token}",
        generation=generation,
        rotated_at=row.rotated_at,
        rotated_by=row.rotated_by,
    )


def _named(parts: Parts, site: str, lane: str, nonce: str) -> str:
    return name_of(_digest(parts, "name", site, lane, nonce).upper()[:_LETTERS])


def _signature(parts: Parts, *said: str) -> str:
    return _digest(parts, *said)[:20]


def _digest(parts: Parts, *said: str) -> str:
    text = "\x1f".join(("lane-pass", *said))
    digest = hmac.new(parts.settings.secret().encode(), text.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest).decode().lower()


def _same(presented: str, signature: str) -> bool:
    return hmac.compare_digest(presented.encode(), signature.encode())
