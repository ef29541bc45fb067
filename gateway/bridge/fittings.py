"""Which devices of other vendors there are: read once for all of a bridge that ask."""

from __future__ import annotations

import time
from collections.abc import Mapping

from gateway.store.fittings import Fitted, load_fittings
from gateway.wiring import Parts

# Who asks devices by HTTP looks every four seconds (`http_devices`); should that ever fail, the others look for themselves.
_OLD_SECONDS = 6.0


class Fittings:
    """By site and device. From any thread; what has been handed out never changes."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._found: Mapping[tuple[str, str], Fitted] = {}
        self._looked_at: float | None = None

    def look(self) -> Mapping[tuple[str, str], Fitted]:
        """As the site file's tables have them now. Raises what the database raises."""
        self._looked_at = time.monotonic()
        with self._parts.store.reading() as connection:
            self._found = load_fittings(connection, self._parts.settings.zone)
        return self._found

    def lately(self) -> Mapping[tuple[str, str], Fitted]:
        """As somebody has found them a moment ago: the same object as long as nobody has looked again.

        Raises what the database raises, once; then what was known stands until it is time to look again.
        """
        if self._looked_at is None or time.monotonic() - self._looked_at > _OLD_SECONDS:
            return self.look()
        return self._found
