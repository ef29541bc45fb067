"""Figures that everybody may read, without an account: computed one at a time and kept for a while, so that no crowd holds up a gate."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from gateway.api.reports import Reports
from gateway.flows.public_figures import site_figures
from gateway.flows.registers_classes import free_passages
from gateway.runtime.clock import Clock
from gateway.wiring import Parts

_KEPT_FOR = timedelta(minutes=10)
_KEPT_MAX = 500


class Figures:
    """What is kept is at most ten minutes behind a close or a correction."""

    def __init__(self, parts: Parts, wall: Clock) -> None:
        self._parts = parts
        self._wall = wall
        # Apart from the places of staff: the public never makes them wait.
        self._reports = Reports(parts.store, 1)
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[datetime, dict[str, Any]]] = OrderedDict()

    def free_passages(self, site: str, month: str) -> dict[str, Any]:
        """A site's month, see the flow. Raises its refusals, and `TooMany`."""
        return self._made((site, month), lambda connection: free_passages(self._parts, connection, site, month))

    def site(self, site: str) -> dict[str, Any]:
        """Prices, months and closes of a site, see the flow. Raises its refusals, and `TooMany`."""
        return self._made((site, ""), lambda connection: site_figures(self._parts, connection, site))

    def _made(self, key: tuple[str, str], make: Callable[[Connection], dict[str, Any]]) -> dict[str, Any]:
        now = self._wall.now()
        with self._lock:
            made = self._kept.get(key)
        if made is not None and timedelta(0) <= now - made[0] < _KEPT_FOR:
            return made[1]
        with self._reports.reading() as connection:
            found = make(connection)
        with self._lock:
            self._kept[key] = now, found
            while len(self._kept) > _KEPT_MAX:
                self._kept.popitem(last=False)
        return found
