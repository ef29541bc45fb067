"""What devices tried and were refused: counted, and put before staff, one item a device."""

from __future__ import annotations

import threading
from collections import Counter as Counts
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from prometheus_client import Counter
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from gateway.flows.outcome import Situation
from gateway.flows.saving import OutcomeWriter
from gateway.runtime.logs import logger
from gateway.store import tables as t
from gateway.wiring import Parts

_log = logger(__name__)

KIND: Final = "device_refused"
FLOOD: Final = "flood"
_TOLD_EVERY: Final = timedelta(minutes=1)
_WAITING_MAX: Final = 10_000
# What a device has kept for hours comes faster than its allowance, too, and is no fault of its.
_FLOOD_MIN: Final = 3_000


class ToldLast(NamedTuple):
    """What a device was refused in the last minute in which it was refused anything. `what`: each with how often."""

    what: tuple[tuple[str, int], ...]
    since: datetime
    open: bool


def told_last(connection: Connection, site: str, device: str) -> ToldLast | None:
    """Of one device; None where nothing was ever refused."""
    item = t.ExceptionItem
    row = connection.execute(
        select(item.detail, item.opened_at, item.state).where(
            item.site_id == site, item.kind == KIND, item.subject == device
        )
    ).one_or_none()
    if row is None:
        return None
    said = (one.rpartition(" ") for one in row.detail.split(", "))
    what = tuple((name, int(times)) for name, _, times in said if times.isdecimal())
    return ToldLast(what, row.opened_at, row.state == "open")


class Refusals:
    """For one bridge. `count` may be called from any thread; `tell` does something once a minute."""

    kind = KIND
    said = "a device was refused"

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._untold: Counts[tuple[str, str, str]] = Counts()
        self._told_at: datetime | None = None

    def count(self, username: str, what: str, times: int = 1) -> None:
        """`username`: `{site}.{device}` of a device that there is; empty for any other, of which nothing but the number is known."""
        site, _, device = username.partition(".")
        self._counter().labels(site, device, what).inc(times)
        with self._lock:
            if site and len(self._untold) < _WAITING_MAX:
                self._untold[site, device, what] += times

    def _counter(self) -> Counter:
        return self._parts.metrics.device_refused

    def _detail(self, times: Mapping[str, int]) -> str:
        """As `told_last` reads it."""
        return ", ".join(f"{what} {number}" for what, number in times.items())

    def flooded(self, site: str, device: str, reason: str, messages: int) -> None:
        """What was left with a device in a minute."""
        if reason == "allowance" and site and messages >= _FLOOD_MIN:
            self.count(f"{site}.{device}", FLOOD, messages)

    def tell(self) -> None:
        """Put before staff what there is. Where the database takes nothing, it is told a minute later."""
        now = self._parts.clock.now()
        with self._lock:
            if not self._untold or (self._told_at is not None and now - self._told_at < _TOLD_EVERY):
                return
            untold, self._untold = self._untold, Counts()
            self._told_at = now
        counted: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        for (site, device, what), times in sorted(untold.items()):
            counted[site, device][what] = times
        said = {who: self._detail(times) for who, times in counted.items()}
        try:
            with self._parts.store.writing() as connection:
                OutcomeWriter(connection).situations(
                    Situation(site=site, kind=self.kind, subject=device, at=now, detail=words)
                    for (site, device), words in said.items()
                )
                connection.commit()
        except SQLAlchemyError as problem:
            _log.warning(
                "what became of devices' messages is told later", kind=self.kind, problem=str(problem).split("\n", 1)[0]
            )
            with self._lock:
                self._untold.update(untold)
            return
        for (site, device), words in said.items():
            _log.warning(self.said, site=site, device=device, what=words)
