"""A change of a stay's entry or exit long after it, which sums of its day do not know of. Found in memory, where the stay is stored."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from gateway.store.records import StayRecord

LATE = timedelta(hours=1)
"""A day is summed when it is over for longer than a change of something younger than this could take to be stored."""


def late_changes(stays: Iterable[StayRecord], now: datetime) -> list[dict[str, Any]]:
    """A row for each entry or exit older than an hour that came, went or counts otherwise. Of what moves now there is none."""
    since = now - LATE
    return [
        {"site_id": stay.site, "stay_id": stay.id, "at": at}
        for stay in stays
        for at in sorted(_changed(stay))
        if at < since
    ]


def _changed(stay: StayRecord) -> set[datetime]:
    was = stay.was or (None, None)
    return {end[0] for ends in zip(was, stay.passages, strict=True) if ends[0] != ends[1] for end in ends if end}
