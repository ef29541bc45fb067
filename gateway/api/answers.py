"""Instants in queries and JSON answers, the same for every route."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from fastapi import Header, Query
from fastapi.responses import Response

from gateway.api.live import in_zone
from gateway.flows.refusals import Invalid
from gateway.flows.registers_rows import parse_instant
from gateway.wiring import Parts

SiteName = Annotated[str | None, Query(max_length=40, description="only this site")]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]

# A plus sign in a query is a space to a server; a client that did not escape it still means an offset.
_LOST_PLUS = re.compile(r"(?<=T)(.*) (\d\d:\d\d)$")


def json(parts: Parts, document: Any, status: int = 200) -> Response:
    """An answer with its instants in the site's time zone."""
    return Response(msgspec.json.encode(in_zone(document, parts.settings.zone)), status, media_type="application/json")


def instant(name: str, value: str | None, zone: ZoneInfo, *, end: bool = False) -> datetime | None:
    """A query's instant or day. Raises `Invalid`, naming the parameter."""
    if value is None or not value.strip():
        return None
    try:
        return parse_instant(_LOST_PLUS.sub(r"\1+\2", value.strip()), zone, end=end)
    except ValueError:
        raise Invalid(f"{name}: neither an instant (RFC 3339) nor a day (YYYY-MM-DD)") from None
