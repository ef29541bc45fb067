"""The offline list of a device: which vehicles it lets through by itself, and which version of the list says so."""

from __future__ import annotations

from datetime import datetime

from controllers.commands import ListDelta, ListEntry, WholeList

ENTRIES_MAX = 100_000


class OfflineList:
    """Version 0 is the empty list of a device that never got one."""

    def __init__(self) -> None:
        self.version = 0
        self._until: dict[str, datetime] = {}

    def __len__(self) -> int:
        return len(self._until)

    def replace(self, whole: WholeList) -> None:
        """A whole list takes the place of whatever was there, whichever version that was."""
        self._until = {entry.plate: entry.until for entry in whole.entries[:ENTRIES_MAX]}
        self.version = whole.version

    def change(self, delta: ListDelta) -> bool:
        """Apply a change made to exactly this version; False (and nothing changes) if it was made to another."""
        if delta.from_version != self.version:
            return False
        for plate in delta.remove:
            self._until.pop(plate, None)
        for entry in delta.add:
            self._add(entry)
        self.version = delta.version
        return True

    def holds(self, plate: str | None, at: datetime) -> bool:
        """Whether this vehicle may pass at `at` (device's clock)."""
        return plate is not None and (until := self._until.get(plate)) is not None and at <= until

    def _add(self, entry: ListEntry) -> None:
        if len(self._until) < ENTRIES_MAX or entry.plate in self._until:
            self._until[entry.plate] = entry.until
